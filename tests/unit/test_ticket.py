"""The ticket: who stops a job, and what is seen of it."""

from __future__ import annotations

import threading
import time

import pytest

from bookhopper import ticket as module
from bookhopper.model import Resume
from bookhopper.ticket import Interrupted, Reason, Ticket


class Clock:
    """A clock that goes as far as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_first_reason_stays() -> None:
    ticket = Ticket(1)
    ticket.check()
    ticket.interrupt(Reason.PAUSE)
    ticket.interrupt(Reason.SHUTDOWN)
    with pytest.raises(Interrupted) as interrupted:
        ticket.check()
    assert interrupted.value.reason is Reason.PAUSE


def test_no_plugin_swallows_it() -> None:
    assert not issubclass(Interrupted, Exception)


def test_waiting_ends_at_once() -> None:
    ticket = Ticket(1)
    ticket.wait(0.001)
    timer = threading.Timer(0.02, ticket.interrupt, (Reason.CANCEL,))
    timer.start()
    with pytest.raises(Interrupted):
        ticket.wait(60)
    timer.join()


def test_a_shield_lets_nothing_through() -> None:
    ticket = Ticket(1)
    ticket.interrupt(Reason.SHUTDOWN)
    with ticket.shield():
        ticket.check()
        ticket.wait(0.001)
    with pytest.raises(Interrupted):
        ticket.check()


def test_an_interruption_ends_what_looks_at_no_ticket() -> None:
    ticket = Ticket(1)
    ended: list[int] = []
    with ticket.ended_by(lambda: ended.append(1)):
        ticket.interrupt(Reason.SHUTDOWN)
        assert ended == [1]
    ticket.interrupt(Reason.CANCEL)
    assert ended == [1], "the block is over"
    with pytest.raises(Interrupted), ticket.ended_by(lambda: ended.append(2)):
        raise AssertionError("it was interrupted before")


def test_all_who_wait_for_one_job_are_ended() -> None:
    ticket = Ticket(1)
    ended: list[str] = []
    with ticket.ended_by(lambda: ended.append("first")), ticket.ended_by(lambda: ended.append("second")):
        with ticket.ended_by(lambda: ended.append("over")):
            pass
        ticket.interrupt(Reason.CANCEL)
    assert ended == ["first", "second"]


@pytest.mark.parametrize("error", [ProcessLookupError, ValueError, RuntimeError])
def test_what_ended_by_itself_need_not_be_ended(error: type[Exception]) -> None:
    def failing() -> None:
        raise error

    ticket = Ticket(1)
    with ticket.ended_by(failing):
        ticket.interrupt(Reason.SHUTDOWN)


def test_a_shield_keeps_it_from_being_ended() -> None:
    ticket = Ticket(1)
    ended: list[int] = []
    with ticket.shield(), ticket.ended_by(lambda: ended.append(1)):
        ticket.interrupt(Reason.SHUTDOWN)
    assert ended == []


def test_checking_is_a_sign_of_life(clock: Clock) -> None:
    ticket = Ticket(1)
    clock.now += 5
    ticket.check()
    assert ticket.heartbeat == 1005


def test_speed_and_eta(clock: Clock) -> None:
    ticket = Ticket(1)
    assert (ticket.speed, ticket.eta) == (0, None)
    ticket.progress(0, 1000)
    assert ticket.eta is None
    clock.now += 1
    ticket.progress(100, 1000)
    seen: tuple[object, ...] = (ticket.received, ticket.total, ticket.speed, ticket.eta)
    assert seen == (100, 1000, 100, 9)
    clock.now += 0.1
    ticket.progress(500, 1000)
    assert ticket.speed == 100, "too soon to tell"
    clock.now += 0.9
    ticket.progress(700, 1000)
    assert 100 < ticket.speed < 600, "an average of what was and what is"
    for _ in range(30):
        clock.now += 1
        ticket.progress(ticket.received + 600, 10**6)
    assert ticket.speed == pytest.approx(600, rel=0.01), "it follows what is"
    ticket.progress(10**6 + 1000, 10**6)
    assert ticket.eta == 0
    ticket.progress(5)
    assert ticket.eta is None


def test_what_came_before_is_no_speed(clock: Clock) -> None:
    ticket = Ticket(1)
    clock.now += 30
    ticket.progress(500_000, 1_000_000)
    assert (ticket.received, ticket.speed, ticket.eta) == (500_000, 0, None)
    clock.now += 1
    ticket.progress(501_000, 1_000_000)
    assert (ticket.speed, ticket.eta) == (1000, 499)


def test_a_file_that_begins_again_gives_no_negative_speed(clock: Clock) -> None:
    ticket = Ticket(1)
    ticket.progress(0, 2000)
    clock.now += 1
    ticket.progress(1000, 2000)
    ticket.progress(0, 2000)
    assert ticket.speed == 1000
    clock.now += 1
    ticket.progress(1000, 2000)
    assert ticket.speed == 1000


def test_a_stalled_download_loses_its_speed(clock: Clock) -> None:
    ticket = Ticket(1)
    ticket.progress(0, 10**6)
    clock.now += 1
    ticket.progress(1000, 10**6)
    seen = []
    for _ in range(12):
        seen.append(ticket.speed)
        clock.now += 1
    assert seen == sorted(seen, reverse=True), "nothing arrives, and nobody has to say so"
    assert seen[5] < 300
    assert (ticket.speed, ticket.eta) == (0, None)
    ticket.progress(13_000, 10**6)
    assert ticket.speed == 1000, "what came at last, over the time that it took"


def test_bytes_that_drip_have_a_speed(clock: Clock) -> None:
    ticket = Ticket(1)
    ticket.progress(0, 10**6)
    for second in range(1, 20):
        clock.now += 1
        ticket.progress(second, 10**6)
        assert ticket.speed == pytest.approx(1)


def test_where_to_go_on_knows_what_has_come() -> None:
    ticket = Ticket(1)
    assert ticket.resume_point is None
    ticket.resume = Resume("http://127.0.0.1/1", '"tag"', 100, 20)
    assert ticket.resume_point == ticket.resume, "it was not begun"
    ticket.progress(20, 100)
    ticket.progress(60, 100)
    assert ticket.resume_point == Resume("http://127.0.0.1/1", '"tag"', 100, 60)


def test_a_new_ticket_is_alive_now() -> None:
    assert time.time() - Ticket(1).heartbeat < 60
