"""What book sites and calibre write when somebody exports a library as CSV: columns, shelves, oddities.

Columns are named here as `column_name` makes them: lower case, `_` for all that is no letter or digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bookhopper.intake.base import TO_READ, Limits
from bookhopper.intake.readings import split_authors
from bookhopper.intake.records import natural_name, split_names, want_of
from bookhopper.model import Want

Cells = Mapping[str, str]
"""A row's cells by the names of their columns; of columns that the export lacks, none."""

_STATUSES = frozenset((TO_READ, "currently-reading", "read", "did-not-finish"))
"""What a site's own column says of a book; the same words among its tags say nothing."""

_WRITES = frozenset(("", "author", "co-author", "contributor"))
"""What LibraryThing calls the role of somebody who wrote a book; empty: nobody has said."""

_NO_NAME = re.compile(r"[\W_]+")
_SERIES_NUMBER = re.compile(r"\s*\[[\d.]+\]$")


@dataclass(frozen=True, slots=True)
class Export:
    """The export of one program: `signs` are sets of columns by any of which its header is known.

    `shelves` tells on which shelves a row's book stands; None: all rows were chosen.
    """

    name: str
    signs: tuple[frozenset[str], ...]
    columns: str
    shelves: Callable[[Cells], Iterable[str]] | None
    read: Callable[[Cells, int, Limits], Want]


def column_name(text: str) -> str:
    """Make a column's name comparable: `ISBN/UID` is `isbn_uid`."""
    return _NO_NAME.sub("_", text.casefold()).strip("_")


def _signs(*columns: str) -> frozenset[str]:
    return frozenset(("title", *columns))


def _listed(text: str) -> list[str]:
    return [part for piece in text.split(",") if (part := piece.strip())]


def own_shelves(text: str) -> list[str]:
    """Give the shelves or tags that people name themselves."""
    return [shelf for shelf in _listed(text) if shelf not in _STATUSES]


def _goodreads_shelves(cells: Cells) -> Iterable[str]:
    return (cells.get("exclusive_shelf", ""), *own_shelves(cells.get("bookshelves", "")))


def _goodreads(cells: Cells, line: int, limits: Limits) -> Want:
    return want_of(
        line,
        limits,
        title=cells["title"],
        authors=(cells.get("author", ""), *split_names(cells.get("additional_authors", ""))),
        isbns=(cells.get("isbn13", ""), cells.get("isbn", "")),
        year=cells.get("original_publication_year", ""),
        tags=own_shelves(cells.get("bookshelves", "")),
    )


def _storygraph_shelves(cells: Cells) -> Iterable[str]:
    return (cells.get("read_status", ""), *own_shelves(cells.get("tags", "")))


def _storygraph(cells: Cells, line: int, limits: Limits) -> Want:
    return want_of(
        line,
        limits,
        title=cells["title"],
        authors=split_names(cells.get("authors", "")),
        isbns=(cells.get("isbn_uid", ""),),
        tags=own_shelves(cells.get("tags", "")),
    )


def _librarything_shelves(cells: Cells) -> Iterable[str]:
    collections = _listed(cells.get("collections", ""))
    # Its two collections for what one does not have yet.
    return (TO_READ if shelf.casefold() in {"to read", "wishlist"} else shelf for shelf in collections)


def _co_authors(cells: Cells) -> list[str]:
    """Give LibraryThing's further persons, without those whose role is another than the author's."""
    names = re.split(r"[|;]", cells.get("secondary_author", ""))
    roles = re.split(r"[|;]", cells.get("secondary_author_roles", ""))
    if len(roles) != len(names):
        return names
    return [name for name, role in zip(names, roles, strict=True) if role.strip().casefold() in _WRITES]


def _librarything(cells: Cells, line: int, limits: Limits) -> Want:
    language = _listed(cells.get("languages", ""))
    return want_of(
        line,
        limits,
        title=cells["title"],
        authors=(
            natural_name(name)
            for name in (
                cells.get("primary_author") or cells.get("author_last_first", ""),
                *_co_authors(cells),
            )
        ),
        isbns=(cells.get("isbns", ""), cells.get("isbn", "")),
        year=cells.get("publication_date") or cells.get("date", ""),
        language=language[0] if len(language) == 1 else "",
        tags=_listed(cells.get("tags", "")),
    )


def _calibre(cells: Cells, line: int, limits: Limits) -> Want:
    identifiers = (part.partition(":") for part in _listed(cells.get("identifiers", "")))
    language = _listed(cells.get("languages", ""))
    return want_of(
        line,
        limits,
        title=cells["title"],
        authors=split_authors(authors) if (authors := cells.get("authors", "").strip()) else (),
        isbns=(cells.get("isbn", ""), *(value for kind, _, value in identifiers if kind == "isbn")),
        year=_calibre_year(cells.get("pubdate", "")),
        language=language[0] if len(language) == 1 else "",
        series=_SERIES_NUMBER.sub("", cells.get("series", "").strip()),
        tags=_listed(cells.get("tags", "")),
    )


def _calibre_year(pubdate: str) -> str:
    """Take the year off a date; that of a book without one is 0101-01-01."""
    return "" if pubdate.startswith("0101-01-01") else pubdate[:4]


EXPORTS = (
    Export(
        "Goodreads",
        (_signs("exclusive_shelf"), _signs("author_l_f", "bookshelves")),
        "Title, Author, ISBN13, Exclusive Shelf",
        _goodreads_shelves,
        _goodreads,
    ),
    Export(
        "StoryGraph",
        (_signs("read_status"),),
        "Title, Authors, ISBN/UID, Read Status",
        _storygraph_shelves,
        _storygraph,
    ),
    Export(
        "LibraryThing",
        (_signs("collections"), _signs("primary_author")),
        "Title, Primary Author, ISBNs, Collections",
        _librarything_shelves,
        _librarything,
    ),
    Export(
        "calibre",
        tuple(
            _signs(column)
            for column in ("author_sort", "title_sort", "identifiers", "languages", "pubdate", "series_index")
        ),
        "title, authors, identifiers",
        None,
        _calibre,
    ),
)
"""In the order in which a header is compared with them."""
