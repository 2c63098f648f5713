"""CSV lists: exports as the sites write them, plain tables, and what goes wrong in either."""

from __future__ import annotations

import csv
import io
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.intake.base import EmptyRequestError, Limits, UnreadableRequestError
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Collection, LeftOut, Pick, Want

GOODREADS = (
    "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Average Rating,Publisher,"
    "Binding,Number of Pages,Year Published,Original Publication Year,Date Read,Date Added,Bookshelves,"
    "Bookshelves with positions,Exclusive Shelf,My Review,Spoiler,Private Notes,Read Count,Owned Copies\n"
)
STORYGRAPH = (
    "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,"
    "Moods,Pace,Star Rating,Review,Content Warnings,Tags,Owned?\n"
)
LIBRARYTHING = (
    "Book Id\tTitle\tSort Character\tPrimary Author\tPrimary Author Role\tSecondary Author\tPublication\t"
    "Date\tReview\tRating\tMedia\tTags\tCollections\tLanguages\tISBN\tISBNs\tWork id\n"
)
CALIBRE = (
    "author_sort,authors,comments,cover,formats,id,identifiers,isbn,languages,library_name,pubdate,publisher,"
    "rating,series,series_index,size,tags,timestamp,title,title_sort,uuid\n"
)


def read(text: str | bytes, name: str = "list.csv", limits: Limits | None = None) -> list[Want | BadLine]:
    return list(parse(name, text.encode() if isinstance(text, str) else text, limits))


def row(header: str, delimiter: str = ",", **cells: str) -> str:
    """Write a row of an export; a column is named by its header, `_` for what is no letter."""
    names = ["".join(c if c.isalnum() else "_" for c in name) for name in header.strip().split(delimiter)]
    assert set(cells) <= set(names), set(cells) - set(names)
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(
        [cells.get(name, "") for name in names]
    )
    return text.getvalue()


def goodreads(**cells: str) -> str:
    return row(GOODREADS, **{"Exclusive_Shelf": "to-read", **cells})


def want(text: str, name: str = "list.csv") -> Want:
    (entry,) = read(text, name)
    assert isinstance(entry, Want), entry
    return entry


def test_a_row_of_goodreads() -> None:
    found = want(
        GOODREADS
        + goodreads(
            Book_Id="7",
            Title="Barchester Towers (Chronicles of Barsetshire, #2)",
            Author="Anthony  Trollope",
            Author_l_f="Trollope, Anthony",
            Additional_Authors="Robin Gilmour, Martin Luther King, Jr.",
            ISBN='="0141439513"',
            ISBN13='="9780140432039"',
            Year_Published="1983",
            Original_Publication_Year="1857",
            Bookshelves="to-read, victorian",
        )
    )
    assert found == Want(
        title="Barchester Towers",
        authors=("Anthony Trollope", "Robin Gilmour", "Martin Luther King, Jr."),
        isbn="9780140432039",
        year=1857,
        series="Chronicles of Barsetshire",
        tags=("victorian",),
        line=2,
        raw="Barchester Towers — Anthony Trollope, Robin Gilmour, Martin Luther King, Jr.",
    )


@pytest.mark.parametrize(
    ("cells", "field", "value"),
    [
        ({"Title": "Emma", "ISBN": '="0141439580"', "ISBN13": '=""'}, "isbn", "9780141439587"),
        ({"Title": "Emma", "ISBN13": "9.78014E+12"}, "isbn", ""),
        ({"Title": "Emma", "ISBN13": '="9780141439588"'}, "isbn", ""),
        ({"Title": "Emma", "Original_Publication_Year": "-750"}, "year", -750),
        ({"Title": "Emma", "Original_Publication_Year": "0"}, "year", None),
        ({"Title": "Emma", "Original_Publication_Year": ""}, "year", None),
        ({"Title": "Emma (Penguin Classics)"}, "title", "Emma (Penguin Classics)"),
        ({"Title": "A Wizard (Earthsea Cycle #1; Roke, #3)"}, "series", "Earthsea Cycle"),
        ({"Title": "A Wizard (Earthsea Cycle #1; Roke, #3)"}, "title", "A Wizard"),
        ({"Title": "Box (The Set, #1-3)"}, "title", "Box"),
        ({"Title": "Half (The Set, #1.5)"}, "series", "The Set"),
        ({"Title": "(Nothing, #1)"}, "title", "(Nothing, #1)"),
        ({"Title": "Two\nlines"}, "title", "Two lines"),
        ({"Title": "Emma", "Author": ""}, "authors", ()),
        ({"Title": "", "ISBN13": '="9780141439587"'}, "raw", "ISBN 9780141439587"),
    ],
)
def test_goodreads_oddities(cells: dict[str, str], field: str, value: object) -> None:
    assert getattr(want(GOODREADS + goodreads(**cells)), field) == value


