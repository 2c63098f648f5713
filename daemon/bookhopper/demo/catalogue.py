"""The demonstration's library as an OPDS 1.2 catalogue with OpenSearch, on a free port of this machine.

Three of its books misbehave as real ones do: a transfer that breaks off once, a copy that always breaks off
midway, and a file that is locked.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bookhopper.api import listener
from bookhopper.api.server import Server
from bookhopper.demo.books import epub, protected_epub
from bookhopper.demo.library import HOUND, MOBY_DICK, TREASURE_ISLAND, WORKS, Work
from bookhopper.search.normalise import fold

_NAVIGATION = "application/atom+xml;profile=opds-catalog;kind=navigation"
_ACQUISITION = "application/atom+xml;profile=opds-catalog;kind=acquisition"
_ENTRY = "application/atom+xml;type=entry;profile=opds-catalog"
_OPENSEARCH = "application/opensearchdescription+xml"
_UPDATED = "2024-01-01T00:00:00Z"
_PAGE_SIZE = 8

_CHUNK = 4096
_CHUNK_SECONDS = 0.02  # about 200 kB a second: slow enough to be watched
_BREAKS_AFTER = 0.6
_STOP_SECONDS = 3.0

_DESCRIPTION = f"""\
<?xml version="1.0" encoding="utf-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>demo</ShortName>
  <Description>Search the demonstration's library</Description>
  <Url type="{_ACQUISITION}" template="/opds/search?q={{searchTerms}}&amp;page={{startPage?}}"/>
</OpenSearchDescription>
"""


class Habit(Enum):
    """How a file misbehaves when it is fetched."""

    NONE = "none"
    BREAKS_ONCE = "breaks once"
    BREAKS_ALWAYS = "breaks always"


@dataclass(frozen=True, slots=True)
class Book:
    """A file on the shelf."""

    number: int
    work: Work
    content: bytes
    habit: Habit

    @property
    def words(self) -> frozenset[str]:
        """What a search looks through."""
        return frozenset(fold(f"{self.work.title} {self.work.author} {self.work.isbn}").split())


@dataclass(frozen=True, slots=True)
class Sent:
    """One answer for a file: the byte it began at, and whether it went on to the end."""

    book: Book
    begun: int
    whole: bool


def shelf() -> tuple[Book, ...]:
    """Write the library's books; of Treasure Island there is a first copy that always breaks off."""
    habits = {MOBY_DICK: Habit.BREAKS_ONCE}
    usual = ((work, habits.get(work, Habit.NONE)) for work in WORKS)
    copies = [(TREASURE_ISLAND, Habit.BREAKS_ALWAYS), *usual]
    return tuple(
        Book(number, work, (protected_epub if work is HOUND else epub)(work), habit)
        for number, (work, habit) in enumerate(copies, start=1)
    )


