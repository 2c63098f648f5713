"""What every kind of source must do; a new kind joins by adding a builder to `KINDS`."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Reading
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.definitions.model import Definition
from bookhopper.search.sources.base import Query, Source
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.search.sources.html import HtmlSource
from bookhopper.search.sources.internet_archive import InternetArchiveSource
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.search.sources.open_library import OpenLibrarySource
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests import books
from tests.fakes.archive_server import Work, fake_archive
from tests.fakes.archive_server import book as item
from tests.fakes.library_site import LibrarySite, library_site
from tests.fakes.opds_server import FakeBook, FakeCatalogue, fake_catalogue
from tests.fakes.server import free_port

BOOKS = (
    ("Emma", "Jane Austen"),
    ("Persuasion", "Jane Austen"),
    ("Moby Dick", "Herman Melville"),
    ("Frankenstein", "Mary Shelley"),
    ("Dracula", "Bram Stoker"),
)
"""The books that every source under test holds, each as an EPUB."""

Builder = Callable[[ExitStack, Path, FakeCatalogue], Source]


def opds(stack: ExitStack, _: Path, catalogue: FakeCatalogue) -> Source:
    catalogue.version, catalogue.search = "1.2", "description"
    return OpdsSource("home", catalogue.root, _web_to(catalogue.url, stack))


def opds_without_search(stack: ExitStack, _: Path, catalogue: FakeCatalogue) -> Source:
    catalogue.version, catalogue.search = "1.2", "none"
    return OpdsSource("home", catalogue.root, _web_to(catalogue.url, stack))


def opds_2(stack: ExitStack, _: Path, catalogue: FakeCatalogue) -> Source:
    catalogue.version, catalogue.search = "2.0", "template"
    return OpdsSource("home", catalogue.root, _web_to(catalogue.url, stack))


def opds_2_without_search(stack: ExitStack, _: Path, catalogue: FakeCatalogue) -> Source:
    catalogue.version, catalogue.search = "2.0", "none"
    return OpdsSource("home", catalogue.root, _web_to(catalogue.url, stack))


def folder(_: ExitStack, path: Path, __: FakeCatalogue) -> Source:
    (path / "books").mkdir()
    for number, (title, author) in enumerate(BOOKS):
        (path / "books" / f"book {number}.epub").write_bytes(books.epub(title, author))
    return FolderSource("home", path / "books")


def gutenberg(stack: ExitStack, path: Path, _: FakeCatalogue) -> Source:
    rows = ["Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves"]
    for number, (title, author) in enumerate(BOOKS, start=1):
        given, last = author.rsplit(" ", 1)
        rows.append(f'{number},Text,1990-01-01,{title},en,"{last}, {given}, 1800-1900",,,')
    (path / "pg_catalog.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    source = GutenbergSource(
        "home",
        GutenbergIndex(path / "gutenberg.sqlite"),
        ["https://mirror.example"],
        str(path / "pg_catalog.csv.gz"),
        web=Web(stack.enter_context(new_session()), Hosts()),
    )
    source.refresh(Ticket(1))
    return source


def internet_archive(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    archive = stack.enter_context(fake_archive(*ITEMS))
    return InternetArchiveSource("home", archive.url, _web_to(archive.url, stack))


def open_library(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    works = tuple(
        Work(number, title, (author,), ia=(f"lost-{number}", ITEMS[number].identifier), access="public")
        for number, (title, author) in enumerate(BOOKS)
    )
    archive = stack.enter_context(fake_archive(*ITEMS, works=works))
    return OpenLibrarySource("home", archive.url, archive.url, _web_to(archive.url, stack))


def html(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    """Web pages, each book's file behind a page of its own."""
    site = stack.enter_context(library_site(*BOOKS))
    definition = Definition.model_validate(site.definition())
    return HtmlSource("home", definition, web=_web_to(site.url, stack))


