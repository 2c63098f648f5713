"""The Internet Archive: its public texts, found by its search and described by their metadata.

Asked for by https://archive.org/developers/: a User-Agent that says who asks, few requests at once, and
Retry-After obeyed; that is the session's and the pace's part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from stdnum import isbn

from bookhopper.errors import BookhopperError
from bookhopper.model import Candidate, Reading
from bookhopper.search.sources.archive_api import (
    MAX_ITEMS,
    ArchiveSource,
    best_first,
    phrase,
    surname,
)
from bookhopper.search.sources.base import MOST_QUESTIONS, Health, Query
from bookhopper.search.sources.fields import isbn_in
from bookhopper.search.sources.word_index import book_words
from bookhopper.search.title import main_title
from bookhopper.search.words import title_words
from bookhopper.ticket import Ticket

_READINGS = 8
_WORDS = 12
_WORD = re.compile(r"\w[\w'’]{0,60}")


class InternetArchiveSource(ArchiveSource):
    """The source of kind `internet_archive`; a book's key is its item's identifier.

    A want costs at most three searches and five looks into items.
    """

    kind = "internet_archive"

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Ask for ISBN, title with author, the title alone, then any of its words, until something comes."""
        ticket.check()
        seen: set[str] = set()
        for expression in islice(expressions(query), MOST_QUESTIONS):
            listed = self._archive.search(expression, ticket)
            new = [each for each in best_first(listed, query) if each.identifier not in seen]
            chosen = [each.identifier for each in new[: MAX_ITEMS - len(seen)]]
            if found := self._archive.offers_of(chosen, query.formats, ticket):
                return tuple(found[: query.limit])
            seen.update(chosen)
            if len(seen) >= MAX_ITEMS:
                break
        return ()

    def check(self, ticket: Ticket) -> Health:
        """Search for nothing in particular, and see whether an answer comes."""
        try:
            self._archive.check(ticket)
        except BookhopperError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"{self._archive.host} answers; public texts only")


def expressions(query: Query) -> Iterator[str]:
    """Give what to search for, as Lucene expressions from strict to loose, each once."""
    readings = [reading for reading in query.readings[:_READINGS] if reading.title]
    titled = [
        replace(each, title=title) for each in readings for title in (each.title, main_title(each.title))
    ]
    by_author = [reading for reading in titled if surname(reading)]
    asked = (
        isbn_expression(query.isbn),
        _any_of(_by(reading, "AND") for reading in by_author),
        _any_of(_title(reading.title) for reading in titled),
        _any_of(_by(reading, "OR") for reading in by_author),
    )
    yield from filter(None, dict.fromkeys(asked))


def isbn_expression(number: str) -> str:
    """Ask for an ISBN in both of its lengths, since an item may have either; empty when it is none."""
    long = isbn_in(number)
    if not long:
        return ""
    both = (long, isbn.to_isbn10(long)) if long.startswith("978") else (long,)
    return f"isbn:({' OR '.join(map(phrase, both))})"


def _any_of(alternatives: Iterable[str]) -> str:
    return " OR ".join(f"({each})" for each in dict.fromkeys(alternatives) if each)


def _by(reading: Reading, operator: str) -> str:
    """Ask for a title and its author's surname."""
    title = _title(reading.title, operator)
    return f"{title} AND creator:{phrase(surname(reading))}" if title else ""


def _title(title: str, operator: str = "AND") -> str:
    """Ask for a title's words without the common ones, and without numbers, which may be digits there."""
    words = [word.replace("’", "'") for word in _WORD.findall(title.lower())]
    telling = book_words(title)
    chosen = [word for word in words if not telling.isdisjoint(title_words(word))] or words
    joined = f" {operator} ".join(map(phrase, dict.fromkeys(chosen[:_WORDS])))
    return f"title:({joined})" if joined else ""
