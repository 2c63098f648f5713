"""One query's way through a catalogue with a search: what is asked, and what of its answers counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from bookhopper.errors import PermanentError, TransientError
from bookhopper.model import FORMATS as BOOK_FORMATS
from bookhopper.net.faults import AnswerError
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.series import KINDS
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds_catalogue import Catalogue
from bookhopper.search.sources.opds_model import Entry, Feed, Link
from bookhopper.search.sources.opds_templates import fill_template
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.ticket import Ticket

SEARCH_PAGES = 5
ABSENT = frozenset({400, 404, 410})
"""The statuses of what is not there; some servers also say so when they found nothing."""

_PHRASES = 7
_PAIRS = 4
_COMPLETED = 5
_SUBTITLE = re.compile(r"[:;(\[]| [-–—] ")
_SIGNS = re.compile(r"[^\w\s'’-]+")
_LETTER = re.compile(r"[^\W\d_]")
_COUNT = re.compile(r"\s*\([\d., ]*\)$")

Shared = list[tuple[int, Entry]]
"""Entries, and how many words each shares with what is wanted."""


class Search:
    """A query on its way; made for one thread."""

    def __init__(self, catalogue: Catalogue, query: Query, ticket: Ticket) -> None:
        self._catalogue = catalogue
        self._query = query
        self._ticket = ticket
        self._wanted = wanted_words(query)

    def entries(self, template: str) -> Sequence[Entry]:
        """Ask with title and author, then with less, until something comes that shares a word.

        Raises what `Web.get` does.
        """
        for title, author in islice(phrases(self._query), _PHRASES):
            address = fill_template(template, title, author, self._query.limit)
            if found := self._found_at(address):
                return found
        return ()

    def _found_at(self, address: str) -> Sequence[Entry]:
        """Search once: the entries that share most words first, then those with protected files only."""
        try:
            shared = self._narrowed(*self._read(address))
        except AnswerError as error:
            if error.status not in ABSENT:
                raise
            return ()
        shared.sort(key=lambda pair: -pair[0])
        entries = [entry for _, entry in shared]
        whole = [entry for entry in entries if entry.acquisitions]
        partial = [entry for entry in entries if not entry.acquisitions]
        for entry in partial[:_COMPLETED] if not whole else ():
            books = self._catalogue.completed(entry, self._ticket)
            whole += (book for book in books if _shared(book, self._wanted))
        found = [entry for entry in whole if entry.acquisitions]
        return found + [entry for entry in (*whole, *partial) if entry.refused]

    def _read(self, address: str) -> tuple[Shared, Feed]:
        """Read the pages of one answer; gives the last one too."""
        shared: Shared = []
        feed = Feed()
        for feed in self._catalogue.pages(address, SEARCH_PAGES, self._ticket):
            shared += ((n, entry) for entry in feed.entries if (n := _shared(entry, self._wanted)))
            if len(shared) >= self._query.limit:
                break
        return shared, feed

    def _narrowed(self, shared: Shared, last: Feed) -> Shared:
        """Look further by a facet, of language and then of format, where the answer was too long to read.

        That is worth it only when nothing that fits best serves anyway; each facet is followed once.
        """
        for kind, wanted in ((_language_of, self._query.languages), (_format_of, self._query.formats)):
            best = max((n for n, _ in shared), default=0)
            if not last.next or any(n == best and self._serves(entry) for n, entry in shared):
                break
            if not (address := facet(last.facets, kind, wanted)):
                continue
            try:
                more, last = self._read(address)
            except (PermanentError, TransientError):
                break
            shared = more + shared
        return shared

    def _serves(self, entry: Entry) -> bool:
        languages, formats = self._query.languages, self._query.formats
        language = language_tag(entry.language)
        readable = not languages or not language or any(same_language(each, language) for each in languages)
        offered = {link.format for link in entry.acquisitions}
        return readable and (not formats or not offered or not offered.isdisjoint(formats))


def facet(facets: Sequence[Link], kind: Callable[[str], str], wanted: Sequence[str]) -> str:
    """Give the address of the first wanted value among the facets of a kind; empty when there is none.

    Facets are named in the catalogue's own language, so a group is of the kind that most of its values are.
    """
    groups: dict[str, list[tuple[str, Link]]] = {}
    for link in facets:
        groups.setdefault(link.group, []).append((kind(_COUNT.sub("", link.title)), link))
    alike = [group for group in groups.values() if sum(bool(value) for value, _ in group) * 2 > len(group)]
    for each in wanted:
        for value, link in (pair for group in alike for pair in group):
            if value and not link.active and same_language(each, value):
                return link.href
    return ""


def _language_of(title: str) -> str:
    return language_tag(title) if title.lower() != "all" else ""  # `all` is a language of South India


def _format_of(title: str) -> str:
    name = title.lower().lstrip(".")
    return name if name in BOOK_FORMATS else ""


def phrases(query: Query) -> Iterator[tuple[str, str]]:
    """Give what to ask for, title and author apart: the narrowest first, each once.

    The ISBN, then the words of the title before a subtitle or a remark, with the surname and without it, the
    whole title, the surname alone (for a title with a typo): catalogues differ in what they can find, from
    any words to one exact phrase, and few hold what lists write in brackets behind a title.
    """
    readings = [(reading.title, _surname(reading.authors)) for reading in query.readings]
    mains = [(_main_words(title) or title, surname) for title, surname in readings]
    asked = [
        (query.isbn, ""),
        *islice((pair for pair in mains if _LETTER.search(pair[1])), _PAIRS),
        *((title, "") for title, _ in mains[:1]),
        *(("", surname) for _, surname in mains[:1]),
        *((title, "") for title, _ in (*mains, *readings)),
        *(("", surname) for _, surname in mains),
    ]
    yield from (phrase for phrase in dict.fromkeys(asked) if any(phrase))


def _main_words(title: str) -> str:
    return " ".join(_SIGNS.sub(" ", _SUBTITLE.split(title)[0]).split())


def _surname(authors: Sequence[str]) -> str:
    if not authors:
        return ""
    last, comma, _ = authors[0].partition(",")
    words = last.split()
    return " ".join(words) if comma else next(reversed(words), "")


def _shared(entry: Entry, wanted: frozenset[str]) -> int:
    words, series = book_words(entry.title, entry.authors, entry.isbns), book_words(entry.series)
    # a series may be wanted as a whole, by its name or by what is telling in it
    as_whole = series <= wanted or (wanted <= series and not wanted <= KINDS)
    return len(wanted & (words | series if as_whole else words))
