"""A journald that keeps what it is sent, read as its native protocol says; large entries come in a memfd."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import struct
from typing import Self

_numbers = itertools.count()
_LARGEST = 32 << 20
_SEALED = 0xF  # SEAL, SHRINK, GROW and WRITE (fcntl(2))


class Journald:
    """Listens on an abstract socket; `address` is what a sender calls it."""

    def __init__(self) -> None:
        self.address = f"\0bookhopper-journal-{os.getpid()}-{next(_numbers)}"
        self.in_memory = 0
        """How many entries came as sealed files in memory."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def entries(self) -> list[dict[str, str]]:
        """Give what has come since it was asked last."""
        taken: list[dict[str, str]] = []
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._socket, _LARGEST, 1)
            except BlockingIOError:
                return taken
            if files:
                assert not data, "a datagram has data or a file, never both"
                data = self._read(files[0])
            taken.append(fields_of(data))

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
