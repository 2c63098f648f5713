"""Sources and identifiers as they are, with every call to them told to an observer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from bookhopper.errors import (
    BookhopperError,
    BusyError,
    HeldError,
    NotReadyError,
    PermanentError,
    TransientError,
)
from bookhopper.model import Candidate, Collection, Reading
from bookhopper.search.sources.base import Collections, Health, Identifier, Parser, Query, Source
from bookhopper.ticket import Interrupted, Reason, Ticket


@dataclass(frozen=True, slots=True)
class SourceCall:
    """One call to a source: its `outcome` is found, nothing, unavailable, invalid or refused.

    `dropped` counts the entries of its answers that could not be understood; `reason` is one line about a
    call that was not answered, which was `expected` where the source is still being made ready.
    """

    source: str
    operation: str
    outcome: str
    seconds: float
    results: int = 0
    dropped: int = 0
    reason: str = ""
    expected: bool = False


Observer = Callable[[SourceCall], None]

_FAULTS = (HeldError, TransientError, PermanentError)
_FAULT_OUTCOMES = ("unavailable", "invalid", "refused")
OPERATIONS = ("search", "lookup", "works", "identify", "aliases")
OUTCOMES = ("found", "nothing", *_FAULT_OUTCOMES)


class ObservedSource:
    """Passes every call on to another source."""

    def __init__(self, source: Source, observer: Observer) -> None:
        self.name = source.name
        self.kind = source.kind
        self._source = source
        self._observe = observer

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find candidates for a query."""
        return self._told("search", lambda: self._source.search(query, ticket))

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find the candidates behind a key."""
        return self._told("lookup", lambda: self._source.lookup(key, formats, ticket), (PermanentError,))

    def holds(self, collection: Collection) -> bool:
        """Tell whether the source lists such a collection itself."""
        return isinstance(self._source, Collections) and self._source.holds(collection)

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books of a collection."""
        source = self._source
        if not isinstance(source, Collections):
            raise PermanentError(f"{self.name} lists no collections")
        # what a person named by its address may be no feed at all
        answers = (PermanentError, TransientError) if collection.kind == "feed" else (PermanentError,)
        return self._told("works", lambda: source.works(collection, limit, ticket), answers)

    def check(self, ticket: Ticket) -> Health:
        """Tell whether the source can be searched now."""
        return self._source.check(ticket)

    def refresh(self, ticket: Ticket) -> bool:
        """Bring what the source keeps locally up to date."""
        return self._source.refresh(ticket)

    def close(self) -> None:
        """Let go of connections and files."""
        self._source.close()

    def _told(
        self,
        operation: str,
        call: Callable[[], Sequence[Candidate]],
        answers: tuple[type[BookhopperError], ...] = (),
    ) -> Sequence[Candidate]:
        with _Call(self.name, operation, self._observe, self._dropped, answers) as told:
            found = call()
            told.results = len(found)
        return found

    def _dropped(self) -> int:
        return self._source.take_dropped() if isinstance(self._source, Parser) else 0


class ObservedIdentifier:
    """Passes on the questions which book an ISBN names and what else a work is called."""

    def __init__(self, identifier: Identifier, observer: Observer) -> None:
        self.name = identifier.name
        self._identifier = identifier
        self._observe = observer

    def identify(self, isbn: str, ticket: Ticket) -> Reading | None:
        """Give title and authors of the book with an ISBN."""
        with _Call(self.name, "identify", self._observe, lambda: 0) as told:
            found = self._identifier.identify(isbn, ticket)
            told.results = int(found is not None)
        return found

    def aliases(self, reading: Reading, ticket: Ticket) -> Sequence[str]:
        """Give the other titles of a work."""
        with _Call(self.name, "aliases", self._observe, lambda: 0) as told:
            found = self._identifier.aliases(reading, ticket)
            told.results = len(found)
        return found


class _Call:
    """A call that is under way, for a block; when that ends, its outcome is told.

    Errors of the kinds in `answers` say that there is nothing of what was asked for, and not that the source
    is at fault.
    """

    def __init__(
        self,
        source: str,
        operation: str,
        observer: Observer,
        dropped: Callable[[], int],
        answers: tuple[type[BookhopperError], ...] = (),
    ) -> None:
        self.results = 0
        self._answers = answers
        self._source = source
        self._operation = operation
        self._observe = observer
        self._dropped = dropped
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if outcome := self._outcome(error):
            seconds = time.monotonic() - self._begun
            self._observe(
                SourceCall(
                    source=self._source,
                    operation=self._operation,
                    outcome=outcome,
                    seconds=seconds,
                    results=self.results,
                    dropped=self._dropped(),
                    reason="it took too long" if isinstance(error, Interrupted) else str(error or ""),
                    expected=isinstance(error, NotReadyError),
                )
            )

    def _outcome(self, error: BaseException | None) -> str:
        """Name what came of it; empty where that says nothing of the source."""
        if error is None:
            return "found" if self.results else "nothing"
        if isinstance(error, BusyError):  # others of ours were before us
            return ""
        if isinstance(error, self._answers):
            return "nothing"
        if isinstance(error, Interrupted):  # who asked gave it up: it took too long
            return "unavailable" if error.reason is Reason.CANCEL else ""
        named = zip(_FAULTS, _FAULT_OUTCOMES, strict=True)
        return next((word for kind, word in named if isinstance(error, kind)), "")
