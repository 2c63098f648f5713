"""Locks that are held over slow work, so that whoever waits for one can still be interrupted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bookhopper.ticket import Ticket

_LOOK_SECONDS = 0.1


@contextmanager
def acquired(lock: threading.Lock, ticket: Ticket) -> Iterator[None]:
    """Hold a lock for the block; raises Interrupted when the ticket is, before or while waiting."""
    ticket.check()
    while not lock.acquire(timeout=_LOOK_SECONDS):
        ticket.check()
    try:
        yield
    finally:
        lock.release()
