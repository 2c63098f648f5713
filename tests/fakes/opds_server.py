"""A small OPDS catalogue, of 1.2 or 2.0, on a real socket, with the habits and misdeeds of real ones."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.server import serving

ATOM = "application/atom+xml;profile=opds-catalog"
OPDS_JSON = "application/opds+json"
PUBLICATION = "application/opds-publication+json"
OPEN = "http://opds-spec.org/acquisition/open-access"
TYPES = {
    "epub": "application/epub+zip",
    "pdf": "application/pdf",
    "mobi": "application/x-mobipocket-ebook",
    "azw3": "application/vnd.amazon.mobi8-ebook",
}
PAGE = 3


@dataclass(frozen=True)
class FakeBook:
    number: int
    title: str
    authors: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("epub",)
    language: str = "en"
    extra: str = ""
    """Further elements of its entry, as XML."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Further metadata of its publication."""

    def entry(self, *, partial: bool = False) -> str:
        authors = "".join(f"<author><name>{escape(name)}</name></author>" for name in self.authors)
        files = "".join(
            f'<link rel="{OPEN}" type="{TYPES[kind]}" length="{1000 + self.number}" '
            f'href="files/{self.number}/{quote(self.title)}.{kind}"/>'
            for kind in self.formats
        )
        entry = f'<link rel="alternate" type="{ATOM};type=entry" href="entries/{self.number}"/>'
        return (
            f'<entry xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/terms/">'
            f"<id>urn:fake:{self.number}</id><title>{escape(self.title)}</title>{authors}"
            f"<dc:language>{self.language}</dc:language>{self.extra}{entry if partial else files}</entry>"
        )

    def publication(self, *, partial: bool = False, base: str = "") -> dict[str, Any]:
        """Give the book as OPDS 2.0 has it."""
        files = [
            {
                "rel": OPEN,
                "type": TYPES[kind],
                "href": f"{base}files/{self.number}/{quote(self.title)}.{kind}",
                "properties": {"size": 1000 + self.number},
            }
            for kind in self.formats
        ]
        entry = {"rel": "self", "type": PUBLICATION, "href": f"{base}entries/{self.number}"}
        metadata = {
            "@type": "http://schema.org/Book",
            "identifier": f"urn:fake:{self.number}",
            "title": {"en": self.title},
            "author": [{"name": name} for name in self.authors],
            "language": [self.language],
            **self.metadata,
        }
        return {"metadata": metadata, "links": [entry] if partial else files, "images": [{"href": "x.jpg"}]}


BOOKS = (
    FakeBook(1, "Moby Dick", ("Herman Melville",), ("pdf", "epub")),
    FakeBook(2, "Emma", ("Jane Austen",), extra="<dc:identifier>urn:isbn:9780141439587</dc:identifier>"),
    FakeBook(3, "Persuasion", ("Jane Austen",), ("epub", "azw3"), extra="<dc:issued>1817-12-20</dc:issued>"),
    FakeBook(4, "Der Prozess", ("Franz Kafka",), language="de"),
    FakeBook(5, "Good Omens", ("Terry Pratchett", "Neil Gaiman")),
    FakeBook(6, "Northanger Abbey", ("Jane Austen",)),
    FakeBook(7, "Mansfield Park", ("Jane Austen",)),
    FakeBook(8, "Lady Susan & More <sic>", ("Jane Austen",)),
)


