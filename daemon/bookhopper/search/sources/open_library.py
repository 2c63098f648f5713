"""Open Library: what book an ISBN names, what else a work is called, and which of its scans are public.

Shapes: https://openlibrary.org/dev/docs/api/books (`/isbn/<N>.json` redirects to the edition, whose authors
are keys), https://openlibrary.org/dev/docs/api/authors, https://openlibrary.org/dev/docs/api/search.  The
values of `ebook_access` stand in openlibrary/book_providers.py: `public` is what needs no loan; it is said
of a work, while `ia` lists all of its scans, so the Internet Archive is asked which of them are public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from urllib.parse import urlencode

from bookhopper.errors import BookhopperError
from bookhopper.model import Candidate, Reading
from bookhopper.net.addresses import host_and_port
from bookhopper.net.faults import AnswerError
from bookhopper.net.web import Web
from bookhopper.search.sources.archive_api import (
    MAX_ITEMS,
    ArchiveSource,
    best_first,
    phrase,
    surname,
)
from bookhopper.search.sources.archive_item import is_identifier
from bookhopper.search.sources.base import MOST_QUESTIONS, Health, Query
from bookhopper.search.sources.fields import isbn_in
from bookhopper.search.sources.json_answers import get_json, objects, text, texts
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.search.title import main_title
from bookhopper.ticket import Ticket

MAX_AUTHORS = 3
"""How many authors of an edition are asked for by name: each takes a request."""

_WORKS = 50
_SCANS = 40
_TITLES = 30
_TITLE_CHARACTERS = 200
_AUTHOR_KEY = re.compile(r"/authors/OL\d{1,12}A")
_ABSENT = frozenset({400, 404, 410})
_FIELDS = "key,title,alternative_title,author_name,ia,ebook_access"


class OpenLibrarySource(ArchiveSource):
    """The source of kind `open_library`, which also tells what book an ISBN names.

    It has no files of its own: its candidates are public items of the Internet Archive, and their keys those
    items' identifiers.  A want costs at most three searches at either address and five looks into items.
    """

    kind = "open_library"

    def __init__(self, name: str, url: str, archive: str, web: Web) -> None:
        """Take the addresses of Open Library and of the archive; raises PermanentError when one is none."""
        super().__init__(name, archive, web)
        self._site = url.rstrip("/")
        self._host = host_and_port(url)

    def identify(self, isbn: str, ticket: Ticket) -> Reading | None:
        """Give title and authors of an edition, or else of the work that an ISBN belongs to."""
        ticket.check()
        number = isbn_in(isbn)
        if not number:
            return None
        edition = self._document(f"/isbn/{number}.json", ticket)
        title = _title(edition)
        authors = tuple(self._author_names(edition, ticket)) if title else ()
        if title and authors:
            return Reading(title, authors)
        works = self._works({"isbn": number}, ticket)
        if not works:
            return Reading(title) if title else None
        return Reading(title or _title(works[0]), _authors(works[0]))

    def aliases(self, reading: Reading, ticket: Ticket) -> Sequence[str]:
        """Give the other titles of the work that has this one and an author of that name.

        They are in all languages, the work's own title first: what they are worth, the scores decide.
        """
        ticket.check()
        asked = book_words(reading.title)
        title = main_title(reading.title)
        for work in self._works({"title": title, "author": surname(reading)}, ticket):
            titles = _titles(work)
            if any(book_words(main_title(each)) in {asked, book_words(title)} for each in titles):
                return tuple(islice((each for each in titles if book_words(each) != asked), _TITLES))
        return ()

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find works that somebody may download, and offer the public scans of them."""
        ticket.check()
        seen: set[str] = set()
        left = MAX_ITEMS
        for asked in islice(_questions(query), MOST_QUESTIONS):
            works = [work for work in self._works(asked, ticket) if _is_public(work)]
            if "isbn" not in asked:
                works = _closest(works, query)
            scans = [scan for work in works for scan in texts(work.get("ia")) if is_identifier(scan)]
            scans = [scan for scan in dict.fromkeys(scans) if scan not in seen][:_SCANS]
            if not scans:
                continue
            seen.update(scans)
            named = " OR ".join(map(phrase, scans))
            listed = self._archive.search(f"identifier:({named})", ticket)
            wanted = query if query.readings else replace(query, readings=_readings_of(works))
            chosen = [each.identifier for each in best_first(listed, wanted)[:left]]
            if found := self._archive.offers_of(chosen, query.formats, ticket):
                return tuple(found[: query.limit])
            left -= len(chosen)
            if not left:
                break
        return ()

    def check(self, ticket: Ticket) -> Health:
        """Search at both addresses, and see whether answers come."""
        try:
            self._works({"title": "emma"}, ticket, fresh=True)
            self._archive.check(ticket)
        except BookhopperError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"{self._host} answers; books come from {self._archive.host}")

    def _works(
        self, asked: Mapping[str, str], ticket: Ticket, *, fresh: bool = False
    ) -> list[Mapping[str, object]]:
        given = {name: value[:_TITLE_CHARACTERS] for name, value in asked.items() if value}
        parameters = given | {"fields": _FIELDS, "limit": str(_WORKS)}
        address = f"{self._site}/search.json?{urlencode(parameters)}"
        answer = get_json(self._web, address, ticket, fresh=fresh)
        return list(objects(answer.get("docs")))

    def _document(self, path: str, ticket: Ticket) -> Mapping[str, object]:
        """Fetch a record; empty when there is none."""
        try:
            return get_json(self._web, f"{self._site}{path}", ticket)
        except AnswerError as error:
            if error.status in _ABSENT:
                return {}
            raise

    def _author_names(self, edition: Mapping[str, object], ticket: Ticket) -> Iterator[str]:
        keys = [text(author.get("key")) for author in objects(edition.get("authors"))]
        for key in keys[:MAX_AUTHORS]:
            if not _AUTHOR_KEY.fullmatch(key):
                continue
            author = self._document(f"{key}.json", ticket)
            goal = text(author.get("location"))  # where two records of one person were merged
            if _AUTHOR_KEY.fullmatch(goal):
                author = self._document(f"{goal}.json", ticket)
            if name := text(author.get("name")):
                yield name


