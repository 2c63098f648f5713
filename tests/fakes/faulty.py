"""A server on loopback whose answers go wrong exactly as a test says, and that remembers what it was asked.

Nothing lies between the test and the socket: an answer is a function that writes what it likes to the
connection, and may break it off in the middle.
"""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_RST = struct.pack("ii", 1, 0)
_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Asked:
    """A request: its path, and its headers with their names in lower case."""

    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")

    @property
    def if_range(self) -> str | None:
        return self.headers.get("if-range")


Answer = Callable[[socket.socket, Asked], None]


@dataclass(eq=False)
class Faulty:
    """What each path answers; of several answers the last one stays."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _answers: dict[str, list[Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, path: str, *answers: Answer) -> str:
        """Let a path answer like this, one answer after another; gives its URL."""
        with self._lock:
            self._answers[path] = list(answers)
        return self.url + path

    def answer(self, connection: socket.socket, asked: Asked) -> None:
        """Answer one request."""
        with self._lock:
            self.asked.append(asked)
            answers = self._answers.get(asked.path, [status(404)])
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        chosen(connection, asked)


@contextmanager
def faulty() -> Iterator[Faulty]:
    """Serve on a free port of 127.0.0.1 for the block."""
    server = Faulty()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := self.request.recv(65536)):
                    return
                head += piece
            first, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            with suppress(OSError):  # the client hung up, which is what some tests are about
                server.answer(self.request, Asked(first.split(" ")[1], headers))

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Threads(("127.0.0.1", 0), Handler) as listener:
        server.url = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,), name="faulty")
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join(_WAIT_SECONDS)


def head(code: int, headers: Mapping[str, str | int]) -> bytes:
    """Write an answer's head."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {code} Word\r\nConnection: close\r\n{lines}\r\n".encode("latin-1")


def names(headers: Mapping[str, str]) -> dict[str, str | int]:
    """Turn keyword names into header names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def status(code: int, body: bytes = b"no", /, **headers: str) -> Answer:
    """Answer a status with a short body."""
    return whole(body, code, **headers)


def whole(body: bytes, code: int = 200, /, **headers: str) -> Answer:
    """Answer a body and its length."""

    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(code, {"Content-Length": len(body), **names(headers)}) + body)

    return answer


def cut(body: bytes, at: int, /, **headers: str) -> Answer:
    """Promise a body, send its first bytes, and close the connection."""

    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, {"Content-Length": len(body), **names(headers)}) + body[:at])

    return answer


def torn(body: bytes, at: int, /, **headers: str) -> Answer:
    """Promise a body, send its first bytes, and reset the connection."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        cut(body, at, **headers)(connection, asked)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)

    return answer


def unsized(body: bytes, **headers: str) -> Answer:
    """Send a body without any length; its end is the connection's."""

    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, names(headers)) + body)

    return answer


def chunked(body: bytes, *, ends: bool = True, **headers: str) -> Answer:
    """Send a body in two chunks; without `ends` the last one, which says that it is whole, is missing."""

    def answer(connection: socket.socket, _: Asked) -> None:
        half = len(body) // 2
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
        start = head(200, {"Transfer-Encoding": "chunked", **names(headers)})
        connection.sendall(start + pieces + (b"0\r\n\r\n" if ends else b""))

    return answer


def cut_rest(body: bytes, at: int, /, **headers: str) -> Answer:
    """Answer a range with the rest, and break off when the file has come so far."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        begin = int((asked.range or "bytes=0-")[len("bytes=") : -1])
        place: dict[str, str | int] = {
            "Content-Range": f"bytes {begin}-{len(body) - 1}/{len(body)}",
            "Content-Length": len(body) - begin,
        }
        connection.sendall(head(206, place | names(headers)) + body[begin:at])

    return answer


def rest(body: bytes, **headers: str) -> Answer:
    """Answer ranges as RFC 9110 says, `If-Range` included."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        given = names(headers)
        validators = (given.get("ETag"), given.get("Last-Modified"))
        match = re.fullmatch(r"bytes=(\d+)-", asked.range or "")
        if match is None or (asked.if_range is not None and asked.if_range not in validators):
            whole(body, **headers)(connection, asked)
            return
        begin = int(match[1])
        if begin >= len(body):
            status(416, b"", Content_Range=f"bytes */{len(body)}")(connection, asked)
            return
        place = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        whole(body[begin:], 206, Content_Range=place, **headers)(connection, asked)

    return answer


def partial(body: bytes, content_range: str, **headers: str) -> Answer:
    """Answer 206 with any range."""
    return whole(body, 206, Content_Range=content_range, **headers)


def after(event: threading.Event, answer: Answer) -> Answer:
    """Keep silent until the event, then answer."""

    def late(connection: socket.socket, asked: Asked) -> None:
        event.wait(_WAIT_SECONDS)
        answer(connection, asked)

    return late


def dripping(body: bytes, pieces: Iterator[threading.Event]) -> Answer:
    """Send one byte, then one more for each event."""

    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, {"Content-Length": len(body)}) + body[:1])
        for number, event in enumerate(pieces, 1):
            event.wait(_WAIT_SECONDS)
            connection.sendall(body[number : number + 1])

    return answer


def redirect(target: str, code: int = 302) -> Answer:
    """Send elsewhere."""
    return status(code, b"", Location=target)
