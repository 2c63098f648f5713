"""From a verified file to a book in the ingest folder, exactly once.

Placed as `.uploading`, entered into the ledger, renamed, closed: after a crash at any point the ledger and
the folder together tell how far it came.  What was placed but never reached the ledger is known by the
staging log, which is written before the placing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bookhopper.copies import Copies
from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.ingest import IngestFolder
from bookhopper.model import Candidate, Delivery, Job, State
from bookhopper.naming import STAGED_SUFFIX, file_name, variants
from bookhopper.staging import StagingLog
from bookhopper.store.base import Move, NameTakenError, StaleError, Store
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.deliver")

CONSUMERS_KEEP_SECONDS = 120 * 60.0
"""How long Calibre-Web-Automated leaves an `.uploading` file alone before it deletes it."""

_LOG = "staging.log"
_DOUBT = (
    "the machine went down while this book was handed over, and the disk does not tell whether ingest's "
    "consumer had it already: see whether it has it twice, or not at all"
)

_ANEW = (
    ", and the disk does not tell whether ingest's consumer had it already: delivered anew, so see whether "
    "it has it twice"
)


@dataclass(frozen=True, slots=True)
class Book:
    """A verified file: where it lies, what it is, and the candidate that it came from."""

    path: Path
    format: str
    sha256: str
    size: int
    candidate: Candidate


class Deliverer:
    """Hands books over to one ingest folder; the staging log lies in `notes`, the daemon's own.

    `copies` keeps one of each book, made before the folder's consumer can get at it.
    """

    def __init__(self, store: Store, folder: IngestFolder, notes: Path, copies: Copies | None = None) -> None:
        self._store = store
        self._folder = folder
        self._copies = copies
        self._staging = StagingLog(notes / _LOG)
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._revealed: set[int] = set()
        self._strays_wait = False
        self._said = ""

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
                delivery = self._place(job, book, folder)
            try:
                self._finish(delivery)
            except (HeldError, OSError) as error:  # PLACED it stays; `finish_placed` goes on from there
                log.warning("job %d: %s is placed and waits for its name: %s", job.id, delivery.name, error)

    def close(self) -> None:
        """Close the staging log."""
        self._staging.close()

    @contextmanager
    def _alone(self, job: int) -> Iterator[None]:
        with self._lock:
            if not self._under_way and not self._strays_wait and self._staging.is_long():
                self._staging.clear()  # everything in it has found its end
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

    # before the ledger

    def _place(self, job: Job, book: Book, folder: str) -> Delivery:
        names = variants(_name_of(job, book))
        delivery = self._stage(job, book, folder, names)
        try:
            while True:
                try:
                    self._store.place(delivery, force=job.want.force)
                except NameTakenError:
                    delivery = self._restage(delivery, names)
                else:
                    break
        except BaseException as error:
            self._folder.discard(delivery.staged)
            self._note(job.id)
            if isinstance(error, OSError):
                raise _cannot_write(self._folder, error) from error
            raise
        book.path.unlink(missing_ok=True)  # it is still there when it was copied
        return delivery

    def _stage(self, job: Job, book: Book, folder: str, names: Iterator[str]) -> Delivery:
        for name in names:
            if self._taken(name):
                continue
            self._note(job.id, name + STAGED_SUFFIX)
            try:
                staged = self._folder.stage(book.path, name)
            except FileExistsError:
                continue
            except OSError as error:
                self._note(job.id)
                raise _cannot_write(self._folder, error) from error
            return Delivery(
                job=job.id,
                source=book.candidate.source,
                key=book.candidate.key,
                name=name,
                staged=staged,
                folder=folder,
                sha256=book.sha256,
                size=book.size,
                format=book.format,
                placed_at=time.time(),
            )
        raise PermanentError(f"every name for it is taken in {self._folder.path}: clear the folder")

    def _restage(self, delivery: Delivery, names: Iterator[str]) -> Delivery:
        """Wait under the next name that neither the folder nor, it is to be hoped, the ledger has."""
        for name in names:
            if self._taken(name):
                continue
            self._note(delivery.job, delivery.staged, name + STAGED_SUFFIX)
            try:
                staged = self._folder.restage(delivery.staged, name)
            except FileExistsError:
                continue
            return replace(delivery, name=name, staged=staged)
        raise PermanentError(f"every name for it is taken in {self._folder.path}: clear the folder")

    def _taken(self, name: str) -> bool:
        """Whether a book has this name, or waits for it: another one's staged file is none of ours."""
        return self._folder.exists(name) or self._folder.exists(name + STAGED_SUFFIX)

    # after the ledger

    def _finish(self, delivery: Delivery) -> None:
        """Rename a placed book to its name and close its line; raises HeldError or OSError."""
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
            return
        raise HeldError(f"every name for {delivery.name} is taken in {self._folder.path}: clear the folder")

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
                log.warning("%d placed books wait: %s", len(waiting), error)
            return 0
        self._said = ""
        return sum(self._take_up(delivery, folder) for delivery in waiting)

    def _take_up(self, delivery: Delivery, folder: str) -> bool:
        try:
            with self._alone(delivery.job):
                if self._folder.exists(delivery.staged):
                    self._finish(delivery)
                elif not (doubt := self._why_anew(delivery, folder)):
                    self._close(delivery)
                else:
                    log.warning("job %d: %s: %s", delivery.job, delivery.name, doubt)
                    self._note(delivery.job)
                    self._store.abandon(delivery.job, doubt)
        except StaleError:
            return False
        except (BookhopperError, OSError) as error:
            log.warning("job %d: %s cannot get its name yet: %s", delivery.job, delivery.name, error)
            return False
        return True

    def _why_anew(self, delivery: Delivery, folder: str) -> str:
        """Judge a placed file that is gone: renamed (empty), or why that is not known any more."""
        if delivery.job in self._revealed or self._folder.exists(delivery.name):
            return ""
        if folder != delivery.folder:
            return f"the ingest folder it was placed in is another now{_ANEW}"
        seconds = time.time() - delivery.placed_at
        return (
            f"placed {seconds / 3600:.0f} h ago and gone{_ANEW}" if seconds >= CONSUMERS_KEEP_SECONDS else ""
        )

    # what was placed without reaching the ledger

    def _note(self, job: int, *staged: str) -> None:
        """Write down under which names a job's book may lie in ingest; raises HeldError."""
        try:
            self._staging.note(job, *staged)
        except OSError as error:
            raise HeldError(
                f"the state folder cannot be written: {error.strerror}: make room or mend its rights",
                scope="queue",
            ) from error

    def clear_strays(self) -> int:
        """Remove from ingest what a crash left there between placing and ledger; at start, before workers.

        While the folder is away the log stays for the next start.  Returns how many jobs had left something.
        """
        noted = self._staging.standing()
        try:
            if noted:
                self._folder.ready()
        except HeldError:
            self._strays_wait = True
            return 0
        self._strays_wait = False
        placed = {line.staged for line in self._store.placed()}
        cleared = sum(self._clear(job, names, placed) for job, names in noted.items())
        self._staging.clear()
        return cleared

    def _clear(self, job: int, names: Collection[str], placed: Collection[str]) -> bool:
        if self._store.delivery(job) is not None:
            return False  # it reached the ledger, which knows the rest
        strays = [name for name in names if name not in placed and self._folder.exists(name)]
        for staged in strays:
            self._folder.discard(staged)
        return bool(strays)


def _name_of(job: Job, book: Book) -> str:
    candidate, want = book.candidate, job.want
    title = candidate.title or want.title
    return file_name(title, candidate.authors or want.authors, book.format, fallback=want.raw)


def _cannot_write(folder: IngestFolder, error: OSError) -> HeldError:
    return HeldError(
        f"the ingest folder {folder.path} cannot be written: {error.strerror}: make room or mend its rights",
        scope="queue",
    )
