"""Pacing, holds and the breaker, by a clock that only the test moves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from bookhopper.errors import BusyError, HeldError
from bookhopper.net.host import BREAKER_FAILURES, BREAKER_MAX_SECONDS, UNPACED, Pace
from bookhopper.net.hosts import Hosts
from bookhopper.net.retry_after import retry_after
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.waiting import until

BOOKS = "https://books.example/x"
NOW = 1_700_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class PatientTicket(Ticket):
    """Its waits move the clock instead of passing time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(1)
        self.clock = clock
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.check()
        self.waited.append(seconds)
        self.clock.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ticket(clock: Clock) -> PatientTicket:
    return PatientTicket(clock)


steady = partial(Hosts, jitter=float)
"""Makes hosts whose pauses are exact."""


def visit(hosts: Hosts, ticket: Ticket, url: str = BOOKS) -> None:
    with hosts.visit(url, ticket):
        pass


def test_starts_are_spaced_by_the_delay(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=2.0), clock=clock)
    for _ in range(3):
        visit(hosts, ticket)
    assert ticket.waited == [2.0, 2.0]


def test_hosts_do_not_wait_for_each_other(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(clock=clock)
    visit(hosts, ticket)
    visit(hosts, ticket, "https://other.example/")
    visit(hosts, ticket, "https://books.example:8443/")
    assert ticket.waited == []


@pytest.mark.parametrize("name", ["10.0.0.7", "10.0.0.7:8080"])
def test_local_hosts_are_not_paced(clock: Clock, ticket: PatientTicket, name: str) -> None:
    hosts = steady(local={name}, clock=clock)
    with hosts.visit("http://10.0.0.7:8080/a", ticket), hosts.visit("http://10.0.0.7:8080/b", ticket):
        visit(hosts, ticket, "http://10.0.0.7:8080/c")
    assert ticket.waited == []


def test_a_named_pace_goes_before_everything_else(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(UNPACED, paces={"books.example": Pace(delay=3.0)}, local={"books.example"}, clock=clock)
    visit(hosts, ticket)
    visit(hosts, ticket)
    assert ticket.waited == [3.0]


def test_connections_are_bounded_across_threads() -> None:
    hosts = steady(Pace(delay=0.0, connections=2))
    inside, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=10)

    def work(number: int) -> None:
        nonlocal inside, most
        with hosts.visit(BOOKS, Ticket(number)):
            with lock:
                inside += 1
                most = max(most, inside)
            both.wait()
            with lock:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == 2


def test_waiting_for_a_connection_ends_when_interrupted() -> None:
    hosts = steady(Pace(delay=0.0, connections=1))
    ticket = Ticket(2)
    with hosts.visit(BOOKS, Ticket(1)):
        stopper = threading.Timer(0.05, ticket.interrupt, (Reason.SHUTDOWN,))
        stopper.start()
        with pytest.raises(Interrupted):
            visit(hosts, ticket)
        stopper.join()
    visit(hosts, Ticket(3))


def test_a_connection_is_given_back_after_an_error(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=0.0, connections=1), clock=clock)
    with pytest.raises(ZeroDivisionError), hosts.visit(BOOKS, ticket):
        raise ZeroDivisionError
    visit(hosts, ticket)
    assert ticket.waited == []


def test_a_hold_is_refused_at_once_and_a_short_one_waited_out(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=0.0), clock=clock)
    assert hosts.hold(BOOKS, 120.0, "it asks for a pause (429)") == 120.0
    with pytest.raises(
        HeldError, match=r"books\.example is left alone for 120 s: it asks for a pause"
    ) as held:
        visit(hosts, ticket)
    assert (held.value.scope, held.value.seconds) == ("host", 120.0)
    assert hosts.held() == {"books.example": 120.0}
    clock.now += 117.0
    visit(hosts, ticket)
    assert ticket.waited == [3.0]
    assert hosts.held() == {}


def test_a_hold_without_a_time_grows_and_is_counted_once_a_burst(clock: Clock) -> None:
    hosts = steady(clock=clock)
    assert hosts.hold(BOOKS, None, "busy") == 10.0
    assert hosts.hold(BOOKS, None, "busy") == 10.0
    clock.now += 11.0
    assert hosts.hold(BOOKS, None, "busy") == 20.0
    clock.now += 21.0
    hosts.succeeded(BOOKS)
    assert hosts.hold(BOOKS, None, "busy") == 10.0


