"""What every list format shares: its entries, its limits, the one error that refuses a file, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bookhopper.errors import BookhopperError
from bookhopper.model import BadLine, LeftOut, Want

Entry = Want | BadLine

TO_READ = "to-read"
"""The shelf of the books that somebody wants, as most book sites call it."""

A_FEED = "this is a feed of its own; name its address under `lists:` in the configuration"
"""Why an outline that names a feed is no want."""

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
"""Reads the text of one format (no byte-order mark, no NUL), lazily; raises UnreadableRequestError.

What was left out is the last that it gives.
"""

_MOST_KINDS = 5
_MOST_RUNS = 20


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


def left_out(kinds: Mapping[str, Sequence[int]], total: int, what: str, why: str) -> LeftOut:
    """Say which of `total` entries were left out, from the lines of each kind: the most frequent kinds first.

    `what` the entries are called, and `why` begins the sentence that the kinds end.
    """
    frequent = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
    named = [f"{kind} ({len(lines):,}: {_runs(lines)})" for kind, lines in frequent[:_MOST_KINDS]]
    if len(frequent) > _MOST_KINDS:
        named.append("…")
    number = sum(map(len, kinds.values()))
    first = min(lines[0] for lines in kinds.values())
    return LeftOut(first, f"{number:,} of {total:,} {what}", f"{why} {'; '.join(named)}")


def _runs(lines: Sequence[int]) -> str:
    """Name lines, given in order, in short: `lines 3, 5-9`; of very many the first."""
    found: list[list[int]] = []
    for line in lines:
        if found and found[-1][1] == line - 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    named = [str(first) if first == last else f"{first}-{last}" for first, last in found[:_MOST_RUNS]]
    more = ", …" if len(found) > _MOST_RUNS else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {', '.join(named)}{more}"
