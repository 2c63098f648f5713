"""How one source's connections are made: to which private hosts, through which proxy, by whose names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bookhopper.net.addresses import is_admitted, private_refusal
from bookhopper.net.resolver import SYSTEM, Resolver
from bookhopper.private_hosts import is_plainly_local, is_private


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a source's servers.

    `allowed` are the private hosts that it may visit: `host:port`, or `host` for every port of it.  `proxy`
    is the URL of its own proxy, empty: the environment's, if any; a proxy resolves the names itself.
    """

    allowed: Collection[str] = frozenset()
    proxy: str = field(default="", repr=False)
    resolver: Resolver = SYSTEM

    def addresses(self, host: str, port: int) -> Iterator[str]:
        """Give the addresses that a connection to a host may go to, in the order to try them.

        The connection goes to exactly these, never by the name again: another answer, a moment later, could
        lead into the private network (DNS rebinding).  Raises PermanentError when none is left that may be
        visited, UnknownNameError when there is none at all.
        """
        found = self.resolver.addresses(host)
        if not is_admitted(host, port, self.allowed):
            found = [address for address in found if not is_private(address)]
        if not found:
            raise private_refusal(host, port)
        return map(str, found)

    def judge(self, host: str, port: int) -> None:
        """Raise PermanentError for a host whose very name is private: all that a proxy leaves to judge."""
        if is_plainly_local(host) and not is_admitted(host, port, self.allowed):
            raise private_refusal(host, port)


DIRECT = Route()
"""Straight into the public internet, and nowhere else."""
