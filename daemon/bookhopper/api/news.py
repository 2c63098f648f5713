"""What changed since the live page was last told: noted by other threads, taken by the teller."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from bookhopper.model import Change, Job

_MOST_JOBS = 300


@dataclass(frozen=True, slots=True)
class Noted:
    """The jobs that changed, as they stand now; `many`: too many to keep; `renewed`: something else did."""

    jobs: Mapping[int, Job] = field(default_factory=dict)
    many: bool = False
    renewed: bool = False


class News:
    """Gathers changes, bounded: of too many only the fact is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._many = False
        self._renewed = False

    def note(self, change: Change) -> None:
        """Note a change; quick."""
        with self._lock:
            if self._many:
                return
            self._jobs[change.job.id] = change.job
            if len(self._jobs) > _MOST_JOBS:
                self._many = True
                self._jobs = {}

    def renew(self) -> None:
        """Note that something else changed."""
        with self._lock:
            self._renewed = True

    def take(self) -> Noted:
        """Give what was noted, and forget it."""
        with self._lock:
            noted = Noted(self._jobs, self._many, self._renewed)
            self._jobs, self._many, self._renewed = {}, False, False
        return noted
