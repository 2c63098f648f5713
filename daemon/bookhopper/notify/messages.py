"""What is told: bundles of what happened, and the message that one becomes.

Titles come from outside, and where messages go, `@everyone` calls a whole room and `<…>` or `*` is markup:
so every line is plain text of a bounded length in which nothing means anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bookhopper.errors import printable, shortened
from bookhopper.model import Job
from bookhopper.notify_settings import Event
from bookhopper.observe.logs import describe
from bookhopper.units import counted

SHOWN = 5
"""How many lines of each kind a message has at most; of the others the number."""

IN_THE_REPORT = "see the list's report"
"""Where choices are made if nobody has said how the live page is reached."""

_LINE_CHARACTERS = 140
_REASON_CHARACTERS = 100
_MOST = 10**9

_LOOK_ALIKE = str.maketrans(
    {
        "@": "＠", "<": "‹", ">": "›", "[": "［", "]": "］", "`": "ˋ", "*": "∗", "~": "∼", "|": "ǀ",
        "\\": "＼",
    }
)  # fmt: skip
_MARKS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Underscores that begin or end emphasis; the one in `to_read` does neither."""

_SECTIONS = {
    Event.LIST: ("Lists", "list done", "lists done"),
    Event.AMBIGUOUS: ("To choose from", "waits for your choice", "wait for your choice"),
    Event.FAILED: ("Failed", "failed", "failed"),
    Event.MISSED: ("Found nowhere, looked for again later", "found nowhere", "found nowhere"),
    Event.DELIVERED: ("Delivered", "delivered", "delivered"),
}
"""The kinds in a message's order: its section's heading, and what its subject says of one or several."""


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text on its way; `urgent` where a person is needed."""

    title: str
    body: str
    urgent: bool = False


def neutral(text: str, most: int = _LINE_CHARACTERS) -> str:
    """Make a text from outside one line in which nothing is markup, a mention or a link."""
    line = _MARKS.sub("＿", printable(text).translate(_LOOK_ALIKE)).replace("://", ":∕∕")
    return shortened(line, most)


def line_of(job: Job, reason: str = "") -> str:
    """Write the line of a job, and why it stands where it does."""
    line = neutral(describe(job))
    return f"{line}: {neutral(reason, _REASON_CHARACTERS)}" if reason else line


@dataclass(slots=True)
class Bundle:
    """What happened and was not told yet: how often, and the first few lines of each kind."""

    counts: Counter[Event] = field(default_factory=Counter)
    shown: dict[Event, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.counts.total() > 0

    def add(self, event: Event, line: str) -> None:
        """Add something that happened, in a line that `line_of` or `neutral` has made."""
        self.counts[event] += 1
        shown = self.shown.setdefault(event, [])
        if len(shown) < SHOWN:
            shown.append(line)

    def with_later(self, later: Bundle) -> Bundle:
        """Give this and what happened after it as one."""
        whole = Bundle(self.counts + later.counts)
        for event in whole.counts:
            whole.shown[event] = [*self.shown.get(event, ()), *later.shown.get(event, ())][:SHOWN]
        return whole

    def message(self, page: str) -> Message:
        """Write it as a message; `page` is the address at which choices are made, or empty."""
        said, parts = [], []
        for event, (heading, one, several) in _SECTIONS.items():
            if number := self.counts[event]:
                said.append(f"{number:,} {one if number == 1 else several}")
                place = f" ({page or IN_THE_REPORT})" if event is Event.AMBIGUOUS else ""
                rest = number - len(self.shown[event])
                lines = [f"- {line}" for line in self.shown[event]]
                parts.append("\n".join([f"{heading}{place}:", *lines, *(rest_of(rest) if rest else ())]))
        urgent = bool(self.counts[Event.AMBIGUOUS] or self.counts[Event.FAILED])
        return Message(f"bookhopper: {', '.join(said)}", "\n\n".join(parts), urgent)

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON knows it."""
        return {
            str(event): {"count": count, "lines": self.shown[event]} for event, count in self.counts.items()
        }

    @classmethod
    def from_json(cls, kept: object) -> Bundle:
        """Read what `as_json` gave, from a file that may hold anything; raises ValueError."""
        bundle = cls()
        if not isinstance(kept, Mapping):
            raise ValueError("it is no bundle")  # noqa: TRY004 - all that is wrong with a file is one fault
        for name, entry in kept.items():
            event = Event(name)
            lines, count = (entry.get("lines"), entry.get("count")) if isinstance(entry, dict) else (None, 0)
            if not isinstance(lines, list) or not isinstance(count, int) or not 0 < count < _MOST:
                raise ValueError("it is no bundle")
            bundle.counts[event] = count
            bundle.shown[event] = [neutral(str(line), 2 * _LINE_CHARACTERS) for line in lines[:SHOWN]]
        return bundle


def rest_of(number: int) -> tuple[str]:
    """Write how many more there are than are shown."""
    return (f"- and {number:,} more",)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a list whose last want is settled; `owned` were there before."""

    name: str
    books: int
    delivered: int
    owned: int
    missed: int
    ambiguous: int
    failed: int
    cancelled: int

    def line(self) -> str:
        """Write it in a line."""
        parts = [f"{self.delivered:,} of {counted(self.books, 'book')} delivered"]
        for number, words in (
            (self.owned, "there already"),
            (self.missed, "found nowhere yet"),
            (self.ambiguous, "to choose from"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
        ):
            if number:
                parts.append(f"{number:,} {words}")
        return f"{neutral(self.name, 80)}: {', '.join(parts)}"
