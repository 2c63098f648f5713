"""What happens by the clock, such as rescans, fresh catalogues and clean-up, and what came of each run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from bookhopper.errors import BookhopperError
from bookhopper.ticket import Interrupted, Reason

log = logging.getLogger("bookhopper.schedule")

RETRY_SECONDS = 3600.0
"""After how long at most a chore is tried again that has failed."""

_MISFIRE_GRACE_SECONDS = 300
_SHORT, _LONG = "default", "long"


class UnknownChoreError(BookhopperError):
    """There is no such chore."""


class ToldError(BookhopperError):
    """What a chore failed in, and has said in the log itself."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done every so many seconds, for the first time after `delay` seconds.

    `run` may return a few words on what it did; `does` says in plain words what it is for.  What is `long`
    has a thread of its own with others of its kind, so that nothing waits for it, and is remembered across
    restarts: the next run is due so long after the last one that went well.  `prepare` is called before a
    run that a person asks for, who does not mean only what happens to be due.
    """

    name: str
    every: float
    run: Callable[[], object]
    delay: float | None = None
    does: str = ""
    long: bool = False
    prepare: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended: when it began (epoch seconds), how long it took, what it did or failed in."""

    started: float
    seconds: float
    ok: bool
    said: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a chore; moments are epoch seconds, `runs` counts since the start."""

    name: str
    does: str
    every: float
    running: bool
    runs: int
    last: Run | None
    succeeded: float | None
    next: float | None


class Memory(Protocol):
    """Small texts that outlive a restart, as the store keeps them; each call may raise BookhopperError."""

    def setting(self, key: str) -> str | None:
        """Read what is kept under a key."""
        ...

    def set_setting(self, key: str, value: str) -> None:
        """Keep a text under a key."""
        ...


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """An interval that is counted from now.

    APScheduler's own counts from the last time, and lists each one that was missed: a clock that was set
    forward by years would cost all memory.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._interval


class _Supervised:
    """A chore with its last run; a failure is said once, in a line, until it goes well or fails otherwise."""

    def __init__(self, chore: Chore, ended: Callable[[_Supervised, Run], None]) -> None:
        self.chore = chore
        self.last: Run | None = None
        self.succeeded: float | None = None
        self.runs = 0
        self.running = False
        self.stopped = False
        self._ended = ended
        self._said = ""

    def __call__(self) -> None:
        self.running = True
        started, begun = time.time(), time.monotonic()
        try:
            ok, said = self._attempt()
            self.last = Run(started, time.monotonic() - begun, ok, said)
            if ok:
                self.succeeded = time.time()
        except Interrupted:  # the daemon stops
            return
        finally:
            self.runs += 1
            self.running = False
        self._ended(self, self.last)

    def _attempt(self) -> tuple[bool, str]:
        """Run it; tells whether it went well, and what it said or failed in."""
        name = self.chore.name
        try:
            did = self.chore.run()
        except ToldError as error:
            return False, str(error)
        except (BookhopperError, OSError) as error:
            if self.stopped:  # what it works with is closed already
                raise Interrupted(Reason.SHUTDOWN) from error
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the scheduled %s failed: %s", name, error)
            return False, str(error)
        except Exception as error:
            log.exception("the scheduled %s met a fault of bookhopper's own; please report it", name)
            return False, f"a fault of bookhopper's own ({type(error).__name__})"
        self._said = ""
        return True, did if isinstance(did, str) else ""

    # across restarts

    def remembered(self) -> str:
        """Give what is to be known of it at the next start."""
        return json.dumps({"last": asdict(self.last) if self.last else None, "succeeded": self.succeeded})

    def recall(self, text: str) -> None:
        """Take up what `remembered` gave; what makes no sense is as if there were nothing."""
        try:
            known = json.loads(text)
            last, succeeded = known["last"], known["succeeded"]
            self.last = Run(**last) if last else None
            self.succeeded = None if succeeded is None else float(succeeded)
        except (ValueError, KeyError, TypeError):
            log.debug("what was kept of the scheduled %s cannot be read", self.chore.name)


