"""Which files in the requests folder have come to rest: no clock, no system call, only the bookkeeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bookhopper.intake.folder import Signature


@dataclass(slots=True)
class _File:
    signature: Signature
    since: float
    """When it was last seen to change, by the caller's clock."""
    not_before: float = 0.0
    handled: bool = False
    by_rescan: bool = False


class Settling:
    """The files in hand; times are seconds of one monotonic clock.

    A file settles when neither an event nor another signature was seen for `settle` seconds, or longer
    where the caller lets it rest.  One that was handled and stays where it is (a directory, an unreadable
    file) rests until its signature changes.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._files: dict[str, _File] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __len__(self) -> int:
        return len(self._files)

    def observe(self, name: str, signature: Signature | None, now: float, *, event: bool = False) -> bool:
        """Note what a file looks like now (None: it is gone); returns whether it is a new one."""
        if signature is None:
            self._files.pop(name, None)
            return False
        file = self._files.get(name)
        if file is None:
            self._files[name] = _File(signature, now)
            return True
        if event:
            file.by_rescan = False
        if file.signature != signature:
            file.signature = signature
            file.since = now
            file.handled = False
        elif event and not file.handled:
            file.since = now
        return False

    def observe_all(self, found: Mapping[str, Signature], now: float, *, rescan: bool = False) -> None:
        """Note what a scan of the whole folder found; what it did not find is gone."""
        for name in self._files.keys() - found.keys():
            if not name.startswith("."):
                del self._files[name]
        for name, signature in found.items():
            if self.observe(name, signature, now) and rescan:
                self._files[name].by_rescan = True

    def postpone(self, name: str, until: float) -> None:
        """Leave a file alone until then."""
        if name in self._files:
            self._files[name].not_before = until

    def handled(self, name: str) -> None:
        """Leave a file alone until it changes."""
        if name in self._files:
            self._files[name].handled = True

    def forget(self, name: str) -> None:
        """Let go of a file that was taken."""
        self._files.pop(name, None)

    def only_by_rescan(self, name: str) -> bool:
        """Tell whether no event ever spoke of this file."""
        return name in self._files and self._files[name].by_rescan

    def due(self, now: float) -> list[str]:
        """List what has settled, in the order of names."""
        return sorted(name for name, file in self._files.items() if self._due_at(file) <= now)

    def is_due(self, name: str, now: float) -> bool:
        """Tell whether a file has settled."""
        return name in self._files and self._due_at(self._files[name]) <= now

    def next_due(self) -> float | None:
        """Tell when the next file may have settled."""
        return min((self._due_at(file) for file in self._files.values() if not file.handled), default=None)

    def rest(self, name: str, seconds: float) -> None:
        """Let a file rest for longer than others before it counts as settled."""
        file = self._files.get(name)
        if file is not None:
            file.not_before = max(file.not_before, file.since + seconds)

    def _due_at(self, file: _File) -> float:
        if file.handled:
            return float("inf")
        return max(file.since + self._settle, file.not_before)
