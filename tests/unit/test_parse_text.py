from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.intake.base import Limits, UnreadableRequestError
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Pick, Reading, Want
from bookhopper.search.normalise import identity


def read(text: str | bytes, name: str = "list.txt") -> list[Want | BadLine]:
    return list(parse(name, text.encode() if isinstance(text, str) else text))


def want(line: str) -> Want:
    (entry,) = read(line)
    assert isinstance(entry, Want), entry
    return entry


def bad(line: str) -> BadLine:
    (entry,) = read(line)
    assert isinstance(entry, BadLine), entry
    return entry


def readings(line: str) -> list[tuple[str, tuple[str, ...]]]:
    found = want(line)
    first = Reading(found.title, found.authors)
    return [(reading.title, reading.authors) for reading in (first, *found.readings)]


@pytest.mark.parametrize(
    ("line", "title", "authors"),
    [
        ("The Great Gatsby — F. Scott Fitzgerald", "The Great Gatsby", ("F. Scott Fitzgerald",)),
        ("The Great Gatsby - F. Scott Fitzgerald", "The Great Gatsby", ("F. Scott Fitzgerald",)),
        ("The Great Gatsby – F. Scott Fitzgerald", "The Great Gatsby", ("F. Scott Fitzgerald",)),
        ("The Great Gatsby -- F. Scott Fitzgerald", "The Great Gatsby", ("F. Scott Fitzgerald",)),
        ("The Great Gatsby\tF. Scott Fitzgerald", "The Great Gatsby", ("F. Scott Fitzgerald",)),
        ("Emma by Jane Austen", "Emma", ("Jane Austen",)),
        ("EMMA BY JANE AUSTEN", "EMMA", ("JANE AUSTEN",)),
        ("walden by thoreau epub", "walden", ("thoreau",)),
        ("Emma by Jane Austen, pdf", "Emma", ("Jane Austen",)),
        ("Emma — Jane Austen [EPUB]", "Emma", ("Jane Austen",)),
        ("Emma (epub)", "Emma", ()),
        ("How to Read a PDF", "How to Read a PDF", ()),
        ("Mastering EPUB", "Mastering EPUB", ()),
        ("Mastering EPUB by Ann Author (pdf)", "Mastering EPUB", ("Ann Author",)),
        ("Emma by Jane Austen, edited by R. W. Chapman", "Emma", ("Jane Austen",)),
        ("Emma - by Jane Austen", "Emma", ("Jane Austen",)),
        (
            "Walden, or Life in the Woods, by H. D. Thoreau",
            "Walden, or Life in the Woods",
            ("H. D. Thoreau",),
        ),
        ("Austen, Jane - Emma", "Emma", ("Austen, Jane",)),
        ("Tolkien, J.R.R. - The Hobbit", "The Hobbit", ("Tolkien, J.R.R.",)),
        ("H G Wells - The Time Machine", "The Time Machine", ("H G Wells",)),
        ("Candide, or Optimism - Voltaire", "Candide, or Optimism", ("Voltaire",)),
        ("Tao te king / Laozi", "Tao te king", ("Laozi",)),
        ("Macbeth", "Macbeth", ()),
        ("“Emma” — Jane Austen", "Emma", ("Jane Austen",)),
        ('"Emma" by Jane Austen', "Emma", ("Jane Austen",)),
        ("The Cuckoo’s Egg — Cliff Stoll", "The Cuckoo’s Egg", ("Cliff Stoll",)),
        ("Moby-Dick — Herman Melville", "Moby-Dick", ("Herman Melville",)),
        ("Heart of Darkness by Conrad, Joseph", "Heart of Darkness", ("Conrad, Joseph",)),
        ("Good Omens — Terry Pratchett & Neil Gaiman", "Good Omens", ("Terry Pratchett", "Neil Gaiman")),
        ("Good Omens — Terry Pratchett, Neil Gaiman", "Good Omens", ("Terry Pratchett", "Neil Gaiman")),
        ("Good Omens by Terry Pratchett and Neil Gaiman", "Good Omens", ("Terry Pratchett", "Neil Gaiman")),
        ("Picnic — Arkady and Boris Strugatsky", "Picnic", ("Arkady Strugatsky", "Boris Strugatsky")),
        ("The Iliad — Homer (Translator: Pope)", "The Iliad", ("Homer",)),
        ("2024", "2024", ()),
        ("1234567", "1234567", ()),
        ("1984 — George Orwell", "1984", ("George Orwell",)),
    ],
)
def test_likeliest_reading(line: str, title: str, authors: tuple[str, ...]) -> None:
    assert readings(line)[0] == (title, authors)


