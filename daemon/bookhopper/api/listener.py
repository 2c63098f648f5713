"""The server's socket, bound before READY although the server itself is loaded after it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from bookhopper.errors import BookhopperError

UNREAD_SECONDS = 60.0
"""A connection is broken off where nothing of an answer was taken for so long."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # nosec B104 # the settings say where


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address, `::` being every one of both kinds; raises BookhopperError where that fails."""
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    try:
        # with the protocol named, asyncio sets TCP_NODELAY; without, every kept connection waits 40 ms an
        # answer
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # which every connection inherits; else one whose client reads nothing stays for ever
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_SECONDS))
            if family is socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
            listener.bind((host, port))
            listener.listen(256)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise BookhopperError(
            f"cannot listen on {host}:{port}: {error.strerror}: change server.listen, or stop what is there"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Give an address under which this machine reaches a listener: loopback, where it listens on all."""
    host, port = listener.getsockname()[:2]
    host = _LOOPBACK.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
