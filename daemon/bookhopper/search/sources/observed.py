"""A source as it is, with every call to it told to an observer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Collection
from bookhopper.search.sources.base import Collections, Health, Parser, Query, Source
from bookhopper.ticket import Interrupted, Reason, Ticket


@dataclass(frozen=True, slots=True)
class SourceCall:
    """One call to a source: its `outcome` is found, nothing, unavailable, invalid or refused.

    `dropped` counts the entries of its answers that could not be understood.
    """

    source: str
    operation: str
    outcome: str
    seconds: float
    results: int = 0
    dropped: int = 0


Observer = Callable[[SourceCall], None]

_FAULTS = (HeldError, TransientError, PermanentError)
_FAULT_OUTCOMES = ("unavailable", "invalid", "refused")
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
        return self._told("lookup", lambda: self._source.lookup(key, formats, ticket))

    def holds(self, collection: Collection) -> bool:
        """Tell whether the source lists such a collection itself."""
        return isinstance(self._source, Collections) and self._source.holds(collection)

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books of a collection."""
        source = self._source
        if not isinstance(source, Collections):
            raise PermanentError(f"{self.name} lists no collections")
        return self._told("works", lambda: source.works(collection, limit, ticket))

    def check(self, ticket: Ticket) -> Health:
        """Tell whether the source can be searched now."""
        return self._source.check(ticket)

    def refresh(self, ticket: Ticket) -> bool:
        """Bring what the source keeps locally up to date."""
        return self._source.refresh(ticket)

    def close(self) -> None:
        """Let go of connections and files."""
        self._source.close()

    def _told(self, operation: str, call: Callable[[], Sequence[Candidate]]) -> Sequence[Candidate]:
        begun = time.monotonic()
        try:
            found = call()
        except _FAULTS as error:
            named = zip(_FAULTS, _FAULT_OUTCOMES, strict=True)
            outcome = next(word for kind, word in named if isinstance(error, kind))
            self._observe(
                SourceCall(self.name, operation, outcome, time.monotonic() - begun, dropped=self._dropped())
            )
            raise
        except Interrupted as interruption:
            if interruption.reason is Reason.CANCEL:  # who asked gave it up: it took too long
                self._observe(
                    SourceCall(
                        self.name,
                        operation,
                        "unavailable",
                        time.monotonic() - begun,
                        dropped=self._dropped(),
                    )
                )
            raise
        outcome = "found" if found else "nothing"
        self._observe(
            SourceCall(self.name, operation, outcome, time.monotonic() - begun, len(found), self._dropped())
        )
        return found

    def _dropped(self) -> int:
        return self._source.take_dropped() if isinstance(self._source, Parser) else 0
