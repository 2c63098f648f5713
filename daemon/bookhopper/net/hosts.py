"""Pacing and holding, host by host: how the daemon stays a good guest of the servers that it visits."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bookhopper.errors import BusyError, HeldError
from bookhopper.net.addresses import host_and_port, host_name, safe_url
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.net")

BREAKER_FAILURES = 3
"""Connection failures in a row after which a host counts as down."""

BREAKER_SECONDS = 30.0
BREAKER_MAX_SECONDS = 15 * 60.0
THROTTLE_SECONDS = 10.0

_PATIENCE_SECONDS = 5.0  # a hold that ends this soon is waited out rather than reported
_BUSY_SECONDS = 10.0
_OWED_SECONDS = 12.0  # a little longer than the one who left is told to stay away
_LATELY_SECONDS = 60.0
_KEPT_SPARED = 64
_SLOT_POLL_SECONDS = 0.05
_TRIAL_SECONDS = 5.0
_KEPT_HOSTS = 1000
_KEPT_TROUBLES = 64


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a host may be asked: seconds between request starts, and connections (None: no limit)."""

    delay: float = 1.0
    connections: int | None = 2

    def gentler(self, other: Pace) -> Pace:
        """Give the pace that keeps to both."""
        named = [pace.connections for pace in (self, other) if pace.connections is not None]
        return Pace(max(self.delay, other.delay), min(named, default=None))


UNPACED = Pace(delay=0.0, connections=None)
"""For loopback and private hosts that the configuration names: they are the person's own."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a server's fault at one URL says of its host.

    `elsewhere`: other URLs fail, too; `again`: this one did before; `down`: the host is not to be visited
    now.  After `seconds` another try of this URL makes sense.
    """

    elsewhere: bool
    again: bool
    down: bool
    seconds: float


@dataclass(slots=True)
class _Host:
    """What is known of one host: until when it is down (the breaker's word) or wants quiet (its own).

    `line` holds who waits for a turn, in the order they came, and whether patiently; until `owed_until` the
    next turn is a patient one's.
    """

    pace: Pace
    active: int = 0
    next_start: float = 0.0
    failures: int = 0
    down_until: float = 0.0
    trial: Ticket | None = None
    troubled: dict[int, int] = field(default_factory=dict)
    throttles: int = 0
    quiet_until: float = 0.0
    quiet_reason: str = ""
    served: float | None = None
    spared: dict[int, float] = field(default_factory=dict)
    line: dict[object, bool] = field(default_factory=dict)
    let_in: float = 0.0
    owed_until: float = 0.0

    def first(self, now: float) -> object | None:
        """Tell who in the line is let in next; None: nobody who is there."""
        owed = self.owed_until > now
        return next((place for place, patient in self.line.items() if patient or not owed), None)

    def idle(self, now: float) -> bool:
        return (
            not (self.active or self.failures or self.throttles or self.troubled or self.line)
            and max(self.next_start, self.quiet_until, *self.spared.values()) <= now
        )


def _lengthened(seconds: float) -> float:
    return seconds * random.uniform(1.0, 1.1)  # noqa: S311 # nosec B311 # jitter


