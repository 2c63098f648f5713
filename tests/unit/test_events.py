"""Changes handed on in order."""

from __future__ import annotations

import pytest

from bookhopper.model import Change, Job, State, Want
from bookhopper.observe.events import Events


def change(number: int) -> Change:
    job = Job(number, 1, Want("Emma", ("Jane Austen",), line=1), State.DONE)
    return Change(job, State.PLACED, State.DONE, 1.0)


def test_changes_wait_for_the_start_and_keep_their_order() -> None:
    events = Events()
    seen: list[int] = []
    for number in range(50):
        events.publish(change(number))
    assert seen == []
    events.start(lambda change: seen.append(change.job.id))
    for number in range(50, 100):
        events.publish(change(number))
    events.stop()
    assert seen == list(range(100))


def test_a_listener_that_fails_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def failing(_: Change) -> None:
        raise ZeroDivisionError

    events = Events()
    events.start(failing, lambda change: seen.append(change.job.id))
    events.publish(change(7))
    events.publish(change(8))
    events.stop()
    assert seen == [7, 8]
    assert "a listener failed over job 7" in caplog.text


def test_a_stop_without_a_start() -> None:
    Events().stop()


# the log
