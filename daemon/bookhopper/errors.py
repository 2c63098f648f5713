"""The errors that decide what happens to a job, each one line for a person.

A message says what happened, where, and what to do.  Only the worker turns these into retries, so a step
raises the one whose meaning fits and never sleeps or counts by itself.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Scope = Literal["job", "host", "queue"]

_SIGN_IN = re.compile(r"""[^\s`'"]*:[^\s`'"]*@""")
"""A user's name and password before a host, with what else stands before them in a word."""


def printable(text: str) -> str:
    """Make a text that may come from outside fit for one line: what is unseen becomes �, a wide blank ' '."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if unicodedata.category(character) == "Zs" else "�"
        for character in text
    )


def shortened(text: str, most: int) -> str:
    """Give a text of at most `most` characters, the last being an ellipsis where it had more."""
    return text if len(text) <= most else text[: most - 1] + "…"


class BookhopperError(Exception):
    """Anything that a person should read as one line instead of a traceback, whatever it quotes."""

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class ConfigError(BookhopperError):
    """The configuration cannot be used; each fault names file, line and column.

    What is quoted of it may be an address with a sign-in, which is left out.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = [_SIGN_IN.sub("…@", printable(fault)) for fault in faults]
        Exception.__init__(self, "\n".join(self.faults))


class TransientError(BookhopperError):
    """The job's own fault, and it may pass: another attempt after a pause."""


class PermanentError(BookhopperError):
    """The job's own fault, and no repetition mends it: the next candidate, or the end."""


class HeldError(BookhopperError):
    """The surroundings' fault (disk full, ingest away, host down): wait, and count no attempt.

    `scope` says what has to wait: this job, every job of a host, or the whole queue.
    `seconds` is the time after which another look is worth it; `said`: the log has warned of it already.
    """

    def __init__(
        self, message: str, *, scope: Scope = "job", seconds: float = 30.0, said: bool = False
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.seconds = seconds
        self.said = said


class BusyError(HeldError):
    """Others of ours keep a host busy: it is not at fault, and the job is none the worse for waiting."""


class NotReadyError(HeldError):
    """What is needed is still being made, as it is after a start: nothing is at fault."""


class StoreError(BookhopperError):
    """The database cannot be opened, read or written."""


class DamagedError(StoreError):
    """The database's content is damaged: nothing may be written any more until a person has looked at it."""
