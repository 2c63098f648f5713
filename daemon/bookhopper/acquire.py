"""The fetchers' step: candidates in turn, best first, each downloaded, verified and delivered.

A candidate that turns out to be no good book is marked with its fault, durably, and the next one is tried; so
a later attempt fetches nothing twice that is known to be bad.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.place import Book
from bookhopper.download import Downloaded, Downloader
from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.log_context import working_on
from bookhopper.model import UNSETTLED, Candidate, Change, Job, Resume, State
from bookhopper.net.addresses import safe_url
from bookhopper.owned import CalibreLibrary
from bookhopper.prepare import LaterError, Preparation
from bookhopper.search.sources.base import Locator
from bookhopper.store.base import DuplicateError, Move, StaleError, Store
from bookhopper.ticket import Ticket
from bookhopper.transfer import Order
from bookhopper.verify import Check, Verdict, verify

log = logging.getLogger("bookhopper.acquire")

_PART_SUFFIX = ".part"
_KEEP_THEIR_PART = UNSETTLED - {State.PLACED}
_ALSO_CALLED = {"fbz": ("fb2",), "html": ("htm",), "azw3": ("azw",), "mobi": ("azw", "prc", "pdb")}
"""Other names by which what the verifier names may be asked for."""
_WHOLE = "book"
_VERIFICATIONS = [(_WHOLE, "passed"), *((check, "failed") for check in get_args(Check) if check)]


class Verifications:
    """Counts verifications; one for all who verify."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys(_VERIFICATIONS, 0))

    def add(self, verdict: Verdict) -> None:
        """Count one by the check that decided."""
        with self._lock:
            self._counts[verdict.check or _WHOLE, "passed" if verdict.ok else "failed"] += 1

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Give the numbers by check and outcome."""
        with self._lock:
            return dict(self._counts)


class Acquire:
    """Takes a QUEUED job to a book in ingest; called by every fetcher at once."""

    def __init__(
        self,
        store: Store,
        downloader: Downloader,
        deliverer: Deliverer,
        *,
        parts: Path,
        formats: Sequence[str],
        locators: Mapping[str, Locator] | None = None,
        library: CalibreLibrary | None = None,
        preparation: Preparation | None = None,
        verifications: Verifications | None = None,
    ) -> None:
        """Take the parts; `locators` are the sources, by name, that tell late where a book's file is.

        What has come into the `library` since a job was queued is not fetched.  Where there is a
        `preparation`, each verified book goes through it before it is delivered.  With `verifications` of
        another one, both count together.
        """
        self._store = store
        self._downloader = downloader
        self._deliverer = deliverer
        self._parts = parts
        self._formats = tuple(formats)
        self._locators = locators or {}
        self._library = library
        self._preparation = preparation
        self._verifications = verifications or Verifications()

    def verifications(self) -> Mapping[tuple[str, str], int]:
        """Count verifications by check and outcome."""
        return self._verifications.counts()

    def __call__(self, job: Job, ticket: Ticket) -> Move | None:
        """Deliver the first good candidate; raises what keeps all of them from it."""
        part = self._part_of(job.id)
        ticket.resume = job.resume
        if _first_good(job) is None:
            part.unlink(missing_ok=True)
            raise PermanentError(_all_faults(job))
        self._deliverer.ready()
        if self._library and (owned := self._library.owns(job.want, ticket, _first_good(job))):
            part.unlink(missing_ok=True)
            return Move(job.id, job.state, State.OWNED, owned)
        passing: list[BookhopperError] = []
        wanted = ""
        for number, candidate in enumerate(job.candidates):
            if candidate.fault or (passing and candidate.format != wanted):
                continue  # what may pass is no reason for a format that is liked less
            ticket.check()
            if (double := self._double(job, candidate)) is not None:
                part.unlink(missing_ok=True)
                return Move(job.id, job.state, State.DUPLICATE, double)
            try:
                with working_on(source=candidate.source):
                    self._deliver(job, candidate, part, ticket)
            except DuplicateError as error:
                part.unlink(missing_ok=True)
                return Move(job.id, job.state, State.DUPLICATE, str(error))
            except PermanentError as error:
                with working_on(source=candidate.source):
                    job = self._give_up(job, number, str(error))
                part.unlink(missing_ok=True)
                ticket.resume = None
            except (TransientError, HeldError) as error:
                if isinstance(error, LaterError) or (isinstance(error, HeldError) and error.scope == "queue"):
                    raise
                passing.append(error)
                wanted = candidate.format
            else:
                return None
        raise _worth_waiting_for(passing) or PermanentError(_all_faults(job))

    def clear_parts(self) -> int:
        """Remove part files that no job goes on with, as a crash leaves them; returns how many."""
        return sum(self._clear(part) for part in self._parts.glob(f"*{_PART_SUFFIX}"))

    def distrust_parts(self) -> int:
        """Remove every part file: after a power cut one may have holes, which not every format would show."""
        parts = list(self._parts.glob(f"*{_PART_SUFFIX}"))
        for part in parts:
            part.unlink()
        return len(parts)

    def forget(self, job: int) -> None:
        """Remove a job's part file unless the job may go on with it, as a paused one does."""
        part = self._part_of(job)
        if part.exists():
            self._clear(part)

    def changed(self, change: Change) -> None:
        """Listen to the store's changes: what is settled needs its part file no more."""
        if change.after not in UNSETTLED:
            self.forget(change.job.id)

    def _clear(self, part: Path) -> bool:
        # the change may be old news by now: what counts is the job as it stands
        stem = part.name.removesuffix(_PART_SUFFIX)
        job = self._store.job(int(stem)) if stem.isdecimal() else None
        if job is not None and job.state in _KEEP_THEIR_PART:
            return False
        part.unlink(missing_ok=True)
        return True

    def _part_of(self, job: int) -> Path:
        return self._parts / f"{job}{_PART_SUFFIX}"

    def _double(self, job: Job, candidate: Candidate) -> str | None:
        """Tell of the ledger's line for the same book, before anything is fetched."""
        if job.want.force:
            return None
        other = self._store.delivered(candidate.source, candidate.key, candidate.format)
        return None if other in {None, job.id} else f"the same book as job {other} brought"

    def _give_up(self, job: Job, number: int, fault: str) -> Job:
        """Mark a candidate as bad for good, so that no later attempt fetches it again."""
        candidates = list(job.candidates)
        candidates[number] = replace(candidates[number], fault=fault)
        shown = f"{candidates[number].source}:{candidates[number].key} is no good: {fault}"
        return self._store.move(
            Move(job.id, job.state, job.state, shown, candidates=tuple(candidates), resume=None)
        )

    def _deliver(self, job: Job, candidate: Candidate, part: Path, ticket: Ticket) -> None:
        def remember(resume: Resume) -> None:
            self._store.move(Move(job.id, job.state, job.state, resume=resume))

        if (locator := self._locators.get(candidate.source)) is not None:
            ticket.stage = "locate"
            candidate = locator.locate(candidate, ticket)
        order = Order(candidate, ticket, remember)
        got, verdict = self._fetch(order, part)
        self._refuse_format(job, verdict.format)
        book = Book(part, verdict.format, got.sha256, got.size, candidate)
        with self._prepared(job, book, ticket) as book:
            self._refuse_format(job, book.format)
            ticket.stage = "deliver"
            if self._preparation:
                self._preparation.delivers(job)
            self._deliverer.deliver(job, book, ticket)
        part.unlink(missing_ok=True)  # it is still there when another file was delivered
        ticket.resume = None
        if book.note:
            self._note(job.id, book.note)

    def _prepared(self, job: Job, book: Book, ticket: Ticket) -> AbstractContextManager[Book]:
        return self._preparation.prepared(job, book, ticket) if self._preparation else nullcontext(book)

    def _note(self, job: int, note: str) -> None:
        """Say of a delivered book, or of one that waits for its name, what was odd about it."""
        for state in (State.DONE, State.PLACED):
            with suppress(StaleError):
                self._store.move(Move(job, state, state, note))
                return

    def _fetch(self, order: Order, part: Path) -> tuple[Downloaded, Verdict]:
        """Download until a file is good; raises PermanentError or TransientError when none can be.

        What was put together from pieces is fetched once more in one go, and what may have been damaged on
        its way, from the mirrors that are left.
        """
        ticket, resume = order.ticket, order.ticket.resume
        damage = ""
        while True:
            ticket.stage = "download"
            try:
                got = self._downloader.fetch(order, part, resume)
            except PermanentError as error:
                raise PermanentError(damage or str(error)) from error
            ticket.stage = "verify"
            verdict = self._verify(got, order.candidate)
            if verdict.ok:
                told = "job %d: a good %s file of %d bytes came from %s"
                log.debug(told, ticket.job, verdict.format, got.size, safe_url(got.url))
                return got, verdict
            part.unlink(missing_ok=True)
            ticket.resume = resume = None
            if got.resumed:
                continue
            damage = damage or verdict.reason
            others = tuple(url for url in order.candidate.urls if url != got.url)
            if verdict.permanent or not others:
                raise _damaged(got, verdict, damage)
            log.info("job %d: the file from %s is no good: %s", ticket.job, safe_url(got.url), verdict.reason)
            order = replace(order, candidate=replace(order.candidate, urls=others))

    def _verify(self, got: Downloaded, candidate: Candidate) -> Verdict:
        verdict = verify(got.path, candidate.format)
        self._verifications.add(verdict)
        return verdict

    def _refuse_format(self, job: Job, found: str) -> None:
        wanted = job.want.formats or self._formats
        names = (found, *_ALSO_CALLED.get(found, ()))
        if not any(name in wanted for name in names):
            raise PermanentError(f"its format is {found}, and wanted is {', '.join(wanted)}")


def _first_good(job: Job) -> Candidate | None:
    """Give the best candidate that is not known to be bad."""
    return next((candidate for candidate in job.candidates if not candidate.fault), None)


def _damaged(got: Downloaded, verdict: Verdict, damage: str) -> BookhopperError:
    """Judge a file that is no good: for good, unless it may have been cut short without anybody's notice."""
    if got.open_ended and not verdict.permanent and verdict.check != "type":
        return TransientError(f"{safe_url(got.url)}: {damage}; its length was not told")
    return PermanentError(damage)


def _worth_waiting_for(passing: Sequence[BookhopperError]) -> BookhopperError | None:
    """Choose the error that decides: the job's own attempt first, else the hold that ends soonest."""
    own = [error for error in passing if isinstance(error, TransientError)]
    held = [error for error in passing if isinstance(error, HeldError)]
    return own[0] if own else min(held, key=lambda error: error.seconds, default=None)


def _all_faults(job: Job) -> str:
    """Say why no candidate is left; each one's own fault stands beside it in the report."""
    if not job.candidates:
        return "no candidate to fetch"
    first = job.candidates[0].fault
    return (
        first
        if len(job.candidates) == 1
        else f"none of {len(job.candidates)} candidates is good; the first: {first}"
    )
