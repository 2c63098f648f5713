"""What is known of one host: its pace, its breaker, what it asked for itself, and who waits for a turn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from bookhopper.errors import HeldError
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.net")

BREAKER_FAILURES = 3
"""Connection failures in a row after which a host counts as down."""

BREAKER_SECONDS = 30.0
BREAKER_MAX_SECONDS = 15 * 60.0
THROTTLE_SECONDS = 10.0
PATIENCE_SECONDS = 5.0
"""A hold that ends this soon is waited out rather than reported."""

_LATELY_SECONDS = 60.0
_SLOT_POLL_SECONDS = 0.05
_TRIAL_SECONDS = 5.0
_KEPT_SPARED = 64
_KEPT_TROUBLES = 64
_MOST_DOUBLED = 16

Jitter = Callable[[float], float]
"""Lengthens a pause by a little, so that not everybody who waited comes at the same moment."""


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
class Host:
    """A host's state, for who holds the lock of `Hosts`; `now` is a moment of its clock, `page` a URL's hash.

    It is down until the breaker says otherwise, and quiet while it wants to be.  `line` holds who waits for a
    turn, in the order they came, and whether patiently; until `owed_until` the next turn is a patient one's.
    """

    name: str
    pace: Pace
    jitter: Jitter
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

    def idle(self, now: float) -> bool:
        """Whether it may be forgotten."""
        return (
            not (self.active or self.failures or self.throttles or self.troubled or self.line)
            and max(self.next_start, self.quiet_until, *self.spared.values()) <= now
        )

    def served_lately(self, now: float) -> bool:
        """Whether anything went well within the last minute."""
        return self.served is not None and now - self.served <= _LATELY_SECONDS

    # who comes and goes

    def enter(self, ticket: Ticket, place: object, now: float) -> float:
        """Take a connection and return 0, or return the seconds to wait before asking again.

        Raises HeldError when there is longer to wait than is worth it.
        """
        self.line.setdefault(place, ticket.patient)
        if self.down_until > now:
            raise self._held(self.down_until - now, f"{self.failures} connections in a row failed")
        if self._counts_as_down and self.trial:
            raise self._held(self._breaker_pause(), "it was down, and another job is trying it")
        quiet = self.quiet_until - now
        if quiet > PATIENCE_SECONDS:
            raise self._held(quiet, self.quiet_reason)
        if self.pace.connections is not None and self.active >= self.pace.connections:
            return _SLOT_POLL_SECONDS
        if (pause := max(quiet, self.next_start - now)) > 0:
            return pause
        if self._first(now) is not place:
            return _SLOT_POLL_SECONDS
        self._let_in(ticket, now)
        return 0.0

    def leave(self, ticket: Ticket) -> None:
        """End a visit."""
        self.active -= 1
        if self.trial is ticket:  # others that began before it was down end their visits, too
            self.trial = None

    def _let_in(self, ticket: Ticket, now: float) -> None:
        self.active += 1
        self.let_in = now
        if ticket.patient:
            self.owed_until = 0.0
        if self._counts_as_down:
            self.trial = ticket
        self.next_start = now + self.jitter(self.pace.delay)

    def _first(self, now: float) -> object | None:
        """Tell who in the line is let in next; None: nobody who is there."""
        owed = self.owed_until > now
        return next((place for place, patient in self.line.items() if patient or not owed), None)

    # what it answers

    def fail(self, now: float) -> float:
        """Count a failed connection; returns the seconds after which another try makes sense."""
        if self.down_until > now:  # it began before the breaker opened
            return self.down_until - now
        self.failures = min(self.failures + 1, _MOST_DOUBLED)
        if not self._counts_as_down:
            return _TRIAL_SECONDS
        seconds = self.jitter(self._breaker_pause())
        self.down_until = now + seconds
        if self.failures == BREAKER_FAILURES:
            log.warning("%s does not answer; its jobs wait, and it is tried again", self.name)
        return seconds

    def trouble(self, page: int, now: float) -> Trouble:
        """Note a fault of the server at a page, and tell what it says of the host."""
        times = self.troubled.pop(page, 0) + 1
        self.troubled[page] = times
        if len(self.troubled) > _KEPT_TROUBLES:
            del self.troubled[next(iter(self.troubled))]
        elsewhere = len(self.troubled) > 1
        if times == 1 and elsewhere:
            seconds = self.fail(now)
        else:
            pause = _TRIAL_SECONDS * 2.0 ** min(times - 1, _MOST_DOUBLED)
            seconds = self.jitter(min(pause, BREAKER_MAX_SECONDS))
        return Trouble(elsewhere, times > 1, self.down_until > now, seconds)

    def succeed(self, page: int, now: float) -> bool:
        """Close the breaker; whether it was open."""
        recovered = self._counts_as_down
        self.failures, self.down_until, self.trial = 0, 0.0, None
        self.served = now
        self.troubled.clear()
        self.spared.pop(page, None)
        if self.quiet_until <= now:
            self.throttles = 0
        return recovered

    def quieten(self, seconds: float | None, reason: str, now: float) -> float:
        """Leave it alone, without `seconds` for longer each time; returns for how many seconds it is now."""
        self.failures, self.down_until = 0, 0.0
        if seconds is None:
            if self.quiet_until > now:  # another worker's answer to the same burst has been counted
                return self.quiet_until - now
            seconds = self.jitter(min(THROTTLE_SECONDS * 2.0**self.throttles, BREAKER_MAX_SECONDS))
        if self.quiet_until <= now:
            log.info("%s is left alone for %.0f s: %s", self.name, seconds, reason)
        self.throttles = min(self.throttles + 1, _MOST_DOUBLED)
        self.quiet_until = max(self.quiet_until, now + max(1.0, seconds))
        self.quiet_reason = reason
        return self.quiet_until - now

    def spare(self, page: int, seconds: float, now: float) -> None:
        """Leave one page alone."""
        if len(self.spared) >= _KEPT_SPARED:
            self.spared = {page: until for page, until in self.spared.items() if until > now}
        if len(self.spared) < _KEPT_SPARED:
            self.spared[page] = now + self.jitter(max(1.0, seconds))

    @property
    def _counts_as_down(self) -> bool:
        return self.failures >= BREAKER_FAILURES

    def _breaker_pause(self) -> float:
        """Give the breaker's pause: doubling with each failed trial."""
        return min(BREAKER_SECONDS * 2.0 ** (self.failures - BREAKER_FAILURES), BREAKER_MAX_SECONDS)

    def _held(self, seconds: float, reason: str) -> HeldError:
        message = f"{self.name} is left alone for {seconds:.0f} s: {reason}"
        return HeldError(message, scope="host", seconds=seconds)