def html_of_json(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    """A site that answers in JSON, with the links to the files."""
    site = stack.enter_context(library_site(*BOOKS))
    search = {
        "paths": [{"path": "api", "response": {"type": "json"}}],
        "inputs": {"q": "{{ .Keywords }}"},
        "rows": {"selector": "data.items"},
        "fields": {
            "title": {"selector": "name"},
            "author": {"selector": "by.name"},
            "download": {"selector": "link"},
        },
    }
    definition = Definition.model_validate(site.definition(search=search, download=None))
    return HtmlSource("home", definition, web=_web_to(site.url, stack))


ITEMS = tuple(
    item(f"book-{number}", title, author, formats="epub") for number, (title, author) in enumerate(BOOKS)
)


def _web_to(url: str, stack: ExitStack) -> Web:
    """Give the way to a server on this machine, without a pace."""
    session = stack.enter_context(new_session(Route(allowed=frozenset({urlsplit(url).netloc}))))
    return Web(session, Hosts(local={"127.0.0.1"}))


KINDS: Sequence[Builder] = (
    opds,
    opds_without_search,
    opds_2,
    opds_2_without_search,
    folder,
    gutenberg,
    internet_archive,
    open_library,
    html,
    html_of_json,
)


@pytest.fixture(scope="module")
def catalogue() -> Iterator[FakeCatalogue]:
    with fake_catalogue() as catalogue:
        catalogue.books = tuple(FakeBook(n, title, (author,)) for n, (title, author) in enumerate(BOOKS))
        yield catalogue


@pytest.fixture(params=KINDS, ids=lambda builder: builder.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path, catalogue: FakeCatalogue) -> Iterator[Source]:
    with ExitStack() as stack:
        source = request.param(stack, tmp_path, catalogue)
        stack.callback(source.close)
        yield source


def query(title: str, *authors: str, formats: tuple[str, ...] = (), limit: int = 60) -> Query:
    return Query(readings=(Reading(title, authors),), languages=("en",), formats=formats, limit=limit)


def titles(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.title for candidate in candidates]


def interrupted() -> Ticket:
    ticket = Ticket(1)
    ticket.interrupt(Reason.SHUTDOWN)
    return ticket


def test_it_says_what_it_is(source: Source) -> None:
    assert source.name == "home"
    assert re.fullmatch(r"[a-z_]+", source.kind)


@pytest.mark.parametrize(("title", "author"), BOOKS)
def test_a_known_book_comes_first(source: Source, title: str, author: str) -> None:
    assert titles(source.search(query(title, author), Ticket(1)))[0] == title


def test_the_title_alone_is_enough(source: Source) -> None:
    assert titles(source.search(query("moby dick!"), Ticket(1)))[0] == "Moby Dick"


def test_every_reading_counts(source: Source) -> None:
    readings = (Reading("Herman Melville", ("Moby Dick",)), Reading("Moby Dick", ("Herman Melville",)))
    assert "Moby Dick" in titles(source.search(Query(readings=readings), Ticket(1)))


def test_a_candidate_is_complete(source: Source) -> None:
    (found,) = (c for c in source.search(query("Emma", "Jane Austen"), Ticket(1)) if c.title == "Emma")
    assert (found.source, found.format, found.language) == ("home", "epub", "en")
    assert found.key == found.key.strip() != ""
    assert found.key.isprintable()
    assert "://" not in found.key
    assert len(found.authors) == 1
    assert "Austen" in found.authors[0]
    assert found.urls
    assert all(urlsplit(url).scheme in {"http", "https", "file"} for url in found.urls)
    assert not any(character in url for url in found.urls for character in " <>\"'")
    assert (found.score, found.parts, found.fault) == (0.0, {}, "")


@pytest.mark.parametrize("title", ["Xylophonic Zymurgy", "!!!", "的", "{searchTerms}", "x" * 500])
def test_nothing_found_is_empty(source: Source, title: str) -> None:
    assert list(source.search(query(title), Ticket(1))) == []


def test_an_empty_query_finds_nothing(source: Source) -> None:
    assert list(source.search(Query(), Ticket(1))) == []


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_holds(source: Source, limit: int) -> None:
    assert 0 < len(source.search(query("Emma Persuasion", "Jane Austen", limit=limit), Ticket(1))) <= limit


def test_formats_that_nobody_wants_are_left_out(source: Source) -> None:
    assert list(source.search(query("Emma", formats=("cbz",)), Ticket(1))) == []
    assert titles(source.search(query("Emma", formats=("cbz", "epub")), Ticket(1)))[0] == "Emma"


def test_a_key_finds_its_book_again(source: Source) -> None:
    found = source.search(query("Dracula", "Bram Stoker"), Ticket(1))[0]
    assert list(source.lookup(found.key, ("epub",), Ticket(1))) == [found]
    assert list(source.lookup(found.key, ("cbz",), Ticket(1))) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "0",
        "no-such-key",
        "999999999",
        "../../etc/passwd",
        "/etc/passwd",
        "./../etc/passwd",
        "~0123456789abcdef",
        "file:///etc/passwd",
        "x" * 5000,
    ],
)
def test_an_unknown_key_finds_nothing(source: Source, key: str) -> None:
    assert list(source.lookup(key, ("epub",), Ticket(1))) == []


