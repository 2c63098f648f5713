"""What the daemon does for itself by the clock: who does what, how often."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bookhopper.acquire import Acquire
from bookhopper.control import Control
from bookhopper.copies import Copies
from bookhopper.deliver import Deliverer
from bookhopper.durable import PowerCut, write_file
from bookhopper.errors import BookhopperError
from bookhopper.ingest import IngestFolder
from bookhopper.intake.lists import Lists
from bookhopper.intake.watch import Watcher
from bookhopper.log_context import working_on
from bookhopper.nudge import Nudges
from bookhopper.schedule import Chore
from bookhopper.search.sources.base import Source
from bookhopper.silence import LOOK_SECONDS, Silence
from bookhopper.store.base import Store
from bookhopper.ticket import Interrupted, Reason, Ticket

log = logging.getLogger("bookhopper")

PLACED_SECONDS = 15.0
"""How often books that are placed and wait for their name are looked after."""

_WEEK = 7 * 86400.0
_REFRESH_RETRY_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that have chores; `rescan` is in seconds."""

    store: Store
    renew_lease: Callable[[], object]
    watcher: Watcher
    rescan: float
    acquire: Acquire
    copies: Copies
    control: Control
    placing: Placing
    nudges: Nudges
    refresh: Callable[[], object]
    end_silence: Callable[[], object]
    lists: Lists
    digest: Callable[[], object]


def chores(parts: Parts) -> list[Chore]:
    """List what is to be done by the clock."""
    return [
        Chore("rescan", parts.rescan, parts.watcher.rescan),
        Chore("look_again", 60.0, lambda: look_again(parts.store), delay=1.0),
        Chore("silence", LOOK_SECONDS, parts.end_silence),
        Chore("placed", PLACED_SECONDS, parts.placing.finish),
        Chore("nudge", 600.0, parts.nudges.run),
        Chore("catalogues", 60.0, parts.refresh, delay=0.0),
        Chore("lease", 10.0, parts.renew_lease),
        Chore("parts", 3600.0, parts.acquire.clear_parts),
        Chore("copies", 3600.0, parts.copies.clear, delay=60.0),
        Chore("room", 5.0, parts.control.make_room),
        Chore("lists", parts.lists.look_seconds, parts.lists.run, delay=0.0),
        Chore("digest", 60.0, parts.digest, delay=5.0),
    ]


def look_again(store: Store) -> None:
    """Look again for all whose time has come."""
    while store.wake_due(time.time()):
        pass


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

    def stop(self) -> None:
        """Break off."""
        self._ticket.interrupt(Reason.SHUTDOWN)

    def run(self) -> None:
        """Refresh the sources whose time has come."""
        for source in self._sources:
            if time.monotonic() >= self._due[source.name]:
                self._due[source.name] = time.monotonic() + _REFRESH_RETRY_SECONDS
                with working_on(source=source.name):
                    pause = _WEEK if self._refresh(source) else _REFRESH_RETRY_SECONDS
                self._due[source.name] = time.monotonic() + pause

    def _refresh(self, source: Source) -> bool:
        try:
            if source.refresh(self._ticket):
                log.info("source %s: %s", source.name, source.check(self._ticket).detail)
                self._silence.ready(source.name)
        except Interrupted:
            return False
        except BookhopperError as error:
            log.warning("source %s cannot be brought up to date: %s", source.name, error)
            return False
        return True
