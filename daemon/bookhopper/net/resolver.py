"""Names to addresses: by this machine's own means, or by the resolvers that a source names."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from bookhopper.errors import PermanentError

Address = IPv4Address | IPv6Address


class UnknownNameError(OSError):
    """A name that gives no address; the message is one line with the remedy."""


class Resolver(Protocol):
    """Finds the addresses of a host; safe from several threads."""

    def addresses(self, host: str) -> Sequence[Address]:
        """Give a host's addresses, at least one, in the order to try them.

        Raises UnknownNameError, and PermanentError for what cannot be a name.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class SystemResolver:
    """The machine's own way: /etc/hosts, its DNS, and whatever else it is set up for."""

    def addresses(self, host: str) -> Sequence[Address]:
        """Give a host's addresses in the order of RFC 6724; raises UnknownNameError."""
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise UnknownNameError(
                    f"this machine's DNS gives no answer about {host}: check the network and /etc/resolv.conf"
                ) from error
            raise UnknownNameError(
                f"the name {host} cannot be resolved: check its spelling and this machine's DNS"
            ) from error
        except UnicodeError as error:
            raise PermanentError(f"{host} cannot be the name of a host: check its spelling") from error
        return list(dict.fromkeys(ip_address(str(where[0])) for *_, where in found))

    def close(self) -> None:
        """Keep nothing open in the first place."""


SYSTEM = SystemResolver()


def resolver_of(servers: Sequence[str | tuple[str, int]]) -> Resolver:
    """Give what asks these servers (URLs of DNS over HTTPS, or address and port), or the system's way."""
    if not servers:
        return SYSTEM
    # only who names resolvers pays for dnspython
    from bookhopper.net.dns import NamedResolver  # noqa: PLC0415

    return NamedResolver(servers)
