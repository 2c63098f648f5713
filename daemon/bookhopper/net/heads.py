"""The wait for an answer's head, which no timeout of single reads bounds: it ends in time or on interruption.

A server that drips its head byte by byte keeps each read short, and so does one that drips its part of the
TLS handshake, or a proxy its answer to CONNECT or its part of SOCKS.  requests gives nothing to hold on to
before the head is whole, so the connections themselves tell whose wait it is (`awaited`).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from bookhopper.errors import TransientError
from bookhopper.net.addresses import safe_url
from bookhopper.ticket import Ticket

_SWEEP_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Wait:
    ticket: Ticket
    url: str
    seconds: float
    deadline: float
    sock: object = None
    late: bool = False

    def end(self) -> None:
        """Let the thread that reads see the end of the stream, at once."""
        if isinstance(self.sock, socket.socket):
            with suppress(OSError):
                # An SSLSocket's own shutdown would take the encryption away from under that thread.
                socket.socket.shutdown(self.sock, socket.SHUT_RD)


_current: ContextVar[_Wait | None] = ContextVar("awaited head", default=None)
_waits: set[_Wait] = set()
_lock = threading.Lock()
_sweeper: threading.Timer | None = None


@contextmanager
def awaited(ticket: Ticket, url: str, seconds: float) -> Iterator[None]:
    """Bound the connecting and the wait for the head inside the block, about `seconds` (at most 1 s more).

    Raises TransientError when the head takes longer; an interruption of the ticket breaks the wait off.
    """
    token = _current.set(_Wait(ticket, url, seconds, time.monotonic() + seconds))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def watched(sock: object) -> Iterator[None]:
    """Let the wait for a head inside the block, on a connection's socket, end as `awaited` says."""
    wait = _current.get()
    if wait is None:
        yield
        return
    wait.sock = sock
    try:
        with _swept(wait):
            yield
    finally:
        if wait.late:  # whatever was read: a head that was cut off can look like a whole one
            wait.ticket.check()
            raise TransientError(
                f"{safe_url(wait.url)}: the answer's head took longer than {wait.seconds:g} s"
            )


@contextmanager
def connecting(fault: Exception) -> Iterator[None]:
    """Let what comes before a request inside the block end as `awaited` says; raises `fault` if it is late.

    `connected` names the socket, once there is one.
    """
    wait = _current.get()
    if wait is None:
        yield
        return
    try:
        with _swept(wait):
            yield
    finally:
        if isinstance(wait.sock, socket.socket):
            wait.sock.close()
        wait.sock = None
        if wait.late:
            wait.ticket.check()
            raise fault


def connected(sock: object) -> None:
    """Note the socket of a connection that is being made, for `connecting` to end what waits on it.

    What it notes is a second handle: TLS takes the first one's number over, so that it would reach nothing.
    """
    wait = _current.get()
    if wait is not None and isinstance(sock, socket.socket):
        wait.sock = sock.dup()
        if wait.ticket.reason is not None and not wait.ticket.shielded:  # it came while nothing was connected
            wait.end()


def late() -> bool:
    """Whether the time for the wait is over, so that another address is not to be tried."""
    wait = _current.get()
    return wait is not None and wait.deadline <= time.monotonic()


@contextmanager
def _swept(wait: _Wait) -> Iterator[None]:
    """Have a wait ended in time, or when its ticket is interrupted, for the block."""
    with _lock:
        _waits.add(wait)
        _see_to_sweeper()
    try:
        with wait.ticket.ended_by(wait.end):
            yield
    finally:
        with _lock:
            _waits.discard(wait)


def _see_to_sweeper() -> None:
    """Keep one timer going while anybody waits: a timer for each request would cost more than the request."""
    global _sweeper  # noqa: PLW0603 - one for the process, as the waits are
    if _sweeper is None and _waits:
        _sweeper = threading.Timer(_SWEEP_SECONDS, _sweep)
        _sweeper.daemon = True
        _sweeper.start()


def _sweep() -> None:
    global _sweeper  # noqa: PLW0603
    now = time.monotonic()
    with _lock:
        for wait in _waits:
            if wait.deadline <= now:
                wait.late = True
                wait.end()  # with the lock held, so that it is still this wait's connection
        _sweeper = None
        _see_to_sweeper()
