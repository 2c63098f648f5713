"""The wait for an answer's head, which no timeout of single reads bounds: it ends in time or on interruption.

A server that drips its head byte by byte keeps each read short.  requests gives nothing to hold on to before
the head is whole, so the connections themselves tell whose wait it is (`awaited`).  A TLS handshake that
drips is not covered: its socket cannot be reached before it is done.
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
    with _lock:
        _waits.add(wait)
        _see_to_sweeper()
    try:
        with wait.ticket.ended_by(wait.end):
            yield
    finally:
        with _lock:
            _waits.discard(wait)
        if wait.late:  # whatever was read: a head that was cut off can look like a whole one
            wait.ticket.check()
            raise TransientError(
                f"{safe_url(wait.url)}: the answer's head took longer than {wait.seconds:g} s"
            )


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
