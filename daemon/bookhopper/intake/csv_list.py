"""CSV lists: exports of book sites and of calibre, known by their header, and plain tables of wants.

Commas, semicolons and tabs are told apart by the header, too.  A line is that in which a row begins, a column
the number of its cell.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bookhopper.intake.base import Entry, Limits, UnreadableRequestError, WantError, left_out, plain, shown
from bookhopper.intake.collections import as_line
from bookhopper.intake.csv_exports import EXPORTS, Export, column_name
from bookhopper.intake.csv_rows import Row, read_rows
from bookhopper.intake.yaml_events import Place, Scalar
from bookhopper.intake.yaml_fields import WANT_KEYS, EntryError, fit_collection, unknown_key
from bookhopper.model import BadLine, LeftOut, Want
from bookhopper.units import counted

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(rf"sep=([{_DELIMITERS}])[^\S\n]*\n", re.IGNORECASE)
_SHELF_SIGNS = re.compile(r"[\W_]+")
_NAMING = frozenset(("title", "isbn", "pick", "works_of", "whole_series", "feed"))
_MOST_SHELVES = 1000
_MOST_COLUMNS = 10
_OF_THE_OWNER = "-"
"""Stands for the name of a column that is not read; no name that is compared is so."""


def parse_csv(text: str, limits: Limits) -> Iterator[Entry | LeftOut]:
    """Read a CSV list, row by row; the first that is not blank must name its columns."""
    separator = _SEPARATOR.match(text)  # Excel's own first line
    delimiters = separator[1] if separator else _DELIMITERS
    headers: list[tuple[Row, Iterator[Row]]] = []
    for delimiter in delimiters:
        rows = _counted(read_rows(text, delimiter, skipped=1 if separator else 0), limits)
        header = next(rows, None)
        if header is None:
            return
        headers.append((header, rows))
    for header, rows in headers:
        names = [column_name(cell) for cell in header.cells]
        for export in EXPORTS:
            if any(sign <= set(names) for sign in export.signs):
                yield from _exported(export, names, rows, limits)
                return
        if _NAMING & set(names) and set(names) <= {*WANT_KEYS, ""}:
            yield from _listed(header, names, rows, limits)
            return
    for header, rows in headers:
        names = [column_name(cell) for cell in header.cells]
        if _NAMING & set(names):
            yield from _known_columns(header, names, rows, limits)
            return
    raise _unknown_header(max((header for header, _ in headers), key=lambda header: len(header.cells)))


def _known_columns(
    header: Row, names: Sequence[str], rows: Iterator[Row], limits: Limits
) -> Iterator[Entry | LeftOut]:
    """Read a list that has columns of its owner's beside those that are known; says at the end which."""
    strange = {
        name: cell for name, cell in zip(names, header.cells, strict=True) if name not in (*WANT_KEYS, "")
    }
    known = [_OF_THE_OWNER if name in strange else name for name in names]
    yield from _listed(header, known, rows, limits)
    shown_names = [shown(cell) for cell in strange.values()][:_MOST_COLUMNS]
    raw = f"{'column' if len(strange) == 1 else 'columns'} {', '.join(shown_names)}"
    yield LeftOut(header.line, raw, f"not read: {unknown_key(shown_names[0], WANT_KEYS)}")


def _counted(rows: Iterator[Row], limits: Limits) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number > limits.lines:
            reason = f"more than {limits.lines:,} rows; split the list into several files"
            raise UnreadableRequestError(row.line, 1, reason)
        yield row


def _unknown_header(header: Row) -> UnreadableRequestError:
    known = "; ".join(f"{export.name} ({export.columns})" for export in EXPORTS)
    own = "title, author, isbn, year, language, formats, series, priority, tags, force"
    first = f"the column {shown(header.cells[0])!r} is not known" if header.cells else ""
    return UnreadableRequestError(
        header.line,
        1,
        f"{first or 'the first row names no columns'}; "
        f"understood are a list with columns among {own}, and the exports of {known}",
    )


