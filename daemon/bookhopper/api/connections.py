"""The HTTP protocol of the server, with bounds on how many connect and how long one may ask for nothing.

uvicorn's own bounds requests alone: whoever connects and says nothing stays for ever, until there is no room
for anybody else.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""The head of a request has to be there so soon after the connection, or after the answer before."""

LAST_SECONDS = 2.0
"""What is still being answered when the server stops has so long."""

MOST = 1000
"""How many connections are open at a time, those of the live page counted; fewer where files are scarce."""

_SHARE = 4  # of those, one of so many for each address
_FILES = 2  # of the files that the process may open, one of so many


class BoundedHttp(H11Protocol):
    """Turns away who is one too many, and lets go of who asks for nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or end it at once."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._patience: asyncio.TimerHandle | None = None
        clients = [getattr(other, "client", None) for other in self.connections]
        if is_one_too_many(_host(self.client), map(_host, clients), _most()):
            self.transport.abort()
        else:
            self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._end_patience()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn itself waits only until something comes that might be one."""
        super().on_response_complete()
        self._expect_a_request()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over, which has bounds of its own from now on."""
        self._end_patience()
        super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Answer what was asked before the server stops, if that takes only a moment."""
        super().shutdown()
        self.loop.call_later(LAST_SECONDS, self.transport.abort)

    def _expect_a_request(self) -> None:
        self._end_patience()
        self._patience = self.loop.call_later(HEAD_SECONDS, self._let_go_unless_answering)

    def _let_go_unless_answering(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()  # after what is left of the last answer

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def is_one_too_many(host: str, connected: Iterable[str], most: int) -> bool:
    """Tell whether a client's connection goes beyond what there is for all, or for one address.

    `connected` holds the addresses of all connections, this one counted.  This machine has no share of its
    own: a proxy on it brings everybody.
    """
    hosts = list(connected)
    if len(hosts) > most:
        return True
    return hosts.count(host) > most // _SHARE and not _is_this_machine(host)


def _most() -> int:
    """Leave files to the rest of the daemon where the process may open few."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else min(MOST, files // _FILES)


def _host(client: tuple[str, int] | None) -> str:
    return client[0] if client else ""


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
