"""The forms of a line in the log: short for a person, an object of JSON for a program.

Names, titles and answers come from outside: what is not visible in them is replaced in every form, so that
none can add a line or a field of its own.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

from bookhopper import log_context
from bookhopper.errors import printable

_encode = json.JSONEncoder(ensure_ascii=False).encode  # made once, as dumps does with defaults only
_BRACKETS = str.maketrans("[]", "()")


def message_of(record: logging.LogRecord) -> str:
    """Give what a record says, on one line, and in a word the error that it tells of."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's wrong call is to be read all the same
        message = f"{record.msg} {record.args}"
    if (error := error_of(record)) is not None:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        message = f"{message}: {told}"
    return printable(message.strip())


def error_of(record: logging.LogRecord) -> BaseException | None:
    """Give the exception that a record tells of."""
    return record.exc_info[1] if record.exc_info else None


def traceback_of(record: logging.LogRecord) -> str:
    """Give the traceback of the exception that a record tells of, over several lines; empty without one."""
    error = error_of(record)
    if error is None:
        return ""
    lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    return "\n".join(map(printable, lines))


def time_of(record: logging.LogRecord) -> str:
    """Give the moment of a record as RFC 3339 has it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Human(logging.Formatter):
    """A short line: level, logger and message, and in brackets what is worked on that it does not begin with.

    A traceback follows on lines of its own, each set in so that it cannot pass for one of the log's.
    """

    def __init__(self, *, timed: bool = False) -> None:
        """With `timed`, begin each line with the time of day."""
        super().__init__(datefmt="%H:%M:%S")
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        message = message_of(record)
        line = f"{record.levelname} {record.name}: {message}{_aside(message)}"
        if self._timed:
            line = f"{self.formatTime(record, self.datefmt)} {line}"
        if told := traceback_of(record):
            line += "\n    " + told.replace("\n", "\n    ")
        return line


def _aside(message: str) -> str:
    """Tell what is worked on, as far as the message does not begin with it."""
    work = log_context.current()
    begins = message.removeprefix("list ").removeprefix("source ")
    told = (work.request, f"job {work.job}" if work.job is not None else "", work.source)
    shown = ", ".join(each for each in told if each and not begins.startswith((f"{each} ", f"{each}: ")))
    return f" [{printable(shown).translate(_BRACKETS)}]" if shown else ""


class Json(logging.Formatter):
    """One object a line, with these keys and `exception` (a traceback) where there is one.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`, `request` (its name), `job` (its number), `source`:
    the last three null where none is worked on.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        work = log_context.current()
        line: dict[str, object] = {
            "time": time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
            "request": printable(work.request) or None,
            "job": work.job,
            "source": printable(work.source) or None,
        }
        if told := traceback_of(record):
            line["exception"] = told
        return _encode(line)