@pytest.mark.parametrize(
    ("line", "title", "authors"),
    [
        ("Dickens - Oliver Twist", "Oliver Twist", ("Dickens",)),
        ("Stand by Me", "Stand by Me", ()),
        ("the prince, machiavelli", "the prince", ("machiavelli",)),
        ("Marcus Aurelius, Meditations (Penguin)", "Meditations", ("Marcus Aurelius",)),
        ("Dreiser, T., Sister Carrie", "Sister Carrie", ("Dreiser, T.",)),
        ("Aesop: Fables", "Fables", ("Aesop",)),
        ("Kafka, Franz. The Metamorphosis.", "The Metamorphosis.", ("Kafka, Franz",)),
        ("Les Miserables (Victor Hugo)", "Les Miserables", ("Victor Hugo",)),
        ("oblomov (goncharov), russian novel", "oblomov", ("goncharov",)),
        ("Thomas More's Utopia", "Utopia", ("Thomas More",)),
        ("Hobbes' Leviathan", "Leviathan", ("Hobbes",)),
        ("the moonstone - wilkie collins - mystery", "the moonstone", ("wilkie collins",)),
        ("dracula bram stoker 1897", "dracula bram stoker", ()),
        ("Moby Dick—Herman Melville", "Moby Dick", ("Herman Melville",)),
        ("20. July", "20. July", ()),
        ("A Study in Scarlet - a story by Conan Doyle", "A Study in Scarlet - a story", ("Conan Doyle",)),
    ],
)
def test_other_readings(line: str, title: str, authors: tuple[str, ...]) -> None:
    assert (title, authors) in readings(line)


def test_a_format_behind_a_title_alone_may_be_its_last_word() -> None:
    assert readings("walden epub") == [("walden epub", ()), ("walden", ())]
    assert readings("Emma, Austen pdf")[:3] == [
        ("Emma, Austen pdf", ()),
        ("Emma, Austen", ()),
        ("Emma", ("Austen",)),
    ]
    assert readings("Emma (epub)") == [("Emma", ()), ("Emma (epub)", ())]


def test_a_comma_within_brackets_parts_nothing() -> None:
    assert readings("Within a Budding Grove (In Search of Lost Time, #2) by Marcel Proust") == [
        ("Within a Budding Grove (In Search of Lost Time, #2)", ("Marcel Proust",)),
        ("Within a Budding Grove (In Search of Lost Time, #2) by Marcel Proust", ()),
    ]
    assert ("Walden (Boston: Ticknor and Fields, 1854)", ("Henry David Thoreau",)) in readings(
        "Henry David Thoreau, Walden (Boston: Ticknor and Fields, 1854)"
    )


def test_readings_are_few_and_distinct() -> None:
    found = readings("a, b, c: d. eee, f (g) by h - i by j, k 1999")
    assert len(found) <= 6
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("line", "isbn"),
    [
        ("978-963-543-443-5", "9789635434435"),
        ("9789635434435", "9789635434435"),
        ("978 963 543 443 5", "9789635434435"),
        ("978‐963‐543‐443‐5", "9789635434435"),
        ("0-306-40615-2", "9780306406157"),
        ("080442957X", "9780804429573"),
        ("080442957x", "9780804429573"),
        ("ISBN 0306406152", "9780306406157"),
        ("isbn-13: 978-0-306-40615-7", "9780306406157"),
        ("- ISBN: 9780306406157", "9780306406157"),
    ],
)
def test_isbn(line: str, isbn: str) -> None:
    found = want(line)
    assert (found.isbn, found.title) == (isbn, "")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("978-963-543-443-4", "last digit should be 5"),
        ("0306406153", "last digit should be 2"),
        ("0804429570", "last digit should be X"),
        ("ISBN 12", "has 10 or 13 digits, 12 has 2"),
        ("1234567890123", "begins with 978 or 979"),
        ("Emma — Jane Austen, ISBN 9780306406158", "last digit should be 7"),
    ],
)
def test_wrong_isbn_names_what_would_be_right(line: str, part: str) -> None:
    assert part in bad(line).reason


def test_isbn_beside_a_title() -> None:
    found = want("Dune — Frank Herbert (ISBN 9780441013593)")
    assert (found.title, found.authors, found.isbn) == ("Dune", ("Frank Herbert",), "9780441013593")


def test_year_and_series() -> None:
    found = want("Emma (1815) — Jane Austen")
    assert (found.title, found.authors, found.year) == ("Emma", ("Jane Austen",), 1815)
    found = want("Dubliners (1914) James Joyce")
    assert (found.title, found.authors, found.year) == ("Dubliners", ("James Joyce",), 1914)
    found = want("The Hunger Games (The Hunger Games, #1) — Suzanne Collins")
    assert found.title == "The Hunger Games (The Hunger Games, #1)"
    assert found.series == "The Hunger Games"
    assert want("(1984)").year is None


@pytest.mark.parametrize(
    ("line", "priority", "title"),
    [
        ("Emma", 1, "Emma"),
        ("! Emma", 0, "Emma"),
        ("!Emma", 0, "Emma"),
        ("!! Emma", -1, "Emma"),
        ("!!!! Emma", -1, "Emma"),
        ("- ! Emma", 0, "Emma"),
        ("* Emma", 1, "Emma"),
        ("• Emma", 1, "Emma"),
        ("- [ ] Emma", 1, "Emma"),
        ("[x] Emma", 1, "Emma"),
        ("12. Emma", 1, "Emma"),
        ("3) Emma", 1, "Emma"),
        ("— Emma", 1, "Emma"),
    ],
)
def test_marks_before_a_want(line: str, priority: int, title: str) -> None:
    found = want(line)
    assert (found.priority, found.title, found.raw) == (priority, title, line)


