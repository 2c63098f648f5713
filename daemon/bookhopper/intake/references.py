"""Reference lists, BibTeX and RIS: which of their entries are books, and what to look for.

Of a chapter the book that it stands in is wanted.  Articles, theses and web pages are left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from bookhopper.intake.base import Entry, Limits, UnreadableRequestError, WantError, left_out, shown
from bookhopper.intake.bibtex import BibEntry, read_bibtex
from bookhopper.intake.latex import decode_latex
from bookhopper.intake.records import natural_name, want_of
from bookhopper.intake.ris import RisRecord, read_ris
from bookhopper.model import BadLine, LeftOut, Want

_BIB_BOOKS = frozenset(
    (
        *("book", "mvbook", "inbook", "bookinbook", "suppbook", "booklet", "ebook", "audiobook"),
        *("collection", "mvcollection", "incollection", "suppcollection", "proceedings", "mvproceedings"),
        *("reference", "mvreference", "inreference"),
    )
)
_RIS_BOOKS = frozenset(
    ("BOOK", "EBOOK", "EDBOOK", "CHAP", "ECHAP", "CONF", "CLSWK", "ANCIENT", "ENCYC", "DICT")
)
_RIS_CHAPTERS = frozenset(("CHAP", "ECHAP"))
_AND = re.compile(r"[{}\\]|\s+and\s+", re.IGNORECASE)
_KEYWORDS = re.compile(r"[,;]")


def parse_bib(text: str, limits: Limits) -> Iterator[Entry | LeftOut]:
    """Read the books of a BibTeX file."""
    others: defaultdict[str, list[int]] = defaultdict(list)
    for number, entry in enumerate(read_bibtex(text), start=1):
        _check_number(number, entry.line, limits)
        if entry.fault:
            yield BadLine(entry.line, entry.column, shown(entry.raw), entry.fault)
        elif entry.kind not in _BIB_BOOKS:
            others[f"@{shown(entry.kind)}"].append(entry.line)
        else:
            try:
                yield _of_bib(entry, limits)
            except WantError as fault:
                yield BadLine(entry.line, entry.column, f"@{entry.kind}", str(fault))
    if others:
        yield left_out(others, number, "entries", "they are no books but")


def parse_ris(text: str, limits: Limits) -> Iterator[Entry | LeftOut]:
    """Read the books of a RIS file."""
    others: defaultdict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(read_ris(text), start=1):
        _check_number(number, record.line, limits)
        if record.fault:
            yield BadLine(record.line, 1, shown(record.raw), record.fault)
        elif record.kind not in _RIS_BOOKS:
            others[shown(record.kind) or "no type"].append(record.line)
        else:
            try:
                yield _of_ris(record, limits)
            except WantError as fault:
                yield BadLine(record.line, 1, f"TY  - {record.kind}", str(fault))
    if others:
        yield left_out(others, number, "entries", "they are no books but")


def _check_number(number: int, line: int, limits: Limits) -> None:
    if number > limits.lines:
        raise UnreadableRequestError(
            line, 1, f"more than {limits.lines:,} entries; split the list into several files"
        )


def _of_bib(entry: BibEntry, limits: Limits) -> Want:
    fields = entry.fields
    within = fields.get("booktitle", "")
    title = decode_latex(within or fields.get("title", ""))
    subtitle = decode_latex(fields.get("booksubtitle" if within else "subtitle", ""))
    # The author of a chapter is not that of the book, unless nobody else is named.
    authors = (fields.get("bookauthor") or fields.get("editor") or fields.get("author")) if within else None
    return want_of(
        entry.line,
        limits,
        title=f"{title}: {subtitle}" if title and subtitle else title,
        authors=_bib_names(authors or fields.get("author") or fields.get("editor") or ""),
        isbns=(fields.get("isbn", ""),),
        year=decode_latex(fields.get("year") or fields.get("date", "")),
        language=decode_latex(fields.get("langid") or fields.get("language", "")),
        tags=_KEYWORDS.split(decode_latex(fields.get("keywords", ""))),
    )


def _bib_names(text: str) -> Iterator[str]:
    """Give the names that ` and ` parts outside of braces; a name within braces is an institution's."""
    depth, begin, escaped = 0, 0, -1
    names: list[str] = []
    for mark in _AND.finditer(text):
        if mark.start() == escaped:
            continue
        if mark[0] == "\\":
            escaped = mark.end()
        elif mark[0] == "{":
            depth += 1
        elif mark[0] == "}":
            depth -= 1
        elif depth <= 0:
            names.append(text[begin : mark.start()])
            begin = mark.end()
    names.append(text[begin:])
    for name in map(str.strip, names):
        if name and name.lower() != "others":
            whole = name.startswith("{") and name.endswith("}") and "}" not in name[:-1]
            yield decode_latex(name) if whole else natural_name(decode_latex(name))


def _of_ris(record: RisRecord, limits: Limits) -> Want:
    values = record.values
    if record.kind in _RIS_CHAPTERS:
        title = _first(values, "T2", "BT") or _first(values, "TI", "T1", "CT")
        authors = values.get("A2") or values.get("ED") or values.get("AU") or values.get("A1")
    else:
        title = _first(values, "TI", "T1", "BT", "CT")
        authors = values.get("AU") or values.get("A1") or values.get("A2") or values.get("ED")
    return want_of(
        record.line,
        limits,
        title=title,
        authors=map(natural_name, authors or ()),
        isbns=values.get("SN", ()),
        year=_first(values, "PY", "Y1", "DA").partition("/")[0],
        language=_first(values, "LA"),
        tags=values.get("KW", ()),
    )


def _first(values: Mapping[str, list[str]], *tags: str) -> str:
    return next((text for tag in tags for text in values.get(tag, ()) if text), "")
