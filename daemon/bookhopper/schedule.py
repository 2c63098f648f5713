"""What happens by the clock: rescans, looking again, fresh catalogues, books that wait for their name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from bookhopper.errors import BookhopperError

log = logging.getLogger("bookhopper.schedule")

_MISFIRE_GRACE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done every so many seconds, for the first time after `delay` seconds."""

    name: str
    every: float
    run: Callable[[], object]
    delay: float | None = None


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """An interval that is counted from now.

    APScheduler's own counts from the last time, and lists each one that was missed: a clock that was set
    forward by years would cost all memory.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval


class _Patient:
    """A chore whose failure is said once, in a line, until it goes well again or fails for another reason."""

    def __init__(self, chore: Chore) -> None:
        self._chore = chore
        self._said = ""

    def __call__(self) -> None:
        try:
            self._chore.run()
        except (BookhopperError, OSError) as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the scheduled %s failed: %s", self._chore.name, error)
        except Exception:
            log.exception(
                "the scheduled %s met a fault of bookhopper's own; please report it", self._chore.name
            )
        else:
            self._said = ""


class Schedule:
    """Runs chores until it is stopped; one that is late runs once, not as often as it was missed."""

    def __init__(self, chores: list[Chore], missed: Callable[[str], None]) -> None:
        """Take the chores, and whom to tell the name of one whose run was missed."""
        self._missed = missed
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": _MISFIRE_GRACE_SECONDS},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._noticed, EVENT_JOB_MISSED)
        self._chores = tuple(chores)
        for chore in chores:
            delay = chore.every if chore.delay is None else chore.delay
            self._scheduler.add_job(
                _Patient(chore),
                _Every(max(1.0, chore.every)),
                id=chore.name,
                next_run_time=datetime.now(UTC) + timedelta(seconds=delay),
            )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def renew(self) -> None:
        """Count every interval from now, the clock having been set."""
        for chore in self._chores:
            moment = datetime.now(UTC) + timedelta(seconds=chore.every)
            self._scheduler.modify_job(chore.name, next_run_time=moment)

    def soon(self, name: str) -> None:
        """Run a chore now, and again after its interval."""
        if self._scheduler.running:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Start nothing more; what runs is left to end by itself."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _noticed(self, event: JobExecutionEvent) -> None:
        self._missed(event.job_id)
