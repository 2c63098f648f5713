"""The rows of Project Gutenberg's weekly `pg_catalog.csv`, read as what they are: bytes from outside.

Source of the facts: https://www.gutenberg.org/ebooks/offline_catalogs.html
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from bookhopper.errors import TransientError
from bookhopper.search.language import language_tag
from bookhopper.search.sources.library_names import clean_title, named, split_names
from bookhopper.ticket import Ticket

MAX_ROWS = 2_000_000
MAX_CHARACTERS = 1 << 30
MAX_LINE = 100_000
"""Bounds for a hostile catalogue; the real one has 80,000 rows and 25 million characters."""

_UNSEEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Controls that are no line's end, and marks that turn the direction of writing: never part of a name."""

_COLUMNS = ("Text#", "Type", "Title", "Language", "Authors")
_SHELVES = "Bookshelves"

_OF_THE_KNOWN = ("Best Books Ever Listings", "Harvard Classics", "Movie Books", "Banned Books")
"""Shelves, kept by the catalogue's people, of books that everybody knows by their title."""


@dataclass(frozen=True, slots=True)
class Record:
    """One text of the catalogue; `authors` are its authors, or who else stands for it where it names none.

    `names` is every name of the row as it stands, for the index; `known` that it stands among books that
    everybody knows.
    """

    id: int
    title: str
    authors: tuple[str, ...]
    language: str
    names: str = ""
    known: bool = False


class _TooLargeError(Exception):
    """More characters than any catalogue has."""


def _bounded_lines(stream: IO[bytes]) -> Iterator[str]:
    """Decode lines of at most MAX_LINE characters, controls left out; a longer one comes in pieces."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    characters = 0
    try:
        while line := text.readline(MAX_LINE):
            characters += len(line)
            if characters > MAX_CHARACTERS:
                raise _TooLargeError
            yield _UNSEEN.sub("", line)
    finally:
        # The stream is the caller's to close, be it closed already.
        with contextlib.suppress(ValueError):
            text.detach()


def _record(row: list[str], places: list[int], shelves: int | None) -> Record | None:
    """Make a record of a row; None when the row makes no sense."""
    try:
        number, _, title, language, names = (row[place] for place in places)
        key = int(number)
    except (IndexError, ValueError):
        return None
    title, names = clean_title(title), " ".join(names.split())
    if not 0 < key < 1 << 31 or not title:
        return None
    authors, contributors = split_names(names)
    known = shelves is not None and any(
        name in shelf for shelf in row[shelves : shelves + 1] for name in _OF_THE_KNOWN
    )
    return Record(
        key, title, authors or contributors, language_tag(language.split(";")[0]), named(names), known
    )


def open_catalogue(path: Path) -> IO[bytes]:
    """Open a catalogue, packed or not: the first bytes tell, not the name."""
    plain = path.open("rb")
    packed = plain.read(2) == b"\x1f\x8b"
    plain.seek(0)
    if not packed:
        return plain
    plain.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def read_catalogue(stream: IO[bytes], ticket: Ticket) -> Iterator[Record | None]:
    """Read a catalogue: a record of each text, None for each row that makes no sense.

    Books that are no text (recordings, pictures) are passed over in silence.  Raises TransientError when the
    file is no catalogue at all or breaks off.
    """
    rows = csv.reader(_bounded_lines(stream))
    try:
        yield from _rows(rows, ticket)
    except _TooLargeError:
        raise TransientError(
            f"the Gutenberg catalogue unpacks to more than {MAX_CHARACTERS >> 20} MB: it is not the real one"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise TransientError(f"the Gutenberg catalogue cannot be read to its end: {error}") from error


def _rows(rows: Iterator[list[str]], ticket: Ticket) -> Iterator[Record | None]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error:
        header = []
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise TransientError(
            f"the Gutenberg catalogue has no column {', '.join(missing)}: it should be pg_catalog.csv(.gz)"
        )
    places = [header.index(name) for name in _COLUMNS]
    shelves = header.index(_SHELVES) if _SHELVES in header else None
    for number in range(MAX_ROWS):
        if number % 1024 == 0:
            ticket.check()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield None
            continue
        if len(row) <= max(places):
            yield None
        elif row[places[1]] == "Text":
            yield _record(row, places, shelves)
    raise TransientError(f"the Gutenberg catalogue has more than {MAX_ROWS:,} rows: that is not the real one")
