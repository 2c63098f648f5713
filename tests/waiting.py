"""Waiting for what threads and processes do: on a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE = 45.0
"""Seconds after which a condition that should long hold counts as failed, on a slow machine too."""

_LOOK_SECONDS = 0.005


def until(
    condition: Callable[[], object], what: str | Callable[[], str] = "a condition", seconds: float = DEADLINE
) -> None:
    """Return as soon as the condition holds; fails with `what` when it does not in time.

    A `what` that is called is so when the time is over: for what is to be said of that moment.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:.0f} s in vain: {said}")
        time.sleep(_LOOK_SECONDS)
