"""What every list format shares: its entries, its limits, the one error that refuses a file, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bookhopper.errors import BookhopperError
from bookhopper.model import BadLine, Want

Entry = Want | BadLine

TO_READ = "to-read"
"""The shelf of the books that somebody wants, as most book sites call it."""

_SHOWN = 200
"""How much of an overlong or broken entry is kept to show it by, in characters."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb\ufffe\uffff]"
)
"""Controls, marks that turn the direction of writing, halves of surrogate pairs: never part of a name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a request is taken: `size` in bytes at most, `line` (a line, or one value) in characters.

    Of the export of a book site, the rows on one of these `shelves`; where none is named, all.
    """

    size: int = 20_000_000
    lines: int = 200_000
    line: int = 2_000
    shelves: tuple[str, ...] = (TO_READ,)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why entries that are no fault were passed over, and how many; it is the last that a parser gives."""

    reason: str


class UnreadableRequestError(BookhopperError):
    """The whole file cannot be read as what it says it is; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


class EmptyRequestError(UnreadableRequestError):
    """There is nothing to be wanted in the file; it may well be right for what it is."""


class WantError(ValueError):
    """A want cannot be understood; the text is the reason, one line for a person."""


Parser = Callable[[str, Limits], Iterator[Entry | LeftOut]]
"""Reads the text of one format (no byte-order mark, no NUL), lazily; raises UnreadableRequestError."""


def plain(text: str) -> str:
    """Give the text without invisible characters and with single blanks; tabs and line ends become blanks."""
    if not text.isprintable():
        text = _UNSEEN.sub("", text)
    return " ".join(text.split())


def shown(text: str) -> str:
    """Give the beginning of a text that is too long or too odd to be kept whole."""
    # Cut first: a line may be many megabytes long.
    start = plain(text[: 4 * _SHOWN])
    return start if len(start) <= _SHOWN and len(text) <= 4 * _SHOWN else start[:_SHOWN].rstrip() + "…"
