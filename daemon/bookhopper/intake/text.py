"""Text lists: one want a line, as people type and paste them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bookhopper.intake.base import Entry, Limits, UnreadableRequestError, WantError, plain, shown
from bookhopper.intake.collections import is_collection, read_collection
from bookhopper.intake.readings import DASHES, title_and_authors
from bookhopper.model import DEFAULT_PRIORITY, BadLine, Pick, Reading, Want

_MARK_STARTS = frozenset(f"{DASHES}*+•·[!0123456789")
_MARK = re.compile(
    rf"(?:[*+•·{DASHES}]\s+)?(?:\[[ xX]?\]\s+)?(?P<urgent>!*)\s*(?P<number>\d{{1,3}}[.)]\s+(?=\S))?"
)
"""What people put before a want: a bullet, a tick box, exclamation marks, a number."""

_YEAR = re.compile(r"[(\[](1\d{3}|20\d\d)[)\]]")
_SERIES = re.compile(r"\((?P<name>[^()#]*[^()#,\s]),? #\d[\d.]*\)")
_WORD = re.compile(r"[^\W_]")
_FORMAT = re.compile(r"(?<=\w)[\s,]+[(\[]?(?:epub|mobi|azw3|pdf|fb2|cbz|e-?book)[)\]]?$", re.IGNORECASE)
"""What people put behind a want for the sake of a search engine."""

_FORMAT_ENDS = frozenset("3bBfFiIkKzZ)]2")

_ISBN_ALONE = re.compile(rf"isbn(?:-?1[03])?\b[\s:]*(?P<digits>[\dXx\s{DASHES}]+)", re.IGNORECASE)
_ISBN_WITHIN = re.compile(
    rf"[(\[]?(?:\bisbn(?:-?1[03])?\b[\s:]*|\b(?=97[89]))(?P<digits>\d(?:[ {DASHES}]?[\dXx]){{8,12}})\b[)\]]?",
    re.IGNORECASE,
)
_ISBN_BARE = re.compile(rf"\d[\d {DASHES}]{{8,15}}[\dXx]")
_NOT_ISBN = re.compile(r"[^0-9Xx]")

_PICK = re.compile(
    r"pick\s*:\s*(?:(?P<job>\d{1,18})\s+)?(?P<source>[\w.-]{1,64})\s*:\s*(?P<key>\S.*)", re.IGNORECASE
)
_PICK_START = re.compile(r"pick\s*:", re.IGNORECASE)
_PICK_REMARK = re.compile(r"\s+#(?:\s.*)?$")


def parse_text(text: str, limits: Limits) -> Iterator[Entry]:
    """Read a text list: comments (`#`) and blank lines give nothing, every other line one entry."""
    lines = text.count("\n")
    if lines > limits.lines:
        reason = f"{lines:,} lines, more than {limits.lines:,}; split the list into several files"
        raise UnreadableRequestError(limits.lines + 1, 1, reason)
    for number, raw in enumerate(text.split("\n"), start=1):
        if len(raw) > limits.line:
            reason = f"the line has {len(raw):,} characters, more than {limits.line:,}"
            yield BadLine(number, 1, shown(raw), reason)
            continue
        line = raw if raw.isprintable() and "  " not in raw else plain(raw.replace("\t", " — ").strip(" —"))
        line = line.strip()
        if not line or line[0] == "#":
            continue
        try:
            yield read_line(line, number)
        except WantError as fault:
            yield BadLine(number, 1, line, str(fault))


def read_line(line: str, number: int) -> Want:
    """Read one plain line; raises WantError."""
    text, priority, numbered = line, DEFAULT_PRIORITY, False
    if line[0] in _MARK_STARTS:
        mark = _MARK.match(line)
        if mark:
            text = line[mark.end() :].lstrip(DASHES + " ")
            priority = DEFAULT_PRIORITY - min(2, len(mark["urgent"]))
            numbered = mark["number"] is not None
    if not (text[:1].isalnum() or _WORD.search(text)):
        raise WantError("there is no title in this line, only punctuation")
    if text[0] in "pP" and _PICK_START.match(text):
        return Want(priority=priority, pick=read_pick(text), line=number, raw=line)
    if text[0] in "aAwWsSfF" and is_collection(text):
        return replace(read_collection(text), priority=priority, line=number, raw=line)
    isbn, year, series = "", None, ""
    if "97" in text or text[0].isdigit() or "SBN" in text or "sbn" in text:
        isbn, text = _take_isbn(text)
        if not _WORD.search(text):
            return Want(isbn=isbn, priority=priority, line=number, raw=line)
    if "(" in text or "[" in text:
        text, year, series = _take_year_and_series(text)
    title, authors, others = _readings(text)
    if numbered:
        others += (Reading(line),)
    return Want(
        title,
        authors,
        isbn,
        year,
        "",
        (),
        series,
        priority,
        (),
        False,
        None,
        number,
        line,
        others,
    )


def read_pick(text: str) -> Pick:
    """Read `pick: source:key` or `pick: JOB source:key`, with or without a remark; raises WantError."""
    match = _PICK.fullmatch(_PICK_REMARK.sub("", text))
    if match is None:
        raise WantError("a pick is written `pick: source:key` or `pick: JOB source:key`")
    return Pick(match["source"], match["key"].strip(), int(match["job"]) if match["job"] else None)


def read_isbn(text: str) -> str:
    """Give the ISBN-13 in a text that is meant to be one; raises WantError."""
    # python-stdnum takes 40 ms to import, which a start without an ISBN should not pay for.
    from bookhopper.intake.isbn import IsbnError, to_isbn13  # noqa: PLC0415

    try:
        return to_isbn13(_NOT_ISBN.sub("", text))
    except IsbnError as fault:
        raise WantError(str(fault)) from fault


def _readings(text: str) -> tuple[str, tuple[str, ...], tuple[Reading, ...]]:
    """Read a line as `title_and_authors` does, with and without the format that it may have behind it."""
    form = _FORMAT.search(text) if text[-1] in _FORMAT_ENDS else None
    if form is None:
        return title_and_authors(text)
    title, authors, others = title_and_authors(text[: form.start()])
    if authors or text[-1] in ")]":
        return title, authors, (*others, Reading(text))
    return text, (), (Reading(title), *others)  # `Mastering EPUB` needs its last word


def _take_isbn(text: str) -> tuple[str, str]:
    """Split an ISBN off a line; a number that is none (`2024`) stays part of the text."""
    alone = _ISBN_ALONE.fullmatch(text)
    if alone:
        return read_isbn(alone["digits"]), ""
    if _ISBN_BARE.fullmatch(text):
        digits = _NOT_ISBN.sub("", text)
        if len(digits) in {10, 13}:
            return read_isbn(digits), ""
    within = _ISBN_WITHIN.search(text)
    if within:
        around = f"{text[: within.start()]} {text[within.end() :]}"
        return read_isbn(within["digits"]), plain(around).strip(f" ,;:{DASHES}")
    return "", text


def _take_year_and_series(text: str) -> tuple[str, int | None, str]:
    """Take `(1925)` out of the text; leave `(Dune, #1)` where it is, but say which series it names."""
    series = _SERIES.search(text) if "#" in text else None
    name = series["name"].strip() if series else ""
    year = _YEAR.search(text)
    if year is None:
        return text, None, name
    before, after = text[: year.start()].strip(), text[year.end() :].strip()
    if not _WORD.search(before):
        return text, None, name
    # `Dubliners (1914) James Joyce`: the year parts title and author.
    joint = " — " if after and after[0].isalnum() else " "
    return f"{before}{joint}{after}".strip(), int(year[1]), name
