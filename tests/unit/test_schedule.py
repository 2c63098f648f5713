"""Chores by the clock."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from bookhopper.errors import BookhopperError, HeldError
from bookhopper.schedule import RETRY_SECONDS, Chore, Run, Schedule, ToldError, UnknownChoreError
from tests.waiting import until


def test_a_chore_runs_at_once_and_again() -> None:
    runs: list[int] = []
    schedule = Schedule([Chore("count", 1.0, lambda: runs.append(1), delay=0.0)], lambda _: None)
    schedule.start()
    until(lambda: len(runs) >= 2)
    schedule.stop()


def test_a_chore_waits_for_its_time() -> None:
    first, later = threading.Event(), threading.Event()
    schedule = Schedule(
        [Chore("first", 60.0, first.set, delay=0.0), Chore("later", 60.0, later.set)], lambda _: None
    )
    due = {job.id: job.next_run_time for job in schedule._scheduler.get_jobs()}
    assert due["later"] - due["first"] > timedelta(seconds=50)
    schedule.start()
    assert first.wait(20)
    schedule.stop()
    assert not later.is_set()


def test_a_chore_that_fails_is_logged_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    def failing() -> None:
        runs.append(1)
        raise OSError("no room")

    schedule = Schedule([Chore("divide", 1.0, failing, delay=0.0)], lambda _: None)
    schedule.start()
    until(lambda: len(runs) >= 2)
    schedule.stop()
    assert caplog.messages == ["the scheduled divide failed: no room"], "said once"


def test_no_chore_waits_for_others_that_hang() -> None:
    ends, lives = threading.Event(), threading.Event()
    hanging = [Chore(f"{number}", 60.0, ends.wait, delay=0.0) for number in range(9)]
    schedule = Schedule([*hanging, Chore("lease", 60.0, lives.set, delay=0.5)], lambda _: None)
    schedule.start()
    try:
        assert lives.wait(20)
    finally:
        ends.set()
        schedule.stop()


def test_what_fails_since_all_is_closed_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    begun, closed, over = threading.Event(), threading.Event(), threading.Event()

    def working() -> None:
        begun.set()
        closed.wait(20)
        try:
            raise BookhopperError("the queue's database fails: stop bookhopper and restore a copy of it")
        finally:
            over.set()

    told: list[Run] = []
    schedule = Schedule(
        [Chore("work", 60.0, working, delay=0.0)], lambda _: None, ran=lambda _, run: told.append(run)
    )
    schedule.start()
    assert begun.wait(20)
    schedule.stop()
    closed.set()
    assert over.wait(20)
    until(lambda: not schedule.standing("work").running)
    assert (caplog.messages, told) == ([], [])


def test_a_missed_run_is_told() -> None:
    missed: list[str] = []
    schedule = Schedule([Chore("late", 60.0, lambda: None)], missed.append)
    event = JobExecutionEvent(EVENT_JOB_MISSED, "late", "default", datetime.now(UTC))
    schedule._scheduler._dispatch_event(event)
    assert missed == ["late"]


def test_a_stop_leaves_what_runs(caplog: pytest.LogCaptureFixture) -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def chore() -> None:
        begun.set()
        go.wait(20)
        ended.set()

    schedule = Schedule([Chore("long", 60.0, chore, delay=0.0)], lambda _: None)
    schedule.start()
    assert begun.wait(20)
    schedule.stop()
    go.set()
    assert ended.wait(20)


def test_a_stop_without_a_start() -> None:
    Schedule([], lambda _: None).stop()


def test_a_clock_that_was_set_forward_by_years_costs_nothing() -> None:
    schedule = Schedule([Chore("often", 1.0, lambda: None)], lambda _: None)
    (job,) = schedule._scheduler.get_jobs()
    assert len(job._get_run_times(datetime.now(UTC) + timedelta(days=20_000))) == 1


class Kept(dict[str, str]):
    """A memory that outlives a schedule."""

    def setting(self, key: str) -> str | None:
        return self.get(key)

    def set_setting(self, key: str, value: str) -> None:
        self[key] = value


def ran(chore: Chore, memory: Kept | None = None) -> Run:
    """Run a chore once."""
    runs: list[tuple[str, Run]] = []
    schedule = Schedule([chore], lambda _: None, ran=lambda *run: runs.append(run), memory=memory)
    schedule.start()
    schedule.asked(chore.name)
    until(lambda: runs)
    schedule.stop()
    ((name, run),) = runs
    assert name == chore.name
    assert schedule.standing(name).last == run
    return run


def fault(error: Exception) -> object:
    raise error


def test_what_came_of_a_run_is_told() -> None:
    before = time.time()
    run = ran(Chore("count", 60.0, lambda: "3 lists found"))
    assert before <= run.started <= time.time()
    assert (run.ok, run.said) == (True, "3 lists found")
    assert ran(Chore("number", 60.0, lambda: 3)).said == ""


@pytest.mark.parametrize(
    ("error", "said", "logged"),
    [
        (OSError("no room"), "no room", "the scheduled chore failed: no room"),
        (ToldError("away"), "away", ""),
        (ZeroDivisionError(), "a fault of bookhopper's own (ZeroDivisionError)", "please report it"),
    ],
)
def test_what_a_run_failed_in_is_told(
    error: Exception, said: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = ran(Chore("chore", 60.0, lambda: fault(error)))
    assert (run.ok, run.said) == (False, said)
    assert logged in caplog.text
    assert bool(caplog.messages) is bool(logged)


def test_how_it_stands_with_a_chore() -> None:
    schedule = Schedule([Chore("later", 60.0, lambda: None, does="do it later")], lambda _: None)
    schedule.start()
    (standing,) = schedule.standings()
    schedule.stop()
    assert (standing.name, standing.does, standing.every) == ("later", "do it later", 60.0)
    assert (standing.running, standing.runs, standing.last, standing.succeeded) == (False, 0, None, None)
    assert standing.next == pytest.approx(time.time() + 60, abs=30)


def test_a_person_asks_for_a_chore_that_is_not_there() -> None:
    schedule = Schedule([Chore("one", 60.0, lambda: None), Chore("two", 60.0, lambda: None)], lambda _: None)
    with pytest.raises(UnknownChoreError, match="there are one, two"):
        schedule.asked("three")


def test_a_chore_that_a_person_asks_for_is_prepared() -> None:
    due: list[str] = []
    chore = Chore("chore", 60.0, lambda: ", ".join(due), prepare=lambda: due.append("all"))
    assert ran(chore).said == "all"


def test_one_that_runs_is_not_run_twice(caplog: pytest.LogCaptureFixture) -> None:
    begun, go = threading.Event(), threading.Event()

    def chore() -> None:
        begun.set()
        go.wait(20)

    schedule = Schedule([Chore("long", 60.0, chore, delay=0.0)], lambda _: None)
    schedule.start()
    assert begun.wait(20)
    assert schedule.asked("long").running
    assert schedule.standing("long").runs == 0
    go.set()
    until(lambda: schedule.standing("long").runs == 1)
    schedule.stop()
    assert caplog.messages == []


def next_in(schedule: Schedule, name: str) -> float:
    """Tell in how many seconds a chore that has not begun yet is to run."""
    (job,) = [job for job in schedule._scheduler.get_jobs() if job.id == name]
    return float((job.next_run_time - datetime.now(UTC)).total_seconds())


def test_a_long_chore_is_due_by_its_last_run_whatever_was_started_meanwhile() -> None:
    memory, day = Kept(), 86400.0
    chore = Chore("backup", day, lambda: "kept", delay=600.0, long=True)
    fresh = Schedule([chore], lambda _: None, memory=memory)
    assert next_in(fresh, "backup") == pytest.approx(600, abs=60)
    run = ran(chore, memory)
    again = Schedule([chore], lambda _: None, memory=memory)
    assert again.standing("backup").last == run
    assert again.standing("backup").succeeded == pytest.approx(run.started, abs=60)
    assert next_in(again, "backup") == pytest.approx(day, abs=60)
    again.renew()
    assert next_in(again, "backup") == pytest.approx(day, abs=60)


@pytest.mark.parametrize(("ago", "due"), [(90000, 600), (3600, 82800), (-(10**9), 86400)])
def test_a_long_chore_is_never_due_later_than_its_interval(ago: float, due: float) -> None:
    kept = f'{{"last": null, "succeeded": {time.time() - ago}}}'
    memory = Kept({"scheduled backup": kept})
    chore = Chore("backup", 86400.0, lambda: None, delay=600.0, long=True)
    assert next_in(Schedule([chore], lambda _: None, memory=memory), "backup") == pytest.approx(due, abs=60)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"last": 1, "succeeded": "x"}', '{"last": {"a": 1}}'])
def test_what_is_remembered_and_makes_no_sense_is_as_if_it_were_not_there(kept: str) -> None:
    chore = Chore("backup", 86400.0, lambda: None, delay=600.0, long=True)
    schedule = Schedule([chore], lambda _: None, memory=Kept({"scheduled backup": kept}))
    assert schedule.standing("backup").last is None
    assert next_in(schedule, "backup") == pytest.approx(600, abs=60)


def test_a_long_chore_that_fails_is_tried_again_soon() -> None:
    runs: list[Run] = []
    chore = Chore("backup", 86400.0, lambda: fault(HeldError("no room")), delay=0.0, long=True)
    schedule = Schedule([chore], lambda _: None, ran=lambda _, run: runs.append(run), memory=Kept())
    schedule.start()
    until(lambda: runs and next_in(schedule, "backup") < RETRY_SECONDS + 60)
    schedule.stop()
    assert schedule.standing("backup").succeeded is None


def test_a_chore_whose_run_cannot_be_remembered_has_run() -> None:
    class Full(Kept):
        def set_setting(self, key: str, value: str) -> None:  # noqa: ARG002 - as it is called
            raise HeldError("the disk is full")

    assert ran(Chore("backup", 86400.0, lambda: "kept", long=True), Full()).ok
