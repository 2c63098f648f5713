"""What the daemon does for itself by the clock: who does what, how often."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bookhopper.control import Control
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.nudge import Nudges
from bookhopper.durable import write_file
from bookhopper.errors import BookhopperError
from bookhopper.intake.lists import Lists
from bookhopper.intake.watch import Watcher
from bookhopper.log_context import working_on
from bookhopper.power_cut import PowerCut
from bookhopper.schedule import Chore, ToldError
from bookhopper.search.sources.base import Source
from bookhopper.silence import LOOK_SECONDS, Silence
from bookhopper.store.base import Store
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.units import counted

log = logging.getLogger("bookhopper")

PLACED_SECONDS = 15.0
"""How often books that are placed and wait for their name are looked after."""

_WEEK = 7 * 86400.0
_REFRESH_RETRY_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The parts that have chores; `rescan` is in seconds, `clean_up` are chores of their own."""

    store: Store
    renew_lease: Callable[[], object]
    watcher: Watcher
    rescan: float
    control: Control
    placing: Placing
    nudges: Nudges
    refresh: Callable[[], object]
    refresh_all: Callable[[], object]
    end_silence: Callable[[], object]
    lists: Lists
    digest: Callable[[], object]
    clean_up: Sequence[Chore]


def chores(parts: Scheduled) -> list[Chore]:
    """List what is to be done by the clock."""
    lists, placing, nudges = parts.lists, parts.placing, parts.nudges
    return [
        Chore(
            "rescan",
            parts.rescan,
            lambda: rescan(parts.watcher),
            does="look through the requests folder",
        ),
        Chore(
            "look_again",
            60.0,
            lambda: look_again(parts.store),
            delay=1.0,
            does="look again for what has no book yet",
        ),
        Chore("silence", LOOK_SECONDS, parts.end_silence, does="look again for what silent sources may have"),
        Chore(
            "placed",
            PLACED_SECONDS,
            lambda: _told(placing.finish(), "book", "named"),
            does="give placed books their names in ingest",
        ),
        Chore(
            "nudge",
            600.0,
            lambda: _told(nudges.run(), "book", "put there once more"),
            does="have books noticed that lie in ingest",
        ),
        Chore(
            "catalogues",
            60.0,
            parts.refresh,
            delay=0.0,
            does="bring catalogues up to date that have stood for a week",
            prepare=parts.refresh_all,
        ),
        Chore("lease", 10.0, parts.renew_lease, does="show that the daemon lives"),
        Chore("room", 5.0, parts.control.make_room, does="make room for more urgent downloads"),
        Chore(
            "lists",
            lists.look_seconds,
            lambda: read_lists(lists),
            delay=0.0,
            does="read the lists at addresses that are due",
            prepare=lists.anew,
        ),
        Chore("digest", 60.0, parts.digest, delay=5.0, does="send the daily digest when it is due"),
        *parts.clean_up,
    ]


def _told(number: int, what: str, done: str) -> str:
    """Say how many of something had something done to them; nothing where none had."""
    return f"{counted(number, what)} {done}" if number else ""


def rescan(watcher: Watcher) -> str:
    """Have the folder looked through; says how many lists nothing else had found so far."""
    watcher.rescan()
    return _told(watcher.rescan_found, "list", "found by this alone so far")


def read_lists(lists: Lists) -> str:
    """Read the lists that are due; raises BookhopperError as long as one cannot be read."""
    lists.run()
    if complaints := lists.complaints:
        raise ToldError("; ".join(f"list {name} cannot be read: {why}" for name, why in complaints.items()))
    return counted(lists.number, "list")


def look_again(store: Store) -> str:
    """Look again for all whose time has come."""
    woken = 0
    while some := store.wake_due(time.time()):
        woken += some
    return _told(woken, "want", "looked for again")


class Placing:
    """Ends what is placed, and keeps the identity of the ingest folder, by which it is known again."""

    def __init__(self, deliverer: Deliverer, ingest: IngestFolder, identity: Path, power: PowerCut) -> None:
        self._deliverer = deliverer
        self._ingest = ingest
        self._identity = identity
        self._power = power
        self._begun = False

    def finish(self) -> int:
        """Go on with the books that are placed and wait for their name; returns how many did.

        None does before what a power cut left open is said of it, which the store may refuse at first.
        """
        if not self._begun:
            if self._power.noticed:
                self._deliverer.doubt_placed()
            self._power.begun()
            self._begun = True
        finished = self._deliverer.finish_placed()
        known = self._ingest.expected
        if known and known != read_identity(self._identity):
            write_file(self._identity, known)
        return finished


def read_identity(path: Path) -> str:
    """Read what `Placing` keeps; nothing where there is nothing yet."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


class Refreshing:
    """Brings each source up to date once a week, or soon again where that failed."""

    def __init__(self, sources: Iterable[Source], silence: Silence) -> None:
        self._sources = tuple(sources)
        self._silence = silence
        self._ticket = Ticket(0)
        self._due = dict.fromkeys((source.name for source in self._sources), 0.0)
        self._faults: dict[str, str] = {}

    def stop(self) -> None:
        """Break off."""
        self._ticket.interrupt(Reason.SHUTDOWN)

    def run(self) -> str:
        """Refresh the sources whose time has come; raises BookhopperError as long as one could not be."""
        for source in self._sources:
            if time.monotonic() >= self._due[source.name]:
                self._due[source.name] = time.monotonic() + _REFRESH_RETRY_SECONDS
                with working_on(source=source.name):
                    pause = _WEEK if self._refresh(source) else _REFRESH_RETRY_SECONDS
                self._due[source.name] = time.monotonic() + pause
        if self._faults:
            raise ToldError(next(iter(self._faults.values())))
        return f"{counted(len(self._sources), 'source')} up to date"

    def anew(self) -> None:
        """Refresh every source at the next run."""
        self._due = dict.fromkeys(self._due, 0.0)

    def _refresh(self, source: Source) -> bool:
        self._faults.pop(source.name, None)
        try:
            if source.refresh(self._ticket):
                log.info("source %s: %s", source.name, source.check(self._ticket).detail)
                self._silence.ready(source.name)
        except Interrupted:
            return False
        except BookhopperError as error:
            self._faults[source.name] = f"source {source.name} cannot be brought up to date: {error}"
            log.warning("%s", self._faults[source.name])
            return False
        return True