class Hosts:
    """Every host's pace, holds and breaker, shared by all threads; it has no thread of its own.

    `paces` and `local` name hosts as `host` or `host:port`; the hosts in `local` are not paced unless `paces`
    says otherwise.  A breaker opens after three failed connections in a row, for 30 s, then for twice as long
    each time up to 15 min; when its time is over, one visitor tries the host before the others may.
    `on_recovery` is called when one that was down answers again.  `jitter` lengthens a pause by a little, so
    that not everybody who waited comes at the same moment.
    """

    def __init__(
        self,
        default: Pace | None = None,
        paces: Mapping[str, Pace] | None = None,
        local: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = _lengthened,
    ) -> None:
        self._default = default or Pace()
        self._paces = dict(paces or {})
        self._local = frozenset(local)
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._waited: dict[str, float] = {}
        self.on_recovery: Callable[[], object] = _nobody

    def renew(self, paces: Mapping[str, Pace], local: Collection[str]) -> None:
        """Take other paces from now on; what is known of the hosts, and who visits them, stays."""
        with self._lock:
            self._paces, self._local = dict(paces), frozenset(local)
            for name, host in self._hosts.items():
                host.pace = self._pace(name)

    @contextmanager
    def visit(self, url: str, ticket: Ticket) -> Iterator[None]:
        """Wait for the host's turn, first come, first served, and hold one of its connections for the block.

        Raises HeldError (scope `host`) at once while the host is down or wants to be left alone for more than
        a few seconds, and BusyError when its turn does not come for some seconds: whoever waits could serve
        another host meanwhile.  A patient ticket raises that only once nobody has been let in for so long,
        as where downloads hold every connection; the next turn is then a patient one's.  A URL that is to be
        left alone raises HeldError with scope `job`.  Raises Interrupted when the ticket is.
        """
        name = host_and_port(url)
        ticket.check()
        self._heed_spared(name, url)
        self._wait_for_turn(name, ticket)
        try:
            yield
        finally:
            with self._lock:
                host = self._host(name)
                host.active -= 1
                if host.trial is ticket:  # others that began before it was down end their visits, too
                    host.trial = None

    def hold(self, url: str, seconds: float | None, reason: str) -> float:
        """Leave a host alone because it said so; without `seconds`, for longer each time.

        Returns the seconds for which it is held now.
        """
        with self._lock:
            host, now = self._host(host_and_port(url)), self._clock()
            host.failures, host.down_until = 0, 0.0
            if seconds is None:
                if host.quiet_until > now:  # another worker's answer to the same burst has been counted
                    return host.quiet_until - now
                seconds = self._jitter(min(THROTTLE_SECONDS * 2.0**host.throttles, BREAKER_MAX_SECONDS))
            if host.quiet_until <= now:
                log.info("%s is left alone for %.0f s: %s", host_and_port(url), seconds, reason)
            host.throttles = min(host.throttles + 1, 16)
            host.quiet_until = max(host.quiet_until, now + max(1.0, seconds))
            host.quiet_reason = reason
            return host.quiet_until - now

    def troubled(self, url: str) -> Trouble:
        """Note a fault of the server at a URL, and tell what it says of the host.

        One that fails at several URLs, nothing having gone well in between, is soon down; one that fails at
        the same URL again and again has a fault there, which must not keep others from what they ask for.
        """
        with self._lock:
            name = host_and_port(url)
            host, now = self._host(name), self._clock()
            times = host.troubled.pop(hash(url), 0) + 1
            host.troubled[hash(url)] = times
            if len(host.troubled) > _KEPT_TROUBLES:
                del host.troubled[next(iter(host.troubled))]
            elsewhere = len(host.troubled) > 1
            if times == 1 and elsewhere:
                seconds = self._count_failure(name, host, now)
            else:
                pause = _TRIAL_SECONDS * 2.0 ** min(times - 1, 16)
                seconds = self._jitter(min(pause, BREAKER_MAX_SECONDS))
            return Trouble(elsewhere, times > 1, host.down_until > now, seconds)

    def spare(self, url: str, seconds: float) -> None:
        """Leave one URL alone, because the server said so of it; its host serves others meanwhile."""
        with self._lock:
            host, now = self._host(host_and_port(url)), self._clock()
            if len(host.spared) >= _KEPT_SPARED:
                host.spared = {page: until for page, until in host.spared.items() if until > now}
            if len(host.spared) < _KEPT_SPARED:
                host.spared[hash(url)] = now + self._jitter(max(1.0, seconds))

    def served_lately(self, url: str) -> bool:
        """Whether anything of the host went well within the last minute."""
        with self._lock:
            served = self._host(host_and_port(url)).served
            return served is not None and self._clock() - served <= _LATELY_SECONDS

    def failed(self, url: str) -> float:
        """Count a failed connection; returns the seconds after which another try makes sense."""
        with self._lock:
            name = host_and_port(url)
            return self._count_failure(name, self._host(name), self._clock())

    def succeeded(self, url: str) -> None:
        """Note that the host answered: its breaker closes."""
        with self._lock:
            host = self._host(host_and_port(url))
            recovered = host.failures >= BREAKER_FAILURES
            host.failures, host.down_until, host.trial = 0, 0.0, None
            host.served = self._clock()
            host.troubled.clear()
            host.spared.pop(hash(url), None)
            if host.quiet_until <= self._clock():
                host.throttles = 0
        if recovered:
            log.info("%s answers again", host_and_port(url))
            self.on_recovery()

    def held(self) -> Mapping[str, float]:
        """Tell which hosts are held now, and for how many more seconds."""
        with self._lock:
            now = self._clock()
            until = {name: max(host.down_until, host.quiet_until) for name, host in self._hosts.items()}
            return {name: moment - now for name, moment in until.items() if moment > now}

    def waited(self, names: Collection[str]) -> float:
        """Tell how many seconds were waited so far so as not to ask these hosts too hard."""
        with self._lock:
            return sum(self._waited.get(name, 0.0) for name in names)

    def _count_failure(self, name: str, host: _Host, now: float) -> float:
        if host.down_until > now:  # it began before the breaker opened
            return host.down_until - now
        host.failures = min(host.failures + 1, 16)
        if host.failures < BREAKER_FAILURES:
            return _TRIAL_SECONDS
        seconds = self._jitter(_pause_of(host))
        host.down_until = now + seconds
        if host.failures == BREAKER_FAILURES:
            log.warning("%s does not answer; its jobs wait, and it is tried again", name)
        return seconds

    def _wait_for_turn(self, name: str, ticket: Ticket) -> None:
        place, begun = object(), self._clock()
        with ticket.in_line():
            try:
                while (pause := self._enter(name, ticket, place)) > 0:
                    self._go_if_stuck(name, ticket, begun)
                    ticket.wait(pause)
                    with self._lock:
                        if name in self._waited or len(self._waited) < _KEPT_HOSTS:
                            self._waited[name] = self._waited.get(name, 0.0) + pause
            finally:
                with self._lock:
                    self._host(name).line.pop(place, None)

    def _go_if_stuck(self, name: str, ticket: Ticket, begun: float) -> None:
        """Raise BusyError when the turn of one who has waited since `begun` is not worth waiting for."""
        with self._lock:
            host, now = self._host(name), self._clock()
            since = max(begun, host.let_in) if ticket.patient else begun
            if now - since <= _PATIENCE_SECONDS + 2 * host.pace.delay:
                return
            if ticket.patient:
                host.owed_until = now + _OWED_SECONDS
        seconds = self._jitter(_BUSY_SECONDS)
        raise BusyError(f"{name} is busy with others of ours", scope="host", seconds=seconds)

    def _enter(self, name: str, ticket: Ticket, place: object) -> float:
        """Take a connection of the host and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            host, now = self._host(name), self._clock()
            host.line.setdefault(place, ticket.patient)
            if host.down_until > now:
                raise _held(name, host.down_until - now, f"{host.failures} connections in a row failed")
            if host.failures >= BREAKER_FAILURES and host.trial:
                raise _held(name, _pause_of(host), "it was down, and another job is trying it")
            quiet = host.quiet_until - now
            if quiet > _PATIENCE_SECONDS:
                raise _held(name, quiet, host.quiet_reason)
            if host.pace.connections is not None and host.active >= host.pace.connections:
                return _SLOT_POLL_SECONDS
            if (pause := max(quiet, host.next_start - now)) > 0:
                return pause
            if host.first(now) is not place:
                return _SLOT_POLL_SECONDS
            host.active += 1
            host.let_in = now
            if ticket.patient:
                host.owed_until = 0.0
            if host.failures >= BREAKER_FAILURES:
                host.trial = ticket
            host.next_start = now + self._jitter(host.pace.delay)
            return 0.0

    def _heed_spared(self, name: str, url: str) -> None:
        with self._lock:
            left = self._host(name).spared.get(hash(url), 0.0) - self._clock()
        if left > 0:
            raise HeldError(
                f"{safe_url(url)} is left alone for {left:.0f} s: its server said so", seconds=left
            )

    def _host(self, name: str) -> _Host:
        if (host := self._hosts.get(name)) is None:
            if len(self._hosts) >= _KEPT_HOSTS:  # feeds and redirects may name any number of hosts
                now = self._clock()
                self._hosts = {known: host for known, host in self._hosts.items() if not host.idle(now)}
            host = self._hosts[name] = _Host(self._pace(name))
        return host

    def _pace(self, name: str) -> Pace:
        names = (name, host_name(name))
        for known in names:
            if known in self._paces:
                return self._paces[known]
        return UNPACED if self._local.intersection(names) else self._default


def _nobody() -> None:
    """Stand in for who wants to hear of a recovery."""


def _pause_of(host: _Host) -> float:
    """Give the breaker's pause: doubling with each failed trial."""
    return min(BREAKER_SECONDS * 2.0 ** (host.failures - BREAKER_FAILURES), BREAKER_MAX_SECONDS)


def _held(name: str, seconds: float, reason: str) -> HeldError:
    return HeldError(f"{name} is left alone for {seconds:.0f} s: {reason}", scope="host", seconds=seconds)
