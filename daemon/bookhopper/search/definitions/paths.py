"""Dotted paths into JSON answers: `data.items`, `authors[0].name`, `metadata[key=dc.title].value`.

A name that meets a list goes into each of its items, so that a path may find several values; `..` in front
of a path of a field goes from the row to the whole answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

_PART = re.compile(r"(?:^|\.)([\w@:-]+)|\[(?:(-?\d{1,6})|([\w@:-]+)=([^\]]*)|\*)\]")
_MOST_FOUND = 10_000
_MAX_PATH = 500


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _Item:
    number: int


@dataclass(frozen=True, slots=True)
class _Where:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that was checked; `of_all` when it begins at the whole answer and not at a row."""

    text: str
    of_all: bool
    _parts: tuple[_Name | _Item | _Where | None, ...]

    def find(self, value: object) -> list[object]:
        """Give every value at the path, at most ten thousand; those that are null are left out."""
        found: list[object] = [value]
        for part in self._parts:
            found = [inner for outer in found for inner in _below(outer, part)][:_MOST_FOUND]
        return [each for each in _flat(found) if each is not None][:_MOST_FOUND]


@lru_cache(maxsize=512)
def json_path(text: str) -> JsonPath:
    """Check a path; raises ValueError."""
    plain = text.strip()
    of_all = plain.startswith("..")
    plain = plain.removeprefix("..").removeprefix("$").removeprefix(".")
    parts: list[_Name | _Item | _Where | None] = []
    end = 0
    while end < len(plain):
        match = _PART.match(plain, end)
        if match is None or len(plain) > _MAX_PATH:
            raise ValueError(f"`{text}` is no path such as `data.items` or `metadata[key=dc.title].value`")
        name, number, key, wanted = match.groups()
        if name is not None:
            parts.append(_Name(name))
        elif number is not None:
            parts.append(_Item(int(number)))
        else:
            parts.append(None if key is None else _Where(key, wanted))
        end = match.end()
    return JsonPath(text, of_all, tuple(parts))


def json_text(value: object) -> str:
    """Write a value as a field takes it: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _below(value: object, part: _Name | _Item | _Where | None) -> Iterator[object]:
    if isinstance(part, _Item):
        if isinstance(value, list) and -len(value) <= part.number < len(value):
            yield value[part.number]
        return
    for item in value if isinstance(value, list) else [value]:
        if part is None:
            yield item
        elif isinstance(item, dict):
            if isinstance(part, _Name):
                if part.name in item:
                    yield item[part.name]
            elif part.name in item and json_text(item[part.name]) == part.value:
                yield item


def _flat(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value
