"""Waiting for what threads do: on a condition, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SECONDS = 20.0


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return as soon as the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        pause.wait(0.005)
