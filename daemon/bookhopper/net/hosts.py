"""Pacing and holding, host by host: how the daemon stays a good guest of the servers that it visits."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from bookhopper.errors import BusyError, HeldError
from bookhopper.net.addresses import host_and_port, host_name, safe_url
from bookhopper.net.host import PATIENCE_SECONDS, UNPACED, Host, Jitter, Pace, Trouble
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.net")

_BUSY_SECONDS = 10.0
_OWED_SECONDS = 12.0  # a little longer than the one who left is told to stay away
_KEPT_HOSTS = 1000


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
        jitter: Jitter = _lengthened,
    ) -> None:
        self._default = default or Pace()
        self._paces = dict(paces or {})
        self._local = frozenset(local)
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}
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
                self._host(name).leave(ticket)

    def hold(self, url: str, seconds: float | None, reason: str) -> float:
        """Leave a host alone because it said so; without `seconds`, for longer each time.

        Returns the seconds for which it is held now.
        """
        with self._lock:
            return self._host(host_and_port(url)).quieten(seconds, reason, self._clock())

    def troubled(self, url: str) -> Trouble:
        """Note a fault of the server at a URL, and tell what it says of the host.

        One that fails at several URLs, nothing having gone well in between, is soon down; one that fails at
        the same URL again and again has a fault there, which must not keep others from what they ask for.
        """
        with self._lock:
            return self._host(host_and_port(url)).trouble(hash(url), self._clock())

    def spare(self, url: str, seconds: float) -> None:
        """Leave one URL alone, because the server said so of it; its host serves others meanwhile."""
        with self._lock:
            self._host(host_and_port(url)).spare(hash(url), seconds, self._clock())

    def served_lately(self, url: str) -> bool:
        """Whether anything of the host went well within the last minute."""
        with self._lock:
            return self._host(host_and_port(url)).served_lately(self._clock())

    def failed(self, url: str) -> float:
        """Count a failed connection; returns the seconds after which another try makes sense."""
        with self._lock:
            return self._host(host_and_port(url)).fail(self._clock())

    def succeeded(self, url: str) -> None:
        """Note that the host answered: its breaker closes."""
        with self._lock:
            recovered = self._host(host_and_port(url)).succeed(hash(url), self._clock())
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
            if now - since <= PATIENCE_SECONDS + 2 * host.pace.delay:
                return
            if ticket.patient:
                host.owed_until = now + _OWED_SECONDS
        seconds = self._jitter(_BUSY_SECONDS)
        raise BusyError(f"{name} is busy with others of ours", scope="host", seconds=seconds)

    def _enter(self, name: str, ticket: Ticket, place: object) -> float:
        with self._lock:
            return self._host(name).enter(ticket, place, self._clock())

    def _heed_spared(self, name: str, url: str) -> None:
        with self._lock:
            left = self._host(name).spared.get(hash(url), 0.0) - self._clock()
        if left > 0:
            raise HeldError(
                f"{safe_url(url)} is left alone for {left:.0f} s: its server said so", seconds=left
            )

    def _host(self, name: str) -> Host:
        if (host := self._hosts.get(name)) is None:
            if len(self._hosts) >= _KEPT_HOSTS:  # feeds and redirects may name any number of hosts
                now = self._clock()
                self._hosts = {known: host for known, host in self._hosts.items() if not host.idle(now)}
            host = self._hosts[name] = Host(name, self._pace(name), self._jitter)
        return host

    def _pace(self, name: str) -> Pace:
        names = (name, host_name(name))
        for known in names:
            if known in self._paces:
                return self._paces[known]
        return UNPACED if self._local.intersection(names) else self._default


def _nobody() -> None:
    """Stand in for who wants to hear of a recovery."""