@pytest.mark.parametrize(
    ("line", "pick"),
    [
        ("pick: gutenberg:1342", Pick("gutenberg", "1342")),
        ("Pick : gutenberg : 1342", Pick("gutenberg", "1342")),
        ("pick: 17 gutenberg:1342    # Pride — Jane Austen, en, epub, 0.87", Pick("gutenberg", "1342", 17)),
        ("pick: 17 home:urn:uuid:1#2", Pick("home", "urn:uuid:1#2", 17)),
        ("pick: shelf:a book #1.epub", Pick("shelf", "a book #1.epub")),
        ("    pick: 17 gutenberg:1342", Pick("gutenberg", "1342", 17)),
    ],
)
def test_pick(line: str, pick: Pick) -> None:
    found = want(line)
    assert found.pick == pick
    assert found.title == ""


def test_bad_pick_says_how_it_is_written() -> None:
    assert "pick: source:key" in bad("pick: something").reason
    assert want("Pickwick: a tale").pick is None


def test_comments_blank_lines_and_line_ends() -> None:
    entries = read(b"\xef\xbb\xbf# mine\r\n\r\n  Emma  \r\n#x\rDune (Dune, #1)\n\n")
    assert [(entry.line, entry.raw) for entry in entries] == [(3, "Emma"), (5, "Dune (Dune, #1)")]


def test_only_punctuation_is_a_bad_line() -> None:
    found = bad("—!?…")
    assert (found.line, found.column) == (1, 1)
    assert "only punctuation" in found.reason


def test_overlong_line_is_bad_and_shown_by_its_beginning() -> None:
    first, second = read("x" * 1_000_000 + "\nEmma\n")
    assert isinstance(first, BadLine)
    assert "1,000,000 characters" in first.reason
    assert len(first.raw) <= 201
    assert isinstance(second, Want)


def test_invisible_characters_do_not_reach_the_store() -> None:
    found = want("Em\x07ma\u202e — Jane\u200b Austen\u00a0")
    assert (found.title, found.authors, found.raw) == ("Emma", ("Jane Austen",), "Emma — Jane Austen")


@pytest.mark.parametrize(
    ("data", "line", "column", "part"),
    [
        (b"", 1, 1, "no want in it"),
        (b"# only\n\n# remarks\n", 1, 1, "no want in it"),
        (b"Emma\nDune\xff\n", 2, 5, "byte offset 9"),
        (b"\xef\xbb\xbfEmma\xff", 1, 5, "byte offset 7"),
        ("Père\n".encode("latin-1"), 1, 2, "byte offset 1"),
        (b"Em\0ma", 1, 3, "NUL at byte offset 2"),
        ("Emma\n".encode("utf-16"), 1, 1, "UTF-16"),
    ],
)
def test_unreadable_files(data: bytes, line: int, column: int, part: str) -> None:
    with pytest.raises(UnreadableRequestError) as caught:
        read(data)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert part in caught.value.reason
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_limits() -> None:
    with pytest.raises(UnreadableRequestError, match="more than 10; split"):
        list(parse("a.txt", b"x" * 11, Limits(size=10)))
    with pytest.raises(UnreadableRequestError, match="line 3, column 1: 3 lines, more than 2"):
        list(parse("a.txt", b"a\nb\nc\n", Limits(lines=2)))
    assert len(list(parse("a.txt", b"a\nb\n", Limits(lines=2)))) == 2


def test_suffix_decides() -> None:
    assert len(read("Emma", "LIST.TXT")) == 1
    assert len(read("Emma", "x.list")) == 1
    with pytest.raises(UnreadableRequestError, match=r"\.list .*\.txt .*\.yaml \.yml"):
        read("Emma", "list.odt")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_every_line_is_accounted_for(text: str) -> None:
    """Whatever stands in a list, each line that is neither blank nor a comment gives one entry."""
    try:
        entries = read(text)
    except UnreadableRequestError:
        return
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [entry.line for entry in entries]
    assert numbers == sorted(set(numbers))
    for number, line in enumerate(lines, start=1):
        if any(character.isalnum() for character in line) and not line.strip().startswith("#"):
            assert number in numbers or not line[: line.find("#")].isprintable()
    for entry in entries:
        assert entry.raw.isprintable() or not entry.raw.isascii()
        assert "\n" not in entry.raw
        if isinstance(entry, Want):
            assert len(identity(entry)) == 16
            assert entry.title or entry.isbn or entry.pick


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.yaml"]))
def test_no_bytes_raise_anything_else(data: bytes, name: str) -> None:
    with suppress(UnreadableRequestError):
        list(parse(name, data))
