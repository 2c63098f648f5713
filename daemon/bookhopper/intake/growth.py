"""Which lists grew after they were filed: no clock, no system call, only the bookkeeping.

A program that keeps its list open goes on writing into the same file wherever that was moved, so a pause
longer than the settle time would cost it the lines that follow.
"""

from __future__ import annotations

from dataclasses import dataclass

from bookhopper.intake.folder import Signature

REMEMBERED_SECONDS = 600.0
_MOST = 1000
"""So many of the newest are remembered: each costs a look every second."""


@dataclass(slots=True)
class _Filed:
    read: Signature
    seen: Signature
    since: float
    """When it was filed or last seen to change, by the caller's clock."""

    @property
    def grown(self) -> bool:
        # Somebody who is rewriting the list begins with an empty one.
        return self.seen.content != self.read.content and self.seen.size > 0


class Growth:
    """The lists filed or changed in the last ten minutes; times are seconds of one monotonic clock."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._files: dict[str, _Filed] = {}

    def remember(self, name: str, read: Signature, now: float) -> None:
        """Note a list that was filed, and what it looked like when it was read."""
        self._files.pop(name, None)  # the newest come last
        self._files[name] = _Filed(read, read, now)
        if len(self._files) > _MOST:
            del self._files[next(iter(self._files))]

    def adopt(self, name: str, signature: Signature, now: float) -> None:
        """Note a list that was filed before this process began, and whether it was written to since then."""
        self.remember(name, signature, now)
        if signature.written_last:
            self._files[name].read = signature._replace(size=-1)

    def names(self, now: float) -> list[str]:
        """List what is still worth a look, and forget the rest."""
        self._files = {
            name: file for name, file in self._files.items() if now - file.since <= REMEMBERED_SECONDS
        }
        return list(self._files)

    def observe(self, name: str, signature: Signature | None, now: float) -> None:
        """Note what lies under a name now; nothing (None) or another file ends the interest in it."""
        file = self._files.get(name)
        if file is None:
            return
        if signature is None or not signature.is_file or signature.inode != file.read.inode:
            del self._files[name]
        elif signature.content != file.seen.content:
            file.seen, file.since = signature, now

    def due(self, now: float) -> list[str]:
        """List what has grown and rests again, in the order of names."""
        return sorted(
            name for name, file in self._files.items() if file.grown and now - file.since >= self._settle
        )

    def forget(self, name: str) -> None:
        """Let go of a list that is taken again."""
        self._files.pop(name, None)
