"""From a verified file to the one that is delivered: what it lacks is filled in, a script has its say.

Both are off unless they are asked for, and then the verified file is what they work on a copy of: it stays
as it was, to be fetched no second time, and whatever else is delivered has been verified in its turn.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Literal

import humanize

from bookhopper.delivery.copies import copy_file
from bookhopper.delivery.naming import Names
from bookhopper.delivery.place import Book
from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Job
from bookhopper.naming_settings import NamingSettings
from bookhopper.scripts.facts import book_facts, facts
from bookhopper.scripts.scratch import Scratch
from bookhopper.scripts.script import Ended, Script
from bookhopper.ticket import Ticket
from bookhopper.verify import verify

log = logging.getLogger("bookhopper.prepare")

_LATER_SECONDS = 60.0
_PIECE = 1 << 20
_NAMES = Names(NamingSettings())


Filled = Literal["filled", "failed"]
"""What came of an EPUB that lacks a title or an author."""


class LaterError(HeldError):
    """A script asks to be run again later: no candidate is at fault, and none is to be tried instead."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What preparing needs of the daemon: folders for a moment, and whom to tell.

    `ran` hears of every run of a script, `filled` of every EPUB that lacked something; `owe` is told each job
    whose book is about to be delivered, for the script that comes after.
    """

    scratch: Scratch
    ran: Callable[[Ended], None]
    filled: Callable[[Filled], None]
    owe: Callable[[int], None]


class Preparation:
    """Prepares every book alike; called by every fetcher at once."""

    def __init__(self, hooks: Hooks, script: Script | None, *, fill_metadata: bool, max_size: int) -> None:
        """Take what is asked for; a script may leave at most `max_size` bytes."""
        self._hooks = hooks
        self._script = script
        self._fill_metadata = fill_metadata
        self._max_size = max_size

    @contextmanager
    def prepared(self, job: Job, book: Book, ticket: Ticket) -> Iterator[Book]:
        """Give the book that is to be delivered, its file being there for the block alone.

        Raises PermanentError where the script refuses it, TransientError or LaterError where another run may
        not, HeldError when nothing can be run or written now.
        """
        fills = self._fill_metadata and book.format == "epub"
        if not fills and self._script is None:
            yield book
            return
        with self._hooks.scratch.folder(job.id) as folder:
            if fills:
                book = self._filled(job, book, folder, ticket)
            if self._script is not None:
                ticket.stage = "script"
                book = self._judged(self._script, job, book, folder, ticket)
            yield book

    def delivers(self, job: Job) -> None:
        """Hear that a job's book is handed over next; raises HeldError."""
        self._hooks.owe(job.id)

    # metadata

    def _filled(self, job: Job, book: Book, folder: Path, ticket: Ticket) -> Book:
        """Write into an EPUB what it lacks; one that is unfit for it stays as it is, with a note.

        Raises HeldError while there is no room for it.
        """
        # Here, so that only those who ask for it pay for lxml.
        from bookhopper.epub_metadata import Known, UnfitError, fill  # noqa: PLC0415

        candidate, want = book.candidate, job.want
        known = Known.of(candidate.title or want.title, candidate.authors or want.authors)
        target = folder / "filled.epub"
        try:
            if not fill(book.path, target, known, ticket.check):
                return book
            filled = _changed(book, target)
            why = _fault_of(filled)
        except UnfitError as error:
            why = str(error)
        except OSError as error:
            raise self._hooks.scratch.cannot_write(error) from error
        except Exception:
            log.exception("job %d met a fault of bookhopper's own; please report it", job.id)
            why = "a fault of bookhopper's own"
        else:
            if not why:
                self._hooks.filled("filled")
                return filled
        self._hooks.filled("failed")
        note = f"its title or author could not be written into it: {why}"
        log.info("job %d: %s", job.id, note)
        return replace(book, note=note)

    # the script

    def _judged(self, script: Script, job: Job, book: Book, folder: Path, ticket: Ticket) -> Book:
        """Have a script look at a copy of a book, and give what it made of it."""
        place = folder / "work"
        file = place / _NAMES.path(job, book.candidate, book.format, lambda _: "")
        told = book_facts(book.candidate, kind=book.format, size=book.size, sha256=book.sha256)
        try:
            place.mkdir()
            copy_file(book.path, file)
            ended = script.run(file, facts(script.stage, job, told, {"file": file}), place, ticket)
        except OSError as error:
            raise self._hooks.scratch.cannot_write(error) from error
        self._hooks.ran(ended)
        ended.say(job.id)
        _raise_unless_passed(ended)
        return self._as_left(book, file, folder / "changed", ticket)

    def _as_left(self, book: Book, file: Path, target: Path, ticket: Ticket) -> Book:
        """Look at what a script has left of its copy: the same bytes, or others, which are verified again."""
        with _opened(file) as left:
            size = os.fstat(left.fileno()).st_size
            if size > self._max_size:
                most = humanize.naturalsize(self._max_size, binary=True)
                raise PermanentError(f"script.after_verify made it larger than {most} (download.max_size)")
            if size == book.size and hashlib.file_digest(left, "sha256").hexdigest() == book.sha256:
                return book
            left.seek(0)
            try:
                with target.open("xb") as copy:
                    while piece := left.read(_PIECE):
                        ticket.check()
                        copy.write(piece)
            except OSError as error:
                raise self._hooks.scratch.cannot_write(error) from error
        verdict = verify(target, book.format)
        if not verdict.ok:
            raise PermanentError(f"what script.after_verify made of it is no good: {verdict.reason}")
        return replace(_changed(book, target), format=verdict.format)


def _raise_unless_passed(ended: Ended) -> None:
    message = f"script.{ended.stage}: {ended.reason}"
    match ended.outcome:
        case "passed":
            return
        case "refused":
            raise PermanentError(message)
        case "later":
            raise LaterError(message, seconds=_LATER_SECONDS)
        case "not_started":
            raise HeldError(message, scope="queue")
        case _:
            raise TransientError(message)


def _opened(file: Path) -> BufferedReader:
    """Open what a script has left at a place; raises PermanentError unless that is a file."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise PermanentError("script.after_verify has removed its file") from None
    except OSError as error:
        if file.is_symlink():
            raise PermanentError("script.after_verify has put a link in its file's place") from error
        raise PermanentError(f"script.after_verify has left its file unreadable: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PermanentError("script.after_verify has put something else in its file's place")
    return os.fdopen(handle, "rb")


def _fault_of(book: Book) -> str:
    """Say what is wrong with a book that has to be a good one of its format; empty where nothing is."""
    verdict = verify(book.path, book.format)
    good = verdict.ok and verdict.format == book.format
    return "" if good else f"it is no good then: {verdict.reason or verdict.format}"


def _changed(book: Book, target: Path) -> Book:
    """Give a book with other bytes than those that came; raises OSError."""
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    fetched = book.fetched or book.sha256
    return replace(book, path=target, sha256=digest, size=target.stat().st_size, fetched=fetched)
