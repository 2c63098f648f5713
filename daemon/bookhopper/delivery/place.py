"""From a verified file to a line in the ledger: placed in ingest as `.uploading`, or nothing is left of it.

What was placed but did not reach the ledger before a crash is known by a note that is written before.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bookhopper.beneath import above
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.naming import STAGED_SUFFIX, Names, plain_name, variants
from bookhopper.delivery.strays import Strays
from bookhopper.errors import HeldError, PermanentError
from bookhopper.model import Candidate, Delivery, Job
from bookhopper.store.base import NameTakenError, Store

log = logging.getLogger("bookhopper.deliver")

_UNFIT = frozenset((errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG))
"""What a filesystem answers to a name it does not take: eCryptfs ends at 143 bytes, FAT has code pages."""


@dataclass(frozen=True, slots=True)
class Book:
    """A verified file: where it lies, what it is, and the candidate that it came from.

    `fetched` is the sha256 of the bytes that came, where these were changed since; `note` is what whoever
    wants the book should know of that.
    """

    path: Path
    format: str
    sha256: str
    size: int
    candidate: Candidate
    fetched: str = ""
    note: str = ""


class Placer:
    """Places books in one ingest folder under `names`, which may be exchanged at any time."""

    def __init__(self, store: Store, folder: IngestFolder, strays: Strays, names: Names) -> None:
        self.names = names
        self._store = store
        self._folder = folder
        self._strays = strays
        self._removable: set[str] = set()
        """The sub-folders, since `tidy`, that nobody keeps empty: a delivery that fails leaves none so."""

    def tidy(self) -> None:
        """Forget what was noted of earlier books, since none is on its way."""
        self._strays.tidy()
        self._removable.clear()

    def place(self, job: Job, book: Book, folder: str) -> Delivery:
        """Take a downloaded job to PLACED; `folder` names the very ingest folder.

        Raises DuplicateError, StaleError, HeldError and PermanentError, and then nothing of it is in ingest.
        """
        name = self.names.path(job, book.candidate, book.format, self._list_of)
        try:
            delivery = self._place_as(name, job, book, folder)
        except OSError as error:
            if error.errno not in _UNFIT:
                raise _cannot_write(self._folder.path / name, error) from error
            delivery = self._place_plainly(name, error, job, book, folder)
        book.path.unlink(missing_ok=True)  # it is still there when it was copied
        return delivery

    def _place_as(self, name: str, job: Job, book: Book, folder: str) -> Delivery:
        try:
            name = self._folder.place_for(name)
            self._removable.update(self._folder.removable(name))
            return self._enter(job, book, folder, variants(name))
        except BaseException:
            self._folder.prune(self._removable_for(name))
            self._strays.note(job.id)
            raise

    def _place_plainly(self, name: str, error: OSError, job: Job, book: Book, folder: str) -> Delivery:
        """Place a book under a name that any filesystem takes, since this one does not take its own."""
        plain = plain_name(job, book.format)
        try:
            delivery = self._place_as(plain, job, book, folder)
        except OSError as other:
            raise _cannot_write(self._folder.path / plain, other) from other
        why = "job %d: the file system of %s takes no name such as %s (%s): the book is called %s"
        log.warning(why, job.id, self._folder.path, name, error.strerror, delivery.name)
        return delivery

    def _list_of(self, request: int) -> str:
        found = self._store.request(request)
        return Path(found.name).stem if found else ""

    def _removable_for(self, name: str) -> list[str]:
        return [folder for folder in above(name) if folder in self._removable]

    def _enter(self, job: Job, book: Book, folder: str, names: Iterator[str]) -> Delivery:
        """Place a book under the first of these names that is free in ingest and in the ledger."""
        delivery = self._stage(job, book, folder, names)
        try:
            while True:
                try:
                    self._store.place(delivery, force=job.want.force)
                except NameTakenError:
                    delivery = self._restage(delivery, names)
                else:
                    return delivery
        except BaseException:
            self._folder.discard(delivery.staged)
            raise

    def _stage(self, job: Job, book: Book, folder: str, names: Iterator[str]) -> Delivery:
        for name in names:
            if self._taken(name):
                continue
            self._strays.note(job.id, name + STAGED_SUFFIX, folders=self._removable_for(name))
            try:
                staged = self._folder.stage(book.path, name)
            except FileExistsError:
                continue
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
                fetched=book.fetched,
                placed_at=time.time(),
            )
        raise PermanentError(f"every name for it is taken in {self._folder.path}: clear the folder")

    def _restage(self, delivery: Delivery, names: Iterator[str]) -> Delivery:
        """Wait under the next name that neither the folder nor, it is to be hoped, the ledger has."""
        for name in names:
            if self._taken(name):
                continue
            folders = self._removable_for(name)
            self._strays.note(delivery.job, delivery.staged, name + STAGED_SUFFIX, folders=folders)
            try:
                staged = self._folder.restage(delivery.staged, name)
            except FileExistsError:
                continue
            return replace(delivery, name=name, staged=staged)
        raise PermanentError(f"every name for it is taken in {self._folder.path}: clear the folder")

    def _taken(self, name: str) -> bool:
        """Whether a book has this name, or waits for it: another one's staged file is none of ours."""
        return self._folder.exists(name) or self._folder.exists(name + STAGED_SUFFIX)


def _cannot_write(book: Path, error: OSError) -> HeldError:
    return HeldError(
        f"the ingest folder {book.parent} cannot be written: {error.strerror}: make room or mend its rights",
        scope="queue",
    )
