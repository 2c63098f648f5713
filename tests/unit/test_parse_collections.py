"""Lines and entries that ask for a whole collection."""

from __future__ import annotations

import pytest

from bookhopper.intake.base import Entry
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Collection, Want
from bookhopper.search.normalise import identity

FEED = "https://books.example/opds/new"


def entries(name: str, text: str) -> list[Entry]:
    return list(parse(name, text.encode()))


def author(name: str, limit: int = 50) -> tuple[Collection, tuple[str, ...], str]:
    return Collection("author", name, limit), (name,), ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("works of: Jane Austen", author("Jane Austen")),
        ("Works of : Austen, Jane", author("Austen, Jane")),
        ("- WORKS OF: J. R. R. Tolkien limit: 20", author("J. R. R. Tolkien", 20)),
        ("works of: Jane Austen, limit: 1,000", author("Jane Austen", 1000)),
        ("works of: Jane Austen (limit: 1)", author("Jane Austen", 1)),
        ("author's works: Franz Kafka", author("Franz Kafka")),
        ("Authors works: Franz Kafka", author("Franz Kafka")),
        ("works by: Franz Kafka", author("Franz Kafka")),
        ("series: Dune", (Collection("series", "Dune"), (), "Dune")),
        (
            "series: Barchester Chronicles — Anthony Trollope limit: 6",
            (
                Collection("series", "Barchester Chronicles", 6),
                ("Anthony Trollope",),
                "Barchester Chronicles",
            ),
        ),
        (f"feed: {FEED}", (Collection("feed", FEED), (), "")),
        (f"* feed: {FEED}?sort=new limit: 5", (Collection("feed", f"{FEED}?sort=new", 5), (), "")),
    ],
)
def test_lines(line: str, expected: tuple[Collection, tuple[str, ...], str]) -> None:
    (want,) = entries("list.txt", line)
    assert isinstance(want, Want)
    assert (want.collection, want.authors, want.series) == expected
    assert (want.title, want.raw, want.line, want.priority) == ("", line, 1, 1)


def test_an_urgent_collection() -> None:
    (want,) = entries("list.txt", "!! works of: Jane Austen")
    assert isinstance(want, Want)
    assert want.priority == -1


@pytest.mark.parametrize(
    "line",
    ["Feed: A Novel", "Feed — M. T. Anderson", "The Works of: Me", "Works of Love", "Series of Dreams"],
)
def test_titles_that_only_look_alike(line: str) -> None:
    (want,) = entries("list.txt", line)
    assert isinstance(want, Want)
    assert want.collection is None
    assert want.title


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("works of:", "whose works?"),
        ("works of: limit: 5", "whose works?"),
        ("works of: ?!", "whose works?"),
        ("works of: Karl Marx & Friedrich Engels", "one author at a time"),
        ("works of: Jane Austen limit: 0", "`limit` must be a whole number from 1 to 1,000, not '0'"),
        ("works of: Jane Austen limit: 1001", "not '1001'"),
        ("works of: Jane Austen limit: all", "not 'all'"),
        ("series:", "which series?"),
        ("feed: books.example/opds", "http:// or https://"),
        ("feed: not a url", "a feed is named by its address, http:// or https://, not 'not a url'"),
        ("feed: file:///etc/passwd", "http:// or https://"),
        ("feed: https://", "http:// or https://"),
        ("feed: https://books.example/a b", "http:// or https://"),
        ("feed: https://me:secret@books.example/opds", "no password"),
    ],
)
def test_lines_that_are_refused(line: str, reason: str) -> None:
    (bad,) = entries("list.txt", line)
    assert isinstance(bad, BadLine)
    assert reason in bad.reason


def test_a_series_alone_in_a_mapping_is_told_what_to_write() -> None:
    (bad,) = entries("list.yaml", "- {series: Dune}\n")
    assert isinstance(bad, BadLine)
    assert "`whole_series`" in bad.reason


def test_mappings() -> None:
    text = f"""
defaults: {{author: Anthony Trollope, series: Palliser, tags: [shelf], year: 1860}}
wants:
  - {{works_of: Jane Austen, limit: 20, language: en}}
  - {{whole_series: Barchester Chronicles, author: [Anthony Trollope], formats: epub, priority: "!"}}
  - {{feed: "{FEED}", tags: [new], force: true}}
  - "works of: Lewis Carroll"
"""
    austen, trollope, feed, carroll = entries("list.yaml", text)
    assert austen == Want(
        authors=("Jane Austen",),
        language="en",
        tags=("shelf",),
        line=4,
        raw="works of: Jane Austen limit: 20",
        collection=Collection("author", "Jane Austen", 20),
    )
    assert trollope == Want(
        authors=("Anthony Trollope",),
        series="Barchester Chronicles",
        formats=("epub",),
        priority=0,
        tags=("shelf",),
        line=5,
        raw="series: Barchester Chronicles — Anthony Trollope",
        collection=Collection("series", "Barchester Chronicles"),
    )
    assert feed == Want(
        tags=("new",), force=True, line=6, raw=f"feed: {FEED}", collection=Collection("feed", FEED)
    )
    assert isinstance(carroll, Want)
    assert (carroll.collection, carroll.series, carroll.tags) == (
        Collection("author", "Lewis Carroll"),
        "",
        ("shelf",),
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{works_of: A, title: T}", "a collection has no `title` of its own"),
        ("{works_of: A, author: B}", "a collection has no `author` of its own"),
        ("{works_of: A, pick: 'a:b'}", "a collection has no `pick` of its own"),
        ("{whole_series: A, year: 1900}", "a collection has no `year` of its own"),
        (f"{{works_of: A, feed: '{FEED}'}}", "given twice"),
        ("{works_of: A, limit: -1}", "`limit` must be"),
        ("{title: T, limit: 3}", "`limit` is for a collection"),
        ("{feed: nowhere}", "http:// or https://"),
        ("{works_of: [A]}", "`works_of` must be a text, not a list"),
        ("{works_off: A}", "did you mean `works_of`?"),
    ],
)
def test_mappings_that_are_refused(entry: str, reason: str) -> None:
    (bad,) = entries("list.yaml", f"- {entry}")
    assert isinstance(bad, BadLine)
    assert reason in bad.reason


def test_a_line_says_what_a_mapping_does() -> None:
    for text in ("{works_of: A B, limit: 7}", "{whole_series: A, author: B C}", f"{{feed: '{FEED}'}}"):
        (mapping,) = entries("list.yaml", f"- {text}")
        assert isinstance(mapping, Want)
        (line,) = entries("list.txt", mapping.raw)
        assert line == mapping


def test_what_makes_two_collections_one_wish() -> None:
    lines = [
        "works of: Jane Austen",
        "works of: Austen, Jane limit: 50",
        "works of: Jane Austen limit: 51",
        "series: Jane Austen",
        "series: Jane Austen — A B",
        "Jane Austen",
    ]
    wants = entries("list.txt", "\n".join(lines))
    first, second, *others = [identity(want) for want in wants if isinstance(want, Want)]
    assert first == second
    assert len({first, *others}) == 5
