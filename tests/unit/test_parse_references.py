"""Reference lists: BibTeX with all that people put into it, RIS, and what is no book."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.intake.base import EmptyRequestError, Limits, UnreadableRequestError
from bookhopper.intake.latex import decode_latex
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, LeftOut, Want

BIB = r"""
% my reading list
@string{penguin = "Penguin " # {Books}}
@comment{ not {this} one: @book{no, title={No}} }
@preamble{ "\newcommand{\noop}[1]{}" }

@book{bronte1847,
  author    = {Bront{\"e}, Charlotte and others},
  title     = {{Jane Eyre}: An Autobiography},
  publisher = penguin,
  isbn      = {978-0-14-144114-6},
  year      = 1847,
  keywords  = {governess, classics},
  langid    = {english},
}
@Book(goethe:1809, Author = "von Goethe, Johann Wolfgang", Title = "Die Wahlverwandtschaften",
      Date = "1809-10", Language = "ngerman")
@article{knuth, author={Donald Knuth}, title={Literate Programming}}
@incollection{ch3,
  author = {A. Chapter Writer}, title = {A Chapter},
  booktitle = "Good Omens", booksubtitle = {Accurate},
  editor = {Pratchett, Terry AND Gaiman, Neil and {Barnes and Noble}},
}
@phdthesis{t, title={On It}, author={Me}}
@proceedings{p, title = "The " # "Conference" # { of} # jan, editor = "Jr. Somebody"}
"""


def read(text: str, name: str = "list.bib", limits: Limits | None = None) -> list[Want | BadLine]:
    return list(parse(name, text.encode(), limits))


def test_a_bibtex_file() -> None:
    said: list[LeftOut] = []
    bronte, goethe, omens, conference = parse("list.bib", BIB.encode(), None, said.append)
    assert bronte == Want(
        title="Jane Eyre: An Autobiography",
        authors=("Charlotte Brontë",),
        isbn="9780141441146",
        year=1847,
        language="en",
        tags=("governess", "classics"),
        line=7,
        raw="Jane Eyre: An Autobiography — Charlotte Brontë",
    )
    assert isinstance(goethe, Want)
    assert (goethe.title, goethe.authors) == ("Die Wahlverwandtschaften", ("Johann Wolfgang von Goethe",))
    assert (goethe.year, goethe.line) == (1809, 16)
    assert isinstance(omens, Want)
    assert omens.title == "Good Omens: Accurate"
    assert omens.authors == ("Terry Pratchett", "Neil Gaiman", "Barnes and Noble")
    assert omens.line == 19
    assert isinstance(conference, Want)
    assert conference.title == "The Conference ofjan"
    (left_out,) = said
    assert left_out.raw == "2 of 6 entries"
    assert re.fullmatch(
        r"they are no books but @article \(1: line \d+\); @phdthesis \(1: line \d+\)", left_out.reason
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"Bront{\"e}", "Brontë"),
        (r"Bront\"{e}", "Brontë"),
        (r"Les Mis\'erables", "Les Misérables"),
        (r"{\'E}mile", "Émile"),
        (r"Fran\c{c}ois", "François"),
        (r"Fran\c cois", "François"),
        (r"Dvo{\v r}{\'a}k", "Dvořák"),
        (r"na\"{\i}ve na\"\i ve", "naïve naïve"),
        (r"Stra{\ss}e Stra\ss e", "Straße Straße"),
        (r"\O{}rsted, {\AA}ngstr\"om", "Ørsted, Ångström"),
        (r"\L\'od\'z, Erd{\H o}s", "Łódź, Erdős"),
        (r"\emph{Emma} \& Co.~1", "Emma & Co. 1"),
        (r"1--2---``x''", "1–2—“x”"),
        (r"\unknown{kept} {{B}ook} \\ $x$", "kept Book x"),
        ("\\", ""),
        (r"\'", ""),
        ("O'Brien", "O'Brien"),
    ],
)
def test_latex_is_decoded(text: str, plain: str) -> None:
    assert " ".join(decode_latex(text).split()) == plain


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ("@book{a,\n  title = {Emma\n}\n", 3, 2, "the entry is not closed"),
        ("@book{a,\n  title = {Emma\n", 2, 11, "this brace is not closed"),
        ('@book{a,\n  title = "Emma\n', 2, 11, "this quotation mark is not closed"),
        ("@book{a,\n  title = Emma\n}", 2, 11, "no @string is called 'Emma'"),
        ("@book{a,\n  title = {Emma}\n  year = 1815}", 2, 17, "a comma or the closing brace is missing"),
        ("@book{a,\n  title {Emma}\n}", 2, 3, "a field is written"),
        ("@book{a,\n  title = ,\n}", 2, 11, "a value is missing"),
        ("@book{title = {Emma}}", 1, 7, "begin with its key"),
        ("@book{a, year = 1815}", 1, 1, "neither a title nor an ISBN"),
        ("@book{a, title = {%s}}" % ("x" * 2001), 1, 1, "2,001 characters"),
    ],
)
def test_a_bad_entry_costs_only_itself(text: str, line: int, column: int, part: str) -> None:
    bad, good = read(f"{text}\n@book{{b, title = {{Walden}}}}\n")
    assert isinstance(bad, BadLine), bad
    assert part in bad.reason
    assert (bad.line, bad.column) == (line, column)
    assert isinstance(good, Want)
    assert good.title == "Walden"
    assert good.line == text.count("\n") + 2


def test_entries_may_share_a_line() -> None:
    first, second = read("x @book{a, title={A}} @book{b, title={B}}\n")
    assert (first.line, second.line) == (1, 1)


def test_a_macro_cannot_swell() -> None:
    text = "@string{a0 = {%s}}\n" % ("x" * 1000)
    text += "".join(f"@string{{a{n} = {' # '.join([f'a{n - 1}'] * 10)}}}\n" for n in range(1, 9))
    entries = read(f"{text}@book{{b, title = a8}}\n@book{{c, title = {{Walden}}}}\n")
    assert isinstance(entries[-1], Want)
    assert any("100,000 characters" in entry.reason for entry in entries if isinstance(entry, BadLine))


RIS = """TY  - BOOK
AU  - Austen, Jane
A2  - Editor, Anne
TI  - Pride and
  Prejudice
PY  - 1813/01/28/
SN  - 978-0-14-143951-8
LA  - eng
KW  - classics
KW  - marriage
ER  -

TY  - JOUR
TI  - An article
ER  -
TY  - CHAP
AU  - Writer, A.
TI  - A chapter
T2  - The Whole Book
ED  - King, Jr., Martin Luther
ER  - \nTY  - BOOK
T1  - Walden
"""


def test_a_ris_file() -> None:
    said: list[LeftOut] = []
    austen, chapter, walden = parse("list.ris", RIS.encode(), None, said.append)
    assert austen == Want(
        title="Pride and Prejudice",
        authors=("Jane Austen",),
        isbn="9780141439518",
        year=1813,
        language="en",
        tags=("classics", "marriage"),
        line=1,
        raw="Pride and Prejudice — Jane Austen",
    )
    assert isinstance(chapter, Want)
    assert (chapter.title, chapter.authors, chapter.line) == (
        "The Whole Book",
        ("Martin Luther King Jr.",),
        16,
    )
    assert isinstance(walden, Want)
    assert (walden.title, walden.line) == ("Walden", 22)
    assert said == [LeftOut(13, "1 of 4 entries", "they are no books but JOUR (1: line 13)")]


def test_bad_records() -> None:
    astray, nameless, good = read(
        "Something\nmore of it\nTY  - BOOK\nAU  - A\nER  -\n\nTY  - BOOK\nTI  - Emma\nER  -\n", "a.ris"
    )
    assert isinstance(astray, BadLine)
    assert (astray.line, astray.raw) == (1, "Something")
    assert isinstance(nameless, BadLine)
    assert (nameless.line, nameless.reason) == (3, "neither a title nor an ISBN is given")
    assert isinstance(good, Want)
    assert good.line == 7


def test_lists_without_a_book() -> None:
    with pytest.raises(EmptyRequestError, match="1 of 1 entries left out"):
        read("@article{a, title={A}}")
    with pytest.raises(EmptyRequestError, match="no want in it"):
        read("only text\n")
    with pytest.raises(EmptyRequestError, match="JOUR"):
        read("TY  - JOUR\nER  - \n", "a.ris")


@pytest.mark.parametrize(
    ("name", "entry"), [("a.bib", "@book{a, title={A}}\n"), ("a.ris", "TY  - BOOK\nTI  - A\nER  -\n")]
)
def test_limits(name: str, entry: str) -> None:
    assert len(read(entry * 3, name, Limits(lines=3))) == 3
    with pytest.raises(UnreadableRequestError, match="more than 3 entries"):
        read(entry * 4, name, Limits(lines=3))


@given(st.text(alphabet=st.sampled_from("@book{}(),=\"#\\'a1 \n%string"), max_size=300))
def test_no_bibtex_raises_anything_else(text: str) -> None:
    for begin in ("", "@book{a, title = {", "@string{a = ", '@book{a, author = "'):
        with suppress(UnreadableRequestError):
            for entry in parse("a.bib", f"{begin}{text}".encode()):
                assert 1 <= entry.line <= text.count("\n") + 1
                assert not isinstance(entry, BadLine) or entry.column >= 1


@given(
    st.lists(st.sampled_from(["TY  - BOOK", "TI  - A", "ER  -", "AU  - ", "x", "", "KW  -", "TY  - JOUR"]))
)
def test_no_ris_raises_anything_else(lines: list[str]) -> None:
    with suppress(UnreadableRequestError):
        for entry in parse("a.ris", "\n".join(lines).encode()):
            if isinstance(entry, Want) or entry.raw.startswith("TY"):
                assert lines[entry.line - 1].startswith("TY")


@given(st.text(max_size=200))
def test_any_latex_is_decoded(text: str) -> None:
    assert "\\" not in decode_latex(text) or "textbackslash" in text


@given(st.integers(0, 30), st.text(st.sampled_from(" \n"), max_size=5))
def test_bibtex_lines_are_right(number: int, between: str) -> None:
    text, begun = "", []
    for index in range(number):
        text += f"{between}\n"
        begun.append(text.count("\n") + 1)
        text += f"@book{{k{index},\n title = {{A\nB {index}}},{between}}}\n"
    if number:
        assert [entry.line for entry in read(text)] == begun