def _too_wide(row: Row, names: Sequence[str]) -> str:
    if row.fault:
        return row.fault
    if any(cell.strip() for cell in row.cells[len(names) :]):
        cells = counted(len(row.cells), "cell")
        return f"the row has {cells} and the header {len(names)}; put a text with commas in quotes"
    return ""


def _exported(
    export: Export, names: Sequence[str], rows: Iterator[Row], limits: Limits
) -> Iterator[Entry | LeftOut]:
    """Read the rows of an export that stand on the shelves which are taken."""
    wanted = {_shelf_key(shelf) for shelf in limits.shelves}
    elsewhere: defaultdict[str, list[int]] = defaultdict(list)
    total = 0
    for row in rows:
        total += 1
        if fault := _too_wide(row, names):
            yield BadLine(row.line, 1, _summary(row), fault)
            continue
        # The first of two columns with one name counts.
        cells = dict(zip(reversed(names), reversed(_filled(row.cells, len(names))), strict=True))
        if wanted and export.shelves is not None:
            shelves = [shelf for shelf in export.shelves(cells) if shelf.strip()]
            if wanted.isdisjoint(map(_shelf_key, shelves)):
                shelf = shown(shelves[0]) if shelves else "no shelf"
                known = shelf in elsewhere or len(elsewhere) < _MOST_SHELVES
                elsewhere[shelf if known else "others"].append(row.line)
                continue
        try:
            yield export.read(cells, row.line, limits)
        except WantError as fault:
            yield BadLine(row.line, 1, _summary(row), str(fault))
    if elsewhere:
        why = f"they are not on {' or '.join(limits.shelves)} (`intake.shelves` says what is taken) but on"
        yield left_out(elsewhere, total, "rows", why)


def _shelf_key(shelf: str) -> str:
    return _SHELF_SIGNS.sub("", shelf.casefold())


def _filled(cells: Sequence[str], width: int) -> list[str]:
    """Give exactly `width` cells: programs leave empty ones off the end, or put some there."""
    return [*cells[:width], *[""] * (width - len(cells))]


def _listed(header: Row, names: Sequence[str], rows: Iterator[Row], limits: Limits) -> Iterator[Entry]:
    """Read rows whose cells say what the keys of a YAML list say."""
    said: set[str] = set()
    for column, name in enumerate(names, start=1):
        field = WANT_KEYS[name][0] if name in WANT_KEYS else ""
        if field in said:
            raise UnreadableRequestError(header.line, column, f"the column {name!r} says what another says")
        said |= {field} - {""}
    for row in rows:
        if fault := _too_wide(row, names):
            yield BadLine(row.line, 1, _summary(row), fault)
            continue
        try:
            yield _want(row, names, limits)
        except EntryError as error:
            yield BadLine(error.place.line, error.place.column, _summary(row), error.reason)


def _want(row: Row, names: Sequence[str], limits: Limits) -> Want:
    place = Place(row.line, 1)
    given: dict[str, Any] = {}
    for column, (key, cell) in enumerate(zip(names, row.cells, strict=False), start=1):
        if not cell.strip() or key == _OF_THE_OWNER:
            continue
        here = Place(row.line, column)
        if not key:
            raise EntryError(here, unknown_key("", WANT_KEYS))
        field, read = WANT_KEYS[key]
        given[field] = read(Scalar(here, cell, plain=False), key, limits.line)
    raw = _summary(row)
    collection = fit_collection(given, place)
    if collection is not None:
        return replace(collection, line=row.line, raw=as_line(collection), **given)
    if not (given.get("title") or given.get("isbn") or given.get("pick")):
        raise EntryError(place, "a row needs a title, an isbn or a pick")
    return Want(line=row.line, raw=raw, **given)


def _summary(row: Row) -> str:
    """Show a row by its first cells."""
    return shown(" — ".join(text for cell in row.cells if (text := plain(cell[:1000]))))
