"""Templates of the names that books get: `{author}/{series/}{title}{ - subtitle}`.

`{field}` stands for a fact of the book.  What stands beside the field inside the braces belongs to it: `{ -
subtitle}` is nothing at all where there is no subtitle.  A `/` parts folders from what lies in them; `{{` and
`}}` are braces.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

FIELDS = (
    *("title", "subtitle", "author", "authors", "author_sort", "series", "position", "year", "language"),
    *("isbn", "format", "source", "key", "tag", "request", "job"),
)
"""What can be known of a book, as it is called in braces."""

MOST_FOLDERS = 8
"""How deep in folders a name may lie."""

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<group>[^{}]*)\}|(?P<text>[^{}]+)|(?P<stray>[{}])")
_WORD = re.compile(r"\w+")
_JOINING = " -–—,;:._"
"""What joins a field to its neighbour, and is left out where there is none."""


@dataclass(frozen=True, slots=True)
class Group:
    """A field and what stands before and after it only where the field has a value."""

    before: str
    field: str
    after: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be filled."""

    pieces: tuple[str | Group, ...]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it asks for."""
        return frozenset(piece.field for piece in self.pieces if isinstance(piece, Group))

    def fill(self, facts: Mapping[str, str]) -> list[str]:
        """Give the folders and at last the name in them; a part of which nothing is known is empty.

        A `/` inside a fact parts nothing, and stays where it is.
        """
        parts: list[list[_Run]] = [[]]
        for text, kind in self._runs(facts):
            first, *others = [text] if kind == "value" else text.split("/")
            parts[-1].append((first, kind))
            parts.extend([(other, kind)] for other in others)
        return [_joined(part) for part in parts]

    def _runs(self, facts: Mapping[str, str]) -> Iterator[_Run]:
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece, "text"
            elif value := facts.get(piece.field, ""):
                yield piece.before, "before"
                yield value, "value"
                yield piece.after, "after"


_Run = tuple[str, Literal["text", "before", "value", "after"]]


def _joined(runs: list[_Run]) -> str:
    """Put a part together, without what would join its ends to nothing."""
    runs = [run for run in runs if run[0]]
    while runs and runs[0][1] == "before":
        if rest := runs[0][0].lstrip(_JOINING):
            runs[0] = (rest, "text")
        else:
            del runs[0]
    while runs and runs[-1][1] == "after":
        if rest := runs[-1][0].rstrip(_JOINING):
            runs[-1] = (rest, "text")
        else:
            del runs[-1]
    return "".join(text for text, _ in runs)


def parse(text: str) -> Template:
    """Read a template; raises ValueError, which says what is wrong and where in it."""
    pieces = tuple(_pieces(text))
    _refuse_ways_out(pieces)
    return Template(pieces)


def _pieces(text: str) -> Iterator[str | Group]:
    for token in _TOKEN.finditer(text):
        if token["stray"]:
            brace = token["stray"]
            what = "is not closed" if brace == "{" else "closes nothing"
            raise ValueError(
                f"the {brace} at character {token.start() + 1} {what}: write {brace * 2} for a brace itself"
            )
        if token["group"] is not None:
            yield _group(token["group"], token.start() + 1)
        else:
            yield token["text"] or token[0][0]


def _group(inner: str, at: int) -> Group:
    words = list(_WORD.finditer(inner))
    fields = [word for word in words if word[0] in FIELDS]
    if len(fields) == 1:
        (field,) = fields
        return Group(inner[: field.start()], field[0], inner[field.end() :])
    if fields:
        both = " and ".join(f"`{field[0]}`" for field in fields)
        raise ValueError(f"{{{inner}}} holds {both}: give each field braces of its own")
    if not words:
        raise ValueError(f"the braces at character {at} hold no field: known are {', '.join(FIELDS)}")
    raise ValueError(_unknown([word[0] for word in words]))


def _unknown(words: list[str]) -> str:
    for word in words:
        if near := difflib.get_close_matches(word.lower(), FIELDS, n=1):
            return f"no field is called `{word}`: did you mean `{near[0]}`?"
    return f"no field is called `{' '.join(words)}`: known are {', '.join(FIELDS)}"


def _refuse_ways_out(pieces: tuple[str | Group, ...]) -> None:
    """Raise ValueError for what can never be a way inside a folder, whatever the fields hold."""
    whole = "".join(piece if isinstance(piece, str) else f"{piece.before}x{piece.after}" for piece in pieces)
    if whole.startswith("/") or "\\" in whole or {".", ".."} & set(whole.split("/")):
        raise ValueError("a name stays inside the ingest folder: write folder/name, without . and .. in it")
    if whole.count("/") > MOST_FOLDERS:
        raise ValueError(f"that is too deep: at most {MOST_FOLDERS} folders in one another")