def test_a_row_of_storygraph() -> None:
    line = row(
        STORYGRAPH,
        Title="Good Omens",
        Authors="Terry Pratchett, Neil Gaiman",
        ISBN_UID="9780060853983",
        Format="paperback",
        Read_Status="to-read",
        Tags="funny, to-read",
    )
    others = "".join(row(STORYGRAPH, Title="x", Read_Status=s) for s in ("read", "did-not-finish", ""))
    found = want(STORYGRAPH + others + line)
    assert (found.title, found.authors) == ("Good Omens", ("Terry Pratchett", "Neil Gaiman"))
    assert (found.isbn, found.tags, found.line) == ("9780060853983", ("funny",), 5)


def test_a_row_of_librarything() -> None:
    def line(**cells: str) -> str:
        return row(LIBRARYTHING, "\t", **cells)

    text = (
        LIBRARYTHING
        + line(Title="Mine", Collections="Your library")
        + line(
            Title="Persuasion",
            Primary_Author="Austen, Jane",
            Secondary_Author="Beer, Gillian|King, Jr., Martin Luther",
            Date="1998",
            Tags="regency, sea",
            Collections="Your library, Wishlist",
            Languages="English",
            ISBN="[0141439688]",
            ISBNs="0141439688, 9780141439686",
        )
        + line(Title="Emma", Primary_Author="Homer", Collections="To read", Languages="English, Latin")
    )
    for name, data in (("list.tsv", text.encode()), ("list.csv", text.encode("utf-16"))):
        first, second = read(data, name)
        assert first == Want(
            title="Persuasion",
            authors=("Jane Austen", "Gillian Beer", "Martin Luther King Jr."),
            isbn="9780141439686",
            year=1998,
            language="en",
            tags=("regency", "sea"),
            line=3,
            raw="Persuasion — Jane Austen, Gillian Beer, Martin Luther King Jr.",
        )
        assert isinstance(second, Want)
        assert (second.authors, second.language, second.line) == (("Homer",), "", 4)


def test_a_row_of_calibre() -> None:
    text = CALIBRE + row(
        CALIBRE,
        author_sort="Trollope, Anthony",
        authors="Anthony Trollope & Jane Doe",
        comments="<p>One,\ntwo</p>",
        identifiers="mobi-asin:B00,isbn:9780140432039",
        languages="eng",
        pubdate="1857-01-02T00:00:00+00:00",
        series="Barsetshire [2.00]",
        series_index="2.0",
        tags="Fiction, Clergy",
        title="Barchester Towers",
    )
    found = want("\ufeff" + text)
    assert (found.title, found.authors) == ("Barchester Towers", ("Anthony Trollope", "Jane Doe"))
    assert (found.isbn, found.year, found.language) == ("9780140432039", 1857, "en")
    assert (found.series, found.tags) == ("Barsetshire", ("Fiction", "Clergy"))
    assert want(CALIBRE + row(CALIBRE, title="Emma", pubdate="0101-01-01T00:00:00+00:00")).year is None


def test_a_plain_table_says_what_a_yaml_list_says() -> None:
    first, second, third, fourth = read(
        "Title;AUTHOR;isbn;Year;language;formats;series;priority;tags;force;pick;works of;limit\n"
        "Emma;Jane Austen;978-0-14-143958-7;1815;English;epub, pdf;;!;a, b;yes;;;\n"
        "\n"
        "Good Omens;Terry Pratchett & Neil Gaiman;;;;;;;;;;;\n"
        ";;;;;;;;;;gutenberg:1342;;\n"
        ";;;;;;;;;;;Jane Austen;5\n"
    )
    assert first == Want(
        title="Emma",
        authors=("Jane Austen",),
        isbn="9780141439587",
        year=1815,
        language="English",
        formats=("epub", "pdf"),
        priority=0,
        tags=("a", "b"),
        force=True,
        line=2,
        raw="Emma — Jane Austen — 978-0-14-143958-7 — 1815 — English — epub, pdf — ! — a, b — yes",
    )
    assert isinstance(second, Want)
    assert second.authors == ("Terry Pratchett", "Neil Gaiman")
    assert second.line == 4
    assert isinstance(third, Want)
    assert third.pick == Pick("gutenberg", "1342")
    assert isinstance(fourth, Want)
    assert fourth.collection == Collection("author", "Jane Austen", 5)


