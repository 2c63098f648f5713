"""A journald that keeps what it is sent, read as its native protocol says; large entries come in a memfd."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import struct
import threading
from typing import Self

from tests.daemon import Daemon

_numbers = itertools.count()
_LARGEST = 32 << 20
_SEALED = 0xF  # SEAL, SHRINK, GROW and WRITE (fcntl(2))


class Journald:
    """Listens on an abstract socket; `address` is what a sender calls it."""

    def __init__(self) -> None:
        self.address = f"\0bookhopper-journal-{os.getpid()}-{next(_numbers)}"
        self.in_memory = 0
        """How many entries came as sealed files in memory."""
        self._entries: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._thread = threading.Thread(target=self._take, name="journald", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._take_all()
        self._socket.close()

    def serve(self, daemon: Daemon) -> None:
        """Have a daemon take its standard error for the journal's, and find the journal's socket here."""
        program = f"from bookhopper.observe import journal; journal.SOCKET = {self.address!r}"
        daemon.program = ("-c", f"{program}; from bookhopper.cli import main; main()")
        place = daemon.config.with_suffix(".log")
        place.touch()
        daemon.environment["JOURNAL_STREAM"] = f"{place.stat().st_dev}:{place.stat().st_ino}"

    def _take_all(self) -> None:
        """Have the thread end once it has taken what was sent before."""
        if self._thread.is_alive():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.address)
            self._thread.join()

    def entries(self) -> list[dict[str, str]]:
        """Give what has been sent since it was asked last."""
        self._take_all()
        taken, self._entries = self._entries, []
        self._thread = threading.Thread(target=self._take, name="journald", daemon=True)
        self._thread.start()
        return taken

    def _take(self) -> None:
        while True:
            data, files, _, _ = socket.recv_fds(self._socket, _LARGEST, 1)
            if files:
                assert not data, "a datagram has data or a file, never both"
                data = self._read(files[0])
            elif not data:
                return
            self._entries.append(fields_of(data))

    def _read(self, file: int) -> bytes:
        with os.fdopen(file, "rb") as memory:
            assert fcntl.fcntl(memory, fcntl.F_GET_SEALS) == _SEALED
            self.in_memory += 1
            return os.pread(memory.fileno(), os.fstat(memory.fileno()).st_size, 0)


def fields_of(data: bytes) -> dict[str, str]:
    """Read an entry's fields, each of which must be there once."""
    fields: dict[str, str] = {}
    while data:
        line, data = data.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", data[:8])
            value, end, data = data[8 : 8 + size], data[8 + size : 9 + size], data[9 + size :]
            assert end == b"\n"
        assert name.decode() not in fields, f"{name!r} comes twice"
        fields[name.decode()] = value.decode()
    return fields
