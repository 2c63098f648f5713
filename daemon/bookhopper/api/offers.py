"""Searching while somebody waits for the answer: the ancestor's parameters, and a deadline.

The search is the daemon's own, with its scores; only that nothing is decided here, and what comes nearest is
shown.  Sources that do not answer in time, or at all, are left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from starlette.datastructures import QueryParams

from bookhopper.api.books import offer_id
from bookhopper.api.view import View
from bookhopper.errors import HeldError
from bookhopper.intake.base import WantError, plain
from bookhopper.intake.text import read_isbn, read_line
from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.language import language_tag, same_language
from bookhopper.ticket import Interrupted, Reason, Ticket

_SECONDS = 20.0
_AT_ONCE = 8
"""How many searches may run at a time, so that the server's threads are never all taken up by them."""

_MOST_VALUES = 5
_LONGEST = 300
_MOST_OFFERS = 50

_SORTED: dict[str, Callable[[Candidate], tuple[bool, int]]] = {
    "newest": lambda book: (book.year is None, -(book.year or 0)),
    "oldest": lambda book: (book.year is None, book.year or 0),
    "largest": lambda book: (book.size is None, -(book.size or 0)),
    "smallest": lambda book: (book.size is None, book.size or 0),
}
"""The orders beside relevance; what is not known comes last."""


class Offers:
    """Searches for whoever waits for the answer; at most `at_once` at a time, others are refused."""

    def __init__(self, view: View, at_once: int = _AT_ONCE) -> None:
        self._view = view
        self._at_once = at_once
        self._places = threading.BoundedSemaphore(at_once)

    def search(self, params: QueryParams) -> list[Candidate]:
        """Find what the sources offer for the ancestor's parameters, by relevance unless told otherwise.

        Raises BookhopperError where no source can be asked.
        """
        wants = wants_of(params)
        languages = [tag for text in _values(params, "lang") if (tag := language_tag(text))]
        found: dict[str, Candidate] = {}
        with self._searching() as ticket:
            for want in wants:
                offers = self._view.resolver.offers(want, ticket, _MOST_OFFERS, languages=languages)
                for candidate in offers:
                    known = found.setdefault(offer_id(candidate), candidate)
                    if candidate.score > known.score:
                        found[offer_id(candidate)] = candidate
        ranked = sorted(_in_languages(found.values(), languages), key=lambda offer: -offer.score)
        order = _SORTED.get(params.get("sort", ""))
        return sorted(ranked, key=order) if order else ranked

    def look_up(self, want: Want) -> Sequence[Candidate]:
        """Find the formats of a picked book, the preferred one first.

        Raises BookhopperError where its source cannot be asked.
        """
        assert want.pick is not None
        with self._searching() as ticket:
            return self._view.resolver.lookup(want.pick, want.formats, ticket)

    @contextmanager
    def _searching(self) -> Iterator[Ticket]:
        """Give a search its ticket, which is interrupted in time; HeldError when too many run."""
        if not self._places.acquire(blocking=False):
            raise HeldError(f"{self._at_once} searches run already")
        ticket = Ticket(0)
        timer = threading.Timer(_SECONDS, ticket.interrupt, (Reason.CANCEL,))
        timer.daemon = True
        timer.start()
        try:
            yield ticket
        except Interrupted as interruption:
            raise HeldError(f"no answer in {_SECONDS:.0f} s") from interruption
        finally:
            timer.cancel()
            self._places.release()


def wants_of(params: QueryParams) -> list[Want]:
    """Read the ancestor's parameters: one want for title and author, and one for each further ISBN.

    `query` is read as a line of a list is, `title` and `author` refine it, and more titles are other readings
    of the same book.  `content`, which tells kinds of books apart, means nothing to our sources.
    """
    lines = [want for text in _values(params, "query") if (want := _read(text)) is not None]
    base = lines[0] if lines else Want()
    titles, authors = _values(params, "title"), tuple(_values(params, "author")) or base.authors
    readings = [Reading(title, authors) for title in (titles or [base.title]) if title]
    isbns = [*filter(None, [base.isbn]), *_isbns(params)]
    formats = tuple(text.lower().lstrip(".") for text in _values(params, "format"))
    first = replace(
        base,
        title=readings[0].title if readings else "",
        authors=authors,
        readings=(*readings[1:], *(() if titles else base.readings)),
        isbn=next(iter(isbns), ""),
        formats=formats,
    )
    asks = first.pick or first.title or first.authors or first.isbn
    return [first, *(Want(isbn=isbn, formats=formats) for isbn in isbns[1:])] if asks else []


def _values(params: QueryParams, name: str) -> list[str]:
    values = (plain(text[:_LONGEST]) for text in params.getlist(name)[:_MOST_VALUES])
    return [value for value in values if value]


def _read(text: str) -> Want | None:
    try:
        return replace(read_line(text, 0), raw="")
    except WantError:
        return None


def _isbns(params: QueryParams) -> Iterator[str]:
    for text in _values(params, "isbn"):
        try:
            yield read_isbn(text)
        except WantError:
            continue


def _in_languages(offers: Iterable[Candidate], languages: Sequence[str]) -> Iterator[Candidate]:
    """Leave out what is known to be in another language than any of these."""
    for offer in offers:
        known = languages and offer.language
        if not known or any(same_language(tag, offer.language) for tag in languages):
            yield offer
