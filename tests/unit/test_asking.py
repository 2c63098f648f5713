"""Asking several sources at once: who is slow, hangs or breaks down holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from bookhopper.errors import HeldError, TransientError
from bookhopper.search.asking import Line, ask_all
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.waiting import until

MakeLine = Callable[..., Line]


@pytest.fixture
def line() -> Iterator[MakeLine]:
    """Make lines, which are closed afterwards."""
    made: list[Line] = []

    def make(name: str, deadline: float = 60.0) -> Line:
        made.append(Line(name, deadline))
        return made[-1]

    yield make
    for each in made:
        each.close()


def hang(ticket: Ticket) -> str:
    """Wait for ever, unless it is interrupted."""
    while True:
        ticket.wait(60)


def test_answers_come_in_the_order_of_those_asked(line: MakeLine) -> None:
    second_spoke = threading.Event()

    def late(ticket: Ticket) -> str:
        assert second_spoke.wait(30)
        return "first"

    def early(ticket: Ticket) -> str:
        second_spoke.set()
        return "second"

    answers = ask_all({line("a"): late, line("b"): early}, Ticket(1))
    assert (answers.values, answers.faults) == (("first", "second"), ())


def test_who_is_late_is_interrupted_and_not_waited_for(line: MakeLine) -> None:
    ended = threading.Event()

    def slow(ticket: Ticket) -> str:
        try:
            return hang(ticket)
        except Interrupted:
            ended.set()
            raise

    answers = ask_all({line("slow", 0.05): slow, line("quick"): lambda _: "here"}, Ticket(1))
    assert answers.values == ("here",)
    assert [(fault.source, str(fault.error)) for fault in answers.faults] == [("slow", "it took too long")]
    assert ended.wait(30)


def test_who_does_not_even_look_at_its_ticket_is_left_behind_and_not_asked_again(line: MakeLine) -> None:
    deaf, free = line("deaf", 0.01), threading.Event()
    asked: list[int] = []

    def ignore(ticket: Ticket) -> str:
        asked.append(1)
        free.wait(60)
        return "too late"

    while not deaf.hangs:
        assert not ask_all({deaf: ignore}, Ticket(1)).values
        assert len(asked) < 100
    before = len(asked)
    answers = ask_all({deaf: ignore, line("quick"): lambda _: "here"}, Ticket(1))
    assert answers.values == ("here",)
    assert "hangs" in str(answers.faults[0].error)
    assert len(asked) == before
    free.set()
    until(lambda: not deaf.hangs)


def test_who_breaks_down_spoils_nothing(line: MakeLine, caplog: pytest.LogCaptureFixture) -> None:
    def broken(ticket: Ticket) -> str:
        raise KeyError("title")

    def down(ticket: Ticket) -> str:
        raise HeldError("down", seconds=7)

    answers = ask_all({line("broken"): broken, line("down"): down, line("up"): lambda _: "here"}, Ticket(1))
    assert answers.values == ("here",)
    broke, held = answers.faults
    assert isinstance(broke.error, TransientError)
    assert "KeyError" in str(broke.error)
    assert str(held.error) == "down"
    assert "source broken broke down" in caplog.text


def test_an_interruption_ends_the_round_with_what_has_come(line: MakeLine) -> None:
    ticket = Ticket(1)

    def quick(own: Ticket) -> str:
        return "here"

    def interrupts(own: Ticket) -> str:
        ticket.interrupt(Reason.CANCEL)
        return hang(own)

    answers = ask_all({line("hanging"): interrupts, line("quick"): quick}, ticket)
    assert "hanging" in {fault.source for fault in answers.faults}
    again = ask_all({line("never"): quick}, ticket)
    assert (again.values, [fault.source for fault in again.faults]) == ((), ["never"])
