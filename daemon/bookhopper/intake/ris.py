"""RIS files as records with the line they begin in: `TY  - BOOK` to `ER  -`, a tag a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TAG = re.compile(r"\s*(?P<tag>[A-Z][A-Z0-9]) {1,2}-(?: |$)(?P<value>.*)")
_MOST_VALUES = 200
_MOST_LENGTH = 5_000


@dataclass(frozen=True, slots=True)
class RisRecord:
    """A record: its type, and its values by tag; `fault` says why what stands at `line` is none."""

    kind: str
    line: int
    values: Mapping[str, list[str]]
    fault: str = ""
    raw: str = ""


def read_ris(text: str) -> Iterator[RisRecord]:
    """Give the records; a line outside of them that is not blank is a fault, told once up to the next one.

    A line without a tag goes on with the value before it.
    """
    kind, begun, values, last = "", 0, dict[str, list[str]](), ""
    astray = False
    for number, line in enumerate(_lines(text), start=1):
        found = _TAG.fullmatch(line)
        tag = found["tag"] if found else ""
        if begun and tag in {"TY", "ER"}:
            yield RisRecord(kind, begun, values)
            begun = 0
        if found and tag == "TY":
            kind, begun, values, last, astray = found["value"].strip().upper(), number, {}, "", False
        elif begun and found:
            last = tag
            _add(values, tag, found["value"].strip())
        elif begun and last and line.strip():
            _go_on(values[last], line.strip())
        elif line.strip() and tag != "ER" and not astray:
            astray = True
            yield RisRecord("", number, {}, "a record begins with a line `TY  - BOOK`", line[:300])
    if begun:
        yield RisRecord(kind, begun, values)


def _lines(text: str) -> Iterator[str]:
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        yield text[begin:end]
        begin = end + 1


def _add(values: dict[str, list[str]], tag: str, value: str) -> None:
    of_tag = values.setdefault(tag, [])
    if len(of_tag) < _MOST_VALUES:
        of_tag.append(value)


def _go_on(values: list[str], more: str) -> None:
    if len(values[-1]) < _MOST_LENGTH:
        values[-1] = f"{values[-1]} {more}"
