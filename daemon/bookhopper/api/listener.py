"""The server's socket, bound before READY although the server itself is loaded after it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from bookhopper.errors import BookhopperError


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address; raises BookhopperError when it is taken or not this machine's."""
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    # with the protocol named, asyncio sets TCP_NODELAY; without, every kept connection waits 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise BookhopperError(
            f"cannot listen on {host}:{port}: {error.strerror}: change server.listen, or stop what is there"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Give the address under which a listener is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
