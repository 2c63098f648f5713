"""From a verified file to a book in the ingest folder, exactly once.

Placed as `.uploading`, entered into the ledger, renamed, closed: after a crash at any point the ledger and
the folder together tell how far it came.

In a sub-folder a book waits under `.uploading`, PLACED, until whoever consumes ingest has had the time to
watch the folder, which may be new; the wait keeps the folder from being empty and so from being removed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookhopper.delivery.copies import Copies
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.naming import Names, variants
from bookhopper.delivery.place import Book, Placer
from bookhopper.delivery.strays import Strays
from bookhopper.errors import BookhopperError, HeldError
from bookhopper.log_context import working_on
from bookhopper.model import Delivery, Job, State
from bookhopper.naming_settings import NamingSettings
from bookhopper.store.base import Move, NameTakenError, StaleError, Store
from bookhopper.ticket import Ticket
from bookhopper.units import counted

log = logging.getLogger("bookhopper.deliver")

CONSUMERS_KEEP_SECONDS = 120 * 60.0
"""How long Calibre-Web-Automated leaves an `.uploading` file alone before it deletes it."""

WATCH_SECONDS = 5.0
"""How long a book lies in a sub-folder before it gets its name.

A consumer that listens is told of a new folder, watches it milliseconds later, or seconds on a busy machine,
and never hears of what was renamed in it before.
"""

_DOUBT = (
    "the machine went down while this book was handed over, and the disk does not tell whether ingest's "
    "consumer had it already: see whether it has it twice, or not at all"
)

_REMOVED = "its folder was removed before it got its name: delivered anew"
_ANEW = (
    ", and the disk does not tell whether ingest's consumer had it already: delivered anew, so see whether "
    "it has it twice"
)


class Deliverer:
    """Hands books over to one ingest folder; `notes` is a folder for the daemon's own.

    `copies` keeps one of each book, made before the folder's consumer can get at it.
    """

    def __init__(
        self,
        store: Store,
        folder: IngestFolder,
        notes: Path,
        copies: Copies | None = None,
        naming: NamingSettings | None = None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._copies = copies
        self._strays = Strays(store, folder, notes)
        self._placer = Placer(store, folder, self._strays, Names(naming or NamingSettings()))
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._unnamed: dict[int, float] = {}
        """The placed books that have surely not been renamed, and since when (monotonic) they were seen."""
        self._revealed: set[int] = set()
        self._said = ""
        self._complaints: dict[int, str] = {}

    def name_by(self, naming: NamingSettings) -> None:
        """Name books by these settings from the next one on."""
        self._placer.names = Names(naming)

    def ready(self) -> None:
        """Raise HeldError while no book can be handed over, before one is fetched for nothing."""
        self._folder.ready()

    def deliver(self, job: Job, book: Book, ticket: Ticket) -> None:
        """Take a downloaded job to DONE, or to PLACED when the folder goes away in between.

        Raises DuplicateError when the ledger has the book already, HeldError when the folder or the store
        cannot take it now; the job is then where it was, and nothing of it is left in ingest.
        """
        folder = self._folder.itself()
        with ticket.shield(), self._alone(job.id):
            with self._copied(job.id, book):
                delivery = self._placer.place(job, book, folder)
            try:
                if not self._finish(delivery):
                    log.debug("job %d: %s waits until its folder is watched", job.id, delivery.name)
            except (HeldError, OSError) as error:  # PLACED it stays; `finish_placed` goes on from there
                log.warning("job %d: %s is placed and waits for its name: %s", job.id, delivery.name, error)

    def close(self) -> None:
        """Close what is open."""
        self._strays.close()

    @contextmanager
    def _alone(self, job: int) -> Iterator[None]:
        with self._lock:
            if not self._under_way:
                self._placer.tidy()
            self._under_way.add(job)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(job)

    @contextmanager
    def _copied(self, job: int, book: Book) -> Iterator[None]:
        """Keep a copy of a book that the block places, which may take its file away; none if it fails."""
        if self._copies is None:
            yield
            return
        self._copies.keep(job, book.path)
        try:
            yield
        except BaseException:
            self._copies.discard(job)
            raise

    def _finish(self, delivery: Delivery) -> bool:
        """Rename a placed book, which lies there, and close its line; raises HeldError or OSError.

        False: it has to wait, since its folder may not be watched yet.
        """
        if not self._is_watched(delivery):
            return False
        for name in self._names_left(delivery):
            if name != delivery.name:
                try:
                    self._store.rename(delivery.job, name)
                except NameTakenError:
                    continue
            try:
                self._folder.reveal(delivery.staged, name)
            except FileExistsError:
                continue
            self._revealed.add(delivery.job)
            self._close(delivery)
            return True
        raise HeldError(f"every name for {delivery.name} is taken in {self._folder.path}: clear the folder")

    def _is_watched(self, delivery: Delivery) -> bool:
        """Whether the folder of a placed book has been there for so long that its consumer looks at it."""
        if "/" in delivery.staged:
            seen = self._unnamed.setdefault(delivery.job, time.monotonic())
            if time.monotonic() - seen < WATCH_SECONDS:
                return False
            del self._unnamed[delivery.job]
        return True

    def _names_left(self, delivery: Delivery) -> Iterator[str]:
        names = variants(delivery.name)
        yield next(names)
        yield from (name for name in names if not self._folder.exists(name))

    def _close(self, delivery: Delivery) -> None:
        self._store.complete(delivery.job)
        self._revealed.discard(delivery.job)

    def doubt_placed(self) -> int:
        """Say of every PLACED book that a power cut has left open whether it was handed over; how many.

        What was renamed and eaten, and had not reached the disk, cannot be told from what never was.
        """
        doubtful = self._waiting()
        for line in doubtful:
            self._store.move(Move(line.job, State.PLACED, State.PLACED, _DOUBT))
        return len(doubtful)

    def _waiting(self) -> list[Delivery]:
        """Give what is PLACED and in nobody's hands."""
        with self._lock:
            return [line for line in self._store.placed() if line.job not in self._under_way]

    def finish_placed(self) -> int:
        """Take up what is PLACED and in nobody's hands: after a start, or when the folder came back.

        Returns how many jobs went on; while the folder is away none does, which is said once.
        """
        waiting = self._waiting()
        if not waiting:
            return 0
        try:
            folder = self._folder.itself()
        except HeldError as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("%s still without a name: %s", counted(len(waiting), "placed book"), error)
            return 0
        self._said = ""
        return sum(self._take_up(delivery, folder) for delivery in waiting)

    def _take_up(self, delivery: Delivery, folder: str) -> bool:
        request = self._store.request_name_of(delivery.job)
        with working_on(request=request, job=delivery.job, source=delivery.source):
            return self._finish_or_abandon(delivery, folder)

    def _finish_or_abandon(self, delivery: Delivery, folder: str) -> bool:
        try:
            with self._alone(delivery.job):
                if self._folder.exists(delivery.staged):
                    return self._finish(delivery)
                if not (doubt := self._why_anew(delivery, folder)):
                    self._close(delivery)
                else:
                    log.warning("job %d: %s: %s", delivery.job, delivery.name, doubt)
                    self._strays.note(delivery.job)
                    self._store.abandon(delivery.job, doubt)
                    self._unnamed.pop(delivery.job, None)
        except StaleError:
            return False
        except (BookhopperError, OSError) as error:
            known = self._complaints.get(delivery.job) == str(error)
            self._complaints[delivery.job] = str(error)
            level = logging.DEBUG if known else logging.WARNING
            log.log(level, "job %d: %s cannot get its name yet: %s", delivery.job, delivery.name, error)
            return False
        self._complaints.pop(delivery.job, None)
        return True

    def _why_anew(self, delivery: Delivery, folder: str) -> str:
        """Judge a placed file that is gone: renamed (empty), or why that is not known any more."""
        if delivery.job in self._unnamed:
            return _REMOVED
        if delivery.job in self._revealed or self._folder.exists(delivery.name):
            return ""
        if folder != delivery.folder:
            return f"the ingest folder it was placed in is another now{_ANEW}"
        seconds = time.time() - delivery.placed_at
        return (
            f"placed {seconds / 3600:.0f} h ago and gone{_ANEW}" if seconds >= CONSUMERS_KEEP_SECONDS else ""
        )

    def clear_strays(self) -> int:
        """Remove what a crash left between placing and ledger, at a start; how many jobs had left a file."""
        return self._strays.clear()
