"""The Internet Archive's source against a server that speaks its API, well and badly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.responses import JSONResponse

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Reading
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.archive_api import MAX_ITEMS
from bookhopper.search.sources.base import MOST_QUESTIONS, Query
from bookhopper.search.sources.internet_archive import InternetArchiveSource
from bookhopper.ticket import Ticket
from tests.fakes.archive_server import (
    FakeArchive,
    File,
    Item,
    book,
    fake_archive,
    html,
    huge,
    nested,
    throttled,
)

MOBY = replace(book("mobydick00melv", "Moby Dick; or, The whale", "Melville, Herman, 1819-1891"), date="1892")
LENT = replace(book("mobydick00lent", "Moby Dick", "Melville, Herman"), collections=("inlibrary",))
RESTRICTED = replace(book("mobydick01rest", "Moby Dick", "Melville"), more={"access-restricted-item": "true"})
DARK = replace(book("mobydick02dark", "Moby Dick", "Melville"), more={"noindex": "true"})
AUDIO = replace(book("mobydick03audio", "Moby Dick", "Melville"), more={"mediatype": "audio"})
EMMA = replace(book("emma00aust", "Emma", "Austen, Jane, 1775-1817"), isbns=("0141439580",))
ITEMS = (LENT, RESTRICTED, DARK, AUDIO, MOBY, EMMA)


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with fake_archive(*ITEMS) as archive:
        yield archive


@pytest.fixture
def source(archive: FakeArchive) -> Iterator[InternetArchiveSource]:
    route = Route(allowed=frozenset({urlsplit(archive.url).netloc}))
    web = Web(new_session(route), Hosts(local={"127.0.0.1"}))
    with closing(InternetArchiveSource("archive", archive.url, web)) as source:
        yield source


def query(title: str = "", *authors: str, isbn: str = "", formats: tuple[str, ...] = ()) -> Query:
    readings = (Reading(title, authors),) if title else ()
    return Query(readings=readings, isbn=isbn, languages=("en",), formats=formats)


def keys(found: object) -> list[tuple[str, str]]:
    assert isinstance(found, tuple)
    return [(each.key, each.format) for each in found if isinstance(each, Candidate)]


MOBY_DICK = query("Moby Dick", "Herman Melville")


def test_only_what_is_public_is_found(source: InternetArchiveSource) -> None:
    assert keys(source.search(MOBY_DICK, Ticket(1))) == [
        ("mobydick00melv", "epub"),
        ("mobydick00melv", "pdf"),
    ]


@pytest.mark.parametrize("item", [RESTRICTED, DARK, AUDIO], ids=lambda item: item.identifier)
def test_what_is_not_public_cannot_be_picked_either(source: InternetArchiveSource, item: Item) -> None:
    assert source.lookup(item.identifier, (), Ticket(1)) == ()


def test_of_what_is_lent_a_pick_is_told_so(source: InternetArchiveSource) -> None:
    with pytest.raises(PermanentError, match="it is lent only"):
        source.lookup(LENT.identifier, (), Ticket(1))


def test_a_search_that_lists_what_is_lent_all_the_same_is_not_believed(
    source: InternetArchiveSource, archive: FakeArchive
) -> None:
    archive.items = (replace(LENT, collections=("lendinglibrary",)), MOBY)
    assert {key for key, _ in keys(source.search(MOBY_DICK, Ticket(1)))} == {"mobydick00melv"}
    assert archive.asked("/metadata/") == ["/metadata/mobydick00melv"]


def test_a_candidate_has_what_proves_its_file(source: InternetArchiveSource, archive: FakeArchive) -> None:
    epub, _ = source.search(MOBY_DICK, Ticket(1))
    content = MOBY.files[0].content
    assert epub.size == len(content)
    assert epub.checksums == {
        "md5": hashlib.md5(content).hexdigest(),
        "sha1": hashlib.sha1(content).hexdigest(),
    }
    assert (epub.title, epub.authors, epub.year) == ("Moby Dick; or, The whale", ("Herman Melville",), 1892)
    assert epub.urls == (f"{archive.url}/download/mobydick00melv/mobydick00melv.epub",)


def test_the_formats_come_in_the_order_asked_for(source: InternetArchiveSource) -> None:
    wanted = replace(MOBY_DICK, formats=("pdf", "mobi", "epub"))
    assert [form for _, form in keys(source.search(wanted, Ticket(1)))] == ["pdf", "epub"]
    assert keys(source.lookup("mobydick00melv", ("pdf",), Ticket(1))) == [("mobydick00melv", "pdf")]


@pytest.mark.parametrize("isbn", ["9780141439587", "0141439580"])
def test_an_isbn_alone_finds_its_item(source: InternetArchiveSource, archive: FakeArchive, isbn: str) -> None:
    found = source.search(query(isbn=isbn), Ticket(1))
    assert {key for key, _ in keys(found)} == {"emma00aust"}
    assert found[0].isbns == ("9780141439587",)
    assert len(archive.requests) == 2


def test_a_slip_in_one_word_is_forgiven_where_the_author_is_known(source: InternetArchiveSource) -> None:
    assert keys(source.search(query("Mobby Dick", "Herman Melville"), Ticket(1)))[0][0] == "mobydick00melv"


def test_a_want_costs_few_requests(source: InternetArchiveSource, archive: FakeArchive) -> None:
    archive.items = tuple(
        replace(book(f"moby{number}", "Moby Dick", "Melville, Herman"), downloads=number)
        for number in range(30)
    )
    assert len({key for key, _ in keys(source.search(MOBY_DICK, Ticket(1)))}) == MAX_ITEMS
    assert len(archive.asked("/metadata/")) == MAX_ITEMS
    assert archive.asked("/metadata/")[0] == "/metadata/moby29"
    archive.requests.clear()
    archive.items = tuple(replace(each, files=()) for each in archive.items)
    assert source.search(MOBY_DICK, Ticket(1)) == ()
    assert len(archive.asked("/metadata/")) == MAX_ITEMS
    archive.requests.clear()
    archive.items = ()
    assert source.search(query("Moby Dick: A Tale", "Melville", isbn="9780142437247"), Ticket(1)) == ()
    assert len(archive.asked("/advancedsearch.php")) == MOST_QUESTIONS


def test_a_title_that_says_more_than_the_item_finds_it(source: InternetArchiveSource) -> None:
    wanted = query("Emma: A Novel in Three Volumes", "Jane Austen", isbn="9780142437247")
    assert {key for key, _ in keys(source.search(wanted, Ticket(1)))} == {"emma00aust"}


def test_it_says_who_asks_and_for_what(source: InternetArchiveSource, archive: FakeArchive) -> None:
    source.search(MOBY_DICK, Ticket(1))
    asked = parse_qs(archive.asked("/advancedsearch.php")[0].partition("?")[2])
    assert asked["output"] == ["json"]
    assert {"identifier", "title", "creator"} <= set(asked["fl[]"])
    assert asked["q"][0].startswith("mediatype:texts AND NOT access-restricted-item:true")
    (agent,) = archive.agents
    assert agent.startswith("bookhopper/")


@pytest.mark.parametrize(
    "title", ['say "hello"', "a) OR (b", "C:\\temp", "AND OR NOT", "what? (sic) [1] {2}", "*"]
)
def test_no_title_upsets_the_search(source: InternetArchiveSource, archive: FakeArchive, title: str) -> None:
    archive.items = (book("odd", title, 'O"Brien\\'),)
    found = source.search(query(title, 'O"Brien\\'), Ticket(1))
    assert found == () or keys(found)[0][0] == "odd"


@pytest.mark.parametrize(
    "key", ["../advancedsearch.php", "moby/../emma00aust", "emma00aust?x", "emma 00", ""]
)
def test_a_key_leads_nowhere_else(source: InternetArchiveSource, archive: FakeArchive, key: str) -> None:
    assert source.lookup(key, (), Ticket(1)) == ()
    assert archive.requests == []


# trouble


@pytest.mark.parametrize("path", ["/advancedsearch.php", "/metadata/mobydick00melv"])
@pytest.mark.parametrize(
    ("answer", "fault"),
    [(html, TransientError), (nested, TransientError), (huge, PermanentError), (throttled, HeldError)],
)
def test_a_bad_answer_is_named_in_one_line(
    source: InternetArchiveSource, archive: FakeArchive, path: str, answer: object, fault: type[Exception]
) -> None:
    archive.answers[path] = answer  # type: ignore[assignment]
    with pytest.raises(fault) as raised:
        source.search(MOBY_DICK, Ticket(1))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_too_many_requests_hold_the_host_for_as_long_as_it_asks(
    source: InternetArchiveSource, archive: FakeArchive
) -> None:
    archive.answers["/advancedsearch.php"] = throttled
    with pytest.raises(HeldError) as held:
        source.search(MOBY_DICK, Ticket(1))
    assert held.value.scope == "host"
    assert 100 < held.value.seconds <= 120
    with pytest.raises(HeldError):
        source.lookup("emma00aust", (), Ticket(1))
    assert len(archive.requests) == 1


def test_an_item_that_cannot_be_read_does_not_hide_the_others(
    source: InternetArchiveSource, archive: FakeArchive
) -> None:
    archive.items = (replace(book("first", "Moby Dick", "Herman Melville"), downloads=10**6), MOBY)
    archive.answers["/metadata/first"] = html
    assert {key for key, _ in keys(source.search(MOBY_DICK, Ticket(1)))} == {"mobydick00melv"}


def test_a_search_that_is_refused_says_why(source: InternetArchiveSource, archive: FakeArchive) -> None:
    archive.answers["/advancedsearch.php"] = lambda _: JSONResponse({"error": "query parsing failed\nat 1:2"})
    with pytest.raises(TransientError, match="query parsing failed"):
        source.search(MOBY_DICK, Ticket(1))
    health = source.check(Ticket(1))
    assert not health.ok
    assert "query parsing failed" in health.detail


def test_files_that_are_missing_or_protected_are_not_offered(
    source: InternetArchiveSource, archive: FakeArchive
) -> None:
    protected = (
        File("emma_encrypted.epub", "ACS Encrypted EPUB", b"x"),
        File("emma_lcp.epub", "LCP Encrypted EPUB", b"x"),
        File("emma.epub", "EPUB", b"x", private=True),
        File("emma_daisy.zip", "DAISY", b"x"),
    )
    archive.items = (Item("emma", "Emma", ("Jane Austen",), protected),)
    assert source.search(query("Emma", "Jane Austen"), Ticket(1)) == ()
    assert source.lookup("emma", (), Ticket(1)) == ()