@dataclass
class FakeCatalogue:
    """What the server does; tests change the fields while it runs.

    `version` is that of OPDS; `search` says how the catalogue tells that it can be searched; `exact` makes it
    look for the phrase as a whole; `partial` leaves the files to each entry's own document; `answers` puts
    another answer on a path.
    """

    books: tuple[FakeBook, ...] = BOOKS
    version: Literal["1.2", "2.0"] = "1.2"
    search: Literal["description", "template", "none"] = "description"
    exact: bool = False
    partial: bool = False
    sign_in: tuple[str, str] | None = None
    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""
    entered: threading.Event = field(default_factory=threading.Event)

    @property
    def root(self) -> str:
        return f"{self.url}/opds/"

    def app(self) -> Starlette:
        pages = {
            "/opds/": self._root,
            "/opds/osd": self._description,
            "/opds/search": self._search,
            "/opds/all": self._all,
            "/opds/entries/{number:int}": self._entry,
            "/opds/files/{number:int}/{name}": self._file,
            "/{elsewhere:path}": lambda _: Response(status_code=404),
        }
        return Starlette(routes=[Route(path, self._guarded(answer)) for path, answer in pages.items()])

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def guarded(request: Request) -> Response:
            self.requests.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            self.entered.set()
            if self.sign_in is not None:
                expected = "Basic " + base64.b64encode(":".join(self.sign_in).encode()).decode()
                if request.headers.get("authorization") != expected:
                    return Response(status_code=401, headers={"WWW-Authenticate": "Basic realm=books"})
            return self.answers.get(request.url.path, answer)(request)

        return guarded

    def _root(self, _: Request) -> Response:
        if self.version == "2.0":
            return self._json_root()
        links = {
            "description": '<link rel="search" type="application/opensearchdescription+xml" href="osd"/>',
            "template": f'<link rel="search" type="{ATOM}" href="search?q={{searchTerms}}"/>',
            "none": "",
        }
        way = (
            f'<entry><id>all</id><title>All</title><link rel="subsection" type="{ATOM};kind=acquisition" '
            f'href="all"/><link rel="start" type="{ATOM}" href="/opds/"/></entry>'
        )
        return feed(links[self.search] + way)

    def _json_root(self) -> Response:
        links: dict[str, list[dict[str, Any]]] = {
            "description": [
                {"rel": "search", "type": "application/opensearchdescription+xml", "href": "osd"}
            ],
            "template": [
                {
                    "rel": "search",
                    "type": OPDS_JSON,
                    "href": "search{?query,title,author}",
                    "templated": True,
                }
            ],
            "none": [],
        }
        way = {"href": "all", "title": "All", "type": OPDS_JSON, "rel": "subsection"}
        start = {"href": "/opds/", "type": OPDS_JSON, "rel": ["start", "self"]}
        return json_feed(links=[start, *links[self.search]], navigation=[way])

    def _description(self, _: Request) -> Response:
        kind = ATOM if self.version == "1.2" else OPDS_JSON
        return Response(
            '<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">'
            '<Url type="text/html" template="html?q={searchTerms}"/>'
            f'<Url type="{kind}" template="search?q={{searchTerms}}&amp;page={{startPage?}}"/>'
            "</OpenSearchDescription>",
            media_type="application/opensearchdescription+xml",
        )

    def _search(self, request: Request) -> Response:
        given = request.query_params
        phrase = " ".join(filter(None, map(given.get, ("q", "query", "title", "author")))).lower()
        found = []
        for book in self.books:
            text = " ".join((book.title, *book.authors, book.extra)).lower()
            if phrase in text if self.exact else all(word in text for word in phrase.split()):
                found.append(book)
        return self._page(found, request, f"search?q={quote(phrase)}")

    def _all(self, request: Request) -> Response:
        return self._page(list(self.books), request, "all?x=")

    def _page(self, books: list[FakeBook], request: Request, address: str) -> Response:
        page = int(request.query_params.get("page") or 1)
        shown = books[PAGE * (page - 1) : PAGE * page]
        if self.version == "2.0":
            following = {"rel": "next", "type": OPDS_JSON, "href": f"{address}&page={page + 1}"}
            return json_feed(
                links=[following] if len(books) > PAGE * page else [],
                publications=[book.publication(partial=self.partial) for book in shown],
            )
        more = f"<link rel='next' type='{ATOM}' href={quoteattr(f'{address}&page={page + 1}')}/>"
        entries = "".join(book.entry(partial=self.partial) for book in shown)
        return feed(entries + (more if len(books) > PAGE * page else ""))

    def _entry(self, request: Request) -> Response:
        if self.version == "2.0":
            return JSONResponse(self._book(request).publication(base="/opds/"), media_type=PUBLICATION)
        # its links are relative to the catalogue's root, as everywhere else
        document = self._book(request).entry().replace("<entry ", '<entry xml:base="/opds/" ', 1)
        return Response(document, media_type="application/atom+xml")

    def _file(self, request: Request) -> Response:
        book = self._book(request)
        kind = request.path_params["name"].rpartition(".")[2]
        name = quote(f"{book.title} - {book.authors[0]}.{kind}")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(b"book", media_type=TYPES[kind], headers=headers)

    def _book(self, request: Request) -> FakeBook:
        number = request.path_params["number"]
        return next(book for book in self.books if book.number == number)


def feed(inside: str) -> Response:
    document = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Fake</title>{inside}</feed>'
    return Response(document, media_type=ATOM)


def json_feed(**collections: list[dict[str, Any]]) -> Response:
    """Give a feed of OPDS 2.0 with these collections of links, publications, navigation, groups or facets."""
    return JSONResponse({"metadata": {"title": "Fake"}, "links": [], **collections}, media_type=OPDS_JSON)


@contextmanager
def fake_catalogue() -> Iterator[FakeCatalogue]:
    """Serve a catalogue on loopback for the block."""
    catalogue = FakeCatalogue()
    with serving(catalogue.app()) as url:
        catalogue.url = url
        yield catalogue