class Schedule:
    """Runs chores until it is stopped; one that is late runs once, not as often as it was missed."""

    def __init__(
        self,
        chores: Sequence[Chore],
        missed: Callable[[str], None],
        *,
        ran: Callable[[str, Run], None] = lambda _name, _run: None,
        memory: Memory | None = None,
    ) -> None:
        """Take the chores; `missed` is told the name of one whose run was missed, `ran` of each run.

        Raises BookhopperError where the memory cannot be read.
        """
        self._missed = missed
        self._ran = ran
        self._memory = memory
        short = sum(not chore.long for chore in chores)  # so that none waits for others, which may hang
        self._scheduler = BackgroundScheduler(
            executors={_SHORT: ThreadPoolExecutor(max(1, short)), _LONG: ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": _MISFIRE_GRACE_SECONDS},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._noticed, EVENT_JOB_MISSED)
        self._supervised = {chore.name: _Supervised(chore, self._ended) for chore in chores}
        for each in self._supervised.values():
            self._add(each)

    def _add(self, each: _Supervised) -> None:
        chore = each.chore
        if chore.long and self._memory is not None and (kept := self._memory.setting(_key(chore.name))):
            each.recall(kept)
        delay = chore.every if chore.delay is None else chore.delay
        self._scheduler.add_job(
            each,
            _Every(max(1.0, chore.every)),
            id=chore.name,
            executor=_LONG if chore.long else _SHORT,
            misfire_grace_time=None if chore.long else _MISFIRE_GRACE_SECONDS,
            next_run_time=_in(max(delay, _due(each))),
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def renew(self) -> None:
        """Count every interval from now, the clock having been set; what was remembered is due as it was."""
        for name, each in self._supervised.items():
            seconds = max(_due(each), RETRY_SECONDS) if each.chore.long else each.chore.every
            self._scheduler.modify_job(name, next_run_time=_in(min(seconds, each.chore.every)))

    def soon(self, name: str) -> None:
        """Run a chore now, and again after its interval; one that runs goes on alone."""
        if self._scheduler.running and not self._supervised[name].running:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def set_every(self, name: str, seconds: float) -> None:
        """Run a chore every so many seconds from now on."""
        each = self._supervised[name]
        if each.chore.every != seconds:
            each.chore = replace(each.chore, every=seconds)
            first = max(each.chore.delay or 0.0, _due(each))
            self._scheduler.modify_job(name, trigger=_Every(seconds), next_run_time=_in(first))

    def asked(self, name: str) -> Standing:
        """Run a chore now because a person asks for it; gives it as it stood; raises UnknownChoreError."""
        if name not in self._supervised:
            raise UnknownChoreError(
                f"nothing that is scheduled is called so: there are {', '.join(self._supervised)}"
            )
        before = self.standing(name)
        self._supervised[name].chore.prepare()
        self.soon(name)
        return before

    def stop(self) -> None:
        """Start nothing more; what runs is left to end by itself, and what it fails in is no news."""
        for each in self._supervised.values():
            each.stopped = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def standings(self) -> list[Standing]:
        """Tell how it stands with each chore."""
        return [self.standing(name) for name in self._supervised]

    def standing(self, name: str) -> Standing:
        """Tell how it stands with one of them."""
        each, job = self._supervised[name], self._scheduler.get_job(name)
        return Standing(
            name=name,
            does=each.chore.does or name,
            every=each.chore.every,
            running=each.running,
            runs=each.runs,
            last=each.last,
            succeeded=each.succeeded,
            next=job.next_run_time.timestamp() if job and job.next_run_time else None,
        )

    def _ended(self, each: _Supervised, run: Run) -> None:
        """Tell of a run, remember it, and see to it that what failed is tried again soon."""
        name = each.chore.name
        self._ran(name, run)
        if not run.ok and each.chore.every > RETRY_SECONDS and self._scheduler.running:
            self._scheduler.modify_job(name, next_run_time=_in(RETRY_SECONDS))
        if each.chore.long and self._memory is not None:
            try:
                self._memory.set_setting(_key(name), each.remembered())
            except BookhopperError as error:
                log.debug("the run of %s is not remembered: %s", name, error)

    def _noticed(self, event: JobExecutionEvent) -> None:
        self._missed(event.job_id)


def _due(each: _Supervised) -> float:
    """Tell in how many seconds a chore is due by its last good run; never more than its interval."""
    if not each.chore.long or each.succeeded is None:
        return 0.0
    return min(each.succeeded + each.chore.every - time.time(), each.chore.every)


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def _key(name: str) -> str:
    return f"scheduled {name}"