def test_a_success_from_before_does_not_lift_a_hold(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(clock=clock)
    hosts.hold(BOOKS, 60.0, "busy")
    hosts.succeeded(BOOKS)
    with pytest.raises(HeldError):
        visit(hosts, ticket)


def test_the_breaker_opens_lets_one_try_and_doubles(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=0.0), clock=clock)
    for _ in range(2):
        hosts.failed(BOOKS)
        visit(hosts, ticket)
    assert hosts.failed(BOOKS) == 30.0
    assert hosts.failed(BOOKS) == 30.0  # one that began before the breaker opened
    with pytest.raises(HeldError, match="3 connections in a row failed"):
        visit(hosts, ticket)
    clock.now += 31.0
    with hosts.visit(BOOKS, ticket):
        with pytest.raises(HeldError, match="another job is trying it"):
            visit(hosts, ticket)
        assert hosts.failed(BOOKS) == 60.0
    clock.now += 61.0
    with hosts.visit(BOOKS, ticket):
        hosts.succeeded(BOOKS)
        visit(hosts, ticket)
    visit(hosts, ticket)
    assert ticket.waited == []


def test_the_breaker_never_waits_longer_than_its_bound(clock: Clock) -> None:
    hosts = steady(clock=clock)
    seconds = 0.0
    for _ in range(60):
        seconds = hosts.failed(BOOKS)
        clock.now += seconds + 1
    assert seconds == BREAKER_MAX_SECONDS


def test_an_interrupted_trial_leaves_room_for_another(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=0.0), clock=clock)
    for _ in range(3):
        hosts.failed(BOOKS)
    clock.now += 31.0
    visit(hosts, ticket)
    visit(hosts, ticket)


