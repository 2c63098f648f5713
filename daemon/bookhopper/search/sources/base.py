"""What a source of books is: the contract that every kind meets and the tests hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bookhopper.model import Candidate, Collection, Reading
from bookhopper.ticket import Ticket

MOST_QUESTIONS = 3
"""How often a source on the net asks its server for one query, at most: first strictly, then, only while
nothing was found, more loosely, in the words that its server understands."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: the readings of a want, likeliest first, and what narrows them.

    `languages` and `formats` are preferences, best first, that a source may use to leave out what cannot
    serve; scoring belongs to the resolver.  `limit` bounds the candidates asked for.
    """

    readings: tuple[Reading, ...] = ()
    isbn: str = ""
    year: int | None = None
    languages: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    limit: int = 60


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a source can be searched now; `detail` is one line for a person, with the remedy if not.

    `passing`: it cannot yet, and what is missing the daemon brings by itself.
    """

    ok: bool
    detail: str = ""
    passing: bool = False


class Source(Protocol):
    """A place where books are found.

    Every method may be called from several threads at once.  A fault of the surroundings raises HeldError:
    with scope `host` where it is the same for every question (host down, index not there yet), with scope
    `job` where it is this one's (an address that is to be left alone).  An answer that cannot be understood
    raises TransientError; a long call looks at its ticket.  Candidates come back unscored, at most a few
    dozen, the likeliest first.
    """

    name: str
    kind: str

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find candidates for a query; nothing found is an empty sequence."""
        ...

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find the candidates (one a format) behind a key that `search` gave; empty: no such book."""
        ...

    def check(self, ticket: Ticket) -> Health:
        """Tell whether the source can be searched now, without raising."""
        ...

    def refresh(self, ticket: Ticket) -> bool:
        """Bring what the source keeps locally up to date; True when it changed (nothing kept: False)."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


@runtime_checkable
class Collections(Protocol):
    """What a source may do beside searching: list all the books of an author, a series or a feed."""

    def holds(self, collection: Collection) -> bool:
        """Tell, without asking anybody, whether `works` can answer for such a collection."""
        ...

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books of a collection in its order (an author's in any), at most `limit`.

        Some may turn out not to fit.  Raises as `search` does; PermanentError where the collection itself
        cannot be had.
        """
        ...


@runtime_checkable
class Locator(Protocol):
    """A source whose candidates lead to a page first: where their files are is told when they are fetched."""

    def locate(self, candidate: Candidate, ticket: Ticket) -> Candidate:
        """Give the candidate with the addresses of its file; raises as `Source.lookup` and PermanentError."""
        ...


@runtime_checkable
class Parser(Protocol):
    """A source whose answers may hold entries that cannot be understood."""

    def take_dropped(self) -> int:
        """Give how many entries were left out for that since the last call."""
        ...


@runtime_checkable
class Identifier(Protocol):
    """Who knows what book an ISBN names and what else a work is called; a source may be one beside."""

    name: str

    def identify(self, isbn: str, ticket: Ticket) -> Reading | None:
        """Give title and authors of the book with an ISBN-10 or -13; None when it is not known.

        Raises what `Source.search` does.
        """
        ...

    def aliases(self, reading: Reading, ticket: Ticket) -> Sequence[str]:
        """Give the other titles of the work that has this one, in any language; none when it is not known.

        Raises what `Source.search` does.
        """
        ...
