"""Chores by the clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from bookhopper.schedule import Chore, Schedule
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
