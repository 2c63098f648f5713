"""What a source of books is: the contract that every kind meets and the tests hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bookhopper.model import Candidate, Reading
from bookhopper.ticket import Ticket


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


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a source asks for at sign-in; sent only to the source's own origin."""

    username: str = ""
    password: str = field(default="", repr=False)


class Source(Protocol):
    """A place where books are found.

    Every method may be called from several threads at once.  A fault of the surroundings (host down, index
    not there yet) raises HeldError, an answer that cannot be understood TransientError; a long call looks at
    its ticket.  Candidates come back unscored, at most a few dozen, the likeliest first.
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
