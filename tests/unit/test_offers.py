"""Searching while somebody waits: how parameters are read, what is shown, and that it ends in time."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.datastructures import QueryParams

from bookhopper.api import offers
from bookhopper.api.offers import Offers, wants_of
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.model import Candidate, Pick, Reading, Want
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources.base import Health, Query
from bookhopper.ticket import Ticket

EMMA = Candidate("shelf", "1", "Emma", ("Jane Austen",), "en", "epub")
PICK = Want(pick=Pick("shelf", "1"))


class Shelf:
    """A source that offers what it was given, fails as it was told, or hangs until it is interrupted."""

    kind = "shelf"

    def __init__(
        self, name: str, *books: Candidate, fault: Exception | None = None, hangs: bool = False
    ) -> None:
        self.name = name
        self.books = books
        self.fault = fault
        self.hangs = hangs
        self.queries: list[Query] = []

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        self.queries.append(query)
        return self._answer(ticket)

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        return [book for book in self._answer(ticket) if book.key == key and book.format in formats]

    def _answer(self, ticket: Ticket) -> Sequence[Candidate]:
        if self.fault:
            raise self.fault
        while self.hangs:
            ticket.wait(60)
        return self.books

    def check(self, ticket: Ticket) -> Health:  # noqa: ARG002
        return Health(ok=True)

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None:
        pass


def offers_of(*sources: Shelf, at_once: int = 8) -> Offers:
    resolver = Resolver(sources, accept=0.85, margin=0.05, languages=("en",), formats=("epub", "pdf"))
    return Offers(cast(View, SimpleNamespace(resolver=resolver)), at_once)


def titles(found: Sequence[Candidate]) -> list[str]:
    return [candidate.title for candidate in found]


# parameters


@pytest.mark.parametrize(
    ("query", "wants"),
    [
        ("", []),
        ("query=&title=+&sort=newest&lang=en&format=epub&content=book", []),
        ("query=%3F%3F%3F", []),
        ("isbn=nonsense", []),
        ("title=Emma", [Want(title="Emma")]),
        ("author=Ann&author=Bob", [Want(authors=("Ann", "Bob"))]),
        ("title=Emma&author=Ann&format=.EPUB", [Want(title="Emma", authors=("Ann",), formats=("epub",))]),
        ("title=A&title=B&author=Ann", [
            Want(title="A", authors=("Ann",), readings=(Reading("B", ("Ann",)),)),
        ]),
        ("query=Emma&author=Ann", [Want(title="Emma", authors=("Ann",))]),
        ("isbn=0141439513&isbn=9780141439587&isbn=1&format=pdf", [
            Want(isbn="9780141439518", formats=("pdf",)), Want(isbn="9780141439587", formats=("pdf",)),
        ]),
        ("query=pick:+shelf:1", [PICK]),
    ],
)  # fmt: skip
def test_parameters_become_wants(query: str, wants: list[Want]) -> None:
    assert wants_of(QueryParams(query)) == wants


def test_a_query_is_read_like_a_line_of_a_list() -> None:
    (want,) = wants_of(QueryParams("query=Emma+-+Jane+Austen"))
    assert (want.title, want.authors) == ("Emma", ("Jane Austen",))
    assert Reading("Jane Austen", ("Emma",)) in want.readings


def test_what_is_given_without_end_is_bounded() -> None:
    values = "&".join(f"title={'x' * 1000}{number}&isbn=9780141439518" for number in range(100))
    wants = wants_of(QueryParams(values))
    assert len(wants) <= 5
    assert all(len(reading.title) <= 300 for reading in wants[0].readings)
    assert len(wants[0].readings) < 5


# what is shown


def test_what_comes_nearest_is_first_and_each_book_once() -> None:
    other = Candidate("shelf", "2", "Persuasion", ("Jane Austen",), "en", "epub")
    asked = offers_of(Shelf("shelf", other, EMMA))
    found = asked.search(QueryParams("title=Emma&isbn=9780141439518&isbn=9780141439587"))
    assert titles(found) == ["Emma", "Persuasion"]
    assert found[0].score > found[1].score > 0


def test_an_author_alone_is_enough() -> None:
    shelf = Shelf("shelf", Candidate("shelf", "3", "Moby Dick", ("Herman Melville",), "en", "epub"), EMMA)
    found = offers_of(shelf).search(QueryParams("author=Jane+Austen"))
    assert titles(found)[0] == "Emma"
    assert shelf.queries[0].readings == (Reading("", ("Jane Austen",)),)


def test_languages_are_asked_for_and_kept_to() -> None:
    german = Candidate("shelf", "4", "Emma", ("Jane Austen",), "de", "epub")
    unknown = Candidate("shelf", "5", "Emma", ("Jane Austen",), "", "epub")
    shelf = Shelf("shelf", EMMA, german, unknown)
    found = offers_of(shelf).search(QueryParams("title=Emma&lang=german&lang=fr"))
    assert {candidate.key for candidate in found} == {"4", "5"}
    assert shelf.queries[0].languages == ("de", "fr")


def test_a_source_that_fails_is_left_out() -> None:
    asked = offers_of(Shelf("shelf", EMMA), Shelf("away", fault=HeldError("host down")))
    assert titles(asked.search(QueryParams("title=Emma"))) == ["Emma"]


def test_where_all_fail_that_is_an_error() -> None:
    asked = offers_of(Shelf("shelf", fault=PermanentError("no")), Shelf("away", fault=HeldError("host down")))
    with pytest.raises(BookhopperError):
        asked.search(QueryParams("title=Emma"))


# time


def test_a_source_that_hangs_is_left_out_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "_SECONDS", 0.05)
    asked = offers_of(Shelf("shelf", EMMA), Shelf("slow", hangs=True))
    assert titles(asked.search(QueryParams("title=Emma"))) == ["Emma"]


@pytest.mark.parametrize("query", ["title=Emma", "query=pick:+shelf:1"])
def test_where_all_hang_that_is_an_error(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setattr(offers, "_SECONDS", 0.05)
    asked = offers_of(Shelf("shelf", hangs=True))
    with pytest.raises(HeldError):
        asked.search(QueryParams(query))
    with pytest.raises(HeldError):
        asked.look_up(PICK)


def test_only_so_many_search_at_once() -> None:
    asked = offers_of(Shelf("shelf", EMMA), at_once=1)
    with asked._searching(), pytest.raises(HeldError, match="run already"):
        asked.search(QueryParams("title=Emma"))
    assert titles(asked.search(QueryParams("title=Emma"))) == ["Emma"]


# looking up


def test_the_preferred_format_of_a_book_is_first() -> None:
    pdf = Candidate("shelf", "1", "Emma", format="pdf")
    mobi = Candidate("shelf", "1", "Emma", format="mobi")
    asked = offers_of(Shelf("shelf", pdf, mobi, EMMA))
    assert [candidate.format for candidate in asked.look_up(PICK)] == ["epub", "pdf"]
    mobi_wanted = Want(pick=PICK.pick, formats=("mobi",))
    assert [candidate.format for candidate in asked.look_up(mobi_wanted)] == ["mobi"]
    assert asked.look_up(Want(pick=Pick("nowhere", "1"))) == ()