def test_many_hosts_are_forgotten_but_not_the_held_ones(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(clock=clock)
    hosts.hold(BOOKS, 86_400.0, "busy")
    for number in range(2500):
        visit(hosts, ticket, f"http://h{number}.example/")
        clock.now += 2.0
    assert len(hosts._hosts) <= 1001
    assert "books.example" in hosts.held()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 60, 86400.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tue, 14 Nov 2003 22:14:20 GMT", 0.0),
        ("Tue, 14 Nov 2093 22:14:20 GMT", 86400.0),
        ("Tue, 99 Nov 2023 99:99:99 GMT", None),
        ("Tue, 14 Nov 99999999999999999999 22:14:20 GMT", None),
        ("Tue, 14 Nov 2023 99999999999999999999:14:20 GMT", None),
        ("soon", None),
        ("," * 64, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_a_fault_at_one_address_is_not_the_host_s() -> None:
    hosts = steady()
    assert not hosts.troubled("http://mirror.example/a").elsewhere
    assert not hosts.troubled("http://mirror.example/a").elsewhere
    assert hosts.troubled("http://mirror.example/b").elsewhere, "two addresses in a row"
    hosts.succeeded("http://mirror.example/c")
    assert not hosts.troubled("http://mirror.example/b").elsewhere


def test_only_different_addresses_bring_a_host_down(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(UNPACED, clock=clock)
    bad, worse, good = (f"https://books.example/{name}" for name in ("bad", "worse", "good"))
    pauses = []
    for _ in range(10):
        hosts.troubled(bad)
        pauses.append(hosts.troubled(worse).seconds)
        visit(hosts, ticket, good)
        assert hosts.held() == {}
    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0], "each waits for longer, and lets others go first"
    others = [hosts.troubled(f"https://books.example/{number}") for number in range(2)]
    assert [other.down for other in others] == [False, True]
    with pytest.raises(HeldError, match="is left alone for 30 s"):
        visit(hosts, ticket, good)
    clock.now += 31.0
    assert not hosts.troubled(bad).down, "the trial tells nothing new"
    visit(hosts, ticket, good)
    hosts.succeeded(good)
    assert not hosts.troubled(bad).elsewhere


def test_only_so_many_bad_addresses_are_remembered() -> None:
    hosts = steady()
    for number in range(1000):
        hosts.troubled(f"https://books.example/{number}")
    assert len(hosts._host("books.example").troubled) == 64
    assert hosts.troubled("https://books.example/999").again


def test_a_recovery_is_told() -> None:
    told: list[str] = []
    hosts = steady()
    hosts.on_recovery = lambda: told.append("up")
    for _ in range(BREAKER_FAILURES):
        hosts.failed("http://mirror.example/a")
    assert told == []
    hosts.succeeded("http://mirror.example/a")
    hosts.succeeded("http://mirror.example/a")
    assert told == ["up"]


def test_only_the_trial_itself_ends_the_trial() -> None:
    clock = Clock()
    hosts = steady(default=UNPACED, clock=clock)
    early, trying, third = Ticket(1), Ticket(2), Ticket(3)
    with hosts.visit(BOOKS, early):
        for _ in range(BREAKER_FAILURES):
            seconds = hosts.failed(BOOKS)
        clock.now += seconds + 1
        trial = hosts.visit(BOOKS, trying)
        trial.__enter__()
    with pytest.raises(HeldError, match="another job is trying it"), hosts.visit(BOOKS, third):
        pass
    trial.__exit__(None, None, None)


def test_whoever_waits_too_long_for_a_turn_may_serve_another_host(
    clock: Clock, ticket: PatientTicket
) -> None:
    hosts = steady(Pace(delay=0.0, connections=1), clock=clock)
    with hosts.visit(BOOKS, Ticket(2)):
        with pytest.raises(HeldError, match=r"books\.example is busy with others of ours") as held:
            visit(hosts, ticket)
        assert (held.value.scope, held.value.seconds) == ("host", 10.0)
        visit(hosts, ticket, "https://other.example/")
    visit(hosts, ticket)


def test_a_long_delay_between_requests_is_waited_for(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=30.0), clock=clock)
    visit(hosts, ticket)
    visit(hosts, ticket)
    assert ticket.waited == [30.0]


def test_one_address_is_left_alone_while_its_host_serves_others(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(UNPACED, clock=clock)
    assert not hosts.served_lately(BOOKS)
    hosts.succeeded("https://books.example/y")
    assert hosts.served_lately(BOOKS)
    hosts.spare(BOOKS, 120.0)
    with pytest.raises(HeldError, match=r"books\.example/x is left alone for 120 s") as held:
        visit(hosts, ticket)
    assert (held.value.scope, held.value.seconds) == ("job", 120.0)
    visit(hosts, ticket, "https://books.example/y")
    assert hosts.held() == {}
    clock.now += 121.0
    visit(hosts, ticket)
    assert not hosts.served_lately(BOOKS)


def test_only_so_many_addresses_are_remembered(clock: Clock) -> None:
    hosts = steady(UNPACED, clock=clock)
    for number in range(1000):
        hosts.spare(f"https://books.example/{number}", 60.0)
    assert len(hosts._host("books.example").spared) == 64


def test_pauses_are_not_the_same_for_all(clock: Clock) -> None:
    pauses = {Hosts(clock=clock).hold(BOOKS, None, "busy") for _ in range(20)}
    assert len(pauses) > 1
    assert all(10.0 <= pause <= 11.0 for pause in pauses)


def test_whoever_is_patient_stays_in_line_while_others_are_let_in(clock: Clock) -> None:
    hosts = steady(Pace(delay=1.0, connections=1), clock=clock)
    served: list[int] = []

    class Busy(PatientTicket):
        """While it waits, the one before it in the line has its turn."""

        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            if len(served) < 30:
                hosts._host("books.example").let_in = clock.now
                served.append(self.job)
                hosts._host("books.example").next_start = clock.now + 1.0

    download, search = Busy(clock), Busy(clock)
    search.patient = True
    visit(hosts, Ticket(2))
    with pytest.raises(BusyError):
        visit(hosts, download)
    served.clear()
    visit(hosts, search)
    assert len(served) == 30


def test_turns_are_given_in_the_order_of_those_who_came() -> None:
    hosts = steady(Pace(delay=0.0, connections=1))
    order: list[int] = []

    def come(number: int) -> None:
        with hosts.visit(BOOKS, Ticket(number, patient=True)):
            order.append(number)

    def standing(number: int) -> bool:
        return len(hosts._host("books.example").line) == number

    with hosts.visit(BOOKS, Ticket(0)):
        visitors = [threading.Thread(target=come, args=(number,)) for number in range(5)]
        for number, visitor in enumerate(visitors, 1):
            visitor.start()
            until(partial(standing, number))
    for visitor in visitors:
        visitor.join()
    assert order == list(range(5))


def test_a_search_that_downloads_kept_out_has_the_next_turn(clock: Clock, ticket: PatientTicket) -> None:
    hosts = steady(Pace(delay=0.0, connections=1), clock=clock)
    search = PatientTicket(clock)
    search.patient = True
    with hosts.visit(BOOKS, Ticket(2)), pytest.raises(BusyError):
        visit(hosts, search)
    with pytest.raises(BusyError):  # the connection is free, and not theirs
        visit(hosts, ticket)
    visit(hosts, search)
    visit(hosts, ticket)
