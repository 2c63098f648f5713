"""A server on loopback that misbehaves in one chosen way, with every catalogue's dialect.

Each fault is a function that writes what it likes to the connection.  A server may answer some paths
honestly, by handing them on to another one, so that the fault meets a source later on its way.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.fakes.hostile_dialects import Dialect

_WAIT_SECONDS = 30.0
_DRIP_SECONDS = 0.05
TITLE = "Emma"


@dataclass(frozen=True)
class Asked:
    """A connection on which `path` was asked for, of a server that speaks a dialect."""

    connection: socket.socket
    path: str
    dialect: Dialect

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self, *headers: str, status: str = "200 OK", media_type: str = "") -> None:
        """Write an answer's head, without its body's length unless `headers` say it."""
        lines = (
            f"HTTP/1.1 {status}",
            "Connection: close",
            f"Content-Type: {media_type or self.dialect.media_type}",
        )
        self.send("".join(f"{line}\r\n" for line in (*lines, *headers)).encode("latin-1") + b"\r\n")

    def whole(self, body: bytes, *headers: str, status: str = "200 OK", media_type: str = "") -> None:
        """Write a whole answer."""
        self.head(f"Content-Length: {len(body)}", *headers, status=status, media_type=media_type)
        self.send(body)

    def results(self, count: int = 3, title: str = TITLE, following: str = "") -> bytes:
        return self.dialect.results(count, title, following)

    def drip(self, pieces: Iterator[bytes]) -> None:
        """Send pieces one after another, with a moment between them, until the client has enough."""
        for piece in pieces:
            self.send(piece)
            time.sleep(_DRIP_SECONDS)


@dataclass(frozen=True)
class Fault:
    """A misdeed; `endless`: it goes on until the client hangs up; `raw`: it does not wait to be asked."""

    name: str
    commit: Callable[[Asked], None]
    endless: bool = False
    raw: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Hostile:
    """A server's address, and how to reach it by TLS, which it does not speak."""

    url: str

    @property
    def tls(self) -> str:
        return self.url.replace("http:", "https:")


@contextmanager
def hostile(
    fault: Fault, dialect: Dialect, *, upstream: str = "", honest: tuple[str, ...] = ()
) -> Iterator[Hostile]:
    """Serve on a free port for the block; `upstream` answers the paths in `honest`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.settimeout(_WAIT_SECONDS)
            with suppress(OSError):  # the client hung up, as it should
                if fault.raw:
                    fault.commit(Asked(connection, "", dialect))
                    return
                request = _request(connection)
                if request is None:
                    return
                path = request.split(b" ", 2)[1].decode("latin-1")
                if path.partition("?")[0] in honest:
                    _hand_on(request, connection, upstream)
                else:
                    fault.commit(Asked(connection, path, dialect))
                    connection.shutdown(socket.SHUT_WR)

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    with Threads(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,), name="hostile")
        thread.start()
        try:
            yield Hostile(f"http://127.0.0.1:{listener.server_address[1]}")
        finally:
            listener.shutdown()
            thread.join(_WAIT_SECONDS)


def _request(connection: socket.socket) -> bytes | None:
    """Read a request's head; the sources only GET."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := connection.recv(65536)):
            return None
        head += piece
    return head


def _hand_on(request: bytes, connection: socket.socket, upstream: str) -> None:
    parts = urlsplit(upstream)
    closing = request.replace(b"Connection: keep-alive", b"Connection: close")
    with socket.create_connection((parts.hostname or "", parts.port or 80), _WAIT_SECONDS) as other:
        other.sendall(closing)
        while piece := other.recv(65536):
            connection.sendall(piece)
