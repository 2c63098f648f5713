"""A mirror on loopback: files by path, with the faults that real ones have, and a memory of who asked what.

It answers `Range` with `If-Range` as RFC 9110 says, on a thread for each connection, so that a test can hold
one answer in the middle while others go on.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import books

GUTENBERG_PATH = re.compile(r"/cache/epub/(\d+)/pg\1(-images-3|-images|)\.epub")
_DRIP_SECONDS = 0.02
_LONGEST_HOLD = 60.0


@dataclass(frozen=True)
class Seen:
    """A request and the answer's status; `begun` is the first byte that was sent."""

    path: str
    range: str | None
    if_range: str | None
    status: int
    begun: int = 0


@dataclass(eq=False)
class Hold:
    """An answer that stops after `at` bytes until `go` is set, or, with `drips`, goes on byte by byte."""

    at: int
    drips: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Break:
    """An answer whose connection is closed after `at` bytes."""

    at: int


@dataclass(frozen=True)
class Refuse:
    """An answer that is an error."""

    status: int


Fault = Hold | Break | Refuse


class Mirror:
    """What the server does; a fault is for one request of its path, the next request gets the next one."""

    def __init__(self, make: Callable[[str], bytes | None]) -> None:
        """Serve what `make` gives for a path; None is a 404."""
        self.url = ""
        self.seen: list[Seen] = []
        self._make = make
        self._contents: dict[str, bytes | None] = {}
        self._faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def hold(self, path: str, at: int, *, drips: bool = False) -> Hold:
        """Let the next answer for a path stop in the middle; the test sets its `go`."""
        hold = Hold(at, drips)
        self.add_fault(path, hold)
        return hold

    def add_fault(self, path: str, fault: Fault) -> None:
        """Let one more answer for a path go wrong."""
        with self._lock:
            self._faults[path].append(fault)

    def content(self, path: str) -> bytes | None:
        """Give a path's file, the same each time."""
        with self._lock:
            if path not in self._contents:
                self._contents[path] = self._make(path)
            return self._contents[path]

    def requests(self, path: str) -> list[Seen]:
        """List what was asked for a path, in order."""
        with self._lock:
            return [seen for seen in self.seen if seen.path == path]

    def take_fault(self, path: str) -> Fault | None:
        """Give the fault that the next answer has."""
        with self._lock:
            faults = self._faults.get(path)
            return faults.pop(0) if faults else None

    def note(self, seen: Seen) -> None:
        """Remember a request."""
        with self._lock:
            self.seen.append(seen)

    def wait(self, hold: Hold) -> bool:
        """Wait a moment; False when the answer is to go on."""
        return not (hold.go.wait(_DRIP_SECONDS) or self._closed.is_set())

    def close(self) -> None:
        """Let go of every answer that is held."""
        self._closed.set()


@contextmanager
def mirror(make: Callable[[str], bytes | None]) -> Iterator[Mirror]:
    """Serve files on loopback for the block."""
    fake = Mirror(make)

    class Handler(_Handler):
        mirror = fake

    with _Server(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="mirror", daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.close()
            server.shutdown()
            thread.join()


def gutenberg_book(number: int, form: str) -> bytes:
    """Write an EPUB that carries its record number and the form it was asked in."""
    return books.epub(f"Record {number}", identifier=f"urn:gutenberg:{number}{form}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hangs up, which is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mirror: Mirror

    def do_GET(self) -> None:
        content = self.mirror.content(self.path)
        fault = self.mirror.take_fault(self.path)
        if content is None or isinstance(fault, Refuse):
            self._answer(fault.status if isinstance(fault, Refuse) else 404, 0, b"no such book")
            return
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        begun = self._begin(tag, len(content))
        headers = {"ETag": tag, "Content-Type": "application/epub+zip"}
        if begun:
            headers["Content-Range"] = f"bytes {begun}-{len(content) - 1}/{len(content)}"
        self._answer(206 if begun else 200, begun, content[begun:], headers, fault)

    def _begin(self, tag: str, total: int) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", tag) != tag:
            return 0
        return int(asked[1]) if int(asked[1]) < total else 0

    def _answer(
        self,
        status: int,
        begun: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        fault: Hold | Break | Refuse | None = None,
    ) -> None:
        self.mirror.note(
            Seen(self.path, self.headers.get("Range"), self.headers.get("If-Range"), status, begun)
        )
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self._send(body, begun, fault)

    def _send(self, body: bytes, begun: int, fault: Fault | None) -> None:
        if not isinstance(fault, Hold | Break):
            self.wfile.write(body)
            return
        sent = max(0, fault.at - begun)
        self.wfile.write(body[:sent])
        if isinstance(fault, Break):
            self.close_connection = True
            return
        fault.reached.set()
        while self.mirror.wait(fault):
            if fault.drips and sent < len(body):
                self.wfile.write(body[sent : sent + 1])
                sent += 1
        self.wfile.write(body[sent:])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Keep quiet."""
