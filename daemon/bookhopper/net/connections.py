"""The connections below a session: they go where they were judged to go, and their waits can be ended."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from bookhopper.net.addresses import port_of
from bookhopper.net.heads import connected, connecting, late, watched
from bookhopper.net.resolver import UnknownNameError
from bookhopper.net.route import Route

_RESOLVING = {"socks5": "socks5h", "socks4": "socks4a"}
_FALLBACK_SECONDS = 3.0
"""How long an address may take to answer while there are others to try."""


class WatchedConnection(HTTPConnection):
    """A connection whose making, TLS and a proxy's answer included, and wait for a head end as awaited."""

    def connect(self) -> None:
        """Connect; raises ConnectTimeoutError when that takes longer than is waited for a head."""
        with connecting(ConnectTimeoutError(self, f"{self.host} does not get done with connecting")):
            super().connect()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 has it
        """Give the answer once its head has come."""
        with watched(self.sock):
            return super().getresponse()


class _Connection(WatchedConnection):
    """A connection whose address is resolved once, judged, and then connected to."""

    def __init__(self, *args: Any, route: Route, **kwargs: Any) -> None:
        self._route = route
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        if self.proxy is not None:  # the host is the proxy's, which the person has named
            sock = super()._new_conn()
            connected(sock)
            return sock
        try:
            addresses = list(self._route.addresses(self.host, self.port))
        except UnknownNameError as fault:
            raise NameResolutionError(self.host, self, fault) from fault  # type: ignore[arg-type]
        sock = self._dialled(addresses)
        connected(sock)
        sys.audit("http.client.connect", self, self.host, self.port)  # as urllib3 does
        return sock

    def _dialled(self, addresses: Iterable[str]) -> Any:
        """Connect to the first address that answers; when none does, raises what the last one said."""
        *others, last = addresses
        for address in others:
            patience = self.timeout
            if not isinstance(patience, int | float) or patience > _FALLBACK_SECONDS:
                patience = _FALLBACK_SECONDS
            try:
                return self._connected(address, patience)
            except OSError:
                if late():
                    raise ConnectTimeoutError(self, f"{self.host} does not answer") from None
        try:
            return self._connected(last, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} does not answer") from error
        except OSError as error:
            raise NewConnectionError(self, f"{self.host}: {error}") from error

    def _connected(self, address: str, timeout: Any) -> Any:
        return create_connection(
            (address, self.port),
            timeout,
            source_address=self.source_address,
            socket_options=self.socket_options,
        )


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS; names and certificates are the host's, whichever address it has."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class RouteAdapter(HTTPAdapter):
    """An adapter whose connections take one route and heed `heads.awaited`."""

    def __init__(self, route: Route, *, hosts: int, connections: int) -> None:
        self._route = route
        self._pools = {"http": partial(_Pool, route=route), "https": partial(_SecurePool, route=route)}
        super().__init__(pool_connections=hosts, pool_maxsize=connections, max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request unless its very address is private; the connection judges the others."""
        url = request.url or ""
        self._route.judge(urlsplit(url).hostname or "", port_of(url))
        return super().send(request, *args, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Set what a pool trusts: an https:// proxy is judged like a server, whatever lies behind it."""
        behind = "https:" if isinstance(conn, HTTPSConnectionPool) else url
        super().cert_verify(conn, behind, verify, cert)  # type: ignore[no-untyped-call]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, of our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Give a proxy's pools, of our connections."""
        if proxy.lower().startswith("socks"):
            # only who has such a proxy pays for PySocks
            from bookhopper.net.socks import POOLS  # noqa: PLC0415

            proxy, pools = proxy_resolves(proxy), POOLS
        else:
            pools = self._pools
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = pools
        return manager


def proxy_resolves(proxy: str) -> str:
    """Let a SOCKS proxy resolve the names: to look them up here would tell others where one goes."""
    scheme, _, rest = proxy.partition("://")
    scheme = scheme.lower()
    return f"{_RESOLVING.get(scheme, scheme)}://{rest}"
