"""Open Library as who knows ISBNs and titles, and as the way to public scans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from starlette.responses import JSONResponse

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Reading
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.archive_api import MAX_ITEMS
from bookhopper.search.sources.base import MOST_QUESTIONS, Identifier, Query
from bookhopper.search.sources.open_library import OpenLibrarySource
from bookhopper.ticket import Ticket
from tests.fakes.archive_server import FakeArchive, Work, book, fake_archive, html, throttled

FOX = Work(
    45804,
    "Fantastic Mr Fox",
    ("Roald Dahl",),
    ("9780140328721",),
    edition="Fantastic Mr. Fox",
    access="borrowable",
    ia=("fantasticmrfox00dahl",),
)
IDIOT = Work(
    1,
    "Идиот",
    ("Фёдор Михайлович Достоевский",),
    ("9780140447927",),
    edition="The Idiot",
    titles=("The Idiot", "Der Idiot", "L'Idiot"),
    names=("Fyodor Dostoevsky", "Dostojewski"),
    access="public",
    ia=("idiot00dost", "idiotlent00dost", "not/an id"),
)
ITEMS = (
    book("idiot00dost", "The Idiot", "Dostoyevsky, Fyodor, 1821-1881"),
    replace(book("idiotlent00dost", "The Idiot", "Dostoyevsky"), collections=("inlibrary",)),
    book("fantasticmrfox00dahl", "Fantastic Mr. Fox", "Dahl, Roald"),
)


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with fake_archive(*ITEMS, works=(FOX, IDIOT)) as archive:
        yield archive


@pytest.fixture
def library(archive: FakeArchive) -> Iterator[OpenLibrarySource]:
    route = Route(allowed=frozenset({urlsplit(archive.url).netloc}))
    web = Web(new_session(route), Hosts(local={"127.0.0.1"}))
    with closing(OpenLibrarySource("library", archive.url, archive.url, web)) as library:
        yield library


def query(title: str = "", *authors: str, isbn: str = "", formats: tuple[str, ...] = ("epub",)) -> Query:
    readings = (Reading(title, authors),) if title else ()
    return Query(readings=readings, isbn=isbn, languages=("en",), formats=formats)


# what an ISBN names


@pytest.mark.parametrize("isbn", ["9780140328721", "0140328726", "978-0-14-032872-1"])
def test_an_isbn_names_its_edition(library: OpenLibrarySource, archive: FakeArchive, isbn: str) -> None:
    assert isinstance(library, Identifier)
    assert library.identify(isbn, Ticket(1)) == Reading("Fantastic Mr. Fox", ("Roald Dahl",))
    assert archive.requests == [
        "/isbn/9780140328721.json",
        "/books/OL45804M.json",
        "/authors/OL458040A.json",
    ]


def test_the_subtitle_is_part_of_it(library: OpenLibrarySource, archive: FakeArchive) -> None:
    archive.works = (replace(FOX, subtitle="A Story"),)
    assert library.identify("9780140328721", Ticket(1)) == Reading(
        "Fantastic Mr. Fox: A Story", ("Roald Dahl",)
    )


def test_authors_whose_records_were_merged_are_followed(
    library: OpenLibrarySource, archive: FakeArchive
) -> None:
    archive.works = (replace(FOX, merged=True),)
    assert library.identify("9780140328721", Ticket(1)) == Reading("Fantastic Mr. Fox", ("Roald Dahl",))


def test_an_edition_without_authors_has_those_of_its_work(
    library: OpenLibrarySource, archive: FakeArchive
) -> None:
    archive.works = (replace(FOX, credited=False),)
    assert library.identify("9780140328721", Ticket(1)) == Reading("Fantastic Mr. Fox", ("Roald Dahl",))
    assert not archive.asked("/authors/")


def test_an_isbn_without_a_record_is_looked_for_in_the_works(
    library: OpenLibrarySource, archive: FakeArchive
) -> None:
    archive.works = (replace(FOX, edition=""),)
    assert library.identify("9780140328721", Ticket(1)) == Reading("Fantastic Mr Fox", ("Roald Dahl",))


def test_only_the_first_authors_are_asked_for(library: OpenLibrarySource, archive: FakeArchive) -> None:
    archive.works = (replace(FOX, authors=tuple("ABCDEFGH")),)
    assert library.identify("9780140328721", Ticket(1)) == Reading("Fantastic Mr. Fox", ("A", "B", "C"))


@pytest.mark.parametrize("isbn", ["9780306406157", "", "12345", "../works/OL1W", "9780140328720"])
def test_an_unknown_isbn_names_nothing(library: OpenLibrarySource, isbn: str) -> None:
    assert library.identify(isbn, Ticket(1)) is None


def test_authors_elsewhere_are_not_visited(library: OpenLibrarySource, archive: FakeArchive) -> None:
    keys = ["//evil.example/x", "/works/OL1W", "/authors/../search", 7, None]
    edition = {"title": "Trick", "authors": [*({"key": key} for key in keys), "x", None]}
    archive.answers["/isbn/9780140328721.json"] = lambda _: JSONResponse(edition)
    assert library.identify("9780140328721", Ticket(1)) == Reading("Trick", ("Roald Dahl",))
    assert len(archive.requests) == 2


# other titles of a work


def test_a_work_s_other_titles_are_its_aliases(library: OpenLibrarySource) -> None:
    found = library.aliases(Reading("The Idiot", ("Fyodor Dostoevsky",)), Ticket(1))
    assert list(found) == ["Идиот", "L'Idiot"]


@pytest.mark.parametrize(("title", "author"), [("The Idiot", "Jane Austen"), ("Idiot's Guide", ""), ("", "")])
def test_another_work_gives_no_aliases(library: OpenLibrarySource, title: str, author: str) -> None:
    assert not library.aliases(Reading(title, (author,)), Ticket(1))


# public scans


def test_a_public_scan_is_offered_under_its_identifier(
    library: OpenLibrarySource, archive: FakeArchive
) -> None:
    (found,) = library.search(query("The Idiot", "Fyodor Dostoevsky"), Ticket(1))
    assert (found.source, found.key, found.title) == ("library", "idiot00dost", "The Idiot")
    assert found.urls == (f"{archive.url}/download/idiot00dost/idiot00dost.epub",)
    assert {"md5", "sha1"} == found.checksums.keys()
    assert archive.asked("/metadata/") == ["/metadata/idiot00dost"]
    assert list(library.lookup(found.key, ("epub",), Ticket(1))) == [found]


def test_an_isbn_alone_finds_the_work_s_scans(library: OpenLibrarySource) -> None:
    (found,) = library.search(query(isbn="9780140447927"), Ticket(1))
    assert found.key == "idiot00dost"


def test_what_can_only_be_borrowed_is_not_offered(library: OpenLibrarySource, archive: FakeArchive) -> None:
    assert library.search(query("Fantastic Mr. Fox", "Roald Dahl"), Ticket(1)) == ()
    assert not archive.asked("/advancedsearch.php")
    with pytest.raises(PermanentError, match="it is lent only"):
        library.lookup("idiotlent00dost", (), Ticket(1))


def test_a_want_costs_few_requests(library: OpenLibrarySource, archive: FakeArchive) -> None:
    archive.items = tuple(book(f"idiot{number}", "The Idiot", "Dostoyevsky") for number in range(100))
    archive.works = (replace(IDIOT, ia=tuple(item.identifier for item in archive.items)),)
    assert len(library.search(query("The Idiot", "Dostoevsky"), Ticket(1))) == MAX_ITEMS
    assert len(archive.requests) == MAX_ITEMS + 2
    assert max(map(len, archive.requests)) < 4000


def test_a_want_that_finds_no_files_costs_few_requests_too(
    library: OpenLibrarySource, archive: FakeArchive
) -> None:
    empty = tuple(
        replace(book(f"idiot{number}", "The Idiot", "Dostoyevsky"), files=()) for number in range(30)
    )
    archive.items = empty
    archive.works = (replace(IDIOT, ia=tuple(item.identifier for item in empty)),)
    wanted = query("The Idiot: A Novel", "Dostoevsky", isbn="9780140447927", formats=())
    assert library.search(wanted, Ticket(1)) == ()
    looked_into = archive.asked("/metadata/")
    assert len(looked_into) == len(set(looked_into)) <= MAX_ITEMS
    assert len(archive.asked("/search.json")) <= MOST_QUESTIONS
    assert len(archive.asked("/advancedsearch.php")) <= MOST_QUESTIONS


def test_no_scan_is_looked_into_twice(library: OpenLibrarySource, archive: FakeArchive) -> None:
    archive.items = (replace(book("idiot00dost", "The Idiot", "Dostoyevsky"), files=()),)
    assert library.search(query("The Idiot", "Dostoevsky", isbn="9780140447927", formats=()), Ticket(1)) == ()
    assert archive.asked("/metadata/") == ["/metadata/idiot00dost"]
    assert len(archive.asked("/search.json")) == MOST_QUESTIONS
    assert len(archive.asked("/advancedsearch.php")) == 1


def test_a_title_that_says_more_than_the_catalogue_finds_its_work(library: OpenLibrarySource) -> None:
    wanted = query("The Idiot: A Novel in Four Parts", "Fyodor Dostoevsky", isbn="9780306406157")
    assert [found.key for found in library.search(wanted, Ticket(1))] == ["idiot00dost"]


# trouble


@pytest.mark.parametrize(("answer", "fault"), [(html, TransientError), (throttled, HeldError)])
def test_trouble_is_named(
    library: OpenLibrarySource, archive: FakeArchive, answer: object, fault: type[Exception]
) -> None:
    archive.answers["/search.json"] = archive.answers["/isbn/9780140328721.json"] = answer  # type: ignore[assignment]
    with pytest.raises(fault):
        library.identify("9780140328721", Ticket(1))
    with pytest.raises(fault):
        library.search(query("Emma"), Ticket(1))
    assert not library.check(Ticket(1)).ok


def test_both_servers_are_checked(library: OpenLibrarySource, archive: FakeArchive) -> None:
    assert library.check(Ticket(1)).ok
    archive.answers["/advancedsearch.php"] = html
    health = library.check(Ticket(1))
    assert not health.ok
    assert "advancedsearch.php" in health.detail


def test_works_of_any_shape_are_survived(library: OpenLibrarySource, archive: FakeArchive) -> None:
    docs: list[object] = [
        None,
        7,
        [],
        {},
        {"title": 5, "ia": "x", "ebook_access": ["public"]},
        {"ia": {"a": 1}},
    ]
    archive.answers["/search.json"] = lambda _: JSONResponse({"docs": docs})
    assert library.search(query("Emma", "Jane Austen"), Ticket(1)) == ()
    archive.answers["/search.json"] = lambda _: JSONResponse({"docs": {"a": 1}})
    assert library.search(query("Emma", "Jane Austen"), Ticket(1)) == ()
    assert not library.aliases(Reading("Emma"), Ticket(1))
