"""The daily digest: when it is due, and what it says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import humanize

from bookhopper.model import UNSETTLED, State
from bookhopper.notify.messages import IN_THE_REPORT, SHOWN, Message, line_of, rest_of
from bookhopper.store.base import Store
from bookhopper.store.queries import JobFilter
from bookhopper.units import counted

_DAY_SECONDS = 86400.0
_LONGEST_SECONDS = 7 * _DAY_SECONDS
"""How far back a digest looks that was late, as after a holiday of the machine."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a digest looks at.

    `available` tells of each source whether it answers; `keep_free` is in bytes, of the folder `state`;
    `page` is the address of the live page, or empty.
    """

    store: Store
    available: Callable[[], Mapping[str, bool]]
    folders: Mapping[str, Path]
    keep_free: Callable[[], int]
    page: str = ""


def last_slot(now: float, minute: int) -> float:
    """Give the latest moment (epoch seconds) at which the local clock showed this minute of the day.

    On a day when the clock leaps over it, that is as long after the leap; where it shows it twice, the first.
    """
    today = datetime.fromtimestamp(now).astimezone()
    slots = (
        datetime(day.year, day.month, day.day, minute // 60, minute % 60).astimezone().timestamp()
        for day in (today - timedelta(days=before) for before in range(3))
    )
    return next(slot for slot in slots if slot <= now)


def due_slot(told: float, now: float, minute: int) -> float | None:
    """Give the slot whose digest is due at `now`, where that of `told` was the last; None: none is."""
    slot = last_slot(now, minute)
    return slot if slot > told else None


def digest(sight: Sight, told: float, now: float) -> Message | None:
    """Write what happened since the last one, and how things stand; None where there is nothing to say.

    That is: nothing was delivered and nothing failed, nothing waits, all sources answer, and there is room.
    Raises HeldError and StoreError.
    """
    since = max(told, now - _LONGEST_SECONDS)
    delivered, failed = (_latest(sight.store, state, since) for state in (State.DONE, State.FAILED))
    counts = sight.store.counts()
    queued = sum(counts[state] for state in UNSETTLED)
    silent = sorted(name for name, answers in sight.available().items() if not answers)
    short, rooms = _rooms(sight)
    news = delivered.number or failed.number or counts[State.AMBIGUOUS] or queued or silent or short
    if not news:
        return None
    title = f"bookhopper: {delivered.number:,} delivered, {failed.number:,} failed"
    choices = f" ({sight.page or IN_THE_REPORT})" if counts[State.AMBIGUOUS] else ""
    standing = (
        f"Now: {queued:,} in the queue, {counts[State.AMBIGUOUS]:,} to choose from{choices}, "
        f"{counts[State.MISSING]:,} found nowhere yet."
    )
    silence = [f"{counted(len(silent), 'source')} silent: {', '.join(silent)}."] if silent else []
    parts = [f"Since {_moment(since)}:", *delivered.lines("Delivered"), *failed.lines("Failed")]
    if len(parts) == 1:
        parts = [f"Since {_moment(since)} nothing was delivered, and nothing failed."]
    urgent = bool(failed.number or counts[State.AMBIGUOUS] or short)
    return Message(title, "\n".join([*parts, "", standing, *silence, *rooms]), urgent)


@dataclass(frozen=True, slots=True)
class _Latest:
    """How many jobs came into a state, and the lines of the last few of them."""

    number: int
    shown: tuple[str, ...]

    def lines(self, heading: str) -> list[str]:
        rest = self.number - len(self.shown)
        listed = [f"- {line}" for line in self.shown]
        return [f"{heading}: {self.number:,}", *listed, *(rest_of(rest) if rest else ())] if listed else []


def _latest(store: Store, state: State, since: float) -> _Latest:
    where = JobFilter(frozenset((state,)), since=since)
    jobs = store.jobs(where, limit=SHOWN)
    shown = tuple(line_of(job, job.error if state is State.FAILED else "") for job in jobs)
    return _Latest(max(store.count(where), len(shown)), shown)


def _rooms(sight: Sight) -> tuple[bool, list[str]]:
    """Tell whether there is too little room, and how much there is where."""
    free = {}
    for name, path in sight.folders.items():
        with suppress(OSError):  # a folder that is away is told of elsewhere, and at once
            free[name] = shutil.disk_usage(path).free
    short = free.get("state", sight.keep_free() + 1) <= sight.keep_free()
    told = ", ".join(f"{name} {humanize.naturalsize(size, binary=True)}" for name, size in free.items())
    return short, [f"Free: {told}{' - too little: downloads wait' if short else ''}."] if free else []


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
