"""Connections through a SOCKS proxy, such as Tor's, which resolves the names; they heed `heads.awaited`."""

from __future__ import annotations

import socket
from typing import Any

import socks
from urllib3.contrib.socks import (
    SOCKSConnection,
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnection,
    SOCKSHTTPSConnectionPool,
)
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from bookhopper.net.connections import WatchedConnection
from bookhopper.net.heads import connected, late


class _Socket(socks.socksocket):  # type: ignore[misc] # PySocks has no types
    """A socket that tells `heads` of itself before it negotiates with the proxy, which may drip its part."""

    _told = False

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        """Open it as a file, which is how a negotiation begins once the proxy is reached."""
        if not self._told:
            self._told = True
            connected(self)
        return super().makefile(*args, **kwargs)


class _Connection(WatchedConnection, SOCKSConnection):
    def _new_conn(self) -> Any:
        """Connect; tells the proxy's own faults from those of the server behind it."""
        try:
            return self._dialled()
        except OSError as error:
            fault = getattr(error, "socket_err", None) or error
            if isinstance(fault, socks.SOCKS5Error | socks.SOCKS4Error):  # the proxy itself serves
                raise NewConnectionError(self, f"{self.host}: {fault}") from error
            if isinstance(fault, TimeoutError):
                raise ConnectTimeoutError(self, f"the way to {self.host} takes too long") from error
            raise ProxyError("the SOCKS proxy does not serve", fault) from error

    def _dialled(self) -> _Socket:
        """Reach the proxy at the first of its addresses that answers, and the server through it."""
        options = self._socks_options
        host, port = str(options["proxy_host"]).strip("[]"), options["proxy_port"]
        *others, last = (info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        for address in others:
            try:
                return self._through(address)
            except socks.ProxyConnectionError:
                if late():
                    raise
        return self._through(last)

    def _through(self, address: str | int) -> _Socket:
        options = self._socks_options
        sock = _Socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            if isinstance(self.timeout, int | float):
                sock.settimeout(self.timeout)
            place = (options["socks_version"], address, options["proxy_port"])
            sock.set_proxy(*place, options["rdns"], options["username"], options["password"])
            sock.connect((self.host.strip("[]"), self.port))
        except BaseException:
            sock.close()
            raise
        return sock


class _SecureConnection(_Connection, SOCKSHTTPSConnection):
    """The same over TLS."""


class _Pool(SOCKSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(SOCKSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


POOLS: dict[str, Any] = {"http": _Pool, "https": _SecurePool}
"""The kinds of pool by scheme."""
