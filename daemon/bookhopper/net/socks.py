"""Connections through a SOCKS proxy, such as Tor's, which resolves the names; they heed `heads.awaited`."""

from __future__ import annotations

from typing import Any

import socks
from urllib3.contrib.socks import (
    SOCKSConnection,
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnection,
    SOCKSHTTPSConnectionPool,
)
from urllib3.exceptions import NewConnectionError, ProxyError

from bookhopper.net.connections import WatchedConnection
from bookhopper.net.heads import connected


class _Connection(WatchedConnection, SOCKSConnection):
    def _new_conn(self) -> Any:
        """Connect; tells the proxy's own faults from those of the server behind it."""
        try:
            sock = super()._new_conn()
        except NewConnectionError as error:
            cause = error.__cause__ or error.__context__
            fault = getattr(cause, "socket_err", None) or cause
            if isinstance(fault, socks.SOCKS5Error | socks.SOCKS4Error):
                raise  # the proxy serves, and says what is wrong with the way from it
            raise ProxyError("the SOCKS proxy does not serve", fault or error) from error  # type: ignore[arg-type]
        connected(sock)
        return sock


class _SecureConnection(_Connection, SOCKSHTTPSConnection):
    """The same over TLS."""


class _Pool(SOCKSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(SOCKSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, Any] = {"http": _Pool, "https": _SecurePool}
"""The kinds of pool by scheme."""
