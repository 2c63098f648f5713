"""Asking several sources at once: who is slow, hangs or breaks down holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import pytest

from bookhopper.errors import HeldError, TransientError
from bookhopper.log_context import Work, current, working_on
from bookhopper.net.host import Pace
from bookhopper.net.hosts import Hosts
from bookhopper.search.asking import Line, ask_all
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.waiting import until

MakeLine = Callable[..., Line]


@pytest.fixture
def line() -> Iterator[MakeLine]:
    """Make lines, which are closed afterwards."""
    made: list[Line] = []

    def make(name: str, deadline: float = 60.0, **more: Any) -> Line:
        made.append(Line(name, deadline, **more))
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
    hours = count(step=3600)  # so that the pause is always over for which a late one is passed over
    deaf, free = line("deaf", 0.01, clock=lambda: float(next(hours))), threading.Event()
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


def test_who_is_late_again_and_again_is_passed_over_and_tried_by_one_after_a_pause(line: MakeLine) -> None:
    now = 1000.0
    slow = line("slow", 0.02, clock=lambda: now)
    asked: list[int] = []
    answers = True

    def ask() -> str:
        """Put a question, and give why there is no answer."""

        def answer(ticket: Ticket) -> str:
            asked.append(1)
            return "here" if answers else hang(ticket)

        faults = ask_all({slow: answer, line("quick"): lambda _: "here"}, Ticket(1)).faults
        return str(faults[0].error) if faults else ""

    for _ in range(2):  # an answer in between tells that it is not the source
        answers = False
        assert [ask(), ask()] == ["it took too long"] * 2
        answers = True
        assert ask() == ""
    answers = False
    assert [ask() for _ in range(3)] == ["it took too long"] * 3
    asked.clear()
    for pause in (30, 60, 120, 240, 300, 300):
        assert [ask() for _ in range(4)] == [f"its answers took too long: it is asked again in {pause} s"] * 4
        assert asked == []
        now += pause
        assert ask() == "it took too long"
        assert asked == [1]
        asked.clear()
    answers = True
    now += 300
    assert [ask(), ask()] == ["", ""]


def test_while_one_question_tries_a_late_source_others_do_not_wait_for_it(line: MakeLine) -> None:
    now = 1000.0
    slow = line("slow", 0.02, clock=lambda: now)
    for _ in range(3):
        ask_all({slow: hang}, Ticket(1))
    now += 30
    slow.deadline = 60.0
    begun, may_answer = threading.Event(), threading.Event()

    def answer(_: Ticket) -> str:
        begun.set()
        assert may_answer.wait(30)
        return "here"

    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(ask_all, {slow: answer}, Ticket(1))
        assert begun.wait(30)
        (fault,) = ask_all({slow: answer}, Ticket(2)).faults
        assert "it is asked again in 60 s" in str(fault.error)
        may_answer.set()
        assert trial.result().values == ("here",)
    assert ask_all({slow: lambda _: "again"}, Ticket(3)).values == ("again",)


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


def test_a_fault_of_a_source_s_own_code_is_told_whole_once(
    line: MakeLine, caplog: pytest.LogCaptureFixture
) -> None:
    """A list of thousands meets it with every want."""

    def broken(ticket: Ticket) -> str:
        raise KeyError(str(ticket.job))

    caplog.set_level("DEBUG")
    asked = line("broken")
    for job in (1, 2, 3):
        ask_all({asked: broken}, Ticket(job))
    told = [record.levelname for record in caplog.records if "broke down" in record.message]
    assert told == ["ERROR", "DEBUG", "DEBUG"]


def test_who_is_asked_works_on_what_the_asker_does(line: MakeLine) -> None:
    seen: dict[str, Work] = {}

    def note(ticket: Ticket) -> str:
        seen[current().source] = current()
        return "here"

    with working_on(request="to-read.txt", job=7):
        ask_all({line("near"): note, line("far"): note}, Ticket(7))
        assert current() == Work("to-read.txt", 7)
    assert seen == {name: Work("to-read.txt", 7, name) for name in ("near", "far")}


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


@pytest.mark.parametrize("pages", [None, 60.0])
def test_waiting_for_our_own_turn_at_a_host_is_none_of_its_deadline(
    line: MakeLine, pages: float | None
) -> None:
    hosts = Hosts(Pace(delay=0.05, connections=2), jitter=float)
    source = line("shelf", 0.3, pages=pages)

    def search(ticket: Ticket) -> str:
        for question in range(4):
            with hosts.visit(f"https://books.example/{question}", ticket):
                ticket.check()
        return "here"

    with ThreadPoolExecutor(6) as searchers:  # 24 questions at 20 a second
        answers = list(searchers.map(lambda job: ask_all({source: search}, Ticket(job)), range(6)))
    assert [(each.values, each.faults) for each in answers] == [(("here",), ())] * 6


def test_a_page_has_the_deadline_that_an_answer_has(line: MakeLine) -> None:
    hosts = Hosts(Pace(delay=0.0))

    def works(ticket: Ticket) -> str:
        for page in range(1000):
            with hosts.visit(f"https://books.example/{page}", ticket):
                ticket.wait(60.0 if page == 3 else 0.1)
        return "here"

    (fault,) = ask_all({line("shelf", 0.3, pages=60.0): works}, Ticket(1)).faults
    assert str(fault.error) == "it took too long"
    (fault,) = ask_all({line("endless", 60.0, pages=0.2): works}, Ticket(1)).faults
    assert str(fault.error) == "it took too long"


def test_a_round_that_is_broken_off_says_nothing_of_who_was_asked(line: MakeLine) -> None:
    reasons: list[Reason] = []

    def hanging(own: Ticket, begun: Callable[[], object] = lambda: None) -> str:
        try:
            begun()
            return hang(own)
        except Interrupted as interruption:
            reasons.append(interruption.reason)
            raise

    ticket = Ticket(1)
    ask_all({line("a"): partial(hanging, begun=partial(ticket.interrupt, Reason.CANCEL))}, ticket)
    until(lambda: reasons == [Reason.PREEMPT])
    ask_all({line("b", 0.05): hanging}, Ticket(1))
    until(lambda: reasons == [Reason.PREEMPT, Reason.CANCEL])
