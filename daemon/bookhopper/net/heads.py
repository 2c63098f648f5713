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
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

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
def _watched(sock: object) -> Iterator[None]:
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


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 has it
        with _watched(self.sock):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 has it
        with _watched(self.sock):
            return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class WatchedAdapter(HTTPAdapter):
    """An adapter whose connections heed `awaited`; those through a SOCKS proxy do not."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, of watched connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Give a proxy's pools, of watched connections."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
