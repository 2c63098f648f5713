"""A SOCKS5 proxy (RFC 1928, 1929) and an HTTP proxy on loopback; both lead every name to 127.0.0.1."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_JOIN_SECONDS = 10.0


@dataclass
class Seen:
    """What a proxy was asked for: `host:port` each time, and how it was signed in to."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    sign_ins: list[str] = field(default_factory=list)


@contextmanager
def socks_proxy(sign_in: str = "", *, refusing: bool = False) -> Iterator[Seen]:
    """Serve SOCKS5, with `user:password` where one is given; `refusing` connects to nothing."""
    seen = Seen()

    def serve(client: socket.socket) -> None:
        client.recv(1 + client.recv(2)[1])
        client.sendall(b"\5\2" if sign_in else b"\5\0")
        if sign_in:
            user = client.recv(client.recv(2)[1])
            password = client.recv(client.recv(1)[0])
            seen.sign_ins.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\1\0" if seen.sign_ins[-1] == sign_in else b"\1\1")
        kind = client.recv(4)[3]
        host = client.recv(client.recv(1)[0]).decode() if kind == 3 else socket.inet_ntoa(client.recv(4))
        port = int.from_bytes(client.recv(2), "big")
        seen.asked.append(f"{host}:{port}")
        if refusing:
            client.sendall(b"\5\4\0\1\0\0\0\0\0\0")
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"\5\0\0\1\0\0\0\0\0\0")
            _pass_on(client, server)

    with _listening(serve) as port:
        seen.url = f"socks5h://{sign_in}{'@' if sign_in else ''}127.0.0.1:{port}"
        yield seen


@contextmanager
def http_proxy(refusal: bytes = b"", context: ssl.SSLContext | None = None) -> Iterator[Seen]:
    """Serve HTTP requests by absolute address, and CONNECT; a `refusal` is what everybody hears.

    With a `context` the proxy itself is spoken to over TLS.
    """
    seen = Seen()

    def serve(plain: socket.socket) -> None:
        if context is None:
            answer(plain)
            return
        with context.wrap_socket(plain, server_side=True) as secure:
            answer(secure)

    def answer(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := client.recv(65536)):
                return
            head += piece
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split()
        seen.sign_ins += [each.split(": ")[1] for each in fields if each.startswith("Proxy-Authorization")]
        place = target if method == "CONNECT" else urlsplit(target).netloc
        seen.asked.append(f"{method} {place}")
        if refusal:
            client.sendall(refusal)
            return
        with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2]))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server.sendall(head.replace(target.partition(place)[0].encode() + place.encode(), b"", 1))
            _pass_on(client, server)

    with _listening(serve) as port:
        seen.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield seen


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def one(client: socket.socket) -> None:
            with client, suppress(OSError, IndexError):
                serve(client)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threads.append(threading.Thread(target=one, args=(client,), daemon=True))
                    threads[-1].start()

        thread = threading.Thread(target=accept, name="proxy", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in (thread, *threads):
                each.join(_JOIN_SECONDS)


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    """Hand bytes on in both directions until one side has had enough."""

    def back() -> None:
        with suppress(OSError):
            while piece := server.recv(65536):
                client.sendall(piece)
            client.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=back, daemon=True)
    thread.start()
    with suppress(OSError):
        while piece := client.recv(65536):
            server.sendall(piece)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(_JOIN_SECONDS)