class Catalogue:
    """Serves the books until it is stopped; `sent` tells what was fetched, in order."""

    def __init__(self, books: Sequence[Book]) -> None:
        self.books = tuple(books)
        self.sent: list[Sent] = []
        # an answer that is broken off on purpose is no news for the person who watches
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        socket = listener.bind("127.0.0.1", 0)
        self.url = f"{listener.url_of(socket)}/opds/"
        self._server = Server(Starlette(routes=self._routes()), socket)
        self._server.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop(time.monotonic() + _STOP_SECONDS)

    def _routes(self) -> list[Route]:
        return [
            Route("/opds/", self._root),
            Route("/opds/opensearch.xml", self._description),
            Route("/opds/search", self._search),
            Route("/opds/books", self._all),
            Route("/opds/books/{number:int}", self._entry),
            Route("/files/{number:int}.epub", self._file),
        ]

    async def _root(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's form
        search = f'<link rel="search" type="{_OPENSEARCH}" href="/opds/opensearch.xml"/>'
        way = (
            f"<entry><id>urn:bookhopper:demo:books</id><title>All books</title><updated>{_UPDATED}</updated>"
            f'<link rel="subsection" type="{_ACQUISITION}" href="/opds/books"/></entry>'
        )
        return _feed("root", search + way, _NAVIGATION)

    async def _description(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's form
        return Response(_DESCRIPTION, media_type=_OPENSEARCH)

    async def _search(self, request: Request) -> Response:
        phrase = request.query_params.get("q", "")
        asked = fold(phrase).split()
        found = [
            book
            for book in self.books
            if asked and all(any(word.startswith(start) for word in book.words) for start in asked)
        ]
        return _page(found, request, f"/opds/search?q={quote(phrase)}&amp;page=")

    async def _all(self, request: Request) -> Response:
        return _page(self.books, request, "/opds/books?page=")

    async def _entry(self, request: Request) -> Response:
        book = self._book(request)
        return Response(_entry(book), media_type=_ENTRY) if book else Response(status_code=404)

    async def _file(self, request: Request) -> Response:
        """Answer with a file, or with the rest of it when `Range` and `If-Range` ask so (RFC 9110, 14.2)."""
        book = self._book(request)
        if book is None:
            return Response(status_code=404)
        total = len(book.content)
        tag = f'"{hashlib.sha256(book.content).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Accept-Ranges": "bytes"}
        begun = 0
        asked = re.fullmatch(r"bytes=(\d{1,12})-", request.headers.get("range", ""))
        if asked and request.headers.get("if-range", tag) == tag and int(asked[1]) < total:
            begun = int(asked[1])
            headers["Content-Range"] = f"bytes {begun}-{total - 1}/{total}"
        headers["Content-Length"] = str(total - begun)
        end = self._end(book)
        self.sent.append(Sent(book, begun, end == total))
        return StreamingResponse(
            _dripping(book.content[begun:end]),
            206 if begun else 200,
            headers=headers,
            media_type="application/epub+zip",
        )

    def _end(self, book: Book) -> int:
        breaks = book.habit is Habit.BREAKS_ALWAYS or (
            book.habit is Habit.BREAKS_ONCE and not any(sent.book is book for sent in self.sent)
        )
        return int(len(book.content) * _BREAKS_AFTER) if breaks else len(book.content)

    def _book(self, request: Request) -> Book | None:
        number = request.path_params["number"]
        return next((book for book in self.books if book.number == number), None)


async def _dripping(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK):
        await asyncio.sleep(_CHUNK_SECONDS)
        yield content[start : start + _CHUNK]


def _page(books: Sequence[Book], request: Request, address: str) -> Response:
    asked = request.query_params.get("page", "")
    page = int(asked) if re.fullmatch(r"[1-9]\d{0,3}", asked) else 1
    links = ""
    if len(books) > page * _PAGE_SIZE:
        links = f'<link rel="next" type="{_ACQUISITION}" href="{address}{page + 1}"/>'
    shown = books[(page - 1) * _PAGE_SIZE : page * _PAGE_SIZE]
    return _feed("books", links + "".join(map(_entry, shown)), _ACQUISITION)


def _entry(book: Book) -> str:
    work = book.work
    isbn = f"<dc:identifier>urn:isbn:{work.isbn}</dc:identifier>" if work.isbn else ""
    issued = f"<dc:issued>{work.year}</dc:issued>" if work.year > 0 else ""
    return (
        '<entry xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/terms/">'
        f"<id>urn:bookhopper:demo:{book.number}</id><title>{escape(work.title)}</title>"
        f"<author><name>{escape(work.author)}</name></author><updated>{_UPDATED}</updated>"
        f"<dc:language>en</dc:language>{isbn}{issued}<summary>{escape(work.story.partition(chr(10))[0])}</summary>"
        f'<link rel="alternate" type="{_ENTRY}" href="/opds/books/{book.number}"/>'
        '<link rel="http://opds-spec.org/acquisition/open-access" type="application/epub+zip" '
        f'length="{len(book.content)}" href="/files/{book.number}.epub"/></entry>'
    )


def _feed(name: str, inside: str, kind: str) -> Response:
    document = (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:bookhopper:demo:{name}</id><title>The demonstration's library</title>"
        f'<updated>{_UPDATED}</updated><link rel="start" type="{_NAVIGATION}" href="/opds/"/>{inside}</feed>'
    )
    return Response(document, media_type=kind)
