"""What the daemon clears away, looks after and keeps copies of by itself: the chores, and what they need."""

from __future__ import annotations

from bookhopper.acquire import Acquire
from bookhopper.copies import Copies
from bookhopper.core import Core
from bookhopper.schedule import Chore
from bookhopper.units import counted

_HOUR = 3600.0


class Housekeeping:
    """Built around the core."""

    def __init__(self, core: Core, acquire: Acquire, copies: Copies) -> None:
        self._core = core
        self._acquire = acquire
        self._copies = copies

    def chores(self) -> list[Chore]:
        """List what is to be done by the clock."""
        return [
            Chore("parts", _HOUR, self._clear_parts, does="clear part files that nobody goes on with"),
            Chore("copies", _HOUR, self._clear_copies, delay=60.0, does="clear old copies of books"),
        ]

    def _clear_parts(self) -> str:
        return _removed(self._acquire.clear_parts(), "part file")

    def _clear_copies(self) -> str:
        return _removed(self._copies.clear(), "copy", "copies")


def _removed(number: int, one: str, several: str = "") -> str:
    """Say how many were removed; nothing where there was nothing to do."""
    return f"{counted(number, one, several)} removed" if number else ""
