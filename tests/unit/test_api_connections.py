"""How many may connect, how long one may say nothing, and the server's end, with real sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from websockets.sync.client import connect

from bookhopper.api import connections, listener
from bookhopper.api.connections import is_one_too_many
from tests.site import Site, running_site, serving
from tests.waiting import DEADLINE, until

ROOT = Path(__file__).parents[2]
IDLE = 300
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        yield connection


def read_answer(connection: socket.socket) -> bytes:
    """Read what `SlowApp` answers."""
    answer = b""
    while not answer.endswith(b"done"):
        received = connection.recv(1 << 16)
        assert received
        answer += received
    return answer


def is_ended(connection: socket.socket) -> bool:
    """Read until the server hangs up; fails when it does not."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def test_idle_connections_keep_nobody_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 200)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2.0)
    with ExitStack() as opened:
        idle = [opened.enter_context(connected(site.port)) for _ in range(IDLE)]
        # those beyond are turned away at once, and the others soon make room
        assert all(is_ended(connection) for connection in idle[200:])
        until(lambda: answered(site))
        assert all(is_ended(connection) for connection in idle[:200])
    assert site.ask("/healthz").status == 200


def answered(site: Site) -> bool:
    try:
        return site.ask("/healthz").status == 200
    except (ConnectionError, OSError):  # turned away
        return False


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        HEAD + b"\r\n" + HEAD,
        # what is left of a body that nobody waits for
        HEAD + b"Content-Length: 100\r\n\r\nx",
    ],
)
def test_who_asks_for_nothing_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    over = threading.Event()
    with connected(site.port) as connection:

        def drip() -> None:
            """Keep the connection from being idle, a byte at a time."""
            while not over.wait(0.05):
                try:
                    connection.send(b"x")
                except OSError:
                    return

        connection.sendall(sent)
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert is_ended(connection)
        finally:
            over.set()
            dripping.join()


def another_is_let_go(port: int) -> None:
    """Wait longer than anybody may say nothing."""
    with connected(port) as connection:
        assert is_ended(connection)


def test_what_is_being_answered_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    slow = SlowApp()
    with serving(slow) as bound, connected(port := bound.getsockname()[1]) as connection:
        for _ in range(2):
            slow.go.clear()
            slow.begun.clear()
            connection.sendall(HEAD + b"\r\n")
            assert slow.begun.wait(DEADLINE)
            another_is_let_go(port)
            slow.go.set()
            assert read_answer(connection).startswith(b"HTTP/1.1 200 ")


def test_a_websocket_is_no_idle_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    with connect(f"ws://127.0.0.1:{site.port}/api/events") as client:
        for number in range(3):
            client.recv(DEADLINE)
            another_is_let_go(site.port)
            site.control.resize(number + 1)
            site.live.renew()


def test_who_does_not_read_an_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "UNREAD_SECONDS", 0.5)
    over = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sending = asyncio.create_task(send_for_ever(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        over.set()
        sending.cancel()

    async def send_for_ever(send: Send) -> None:
        while True:
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})

    with serving(endless) as bound, connected(bound.getsockname()[1]) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert over.wait(DEADLINE)


@pytest.mark.parametrize(
    ("host", "connected", "too_many"),
    [
        ("192.0.2.7", {"192.0.2.7": 25}, False),
        ("192.0.2.7", {"192.0.2.7": 26}, True),
        ("192.0.2.8", {"192.0.2.7": 25, "192.0.2.8": 1}, False),
        ("192.0.2.8", {"192.0.2.7": 99, "192.0.2.8": 2}, True),
        ("127.0.0.1", {"127.0.0.1": 100}, False),
        ("127.0.0.1", {"127.0.0.1": 101}, True),
        ("::1", {"::1": 100}, False),
        ("::ffff:127.0.0.1", {"::ffff:127.0.0.1": 100}, False),
        ("::ffff:192.0.2.7", {"::ffff:192.0.2.7": 26}, True),
        ("fe80::1%eth0", {"fe80::1%eth0": 26}, True),
        ("", {"": 26}, True),
    ],
)
def test_no_neighbour_takes_all(host: str, connected: dict[str, int], too_many: bool) -> None:
    hosts = [name for name, number in connected.items() for _ in range(number)]
    assert is_one_too_many(host, hosts, most=100) is too_many


def test_where_files_are_scarce_fewer_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert connections._most() == 128
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert connections._most() == connections.MOST


@pytest.mark.parametrize(("soft", "hard", "then"), [(100, 4096, 4096), (4096, 4096, 4096)])
def test_the_daemon_may_open_as_many_files_as_the_system_allows(soft: int, hard: int, then: int) -> None:
    code = (
        f"import resource; limit = resource.RLIMIT_NOFILE; resource.setrlimit(limit, ({soft}, {hard}))\n"
        "from bookhopper import app; app._allow_more_files(); print(*resource.getrlimit(limit))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "daemon")}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [str(then), str(hard)]


# the end


class SlowApp:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        await run_in_threadpool(self.go.wait, DEADLINE)
        await PlainTextResponse("done")(scope, receive, send)


def test_a_request_that_is_too_slow_for_the_end_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "LAST_SECONDS", 0.2)
    slow = SlowApp()
    heard: list[bytes] = []
    with ExitStack() as opened:

        def ask(port: int) -> None:
            with connected(port) as connection:
                connection.sendall(HEAD + b"\r\n")
                try:
                    heard.append(connection.recv(1 << 16))
                except ConnectionResetError:
                    heard.append(b"")
            slow.go.set()

        with serving(slow) as bound:
            asking = threading.Thread(target=ask, args=(bound.getsockname()[1],))
            opened.callback(asking.join)
            asking.start()
            assert slow.begun.wait(DEADLINE)
    assert heard == [b""]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_is_nearly_answered_is_answered_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LAST_SECONDS", DEADLINE)
    slow = SlowApp()
    with ExitStack() as opened:

        def answer_when_it_stops(port: int) -> None:
            until(lambda: not listens(port))
            slow.go.set()

        with serving(slow) as bound:
            port = bound.getsockname()[1]
            connection = opened.enter_context(connected(port))
            connection.sendall(HEAD + b"\r\n")
            assert slow.begun.wait(DEADLINE)
            answering = threading.Thread(target=answer_when_it_stops, args=(port,))
            opened.callback(answering.join)
            answering.start()
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")


def listens(port: int) -> bool:
    try:
        with connected(port):
            return True
    except ConnectionError:
        return False
