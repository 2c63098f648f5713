"""A server on loopback that begins an answer to whatever it hears, and then never gets done with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_JOIN_SECONDS = 10.0
_DRIP_SECONDS = 0.01

HANDSHAKE = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb"
"""The head of a TLS record with a ServerHello of 16 KB."""

TUNNEL = b"HTTP/1.1 200 Connection established\r\nX-Filler: "
"""How a proxy's answer to CONNECT begins."""

SOCKS_REPLY = b"\x05\x00\x05\x00\x00\x03\xff"
"""How a SOCKS proxy accepts a client, and begins to say in 255 bytes which host it has reached."""


@contextmanager
def dripping(start: bytes) -> Iterator[int]:
    """Send `start` to who says anything, then a byte now and then; gives the port of 127.0.0.1."""
    done = threading.Event()
    threads: list[threading.Thread] = []

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(start)
            while not done.wait(_DRIP_SECONDS):
                client.sendall(b"x")

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=drip, args=(client,), daemon=True))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), name="dripping", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            for each in (thread, *threads):
                each.join(_JOIN_SECONDS)
