"""A step that fails for a while, and then does what it always did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def breaking(owner: object, name: str, error: BaseException, times: int = 1) -> None:
    """Let a method of one object fail the next few times."""
    real: Callable[..., Any] = getattr(owner, name)
    left = iter(range(times))

    def step(*args: Any, **named: Any) -> Any:
        if next(left, None) is not None:
            raise error
        return real(*args, **named)

    setattr(owner, name, step)
