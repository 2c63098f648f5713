"""From an author, a series or a feed to the books in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bookhopper.errors import HeldError, PermanentError
from bookhopper.intake.collections import read_collection
from bookhopper.model import Candidate, Collection, Pick, Want
from bookhopper.search.collections import Books, Collector
from bookhopper.search.sources.base import Health, Query
from bookhopper.ticket import Ticket


def book(title: str, *authors: str, key: str = "", **fields: object) -> Candidate:
    facts: dict[str, object] = {"language": "en", "format": "epub", **fields}
    return Candidate("shelf", key or title, title, authors or ("Jane Austen",), **facts)  # type: ignore[arg-type]


class Shelf:
    """A source that can only be searched."""

    kind = "shelf"

    def __init__(self, *found: Candidate, name: str = "shelf", error: Exception | None = None) -> None:
        self.name = name
        self.found = found
        self.error = error
        self.asked: list[Query] = []

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        self.asked.append(query)
        return self._answer()

    def _answer(self) -> Sequence[Candidate]:
        if self.error is not None:
            raise self.error
        return self.found

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        return ()

    def check(self, ticket: Ticket) -> Health:  # noqa: ARG002
        return Health(ok=True)

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002
        return False

    def close(self) -> None: ...


class Lister(Shelf):
    """A source that lists collections of some kinds."""

    def __init__(
        self, *found: Candidate, kinds: Sequence[str] = ("author", "series", "feed"), **fields: object
    ) -> None:
        super().__init__(*found, **fields)  # type: ignore[arg-type]
        self.kinds = kinds
        self.limits: list[int] = []

    def holds(self, collection: Collection) -> bool:
        return collection.kind in self.kinds

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
        self.limits.append(limit)
        return self._answer()


@contextmanager
def collecting(*sources: Shelf) -> Iterator[Collector]:
    collector = Collector(sources, languages=["en", "de"], formats=["epub", "pdf"])
    try:
        yield collector
    finally:
        collector.close()


def found(asked: str, *sources: Shelf, **fields: object) -> Books:
    with collecting(*sources) as collector:
        want = replace(read_collection(asked), **fields)  # type: ignore[arg-type]
        return collector.books(want, Ticket(1))


def titles(books: Books) -> list[str]:
    return [want.title for want in books.wants]


def test_each_book_is_a_want_of_its_own_by_title() -> None:
    source = Lister(book("Persuasion", key="105"), book("The Emma", key="158"))
    books = found(
        "works of: Jane Austen", source, line=4, raw="works of: Jane Austen", tags=("x",), priority=-1
    )
    assert titles(books) == ["The Emma", "Persuasion"]
    assert (books.reason, books.unclear, books.silent) == ("2 books", False, ())
    assert books.wants[1] == Want(
        title="Persuasion",
        authors=("Jane Austen",),
        tags=("x",),
        priority=-1,
        pick=Pick("shelf", "105"),
        line=4,
        raw="Persuasion — Jane Austen",
    )


@pytest.mark.parametrize(
    ("author", "other"),
    [
        ("Jane Austen", "James Edward Austen-Leigh"),
        ("Jane Austen", "Jane G. Austin"),
        ("Robert Louis Stevenson", "Robert Stevenson"),
        ("Charles Dickens", "Mary Angela Dickens"),
        ("Johann Sebastian Bach", "Richard Bach"),
    ],
)
def test_books_by_others_are_left_out(author: str, other: str) -> None:
    source = Lister(book("Own", author), book(f"The Life of {author}", other))
    assert titles(found(f"works of: {author}", source)) == ["Own"]


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("Austen, Jane", "Jane Austen"),
        ("J. R. R. Tolkien", "John Ronald Reuel Tolkien"),
        ("Lewis Carroll", "Charles Lutwidge Dodgson"),
        ("Fyodor Dostoevsky", "Fyodor Dostoyevsky"),
        ("Charlotte Bronte", "Charlotte Brontë"),
        ("Chekhov", "Anton Pavlovich Chekhov"),
    ],
)
def test_one_author_under_several_names(wanted: str, offered: str) -> None:
    assert titles(found(f"works of: {wanted}", Lister(book("Own", offered)))) == ["Own"]


def test_a_name_that_may_mean_several_is_a_question() -> None:
    source = Lister(book("A", "John Smith"), book("B", "James Smith"), book("C", "John Smith"))
    books = found("works of: J. Smith", source)
    assert (books.wants, books.unclear) == ((), True)
    assert books.reason == "several authors may be meant: James Smith, John Smith; write the whole name"
    assert titles(found("works of: John Smith", source)) == ["A", "C"]


def test_editions_of_one_work_count_once() -> None:
    source = Lister(
        book("Emma", key="1"),
        book("Emma", key="2"),
        book("Emma: A Novel", key="3"),
        book("Emma (Illustrated)", key="4"),
        book("Emma", key="5", format="pdf"),
        book("Emma in Vienna", key="6"),
        book("Plays: First Series", key="7"),
        book("Plays: Second Series", key="8"),
        book("Letters — Volume 1", key="9"),
        book("Letters — Volume 2", key="10"),
        book("Roughing It", key="11"),
        book("Roughing It, Part 1.", key="12"),
        book("Roughing It, Part 2.", key="13"),
    )
    keys = [want.pick.key for want in found("works of: Jane Austen", source).wants if want.pick]
    assert keys == ["2", "6", "9", "10", "7", "8", "11"]


def test_what_is_made_of_the_works_is_left_out() -> None:
    source = Lister(
        book("Emma"),
        book("Index of the Project Gutenberg Works of Jane Austen"),
        book("Emma, Retold in Words of One Syllable", "Jane Austen", "Somebody Else"),
        book("Stories by English Authors", "A B", "C D", "Jane Austen", "E F", "G H"),
    )
    assert titles(found("works of: Jane Austen", source)) == ["Emma"]


def test_languages_formats_and_what_cannot_be_had() -> None:
    source = Lister(
        book("Emma"),
        book("Emma, roman", language="fr"),
        book("Anna", language="de"),
        book("Unknown", language=""),
        book("Persuasion", format="mobi"),
        book("Protected", fault="offered only under a licence"),
    )
    assert titles(found("works of: Jane Austen", source)) == ["Anna", "Emma", "Unknown"]
    assert titles(found("works of: Jane Austen", source, language="fr")) == ["Emma, roman", "Unknown"]
    assert titles(found("works of: Jane Austen", source, formats=("mobi",))) == ["Persuasion"]


def test_the_limit_bounds_the_books_and_says_so() -> None:
    source = Lister(*(book(f"Book {number}") for number in range(10, 40)))
    books = found("works of: Jane Austen limit: 3", source)
    assert titles(books) == ["Book 10", "Book 11", "Book 12"]
    assert books.reason == "the first 3 books; a higher `limit:` takes more"
    assert source.limits == [12]


def test_a_source_that_lists_nothing_is_searched_for_the_author() -> None:
    source = Shelf(book("Emma"), book("Emma", "Somebody Else"), book("About", "Somebody Else"))
    assert titles(found("works of: Jane Austen limit: 20", source)) == ["Emma"]
    (query,) = source.asked
    assert [(reading.title, reading.authors) for reading in query.readings] == [("", ("Jane Austen",))]
    assert (query.languages, query.formats, query.limit) == (("en", "de"), ("epub", "pdf"), 80)


def test_a_series_in_its_order() -> None:
    source = Lister(
        book("The Warden", "Anthony Trollope", series="Chronicles of Barsetshire"),
        book("Barchester Towers", "Anthony Trollope", series="The Chronicles of Barsetshire"),
        book("Framley", "Somebody Else", series="Chronicles of Barsetshire"),
        book("Phineas Finn", "Anthony Trollope", series="Palliser"),
        book("Alone", "Anthony Trollope"),
    )
    books = found("series: Chronicles of Barsetshire — Anthony Trollope", source)
    assert titles(books) == ["The Warden", "Barchester Towers"]
    assert titles(found("series: Palliser novels", source)) == ["Phineas Finn"]
    searched = Shelf(*source.found)
    assert titles(found("series: Chronicles of Barsetshire — Anthony Trollope", searched)) == titles(books)
    assert searched.asked[0].readings[0].title == "Chronicles of Barsetshire"


@pytest.mark.parametrize(
    "name",
    [
        "Barsetshire",
        "the Barsetshire novels",
        "The Barsetshire Series",
        "Barsetshire Chronicles",
        "The Chronicle of Barsetshire",
        "chronicles of the barsetshires",
    ],
)
def test_a_series_by_what_else_it_is_called(name: str) -> None:
    source = Shelf(book("The Warden", "Anthony Trollope", series="Chronicles of Barsetshire"))
    assert titles(found(f"series: {name}", source)) == ["The Warden"]


@pytest.mark.parametrize("asked", ["Barchester — Anthony Trollope", "Chronicles of Barset", "Barsetshir"])
def test_the_nearest_names_of_series_are_offered(asked: str) -> None:
    source = Shelf(
        book("The Warden", "Anthony Trollope", series="Chronicles of Barsetshire"),
        book("Emma", series="Novels of Manners"),
    )
    books = found(f"series: {asked}", source)
    assert (books.wants, books.unclear) == ((), True)
    assert books.reason.endswith("; did you mean Chronicles of Barsetshire?")
    assert found("series: Foundation", source).reason == "no source has the series Foundation"


def test_the_places_in_a_series_are_its_order() -> None:
    places = {"Towers": 2.0, "Thorne": 3.0, "Warden": 1.0, "Essays": None, "Between": 1.5}
    source = Shelf(*(book(name, series="Barset", position=place) for name, place in places.items()))
    assert titles(found("series: Barset", source)) == ["Warden", "Between", "Towers", "Thorne", "Essays"]


def test_a_feed_in_its_order_from_whose_catalogue_it_is() -> None:
    source = Lister(
        book("Zadig", "Voltaire"),
        book("Emma"),
        book("Electra", "Sophocles"),
        book("Electra", "Euripides", key="2"),
    )
    other = Shelf(book("Wrong"), name="other")
    books = found("feed: https://books.example/new", source, other)
    assert titles(books) == ["Zadig", "Emma", "Electra", "Electra"]
    assert other.asked == []


def test_a_feed_of_nobody_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        PermanentError, match=r"^https://books\.example/new\?… belongs to no source: name its"
    ):
        found("feed: https://books.example/new?key=s3cret", Shelf(), Lister(kinds=("author",)))


def test_a_feed_that_cannot_be_had_is_its_own_fault() -> None:
    with pytest.raises(PermanentError, match="404"):
        found("feed: https://books.example/new", Lister(error=PermanentError("404")))


def test_nothing_found() -> None:
    books = found("works of: Jane Austen", Lister())
    assert books == Books((), "no source has works of Jane Austen")
    assert "no source is configured" in found("works of: Jane Austen").reason


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ({"language": "fr"}, "in fr"),
        ({"format": "mobi"}, "as mobi"),
        ({"language": "fr", "format": "mobi"}, "in fr"),
    ],
)
def test_books_that_are_there_in_another_language_or_format_only_are_told(
    only: dict[str, str], told: str
) -> None:
    source = Shelf(book("Emma", series="Manners", **only), book("Ivanhoe", "Walter Scott"))
    for asked in ("works of: Jane Austen", "series: Manners"):
        assert found(asked, source).reason.endswith(f" that is taken: found only {told}")


def test_a_silent_source_is_named() -> None:
    silent = Shelf(name="home", error=HeldError("down"))
    books = found("works of: Jane Austen", Lister(book("Emma")), silent)
    assert (titles(books), books.reason, books.silent) == (
        ["Emma"],
        "1 book; it did not answer: home",
        ("home",),
    )
    with pytest.raises(HeldError, match="source home cannot be asked: down"):
        found("works of: Jane Austen", silent)


def test_more_books_than_were_asked_for_are_any_number() -> None:
    source = Lister(*(book(f"Book {number}") for number in range(10, 40)))
    assert found("works of: Jane Austen limit: 3", source).reason == (
        "the first 3 books; a higher `limit:` takes more"
    )
    known = Lister(*(book(f"Book {number}") for number in range(10, 21)))
    assert found("works of: Jane Austen limit: 3", known).reason == (
        "the first 3 of 11 books; a higher `limit:` takes more"
    )


def test_a_source_that_hangs_is_waited_for_no_longer_than_at_a_search() -> None:
    class Hanging(Shelf):
        def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:  # noqa: ARG002
            ticket.wait(600)
            return ()

    sources = [Hanging(name="slow"), Lister(book("Emma"))]
    collector = Collector(sources, languages=["en"], formats=["epub"], deadlines={"slow": 0.1})
    try:
        books = collector.books(read_collection("works of: Jane Austen"), Ticket(1))
    finally:
        collector.close()
    assert (titles(books), books.silent) == (["Emma"], ("slow",))
