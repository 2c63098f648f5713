"""Wants made of records that other programs wrote: what is odd in a field is left out, not refused.

A person who typed a wrong check digit can correct it; nobody corrects an export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bookhopper.intake.base import Limits, WantError, plain
from bookhopper.intake.text import read_isbn
from bookhopper.model import Want
from bookhopper.search.language import language_tag

_MOST_ITEMS = 50
_SHORT = 200
_ISBN = re.compile(r"(?<![\dXx])\d[\d -]{8,16}[\dXx](?![\dXx])")
_YEAR = re.compile(r"[+-]?\d{1,4}")
_YEAR_WITHIN = re.compile(r"(?<!\d)(1\d{3}|20\d\d)(?!\d)")
_SERIES = re.compile(r"\s*\((?P<name>[^()#]*[^()#,\s]),?\s*#\s*\d[^()]*\)\s*$")
_NAME_SUFFIX = re.compile(r"(?:[JS]r|[IVX]+|Esq|M\.?D|Ph\.?D)\.?", re.IGNORECASE)


def want_of(
    line: int,
    limits: Limits,
    *,
    title: str = "",
    authors: Iterable[str] = (),
    isbns: Iterable[str] = (),
    year: str = "",
    language: str = "",
    series: str = "",
    tags: Iterable[str] = (),
) -> Want:
    """Make a want of a record's fields as they stand there; raises WantError for one that names no book."""
    for part in (title, series):
        if len(part) > limits.line:
            raise WantError(f"a field has {len(part):,} characters, more than {limits.line:,}")
    title, in_series = split_series(plain(title))
    isbn = first_isbn(isbns)
    if not (title or isbn):
        raise WantError("neither a title nor an ISBN is given")
    names = tuple(_short(authors))
    said = " — ".join(part for part in (title, ", ".join(names)) if part)
    return Want(
        title=title,
        authors=names,
        isbn=isbn,
        year=year_in(year),
        language=language_tag(language),
        series=plain(series) or in_series,
        tags=tuple(_short(tags)),
        line=line,
        raw=said[: limits.line] or f"ISBN {isbn}",
    )


def split_series(title: str) -> tuple[str, str]:
    """Split `Barchester Towers (Chronicles of Barsetshire, #2)` into the title and the series."""
    found = _SERIES.search(title) if title.endswith(")") else None
    return (title[: found.start()], found["name"]) if found and found.start() else (title, "")


def natural_name(name: str) -> str:
    """Turn `Austen, Jane` into `Jane Austen`, and `King, Jr., Martin Luther` as it is spoken."""
    family, *rest = (part.strip() for part in name.split(","))
    if not rest or (len(rest) == 1 and _NAME_SUFFIX.fullmatch(rest[0])):
        return name
    *suffixes, given = rest if not _NAME_SUFFIX.fullmatch(rest[-1]) else (*rest[1:], rest[0])
    return " ".join(part for part in (given, family, *suffixes) if part)


def split_names(text: str) -> list[str]:
    """Split names that commas part; `Jr.` belongs to the name before it."""
    names: list[str] = []
    for part in text.split(","):
        if names and _NAME_SUFFIX.fullmatch(part.strip()):
            names[-1] += f", {part.strip()}"
        elif part.strip():
            names.append(part.strip())
    return names


def first_isbn(texts: Iterable[str]) -> str:
    """Give the first valid ISBN in these texts, as thirteen digits; empty where there is none."""
    for text in texts:
        for found in _ISBN.finditer(text[:_SHORT]):
            try:
                return read_isbn(found[0])
            except WantError:
                continue
    return ""


def year_in(text: str) -> int | None:
    """Find the year in a year or a date; calibre's year 101 is its word for none."""
    text = text.strip()
    if _YEAR.fullmatch(text):
        return int(text) or None
    found = _YEAR_WITHIN.search(text[:_SHORT])
    return int(found[1]) if found else None


def _short(texts: Iterable[str]) -> Iterator[str]:
    """Give what is short enough to be a name or a tag, each once, and not too many."""
    seen: dict[str, None] = {}
    for text in texts:
        if 0 < len(cleaned := plain(text)) <= _SHORT:
            seen[cleaned] = None
        if len(seen) == _MOST_ITEMS:
            break
    yield from seen
