"""The fields of a book as feeds and package documents write them."""

from __future__ import annotations

import re

from stdnum import isbn

MAX_TEXT = 1_000
_NUMBER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,4})?)\s*", re.ASCII)
_YEAR = re.compile(r"\s*(\d{4})(?!\d)")


def one_line(text: str) -> str:
    """Make one line of a text: blanks folded, control characters gone, cut to a bound."""
    line = " ".join(text[: 4 * MAX_TEXT].split())
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable())
    return line[:MAX_TEXT].strip()


def isbn_in(identifier: str) -> str:
    """Give the ISBN-13 in an identifier such as `urn:isbn:…`; empty when it is of another kind or wrong."""
    plain = identifier.lower().removeprefix("urn:").removeprefix("isbn:").strip()
    if len(plain) > 20 or not isbn.is_valid(plain):
        return ""
    return isbn.compact(isbn.to_isbn13(plain))


def year_in(date: str) -> int | None:
    """Give the year that a date begins with, if it begins with one."""
    match = _YEAR.match(date)
    return int(match[1]) or None if match else None


def number_in(text: str) -> float | None:
    """Give the number that a text is, such as a place in a series; None when it is another text."""
    match = _NUMBER.fullmatch(text)
    return float(match[1]) if match else None
