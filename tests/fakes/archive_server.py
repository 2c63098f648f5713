"""A small Internet Archive and Open Library on a real socket, made from a table of items and works.

It understands as much of the Lucene query syntax as the sources use, and refuses what is badly written.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests import books
from tests.fakes.server import serving

Answer = Callable[[Request], Response]
_ROWS = 50


@dataclass(frozen=True)
class File:
    """A file of an item; `md5` lies about its content, `lost` has it listed but not there."""

    name: str
    format: str
    content: bytes = b""
    source: str = "derivative"
    private: bool = False
    md5: str = ""
    lost: bool = False

    def entry(self) -> dict[str, object]:
        entry: dict[str, object] = {
            "name": self.name,
            "source": self.source,
            "format": self.format,
            "size": str(len(self.content)),
            "md5": self.md5 or hashlib.md5(self.content).hexdigest(),
            "sha1": hashlib.sha1(self.content).hexdigest(),
            "crc32": "00000000",
            "mtime": "1505706378",
        }
        return entry | ({"private": "true"} if self.private else {})


@dataclass(frozen=True)
class Item:
    """An item of the archive; `more` are further fields of its metadata, over those made of the others."""

    identifier: str
    title: str
    creators: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    language: str = "eng"
    isbns: tuple[str, ...] = ()
    date: str = "1900"
    collections: tuple[str, ...] = ("americana",)
    downloads: int = 100
    more: dict[str, object] = field(default_factory=dict)
    servers: tuple[str, ...] = ()

    def metadata(self) -> dict[str, object]:
        """Its fields as `metadata/` gives them: a list only where there are several values."""
        fields: dict[str, object] = {
            "identifier": self.identifier,
            "mediatype": "texts",
            "title": self.title,
            "creator": _plain(self.creators),
            "language": self.language,
            "isbn": _plain(self.isbns),
            "date": self.date,
            "collection": _plain(self.collections),
            **self.more,
        }
        return {name: value for name, value in fields.items() if value}

    def document(self) -> dict[str, object]:
        document: dict[str, object] = {
            "created": 1398865604,
            "dir": f"/0/items/{self.identifier}",
            "files": [each.entry() for each in self.files],
            "files_count": len(self.files),
            "metadata": self.metadata(),
        }
        return document | ({"d1": self.servers[0], "workable_servers": self.servers} if self.servers else {})

    def line(self) -> dict[str, object]:
        """Its fields as a search lists them: some are always lists there."""
        formats = sorted({each.format for each in self.files})
        return self.metadata() | {"downloads": self.downloads, "format": formats}

    def values(self, name: str) -> list[str]:
        value = self.line().get(name, [])
        return [str(each) for each in (value if isinstance(value, list) else [value])]


@dataclass(frozen=True)
class Work:
    """A work of Open Library; `number` makes its key, and those of its edition and its authors.

    `edition` is the title of its edition; `credited`: the edition names its authors; `merged`: their records
    lead to others.
    """

    number: int
    title: str
    authors: tuple[str, ...] = ()
    isbns: tuple[str, ...] = ()
    edition: str = ""
    subtitle: str = ""
    titles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    ia: tuple[str, ...] = ()
    access: str = "no_ebook"
    credited: bool = True
    merged: bool = False

    def author_key(self, place: int) -> str:
        return f"/authors/OL{self.number}{place}A"


def book(identifier: str, title: str, *creators: str, formats: str = "epub pdf") -> Item:
    """A scanned book as most are: a PDF with its text and an EPUB made from it, besides other things."""
    author = creators[0] if creators else "Nobody"
    made = {
        "epub": File(f"{identifier}.epub", "EPUB", books.epub(title, author, identifier=identifier)),
        "pdf": File(f"{identifier}.pdf", "Text PDF", books.pdf(3), source="original"),
        "txt": File(f"{identifier}.txt", "Text", books.txt(), source="original"),
    }
    beside = (
        File(f"{identifier}_djvu.txt", "DjVuTXT", b"raw text"),
        File(f"{identifier}_meta.xml", "Metadata", b"<metadata/>", source="metadata"),
        File(f"{identifier}_scandata.xml", "Scandata", b"<book/>"),
    )
    return Item(identifier, title, creators, (*(made[form] for form in formats.split()), *beside))


@dataclass
class FakeArchive:
    """What the server does; tests change the fields while it runs.

    `answers` puts another answer on a path; `requests` are the paths asked for, with their queries.
    """

    items: tuple[Item, ...] = ()
    works: tuple[Work, ...] = ()
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    url: str = ""
    entered: threading.Event = field(default_factory=threading.Event)

    def app(self) -> Starlette:
        pages: dict[str, Answer] = {
            "/advancedsearch.php": self._search,
            "/metadata/{identifier}": self._metadata,
            "/download/{identifier}/{name:path}": self._download,
            "/search.json": self._works,
            "/isbn/{isbn}.json": self._isbn,
            "/books/OL{number:int}M.json": self._edition,
            "/authors/OL{number:int}A.json": self._author,
        }
        return Starlette(routes=[Route(path, self._answered(answer)) for path, answer in pages.items()])

    def asked(self, beginning: str) -> list[str]:
        """The requests whose path begins so."""
        return [each for each in self.requests if each.startswith(beginning)]

    def _answered(self, answer: Answer) -> Answer:
        def answered(request: Request) -> Response:
            self.requests.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            self.agents.add(request.headers.get("user-agent", ""))
            self.entered.set()
            return self.answers.get(request.url.path, answer)(request)

        return answered

    # the archive

    def _search(self, request: Request) -> Response:
        asked = request.query_params
        try:
            matches = parse_query(asked["q"])
        except ValueError as error:
            return JSONResponse({"error": f"[RANGE_OR_SYNTAX] {error}"})
        found = [item.line() for item in self.items if matches(item)]
        fields = asked.getlist("fl[]")
        rows = int(asked.get("rows", _ROWS))
        docs = [{name: line[name] for name in fields if name in line} for line in found[:rows]]
        response = {"numFound": len(found), "start": 0, "docs": docs}
        return JSONResponse({"responseHeader": {"status": 0, "QTime": 1}, "response": response})

    def _metadata(self, request: Request) -> Response:
        item = self._item(request)
        return JSONResponse(item.document() if item else {})

    def _download(self, request: Request) -> Response:
        item = self._item(request)
        files = item.files if item else ()
        file = next((each for each in files if each.name == request.path_params["name"]), None)
        if file is None or file.lost:
            return Response("Item not available", 404, media_type="text/html")
        return Response(file.content, media_type="application/octet-stream")

    def _item(self, request: Request) -> Item | None:
        identifier = request.path_params["identifier"]
        return next((item for item in self.items if item.identifier == identifier), None)

    # Open Library

    def _works(self, request: Request) -> Response:
        asked = request.query_params
        found = [work for work in self.works if _work_matches(work, asked.get)]
        docs = [_work_line(work) for work in found[: int(asked.get("limit", 100))]]
        return JSONResponse({"numFound": len(found), "start": 0, "numFoundExact": True, "docs": docs})

    def _isbn(self, request: Request) -> Response:
        isbn = request.path_params["isbn"]
        work = next((work for work in self.works if isbn in work.isbns and work.edition), None)
        if work is None:
            return JSONResponse({"error": "notfound", "key": f"/isbn/{isbn}"}, 404)
        return RedirectResponse(f"/books/OL{work.number}M.json", 302)

    def _edition(self, request: Request) -> Response:
        work = next(work for work in self.works if work.number == request.path_params["number"])
        authors = [{"key": work.author_key(place)} for place in range(len(work.authors))]
        edition = {
            "key": f"/books/OL{work.number}M",
            "title": work.edition,
            "works": [{"key": f"/works/OL{work.number}W"}],
            "isbn_13": list(work.isbns),
            "languages": [{"key": "/languages/eng"}],
        }
        edition |= {"subtitle": work.subtitle} if work.subtitle else {}
        return JSONResponse(edition | ({"authors": authors} if work.credited else {}))

    def _author(self, request: Request) -> Response:
        number = request.path_params["number"]
        for work in self.works:
            for place, name in enumerate(work.authors):
                key, other = work.author_key(place), f"/authors/OL9{work.number}{place}A"
                if work.merged and key == f"/authors/OL{number}A":
                    redirect = {"type": {"key": "/type/redirect"}, "location": other, "key": key}
                    return JSONResponse(redirect)
                if f"/authors/OL{number}A" in {key, other}:
                    return JSONResponse({"key": key, "name": name, "type": {"key": "/type/author"}})
        return JSONResponse({"error": "notfound"}, 404)


def _plain(values: tuple[str, ...]) -> object:
    return values[0] if len(values) == 1 else list(values)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _work_matches(work: Work, asked: Callable[[str], str | None]) -> bool:
    titles = [_words(title) for title in (work.title, work.edition, *work.titles)]
    names = [_words(name) for name in (*work.authors, *work.names)]
    title, author, isbn = (asked(name) or "" for name in ("title", "author", "isbn"))
    return (
        any(set(_words(title)) <= set(known) for known in titles)
        and (not author or any(set(_words(author)) <= set(known) for known in names))
        and (not isbn or isbn in work.isbns)
    )


def _work_line(work: Work) -> dict[str, object]:
    line: dict[str, object] = {
        "key": f"/works/OL{work.number}W",
        "title": work.title,
        "alternative_title": [each for each in (work.title, work.edition, *work.titles) if each],
        "author_name": list(work.authors),
        "author_alternative_name": list(work.names),
        "ia": list(work.ia),
        "ebook_access": work.access,
    }
    return {name: value for name, value in line.items() if value}


# the search's syntax

Match = Callable[[Item], bool]
_TOKEN = re.compile(
    r'\s*(?:(?P<sign>[()])|"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()":\\]+)(?P<colon>:)?)'
)


def parse_query(query: str) -> Match:
    """Make a test of a query: AND, OR, NOT, brackets, `field:value`; raises ValueError."""
    tokens, place = [], 0
    while place < len(query.rstrip()):
        token = _TOKEN.match(query, place)
        if token is None:
            raise ValueError(f"unexpected {query[place : place + 10]!r}")
        tokens.append(token)
        place = token.end()
    parser = _Parser(tokens)
    matches = parser.alternatives("")
    if parser.tokens:
        raise ValueError("unbalanced brackets")
    return matches


class _Parser:
    """Takes tokens from the front; `name` is the field that a value is looked for in."""

    def __init__(self, tokens: list[re.Match[str]]) -> None:
        self.tokens = tokens

    def alternatives(self, name: str) -> Match:
        tests = [self._all(name)]
        while self._take("OR"):
            tests.append(self._all(name))
        return lambda item: any(test(item) for test in tests)

    def _all(self, name: str) -> Match:
        tests = [self._one(name)]
        while self._take("AND"):
            tests.append(self._one(name))
        return lambda item: all(test(item) for test in tests)

    def _one(self, name: str) -> Match:
        if self._take("NOT"):
            test = self._one(name)
            return lambda item: not test(item)
        if not self.tokens:
            raise ValueError("something is missing at the end")
        token = self.tokens.pop(0)
        if token["sign"] == "(":
            inside = self.alternatives(name)
            if not (self.tokens and self.tokens.pop(0)["sign"] == ")"):
                raise ValueError("unbalanced brackets")
            return inside
        if token["colon"]:
            if name:
                raise ValueError("a field inside a field")
            return self._one(token["word"])
        if token["sign"] or not name or token["word"] in {"AND", "OR"}:
            raise ValueError(f"unexpected {token[0]!r}")
        value = token["word"] if token["phrase"] is None else re.sub(r"\\(.)", r"\1", token["phrase"])
        if name == "identifier":
            return lambda item: item.identifier == value
        return lambda item: value == "*" or any(_contains(each, value) for each in item.values(name))

    def _take(self, word: str) -> bool:
        if self.tokens and self.tokens[0]["word"] == word and not self.tokens[0]["colon"]:
            self.tokens.pop(0)
            return True
        return False


def _contains(text: str, value: str) -> bool:
    """Whether the words of a value stand in a text, one after the other."""
    return f" {' '.join(_words(value))} " in f" {' '.join(_words(text))} "


# misdeeds


def html(_: Request) -> Response:
    """The page that stands in for an answer when the site is in trouble."""
    return Response(books.html("Temporarily Offline"), media_type="text/html")


def throttled(_: Request) -> Response:
    """Too many requests, with the wait that is asked for."""
    return Response("Slow down", 429, headers={"Retry-After": "120"})


def huge(_: Request) -> Response:
    """More than anybody should take: 20 MB of JSON."""
    return Response(json.dumps({"filler": "x" * (20 << 20)}), media_type="application/json")


def nested(_: Request) -> Response:
    """JSON that is nested too deeply to be parsed."""
    return Response('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", media_type="application/json")


def address(archive: FakeArchive, item: Item, form: str) -> str:
    """The address of an item's file with an ending."""
    name = next(each.name for each in item.files if each.name.endswith(form))
    return f"{archive.url}/download/{item.identifier}/{quote(name)}"


@contextmanager
def fake_archive(*items: Item, works: tuple[Work, ...] = ()) -> Iterator[FakeArchive]:
    """Serve both APIs on loopback for the block."""
    archive = FakeArchive(items, works)
    with serving(archive.app()) as url:
        archive.url = url
        yield archive
