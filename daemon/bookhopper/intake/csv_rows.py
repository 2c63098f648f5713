"""The rows of a CSV file, each with the line it begins in; one that cannot be read takes no other with it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from bookhopper.intake.base import UnreadableRequestError

_LONGEST_ROW = 100_000
"""Characters of one row: the longest reviews have a fifth of that."""

_MOST_BROKEN = 100
"""Rows with an open quotation mark that are recovered from; each costs as much as the longest row."""

_END = "\0"
"""A last line that no text file holds: inside a row, it tells of a quotation mark that is not closed."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row, or its first line with the fault for which it cannot be read; `line` is from 1."""

    line: int
    cells: list[str]
    fault: str = ""


def read_rows(text: str, delimiter: str, skipped: int = 0) -> Iterator[Row]:
    """Give the rows that are not blank, without the first lines that are `skipped`.

    After a quotation mark that is not closed, the next line begins a new row.
    """
    lines = _Lines(text)
    for _ in range(skipped):
        next(lines)
    broken = 0
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except (csv.Error, _RowTooLongError):
            cells = [_END, _END]
        if cells == [_END]:
            return
        if cells and cells[-1].endswith(_END):
            broken += 1
            if broken > _MOST_BROKEN:
                raise UnreadableRequestError(
                    lines.first, 1, "too many rows have a quotation mark that is not closed"
                )
            line = lines.back_to_second()
            fault = "a quotation mark in this row is not closed, or the row is too long"
            yield Row(lines.first, [line], fault)
            reader = csv.reader(lines, delimiter=delimiter)
        elif any(map(str.strip, cells)):
            yield Row(lines.first, cells)


class _RowTooLongError(Exception):
    """A row goes on and on."""


class _Lines:
    """The lines of a text, without a list of them all; it can go back to the second line of a row."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._begin = 0
        self._ended = False
        self._number = 0
        self.first = 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """Give the next line, at the end `_END`; raises _RowTooLongError where the row is."""
        if self._at - self._begin > _LONGEST_ROW:
            raise _RowTooLongError
        if self._at >= len(self._text):
            if self._ended:
                raise StopIteration
            self._ended = True
            return _END
        begin = self._at
        found = self._text.find("\n", begin)
        self._at = len(self._text) if found < 0 else found + 1
        self._number += 1
        return self._text[begin : self._at]

    def begin_row(self) -> None:
        """Take the next line for the first of a row."""
        self._begin = self._at
        self.first = self._number + 1

    def back_to_second(self) -> str:
        """Go on with the row's second line; gives the first."""
        self._at, self._number, self._ended = self._begin, self.first - 1, False
        self._begin = self._at
        return next(self)