def test_it_serves_several_threads_at_once(source: Source) -> None:
    def search(number: int) -> list[str]:
        title, author = BOOKS[number % len(BOOKS)]
        return titles(source.search(query(title, author), Ticket(number)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(search, range(40)))
    assert [names[0] for names in found] == [BOOKS[n % len(BOOKS)][0] for n in range(40)]


def test_an_interrupted_ticket_stops_it(source: Source) -> None:
    with pytest.raises(Interrupted):
        source.search(query("Emma"), interrupted())
    with pytest.raises(Interrupted):
        source.lookup("x", (), interrupted())
    assert titles(source.search(query("Emma"), Ticket(1)))[0] == "Emma"


def test_it_is_well(source: Source) -> None:
    health = source.check(Ticket(1))
    assert health.ok
    assert health.detail.isprintable()


def test_refresh_keeps_what_is_there(source: Source) -> None:
    assert source.refresh(Ticket(1)) in {True, False}
    assert source.refresh(Ticket(1)) is False
    assert titles(source.search(query("Emma"), Ticket(1)))[0] == "Emma"


def test_it_may_be_closed_twice(source: Source) -> None:
    source.search(query("Emma"), Ticket(1))
    source.close()
    source.close()


def lost_opds(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    url = f"http://127.0.0.1:{free_port()}/opds"
    return OpdsSource("home", url, _web_to(url, stack))


def lost_folder(_: ExitStack, path: Path, __: FakeCatalogue) -> Source:
    return FolderSource("home", path / "gone")


def lost_gutenberg(stack: ExitStack, path: Path, _: FakeCatalogue) -> Source:
    index, session = GutenbergIndex(path / "gone.sqlite"), stack.enter_context(new_session())
    return GutenbergSource("home", index, ["https://m.example"], str(path / "x"), web=Web(session, Hosts()))


def lost_internet_archive(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    url = f"http://127.0.0.1:{free_port()}"
    return InternetArchiveSource("home", url, _web_to(url, stack))


def lost_open_library(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    url = f"http://127.0.0.1:{free_port()}"
    return OpenLibrarySource("home", url, url, _web_to(url, stack))


def lost_html(stack: ExitStack, _: Path, __: FakeCatalogue) -> Source:
    site = LibrarySite(url=f"http://127.0.0.1:{free_port()}")
    return HtmlSource("home", Definition.model_validate(site.definition()), web=_web_to(site.url, stack))


LOST = (lost_opds, lost_folder, lost_gutenberg, lost_internet_archive, lost_open_library, lost_html)


@pytest.mark.parametrize("build", LOST)
def test_what_cannot_be_reached_is_held_and_unwell(
    build: Builder, tmp_path: Path, catalogue: FakeCatalogue
) -> None:
    with ExitStack() as stack:
        source = build(stack, tmp_path, catalogue)
        stack.callback(source.close)
        for _ in range(5):
            with pytest.raises(HeldError) as held:
                source.search(query("Emma"), Ticket(1))
            assert "\n" not in str(held.value)
        health = source.check(Ticket(1))
        assert not health.ok
        assert health.detail.isprintable()
        assert health.detail
