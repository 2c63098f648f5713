"""What the daemon clears away, looks after and keeps copies of by itself: the chores, and what they need."""

from __future__ import annotations

from collections.abc import Callable

from humanize import naturalsize

from bookhopper.acquire import Acquire
from bookhopper.core import DATABASE, Core
from bookhopper.delivery.copies import Copies
from bookhopper.keep.backups import Backups
from bookhopper.keep.calendar import Calendar
from bookhopper.keep.history import History
from bookhopper.keep.parts import PartFiles, remove_stale
from bookhopper.keep.reports import Reports
from bookhopper.keep_settings import DAY
from bookhopper.model import UNSETTLED
from bookhopper.schedule import Chore
from bookhopper.settings import Settings
from bookhopper.store.backups import LOST, REPLACED
from bookhopper.store.damage import DAMAGED
from bookhopper.store.upkeep import Upkeep
from bookhopper.ticket import Reason, Ticket
from bookhopper.units import counted

_HOUR = 3600.0
_SOON = 600.0  # after a start, which has better things to do


class Housekeeping:
    """Built around the core; `limit` takes other settings for what begins from now on."""

    def __init__(self, core: Core, acquire: Acquire, copies: Copies, all_paused: Callable[[], bool]) -> None:
        """Take the parts; `all_paused` tells whether the whole queue is paused."""
        state = core.settings.folders.state
        self._state = state
        self._store = core.store
        self._acquire = acquire
        self._copies = copies
        self._ticket = Ticket(0)
        self._calendar = Calendar(core.store)
        self._parts = PartFiles(core.parts_folder, core.store, all_paused)
        self._reports = Reports(core.request_folder, core.store, self._ticket)
        self._history = History(core.store, self._ticket)
        self._upkeep = Upkeep(state / DATABASE, core.store.damaged)
        self._backups = Backups(state, self._upkeep)
        self.limit(core.settings)

    def limit(self, settings: Settings) -> None:
        """Heed other settings from now on."""
        self._keep = settings.keep
        self._keep_free = settings.download.keep_free
        self._copies.most = settings.keep.copies_size

    def stop(self) -> None:
        """Break off what takes long; the next run goes on with it."""
        self._ticket.interrupt(Reason.SHUTDOWN)
        self._upkeep.stop()

    def chores(self) -> list[Chore]:
        """List what is to be done by the clock."""
        every = self._keep.backup_every
        return [
            Chore("parts", _HOUR, self._clear_parts, does="clear part files that nobody goes on with"),
            Chore("copies", _HOUR, self._clear_copies, delay=60.0, does="clear old copies of books"),
            _daily("reports", self._clear_reports, "clear reports and lists that are old"),
            _daily("history", self._clear_history, "forget settled books that are old or too many"),
            _daily("leftovers", self._clear_leftovers, "clear what updates, damage and kills have left"),
            Chore(
                "database",
                _HOUR,
                self._tend,
                delay=_SOON,
                does="keep the database small and quick",
                long=True,
            ),
            Chore(
                "check",
                7 * DAY,
                self._check,
                delay=_HOUR,
                does="look through the database for damage",
                long=True,
            ),
            Chore(
                "backup", every, self._back_up, delay=_SOON, does="make a backup of the database", long=True
            ),
        ]

    def _clear_parts(self) -> str:
        keep = self._keep
        removed = self._acquire.clear_parts()
        removed += self._parts.clear(self._calendar.now(), age=keep.parts, size=keep.parts_size)
        return _removed(removed, "part file")

    def _clear_copies(self) -> str:
        return _removed(self._copies.clear(self._calendar.now()), "copy", "copies")

    def _clear_reports(self) -> str:
        keep = self._keep
        now = self._calendar.now()
        return _removed(self._reports.clear(now, age=keep.reports, number=keep.reports_number), "file")

    def _clear_history(self) -> str:
        keep = self._keep
        now = self._calendar.now()
        forgotten = self._history.clear(now, age=keep.history, number=keep.history_number)
        return f"{counted(forgotten, 'book')} forgotten" if forgotten else ""

    def _clear_leftovers(self) -> str:
        """Remove copies of old databases, and what a killed fetch of a catalogue left half-way."""
        now = self._calendar.now()
        removed = remove_stale(self._state, "*.part", now - DAY)
        if self._keep.old_databases:
            for suffix in (".schema-", DAMAGED, REPLACED, LOST):
                pattern = f"{DATABASE}{suffix}*"
                removed += remove_stale(self._state, pattern, now - self._keep.old_databases)
        return _removed(removed, "file")

    def _tend(self) -> str:
        """Bring what the database knows of itself up to date, and give free room back."""
        freed = self._upkeep.trim()  # which a full disk still allows
        self._store.optimise()
        counts = self._store.counts()
        if not any(counts[state] for state in UNSETTLED):
            freed += self._upkeep.shrink(self._keep_free)
        return f"{naturalsize(freed)} freed" if freed else ""

    def _check(self) -> str:
        self._upkeep.check()
        return "in order"

    def _back_up(self) -> str:
        if not self._keep.backups:
            return "none is kept (keep.backups)"
        made = self._backups.make(number=self._keep.backups, keep_free=self._keep_free)
        return f"{made.name}, {naturalsize(made.stat().st_size)}"


def _daily(name: str, run: Callable[[], str], does: str) -> Chore:
    return Chore(name, DAY, run, delay=_SOON, does=does, long=True)


def _removed(number: int, one: str, several: str = "") -> str:
    """Say how many were removed; nothing where there was nothing to do."""
    return f"{counted(number, one, several)} removed" if number else ""
