"""The errors that decide what happens to a job, each one line for a person.

A message says what happened, where, and what to do.  Only the worker turns these into retries, so a step
raises the one whose meaning fits and never sleeps or counts by itself.
"""

from __future__ import annotations

from typing import Literal

Scope = Literal["job", "host", "queue"]


class BookhopperError(Exception):
    """Anything that a person should read as one line instead of a traceback."""


class ConfigError(BookhopperError):
    """The configuration cannot be used; each fault names file, line and column."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class TransientError(BookhopperError):
    """The job's own fault, and it may pass: another attempt after a pause."""


class PermanentError(BookhopperError):
    """The job's own fault, and no repetition mends it: the next candidate, or the end."""


class HeldError(BookhopperError):
    """The surroundings' fault (disk full, ingest away, host down): wait, and count no attempt.

    `scope` says what has to wait: this job, every job of a host, or the whole queue.
    `seconds` is the time after which another look is worth it.
    """

    def __init__(self, message: str, *, scope: Scope = "job", seconds: float = 30.0) -> None:
        super().__init__(message)
        self.scope = scope
        self.seconds = seconds


class StoreError(BookhopperError):
    """The database cannot be opened, read or written."""