def _questions(query: Query) -> Iterator[dict[str, str]]:
    """Give the parameters to search with, from strict to loose, each once."""
    titled = [reading for reading in query.readings if reading.title]
    asked = [
        {"isbn": isbn_in(query.isbn)},
        *({"title": _asked_title(reading), "author": surname(reading)} for reading in titled),
        *({"title": main_title(reading.title), "author": surname(reading)} for reading in titled),
        *({"author": surname(reading)} for reading in titled),  # for a title with a slip in it
    ]
    once: list[dict[str, str]] = []
    for each in asked:
        given = {name: value for name, value in each.items() if value}
        if given and given not in once:
            once.append(given)
    yield from once


def _asked_title(reading: Reading) -> str:
    """Give a title as strict as it need be: with an author, its main part says enough."""
    return main_title(reading.title) if surname(reading) else reading.title


def _closest(works: Sequence[Mapping[str, object]], query: Query) -> list[Mapping[str, object]]:
    """Order works by the words that their titles share with a query; those that share none are left out."""
    wanted = wanted_words(query)

    def shared(work: Mapping[str, object]) -> int:
        return max((len(wanted & book_words(title)) for title in _titles(work)[:_TITLES]), default=0)

    return sorted(filter(shared, works), key=shared, reverse=True)


def _is_public(work: Mapping[str, object]) -> bool:
    """Whether at least one scan of a work may be downloaded by anybody."""
    return text(work.get("ebook_access")) == "public"


def _readings_of(works: Sequence[Mapping[str, object]]) -> tuple[Reading, ...]:
    return tuple(Reading(title, _authors(work)) for work in works for title in _titles(work)[:_TITLES])


def _titles(work: Mapping[str, object]) -> tuple[str, ...]:
    """Give what a work is called: its own title first, then those of its editions."""
    return tuple(dict.fromkeys((*texts(work.get("title")), *texts(work.get("alternative_title")))))


def _authors(work: Mapping[str, object]) -> tuple[str, ...]:
    return texts(work.get("author_name"))[:MAX_AUTHORS]


def _title(record: Mapping[str, object]) -> str:
    """Give a record's title with its subtitle."""
    title, subtitle = text(record.get("title")), text(record.get("subtitle"))
    return f"{title}: {subtitle}" if title and subtitle else title
