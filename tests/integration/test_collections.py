"""The sources that list collections: by a real index, in a real folder, over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import Response

from bookhopper.errors import HeldError, PermanentError
from bookhopper.model import Candidate, Collection
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.base import Collections
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_catalogue import Record
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.search.sources.observed import ObservedSource, SourceCall
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests import books
from tests.fakes.opds_server import BOOKS, PAGE, FakeCatalogue, fake_catalogue

RECORDS = (
    Record(11, "Alice's Adventures in Wonderland", ("Lewis Carroll",), "en", "Carroll, Lewis, 1832-1898"),
    Record(28696, "Symbolic Logic", ("Charles Lutwidge Dodgson",), "en", "Dodgson, Charles Lutwidge"),
    Record(1700, "The Life of Lewis Carroll", ("Stuart Collingwood",), "en", "Collingwood, Stuart"),
    Record(5, "Emma", ("Jane Austen",), "en", "Austen, Jane"),
)


def author(name: str) -> Collection:
    return Collection("author", name)


def titles(found: object) -> list[str]:
    assert isinstance(found, tuple | list)
    return [offer.title for offer in found if isinstance(offer, Candidate)]


# Gutenberg


@pytest.fixture
def gutenberg(tmp_path: Path) -> Iterator[GutenbergSource]:
    index = GutenbergIndex(tmp_path / "index")
    index.build(RECORDS, "stamp")
    with new_session(Route()) as session:
        yield GutenbergSource("gutenberg", index, ["http://127.0.0.1"], "x", web=Web(session, Hosts()))
    index.close()


def test_the_works_of_an_author_by_all_names_and_not_about(gutenberg: GutenbergSource) -> None:
    assert gutenberg.holds(author("x"))
    assert not gutenberg.holds(Collection("series", "x"))
    found = gutenberg.works(author("Lewis Carroll"), 9, Ticket(1))
    assert titles(found) == ["Alice's Adventures in Wonderland", "Symbolic Logic"]
    assert found[0] == gutenberg.lookup("11", (), Ticket(1))[0]
    assert len(gutenberg.works(author("Lewis Carroll"), 1, Ticket(1))) == 1


@pytest.mark.parametrize(
    ("name", "found"), [("Carrol, Lewis", 1), ("Nobody", 0), ("?", 0), ('"', 0), ("OR", 0), ("Emma", 0)]
)
def test_names_as_people_write_them(gutenberg: GutenbergSource, name: str, found: int) -> None:
    assert len(gutenberg.works(author(name), 9, Ticket(1))) == found


def test_without_an_index_a_collection_waits(tmp_path: Path) -> None:
    index = GutenbergIndex(tmp_path / "none")
    with new_session(Route()) as session:
        source = GutenbergSource("gutenberg", index, [], "x", web=Web(session, Hosts()))
        with pytest.raises(HeldError):
            source.works(author("Lewis Carroll"), 9, Ticket(1))


# folder


def test_authors_and_series_of_a_folder(tmp_path: Path) -> None:
    for number, title, place in ((1, "Barchester Towers", "2"), (2, "The Warden", "1.0"), (3, "Apart", "")):
        folder = tmp_path / str(number)
        folder.mkdir()
        series = f'<meta name="calibre:series_index" content="{place}"/>' if place else ""
        (folder / "metadata.opf").write_text(
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            f"<dc:title>{title}</dc:title><dc:creator>Anthony Trollope</dc:creator>"
            f'<meta name="calibre:series" content="The Barchester Chronicles"/>{series}</metadata></package>'
        )
        (folder / "book.epub").write_bytes(b"no zip")
        (folder / "book.pdf").write_bytes(b"no pdf")
    (tmp_path / "Emma - Jane Austen.epub").write_bytes(books.epub("Emma", "Jane Austen"))
    source = FolderSource("shelf", tmp_path)
    whole = source.works(Collection("series", "Barchester"), 9, Ticket(1))
    assert titles(whole) == [
        title for title in ("The Warden", "Barchester Towers", "Apart") for _ in range(2)
    ]
    assert titles(source.works(Collection("series", "Barchester"), 1, Ticket(1))) == ["The Warden"] * 2
    assert len(source.works(author("Trollope, Anthony"), 9, Ticket(1))) == 6
    assert titles(source.works(author("Jane Austen"), 9, Ticket(1))) == ["Emma"]
    assert not source.works(Collection("series", "Palliser"), 9, Ticket(1))
    assert source.works(Collection("series", "Barcester"), 9, Ticket(1))  # so that its name can be offered
    assert not source.holds(Collection("feed", "http://127.0.0.1/"))


# OPDS


@pytest.fixture
def catalogue() -> Iterator[FakeCatalogue]:
    with fake_catalogue() as served:
        yield served


@pytest.fixture
def opds(catalogue: FakeCatalogue) -> Iterator[OpdsSource]:
    allowed = frozenset({catalogue.url.removeprefix("http://")})
    with new_session(Route(allowed=allowed)) as session:
        yield OpdsSource("home", catalogue.root, Web(session, Hosts(local={"127.0.0.1"})))


def shelf(catalogue: FakeCatalogue, path: str = "all") -> Collection:
    return Collection("feed", f"{catalogue.root}{path}")


@pytest.mark.parametrize("version", ["1.2", "2.0"])
def test_a_feed_is_read_page_after_page(catalogue: FakeCatalogue, opds: OpdsSource, version: str) -> None:
    catalogue.version = version  # type: ignore[assignment]
    found = opds.works(shelf(catalogue), 99, Ticket(1))
    assert list(dict.fromkeys(titles(found))) == [book.title for book in BOOKS]
    assert len(catalogue.requests) == -(-len(BOOKS) // PAGE)
    assert {offer.format for offer in found} == {"epub", "pdf", "azw3"}
    assert opds.lookup(found[0].key, (), Ticket(1))[0] == found[0]


def test_a_feed_is_read_no_further_than_the_limit(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    found = opds.works(shelf(catalogue), PAGE + 1, Ticket(1))
    assert len(set(titles(found))) == PAGE + 1
    assert len(catalogue.requests) == 2


def test_only_feeds_of_the_same_server(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    assert opds.holds(shelf(catalogue))
    assert opds.holds(Collection("feed", f"{catalogue.url}/elsewhere"))
    for address in ("http://books.example/opds", catalogue.root.replace("http:", "https:")):
        assert not opds.holds(Collection("feed", address))
    assert not opds.holds(author("Jane Austen"))


def test_a_feed_of_feeds_or_none_is_refused_and_the_catalogue_goes_on(
    catalogue: FakeCatalogue, opds: OpdsSource
) -> None:
    with pytest.raises(PermanentError, match="lists no books but other feeds"):
        opds.works(shelf(catalogue, ""), 9, Ticket(1))
    with pytest.raises(PermanentError, match="404"):
        opds.works(shelf(catalogue, "nothing"), 9, Ticket(1))
    assert opds.works(shelf(catalogue), 9, Ticket(1))


def test_a_refused_sign_in_is_not_repeated(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    catalogue.sign_in = ("ann", "secret")
    for _ in range(2):
        with pytest.raises(HeldError):
            opds.works(shelf(catalogue), 9, Ticket(1))
    assert len(catalogue.requests) <= 2


def test_a_feed_that_leads_round_in_circles_ends(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    page = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>'
        f'{BOOKS[0].entry()}<link rel="next" type="application/atom+xml" href="all"/></feed>'
    )
    catalogue.answers["/opds/all"] = lambda _: Response(page, media_type="application/atom+xml")
    assert set(titles(opds.works(shelf(catalogue), 99, Ticket(1)))) == {BOOKS[0].title}
    assert len(catalogue.requests) == 1


def test_a_feed_can_be_interrupted(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    ticket, gate = Ticket(1), threading.Event()

    def slow(_: object) -> Response:
        ticket.interrupt(Reason.CANCEL)
        gate.wait(1)
        return Response("", status_code=500)

    catalogue.answers["/opds/all"] = slow
    try:
        with pytest.raises(Interrupted):
            opds.works(shelf(catalogue), 9, ticket)
    finally:
        gate.set()


def test_an_observed_source_lists_what_its_own_does(catalogue: FakeCatalogue, opds: OpdsSource) -> None:
    calls: list[SourceCall] = []
    observed = ObservedSource(opds, calls.append)
    assert isinstance(observed, Collections)
    assert observed.holds(shelf(catalogue))
    observed.works(shelf(catalogue), 1, Ticket(1))
    with pytest.raises(PermanentError):
        observed.works(shelf(catalogue, "nothing"), 1, Ticket(1))
    assert [(call.operation, call.outcome) for call in calls] == [("works", "found"), ("works", "nothing")]
