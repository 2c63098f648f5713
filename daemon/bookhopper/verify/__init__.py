"""Whether a file is a whole, readable, unprotected book."""

from __future__ import annotations

from pathlib import Path

from bookhopper.verify.base import Check, Verdict

__all__ = ["Check", "Verdict", "verify"]


def verify(path: Path, expected: str = "") -> Verdict:
    """Tell what a file is, and whether it is good, as `dispatch.verify` does; raises OSError."""
    # Here rather than above, so that only the first book pays for lxml and all the checks.
    from bookhopper.verify import dispatch  # noqa: PLC0415

    return dispatch.verify(path, expected)
