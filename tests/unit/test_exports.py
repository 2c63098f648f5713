"""Exports in the shape in which the programs write them, with all their columns: what is taken of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper.intake.base import Entry
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, LeftOut, Want

EXPORTS = Path(__file__).resolve().parents[1] / "exports"


def read(name: str) -> tuple[list[Entry], list[LeftOut]]:
    said: list[LeftOut] = []
    return list(parse(name, (EXPORTS / name).read_bytes(), None, said.append)), said


@pytest.mark.parametrize(
    ("name", "wants", "left_out"),
    [
        (
            "goodreads.csv",
            {
                2: ("The Kite Runner", "9781594480003", ""),
                4: ("A Game of Thrones", "9780553588484", "A Song of Ice and Fire"),
                5: ("The Hunger Games", "", "The Hunger Games"),
            },
            "1 of 4 rows",
        ),
        (
            "storygraph.csv",
            {2: ("Piranesi", "9781635575637", ""), 4: ("Good Omens", "", "")},
            "1 of 3 rows",
        ),
        ("librarything.tsv", {2: ("Middlemarch", "9780141439549", "")}, "1 of 2 rows"),
        (
            "calibre.csv",
            {
                2: ("Around the World in Eighty Days", "9780000000002", "Extraordinary Voyages"),
                3: ("Good Omens", "9780060853983", ""),
            },
            "",
        ),
        (
            "zotero.bib",
            {1: ("The Name of the Rose", "9780151446476", ""), 19: ("Cien años de soledad", "", "")},
            "2 of 4 entries",
        ),
        ("endnote.ris", {1: ("To the Lighthouse", "9780156907392", "")}, "1 of 2 entries"),
        ("goodreads.rss", {4: ("Dune", "9780441013593", "Dune")}, ""),
    ],
)
def test_an_export_as_it_is_written(name: str, wants: dict[int, tuple[str, str, str]], left_out: str) -> None:
    found, said = read(name)
    assert not any(isinstance(entry, BadLine) for entry in found)
    taken = {want.line: (want.title, want.isbn, want.series) for want in found if isinstance(want, Want)}
    assert taken == wants
    assert [each.raw for each in said] == [left_out] * bool(left_out)


def test_an_outline_as_a_reader_writes_it() -> None:
    (feed, *wants), _ = read("outline.opml")
    assert isinstance(feed, BadLine)
    assert [want.title for want in wants if isinstance(want, Want)] == ["Moby Dick", "Walden"]


@pytest.mark.parametrize(
    ("name", "author"), [("librarything.tsv", "George Eliot"), ("zotero.bib", "Umberto Eco")]
)
def test_an_editor_or_translator_is_no_author(name: str, author: str) -> None:
    (want, *_), _ = read(name)
    assert isinstance(want, Want)
    assert want.authors == (author,)
