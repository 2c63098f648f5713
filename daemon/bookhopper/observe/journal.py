"""Lines of the log as entries of systemd's journal, each with fields that `journalctl` can select by.

Source of the facts: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/, systemd.exec(5) for `$JOURNAL_STREAM`,
systemd.journal-fields(7) for the fields' names, sd-daemon(3) for the priorities before a line.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from bookhopper import log_context
from bookhopper.errors import printable
from bookhopper.observe.log_forms import Human, message_of, traceback_of

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "bookhopper"

_SEND_BUFFER = 8 << 20
_TOO_LARGE = frozenset((errno.EMSGSIZE, errno.ENOBUFS))
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_journals(stream: TextIO) -> bool:
    """Tell whether what is written to a stream goes into the journal, as `$JOURNAL_STREAM` says.

    It names a device and an inode, since a program may inherit the variable and have its output elsewhere.
    """
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


class JournalHandler(logging.Handler):
    """Sends each record to journald; one that it does not take goes to a stream, its priority before it."""

    def __init__(self, stream: TextIO) -> None:
        """Take the stream for what the journal does not take; opens its socket."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with suppress(OSError):  # then it is as large as the system likes
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._instead = logging.StreamHandler(stream)
        self._instead.setFormatter(_Prefixed())

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; never raises."""
        try:
            self._send(_entry(record))
        except OSError:
            self._instead.emit(record)
        except Exception:  # noqa: BLE001 - as the other handlers do
            self.handleError(record)

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, SOCKET)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_in_memory(entry)

    def _send_in_memory(self, entry: bytes) -> None:
        """Send what no datagram holds as a sealed file in memory, which journald reads instead."""
        memory = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(memory, "wb") as file:
            file.write(entry)
            file.flush()
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", file.fileno()))]
            self._socket.sendmsg((), rights, 0, SOCKET)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


class _Prefixed(Human):
    """A line for a stream that journald reads: its priority in angle brackets before it."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_priority(record.levelno)}>"
        return prefix + super().format(record).replace("\n", f"\n{prefix}")


def _entry(record: logging.LogRecord) -> bytes:
    """Write a record as an entry."""
    work = log_context.current()
    fields: dict[str, str | int | None] = {
        "MESSAGE": message_of(record),
        "PRIORITY": _priority(record.levelno),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "BOOKHOPPER_REQUEST": printable(work.request),
        "BOOKHOPPER_JOB": work.job,
        "BOOKHOPPER_SOURCE": printable(work.source),
        "CODE_FILE": record.pathname,
        "CODE_LINE": record.lineno,
        "CODE_FUNC": record.funcName,
        "EXCEPTION_TEXT": traceback_of(record),
    }
    return b"".join(_field(name, str(value)) for name, value in fields.items() if value not in {None, ""})


def _field(name: str, value: str) -> bytes:
    """Write a field: on a line, or with its length before it where it has several."""
    data = value.encode("utf-8", "replace")
    if "\n" not in value:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)


def _priority(level: int) -> int:
    """Give what syslog calls a level: 7 debug, 6 info, 4 warning, 3 error, 2 critical."""
    levels: Iterable[tuple[int, int]] = (
        (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)
    )  # fmt: skip
    return next((priority for least, priority in levels if level >= least), 7)
