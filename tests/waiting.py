"""Waiting for what threads and processes do: on a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE = 45.0
"""Seconds after which a condition that should long hold counts as failed, on a slow machine too."""

_LOOK_SECONDS = 0.005


def until(condition: Callable[[], object], what: str = "a condition", seconds: float = DEADLINE) -> None:
    """Return as soon as the condition holds; fails with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(_LOOK_SECONDS)