@pytest.mark.parametrize(
    ("rows", "line", "column", "part"),
    [
        ("Emma,9780141439588\n", 2, 2, "last digit should be 7"),
        (" ,\nEmma,x\n", 3, 2, "10 or 13 digits"),
        ("Emma,,Jane Austen\n", 2, 1, "3 cells and the header 2"),
        ('"Emma\n', 2, 1, "not closed"),
        ("x" * 2001 + ",\n", 2, 1, "2,001 characters"),
        ("x" * 140_000 + ",\n", 2, 1, "too long"),
    ],
)
def test_a_bad_row_is_told_with_its_place(rows: str, line: int, column: int, part: str) -> None:
    (entry,) = read(f"title,isbn\n{rows}")
    assert isinstance(entry, BadLine), entry
    assert (entry.line, entry.column) == (line, column)
    assert part in entry.reason
    assert len(entry.raw) <= 201


def test_columns_of_the_owner_are_passed_over_and_told() -> None:
    told: list[LeftOut] = []
    text = "notes;title;auhtor\nso good;Emma;\n;Walden;Thoreau\n"
    entries = list(parse("list.csv", text.encode(), None, told.append))
    assert [entry.title for entry in entries if isinstance(entry, Want)] == ["Emma", "Walden"]
    (remark,) = told
    assert (remark.line, remark.raw) == (1, "columns notes, auhtor")
    assert remark.reason.startswith("not read: unknown key 'notes'")


def test_an_open_quotation_mark_takes_no_other_row_with_it() -> None:
    entries = read(
        'title,isbn\nEmma,\n"Dune,\nDracula,\n"Two\nlines",\nWalden,\n'.replace('"Two\nlines"', "Two")
    )
    assert [(type(entry).__name__, entry.line) for entry in entries] == [
        ("Want", 2),
        ("BadLine", 3),
        ("Want", 4),
        ("Want", 5),
        ("Want", 6),
    ]


def test_many_open_quotation_marks_end_the_reading() -> None:
    with pytest.raises(UnreadableRequestError, match="too many rows have a quotation mark"):
        read("title,isbn\n" + 'a","b\n' * 20_000)


def test_line_numbers_count_what_is_quoted() -> None:
    header = GOODREADS.replace("\n", "\r\n")
    text = header + goodreads(Title="Emma", My_Review='It\nis "good",\n\nI think').replace("\n", "\r\n")
    entries = read(text + goodreads(Title="Walden"))
    assert [entry.line for entry in entries] == [2, 6]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: "sep=;\r\n" + text.replace(",", ";"),
        lambda text: "\n\n" + text,
        lambda text: text.upper().replace("TO-READ", "to-read"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: "\n".join(",".join(reversed(line.split(","))) for line in text.split("\n")),
        lambda text: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split("\n")[:2]
        ),
    ],
    ids=[
        "plain",
        "mark",
        "semicolons",
        "tabs",
        "sep",
        "blank",
        "upper",
        "Windows",
        "open",
        "turned",
        "quoted",
    ],
)
def test_the_header_is_known_in_any_dress(change: object) -> None:
    text = "Title,Author,Exclusive Shelf\nEmma,Jane Austen,to-read\n"
    assert callable(change)
    for data in (change(text).encode(), change(text).lstrip("\ufeff").encode("utf-16")):
        (entry,) = read(data)
        assert isinstance(entry, Want)
        assert (entry.title.title(), entry.authors[0].title()) == ("Emma", "Jane Austen")


SHELVES = GOODREADS + "".join(
    goodreads(Title=title, Exclusive_Shelf=exclusive, Bookshelves=others)
    for title, exclusive, others in (
        ("A", "to-read", "to-read"),
        ("B", "read", ""),
        ("C", "currently-reading", "classics, favourites"),
        ("D", "read", "to-read, favourites"),
        ("E", "To Read", ""),
        ("F", "", ""),
    )
)


