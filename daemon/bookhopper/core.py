"""What stands at READY: the store, the watcher, the server's socket, and the changes that wait to be told.

Nothing here may import requests, lxml, rapidfuzz, prometheus or the scheduler, each of which takes longer to
load than all of this to start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import socket

from bookhopper.api import address, listener
from bookhopper.durable import make_folder
from bookhopper.errors import BookhopperError, DamagedError
from bookhopper.intake.base import Limits
from bookhopper.intake.desk import Desk
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.reporter import Completed, Reporter
from bookhopper.intake.taking import Taken, Taker
from bookhopper.intake.tally import Tally
from bookhopper.intake.watch import Watcher
from bookhopper.lock import StateLock
from bookhopper.observe.events import Events
from bookhopper.power_cut import PowerCut
from bookhopper.settings import IntakeSettings, Settings, split_listen
from bookhopper.store.backups import keep_latest
from bookhopper.store.sqlite import SqliteStore

log = logging.getLogger("bookhopper")

DATABASE = "queue.db"
PARTS = "parts"
LISTS = "lists"
_WATCHER_SECONDS = 10.0


class Core:
    """The open core of a running daemon; `close` lets go of it."""

    def __init__(self, settings: Settings) -> None:
        """Open everything; raises BookhopperError, having let go of what was open already."""
        self.settings = settings
        self.token = address.new_token()
        with ExitStack() as opened:
            folders = settings.folders
            for folder in (folders.requests, folders.state):
                _make_folder(folder)
            lock = StateLock(folders.state)
            opened.callback(lock.release)
            self._miss_a_lost_queue()
            self.events = Events()
            self.store = SqliteStore(
                folders.state / DATABASE,
                self.events.publish,
                by_priority=settings.queue.order == "priority",
            )
            opened.callback(self.store.close)
            _make_folder(self.parts_folder)  # from now on the folder was in use
            self.power = PowerCut(self.store)
            self.recovered = self.store.recover()
            self.listener: socket = listener.bind(*split_listen(settings.server.listen))
            opened.callback(self.listener.close)
            self.url = listener.url_of(self.listener)
            self._leave_address()
            opened.callback(address.forget_address, folders.state)
            self.request_folder = RequestFolder(folders.requests)
            self.tally = Tally()
            self.on_completed: Completed = _unheard
            self.reporter = Reporter(self.store, self.request_folder, completed=self._completed)
            self.on_taken: Callable[[], None] = _unseen
            self.limits = limits = _limits(settings.intake)
            self.desk = Desk(
                self.request_folder,
                self.store,
                limits,
                stored=self.reporter.stored,
                told=self._taken,
            )
            self._taker = taker = Taker(
                self.request_folder,
                self.store,
                limits=limits,
                stored=self.reporter.stored,
                told=self._taken,
            )
            self.watcher = Watcher(
                self.request_folder,
                taker.take,
                settle=settings.intake.settle,
                polling=settings.intake.polling,
            )
            self.watcher.start()
            opened.callback(self._stop_watcher)
            self._await_watcher()
            self._closing = opened.pop_all()

    @property
    def parts_folder(self) -> Path:
        """Where unfinished downloads lie."""
        return self.settings.folders.state / PARTS

    def _miss_a_lost_queue(self) -> None:
        """Say that the queue begins anew in a state folder that another one was in.

        Raises DamagedError where an empty file is left of it: SQLite would take that for a new database, and
        delete what had not been written back into it yet.
        """
        database = self.settings.folders.state / DATABASE
        if not self.parts_folder.exists():
            return
        if not database.exists():
            kept = keep_latest(database)
            with suppress(OSError):  # the folder's rights are told of when the database is made
                for path in of_the_queue(database.parent):
                    path.unlink()
            told = f"; stop, and `bookhopper restore {kept}` gives the last backup its place" if kept else ""
            log.warning(
                "%s is not there, though this folder was in use: beginning with an empty queue, and what was "
                "delivered may come again%s",
                database,
                told,
            )
        elif database.stat().st_size == 0:
            raise DamagedError(
                "the queue's database is damaged (the file is empty, as a full disk may leave it)"
            )

    def _leave_address(self) -> None:
        state = self.settings.folders.state
        try:
            address.leave_address(state, self.url, self.token)
        except OSError as error:
            raise BookhopperError(f"{state} cannot be written: {error.strerror}: make room there") from error

    def limit(self, settings: IntakeSettings) -> None:
        """Heed other bounds on request files from now on."""
        self.limits = self.desk.limits = self._taker.limits = _limits(settings)

    def _completed(self, request: int, seconds: float) -> None:
        self.on_completed(request, seconds)

    def _taken(self, taken: Taken) -> None:
        self.tally.add(taken)
        self.on_taken()

    def _await_watcher(self) -> None:
        if not self.watcher.watching.wait(_WATCHER_SECONDS):
            log.warning("%s is not watched yet; going on", self.settings.folders.requests)

    def _stop_watcher(self) -> None:
        self.watcher.stop()
        self.watcher.join(time.monotonic() + _WATCHER_SECONDS)

    def close(self) -> None:
        """Let go of everything, in the opposite order."""
        self._closing.close()


def of_the_queue(state: Path) -> list[Path]:
    """List what tells of the queue's own database, and of no other that takes its place.

    These are the part files, and what polled lists held: what another queue does not know is to be read anew.
    """
    return [*(state / PARTS).glob("*.part"), *(state / LISTS).glob("*.json")]


def _limits(settings: IntakeSettings) -> Limits:
    return Limits(size=settings.max_size, lines=settings.max_lines, shelves=settings.shelves)


def _unheard(request: int, seconds: float) -> None:
    """Stand in until the metrics are loaded."""


def _unseen() -> None:
    """Stand in until there is a live page."""


def _make_folder(folder: Path) -> None:
    """Make a folder with its parents; raises BookhopperError in one line."""
    try:
        make_folder(folder)
    except OSError as error:
        raise BookhopperError(
            f"{folder} cannot be made: {error.strerror}: make it yourself, or name another under `folders:`"
        ) from error
