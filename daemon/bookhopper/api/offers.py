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
from bookhopper.intake.base import plain
from bookhopper.intake.text import WantError, read_isbn, read_line
from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.language import language_tag, same_language
from bookhopper.ticket import Interrupted, Reason, Ticket

_SECONDS = 20.0
_AT_ONCE = 8
"""How many searches may run at a time, so that the server's threads are never all taken up by them."""

_MOST_VALUES = 5
_LONGEST = 300
_MOST_OFFERS = 50

_places = threading.BoundedSemaphore(_AT_ONCE)

_SORTED: dict[str, Callable[[Candidate], tuple[bool, int]]] = {
    "newest": lambda book: (book.year is None, -(book.year or 0)),
    "oldest": lambda book: (book.year is None, book.year or 0),
    "largest": lambda book: (book.size is None, -(book.size or 0)),
    "smallest": lambda book: (book.size is None, book.size or 0),
}
"""The orders beside relevance; what is not known comes last."""


def search(view: View, params: QueryParams) -> list[Candidate]:
    """Find what the sources offer for the ancestor's parameters, by relevance unless told otherwise.

    Raises BookhopperError where no source can be asked.
    """
    wants = wants_of(params)
    languages = [tag for text in _values(params, "lang") if (tag := language_tag(text))]
    found: dict[str, Candidate] = {}
    with _searching() as ticket:
        for want in wants:
            for candidate in view.resolver.offers(want, ticket, _MOST_OFFERS, languages=languages):
                known = found.setdefault(offer_id(candidate), candidate)
                if candidate.score > known.score:
                    found[offer_id(candidate)] = candidate
    offers = sorted(_in_languages(found.values(), languages), key=lambda offer: -offer.score)
    order = _SORTED.get(params.get("sort", ""))
    return sorted(offers, key=order) if order else offers


def look_up(view: View, want: Want) -> Sequence[Candidate]:
    """Find the formats of a picked book, the preferred one first.

    Raises BookhopperError where its source cannot be asked.
    """
    assert want.pick is not None
    with _searching() as ticket:
        return view.resolver.lookup(want.pick, want.formats, ticket)


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


@contextmanager
def _searching() -> Iterator[Ticket]:
    """Give a search its ticket, which is interrupted when the time is over; HeldError when too many run."""
    if not _places.acquire(blocking=False):
        raise HeldError(f"{_AT_ONCE} searches run already")
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
        _places.release()