@pytest.mark.parametrize(
    ("shelves", "titles"),
    [
        (("to-read",), "AE"),
        (("Read",), "BD"),
        (("favourites",), "CD"),
        (("to-read", "favourites"), "ACDE"),
        ((), "ABCDEF"),
    ],
)
def test_only_the_named_shelves_are_taken(shelves: tuple[str, ...], titles: str) -> None:
    said: list[LeftOut] = []
    entries = list(parse("a.csv", SHELVES.encode(), Limits(shelves=shelves), said.append))
    assert "".join(entry.title for entry in entries if isinstance(entry, Want)) == titles
    assert len(entries) == len(titles)
    assert len(said) == int(len(titles) < 6)


def test_what_is_left_out_is_counted_in_one_line() -> None:
    said: list[LeftOut] = []
    assert len(list(parse("a.csv", SHELVES.encode(), None, said.append))) == 2
    (left_out,) = said
    assert (left_out.line, left_out.raw) == (3, "4 of 6 rows")
    assert left_out.reason == (
        "they are not on to-read (`intake.shelves` says what is taken) but on "
        "read (2: lines 3, 5); currently-reading (1: line 4); no shelf (1: line 7)"
    )
    with pytest.raises(
        EmptyRequestError, match=r"1 of 1 rows left out: they are not on to-read .* but on read"
    ):
        read(GOODREADS + goodreads(Title="A", Exclusive_Shelf="read"))


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("Titel,Autor\nEmma,Jane Austen\n", 1, 1, "the column 'Titel' is not known; understood are"),
        ("author,year\nJane Austen,1815\n", 1, 1, "Goodreads (Title, Author, ISBN13, Exclusive Shelf)"),
        ("\nEmma;1815\n", 2, 1, "title, author, isbn, year"),
        ("title,author,authors\nEmma,a,b\n", 1, 3, "'authors' says what another says"),
        ("title,title\nEmma,Emma\n", 1, 2, "'title' says what another says"),
        ("title,isbn\n", 1, 1, "no want in it"),
        ("", 1, 1, "no want in it"),
        (" , \n,,\n", 1, 1, "no want in it"),
    ],
)
def test_a_header_that_is_not_known(text: str, line: int, column: int, part: str) -> None:
    with pytest.raises(UnreadableRequestError) as caught:
        read(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert part in caught.value.reason


def test_limits() -> None:
    with pytest.raises(UnreadableRequestError, match="line 4, column 1: more than 2 rows"):
        read("title\na\nb\nc\n", limits=Limits(lines=2))
    assert len(read("title\na\nb\n", limits=Limits(lines=2))) == 2
    with pytest.raises(UnreadableRequestError, match="not a text file"):
        read("title\nEm\0ma\n".encode("utf-16"))


@given(
    st.lists(
        st.lists(st.text(st.sampled_from(' "a,;\n\tÄ='), max_size=6), min_size=1, max_size=4), max_size=8
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_rows_begin_in_the_line_that_is_said(rows: list[list[str]], delimiter: str) -> None:
    """Whatever a program writes by the rules is read, and each row has the number of its first line."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["title", "series", "tags", "language"])
    begun = []
    for number, cells in enumerate(rows):
        begun.append(text.getvalue().count("\n") + 1)
        writer.writerow([f"Book {number}", *cells[1:]])
    try:
        entries = read(text.getvalue())
    except UnreadableRequestError:
        assert not rows
        return
    assert [entry.line for entry in entries] == begun


@given(
    st.text(alphabet=st.sampled_from('",;\t\n=ab#()| title'), max_size=300),
    st.sampled_from(["a.csv", "a.tsv"]),
)
def test_no_text_raises_anything_else(text: str, name: str) -> None:
    for header in ("", "title,isbn\n", "sep=", "sep=|\ntitle|isbn\n", GOODREADS, LIBRARYTHING, CALIBRE):
        with suppress(UnreadableRequestError):
            for entry in parse(name, f"{header}{text}".encode(), Limits(lines=50)):
                assert 1 <= entry.line <= text.count("\n") + 3
                assert "\n" not in entry.raw


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for begin in (b"", b"title\n", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbftitle;isbn\n"):
        with suppress(UnreadableRequestError):
            list(parse("a.csv", begin + data))


def test_a_hundred_thousand_rows_cost_no_memory() -> None:
    line = goodreads(Title="The Book of %06d", Author="Jane Austen", Bookshelves="to-read")
    data = (GOODREADS + "".join(line % number for number in range(100_000))).encode()
    tracemalloc.start()
    try:
        assert sum(1 for entry in parse("a.csv", data) if isinstance(entry, Want)) == 100_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(data)
