"""The live page's stream, with real clients over real sockets: those that read and those that do not."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets import ConnectionClosed
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from werkzeug.security import generate_password_hash

from bookhopper.api import websocket
from bookhopper.api.auth import gate_for
from bookhopper.api.live import Live
from bookhopper.api.server import application
from bookhopper.api.sign_in.tokens import TokenFile
from bookhopper.errors import HeldError
from bookhopper.settings import ServerSettings
from tests.queues import want
from tests.site import TOKEN, Site, running_site, serving
from tests.waiting import DEADLINE, until

CLIENTS, SILENT = 200, 10
PBKDF2 = "pbkdf2:sha256:1"

Message = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


def tell(site: Site) -> None:
    """Hand on what the store has published."""
    site.queue.settle()
    while site.queue.changes:
        site.live.changed(site.queue.changes.pop(0))


def looking(port: int) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/api/events", max_size=None, compression=None)


def heard(client: ClientConnection) -> Message:
    message: Message = json.loads(client.recv(timeout=DEADLINE))
    return message


@contextmanager
def serving_live(site: Site, live: Live, **server: Any) -> Iterator[int]:
    """Serve a site with another live page than its own, and its server's settings."""
    gate = gate_for(ServerSettings(**server), site.folder, TOKEN)
    with serving(application(site.view, gate, live)) as bound:
        yield bound.getsockname()[1]


def test_a_whole_picture_first_and_changes_after(site: Site) -> None:
    first, second = site.queue.add(want("One"), want("Two"))
    with looking(site.port) as client:
        picture = heard(client)
        assert picture["type"] == "snapshot"
        assert [download["id"] for download in picture["queue"]] == [first, second]
        site.store.cancel(first)
        tell(site)
        message = heard(client)
    assert message["type"] == "change"
    assert [(job["id"], job["state"]) for job in message["downloads"]] == [(first, "cancelled")]


@pytest.mark.parametrize("path", ["/api/events/", "/request/api/events"])
def test_the_ancestors_addresses(site: Site, path: str) -> None:
    with connect(f"ws://127.0.0.1:{site.port}{path}") as client:
        assert heard(client)["type"] == "snapshot"


def test_whoever_comes_back_gets_a_picture(site: Site) -> None:
    with looking(site.port) as client:
        assert heard(client)["queue"] == []
    (job,) = site.queue.add(want("Meanwhile"))
    with looking(site.port) as client:
        picture = heard(client)
    assert picture["type"] == "snapshot"
    assert [download["id"] for download in picture["queue"]] == [job]


def test_new_lists_and_a_held_queue_are_told(site: Site) -> None:
    with looking(site.port) as client:
        heard(client)
        site.control.pause_queue()
        site.live.renew()
        assert heard(client)["status"]["paused"] is True
        (job,) = site.queue.add(want("New"))
        site.live.renew()
        message = heard(client)
    assert message["type"] == "snapshot"
    assert [download["id"] for download in message["queue"]] == [job]


def test_progress_is_told_while_it_moves(site: Site) -> None:
    job = site.run_one()
    with looking(site.port) as client:
        heard(client)
        site.fetchers.tickets()[job].received = 600
        message = heard(client)
        while "progress" not in message:
            message = heard(client)
    assert [(moved["id"], moved["received"]) for moved in message["progress"]] == [(job, 600)]


def test_never_more_than_four_messages_a_second(site: Site) -> None:
    jobs = site.queue.add(*(want(f"Tale {number}") for number in range(20)))
    over = threading.Event()

    def change_without_pause() -> None:
        priority = 2
        while not over.is_set():
            priority += 1
            site.store.prioritise(dict.fromkeys(jobs, priority))
            tell(site)

    changing = threading.Thread(target=change_without_pause)
    changing.start()
    try:
        begun = time.monotonic()
        with looking(site.port) as client:
            messages = [heard(client) for _ in range(8)]
        assert len(messages) <= 4 * (time.monotonic() - begun) + 1
    finally:
        over.set()
        changing.join()
    assert [message["type"] for message in messages] == ["snapshot"] + 7 * ["change"]


def test_many_changes_are_one_new_picture(site: Site) -> None:
    jobs = site.queue.add(*(want(f"Tale {number}") for number in range(400)))
    with looking(site.port) as client:
        heard(client)
        site.store.prioritise(dict.fromkeys(jobs, 5))
        tell(site)
        message = heard(client)
        while message["type"] != "snapshot":  # the first of the changes may have been told alone
            message = heard(client)
    assert {download["priority"] for download in message["queue"]} == {5}


def test_nothing_is_noted_while_nobody_looks_on(site: Site) -> None:
    site.queue.add(*(want(f"Tale {number}") for number in range(10)))
    tell(site)
    site.live.renew()
    with looking(site.port) as client:
        heard(client)
        job = site.queue.add(want("One more"))[0]
        site.store.cancel(job)
        tell(site)
    until(lambda: site.live.clients == 0)
    assert site.live._teller is not None
    until(site.live._teller.done, "the teller goes with the last client")
    noted = site.live._news.take()
    assert (noted.jobs, noted.renewed) == ({}, False)


# clients that misbehave


def silent(port: int) -> socket.socket:
    """Connect as a client that never reads: the handshake is made, and nothing after it is taken."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def long_queue(site: Site) -> list[int]:
    """Fill the queue, so that a picture of it is larger than what the system keeps for a silent client."""
    return site.queue.add(*(want(f"Tale {number} {'x' * 600}") for number in range(200)))


async def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.02)


class Onlooker:
    """A client that keeps its picture up to date as the page does."""

    def __init__(self) -> None:
        self.pictures = 0
        self.states: dict[int, str] = {}

    async def look(self, connection: AsyncConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "snapshot":
                self.pictures += 1
                self.states = {}
            for name in ("running", "queue", "aside", "history", "downloads"):
                for download in message.get(name, ()):
                    self.states[download["id"]] = download["state"]


@asynccontextmanager
async def onlookers(port: int, number: int) -> AsyncIterator[list[Onlooker]]:
    looking_on = [Onlooker() for _ in range(number)]
    url = f"ws://127.0.0.1:{port}/api/events"
    async with asyncio.TaskGroup() as group, AsyncExitStack() as connected:
        for onlooker in looking_on:
            connection = await connected.enter_async_context(
                connect_async(url, max_size=None, compression=None, ping_interval=None)
            )
            group.create_task(onlooker.look(connection))
        yield looking_on


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number


def test_two_hundred_clients_of_which_ten_never_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PATIENCE_SECONDS", 2.0)
    jobs = long_queue(site)
    with looking(site.port) as client:  # so that what stays for good is there before it is counted
        heard(client)
    until(lambda: site.live.clients == 0)
    teller = site.live._teller
    assert teller is not None
    until(teller.done)
    loop = teller.get_loop()
    before = open_files(), threading.active_count(), len(asyncio.all_tasks(loop))

    async def watch() -> None:
        async with onlookers(site.port, CLIENTS - SILENT) as reading:
            deaf = [silent(site.port) for _ in range(SILENT)]
            for client in deaf:
                client.setblocking(False)
            await eventually(lambda: all(one.pictures for one in reading), "all have their picture")
            for number, job in enumerate(jobs[:50]):
                await asyncio.to_thread(site.store.cancel, job)
                await asyncio.to_thread(tell, site)
                if number == 20:
                    await eventually(lambda: site.live.dropped == SILENT, "the silent ones are let go")
            gone = set(jobs[:50])
            await eventually(
                lambda: all(
                    gone == {job for job, state in one.states.items() if state == "cancelled"}
                    for one in reading
                ),
                "all know of every change",
            )
            assert site.live.clients == CLIENTS - SILENT
            for client in deaf:
                client.close()

    asyncio.run(watch())
    until(lambda: site.live.clients == 0)
    until(lambda: site.live._teller is not None and site.live._teller.done())
    until(
        lambda: (open_files(), threading.active_count(), len(asyncio.all_tasks(loop))) <= before,
        lambda: (
            f"{before} files, threads, tasks before; {open_files()}, {threading.active_count()}, "
            f"{len(asyncio.all_tasks(loop))} after"
        ),
    )


def test_a_client_that_falls_behind_gets_a_new_picture(site: Site) -> None:
    jobs = long_queue(site)
    client = silent(site.port)
    until(lambda: any(not onlooker.ready for onlooker in site.live._clients))
    for job in jobs[:3]:
        site.store.cancel(job)
        tell(site)
        until(lambda: not site.live._news._jobs and all(not one.current for one in site.live._clients))
    client.settimeout(DEADLINE)
    received = b""
    while received.count(b'"type":"snapshot"') < 2:
        received += client.recv(1 << 20)
    assert received.count(b'"type":"change"') == 0
    client.close()


@pytest.mark.parametrize("what", ["messages", "pings"])
def test_a_client_that_sends_too_much_is_let_go(
    site: Site, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.DEBUG, "bookhopper.live")

    def flood(client: ClientConnection) -> None:
        while True:
            if what == "pings":
                client.ping(os.urandom(100))
            else:
                client.send("x" * 100)

    with looking(site.port) as client:
        heard(client)
        with pytest.raises((ConnectionClosed, OSError)):
            flood(client)
        until(lambda: site.live.clients == 0)
    assert site.live.dropped == 1
    said = [record.getMessage() for record in caplog.records if "let go" in record.getMessage()]
    assert len(said) == 1
    assert said[0].endswith("it sends too much")


def test_a_message_of_megabytes_ends_its_connection(site: Site) -> None:
    with looking(site.port) as client:
        heard(client)
        with pytest.raises((ConnectionClosed, OSError)):
            client.send("x" * (1 << 24))
        until(lambda: site.live.clients == 0)


def test_what_a_client_says_is_not_listened_to(site: Site) -> None:
    (job,) = site.queue.add(want("A Tale"))
    with looking(site.port) as client:
        heard(client)
        for said in ("hello", b"\x00\xff", '{"type":"cancel"}', ""):
            client.send(said)
        site.store.cancel(job)
        tell(site)
        assert heard(client)["downloads"][0]["state"] == "cancelled"


def test_a_client_that_breaks_the_protocol_is_alone_with_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with looking(site.port) as client:
        heard(client)
        for rubbish in (b"\xff" * 64, b"\x81\x7f" + b"\xff" * 8, b"\x81\x05hello", b""):
            with silent(site.port) as broken:
                broken.sendall(rubbish)
        until(lambda: site.live.clients == 1)
        site.control.pause_queue()
        site.live.renew()
        assert heard(client)["status"]["paused"] is True
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# how many, and who


def test_beyond_the_most_a_client_is_refused(site: Site) -> None:
    live = Live(site.view, most=2)
    with serving_live(site, live) as port, looking(port) as first, looking(port) as second:
        heard(first), heard(second)
        with pytest.raises(InvalidStatus) as refused:
            looking(port)
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body or b"")["error"].startswith("2 look on already")
        first.close()
        until(lambda: live.clients == 1)
        with looking(port) as third:
            assert heard(third)["type"] == "snapshot"


def test_a_page_of_another_site_is_refused(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://127.0.0.1:{site.port}/api/events", additional_headers={"Origin": "http://evil.example"}
        )
    assert refused.value.response.status_code == 403
    assert site.live.clients == 0


def test_a_plain_request_is_told_how_to_ask(site: Site) -> None:
    answer = site.ask("/api/events")
    assert answer.status == 426
    assert set(answer.json) == {"error"}
    assert answer.headers["Upgrade"] == "websocket"


# those who may look on no more


def looking_as(port: int, **headers: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/api/events", compression=None, additional_headers=headers)


def sent_away(client: ClientConnection) -> bool:
    try:
        while True:
            client.recv(timeout=DEADLINE)
    except ConnectionClosed as closed:
        return closed.rcvd is not None and closed.rcvd.code == 1008


def session_of(port: int, authorization: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
        connection.request("POST", "/api/session", headers={"Authorization": authorization})
        answer = connection.getresponse()
        answer.read()
        return str(answer.headers["Set-Cookie"].partition(";")[0])


def test_a_page_goes_with_its_token(site: Site) -> None:
    live = Live(site.view, recheck=0.05)
    tokens = TokenFile(site.folder)
    with serving_live(site, live, sign_in="token") as port:
        bearers = [f"Bearer {tokens.add(name)}" for name in ("telephone", "other")]
        with (
            looking_as(port, Authorization=bearers[0]) as first,
            looking_as(port, Cookie=session_of(port, bearers[0])) as second,
            looking_as(port, Authorization=bearers[1]) as other,
            looking_as(port, Authorization=f"Bearer {TOKEN}") as own,
        ):
            clients = (first, second, other, own)
            assert all(heard(client)["type"] == "snapshot" for client in clients)
            tokens.remove("telephone")
            assert sent_away(first)
            assert sent_away(second)
            site.control.pause_queue()
            for client in (other, own):
                assert heard(client)["status"]["paused"] is True
    assert live.dropped == 0


def test_a_page_goes_when_its_session_ends(site: Site) -> None:
    with serving_live(site, Live(site.view, recheck=0.05), sign_in="token") as port:
        cookies = [session_of(port, f"Bearer {TOKEN}") for _ in range(2)]
        with looking_as(port, Cookie=cookies[0]) as first, looking_as(port, Cookie=cookies[1]) as second:
            heard(first), heard(second)
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as connection:
                connection.request("DELETE", "/api/session", headers={"Cookie": cookies[0]})
                assert connection.getresponse().status == 200
            assert sent_away(first)
            site.control.pause_queue()
            assert heard(second)["status"]["paused"] is True


def test_a_page_goes_when_the_password_changes_and_stays_while_nobody_can_tell(site: Site) -> None:
    path = site.folder / "app.db"
    with closing(sqlite3.connect(path)) as users, users:
        users.execute("CREATE TABLE user (name, role, password)")
        users.execute("INSERT INTO user VALUES ('ann', 0, ?)", (generate_password_hash("x", PBKDF2),))
    live = Live(site.view, recheck=0.05)
    ann = "Basic " + base64.b64encode(b"ann:x").decode()
    with (
        serving_live(site, live, sign_in="calibre-web", app_db=path) as port,
        looking_as(port, Authorization=ann) as client,
        closing(sqlite3.connect(path, isolation_level=None)) as users,
    ):
        heard(client)
        users.execute("ALTER TABLE user RENAME TO away")
        site.control.pause_queue()
        assert heard(client)["status"]["paused"] is True
        users.execute("ALTER TABLE away RENAME TO user")
        users.execute("UPDATE user SET password = ?", (generate_password_hash("y", PBKDF2),))
        assert sent_away(client)
        until(lambda: live.clients == 0)


def test_who_talks_without_end_is_looked_at_as_well(site: Site) -> None:
    tokens = TokenFile(site.folder)
    over = threading.Event()

    def talk(client: ClientConnection) -> None:
        while not over.wait(0.02):
            with suppress(ConnectionClosed):
                client.send("x")

    with (
        serving_live(site, Live(site.view, recheck=0.2), sign_in="token") as port,
        looking_as(port, Authorization=f"Bearer {tokens.add('telephone')}") as client,
    ):
        heard(client)
        talking = threading.Thread(target=talk, args=(client,))
        talking.start()
        try:
            tokens.remove("telephone")
            assert sent_away(client)
        finally:
            over.set()
            talking.join()


# when things go wrong, and the end


class FailingStore:
    """The site's store, which cannot be read while `failing`."""

    def __init__(self, store: Any, error: Exception) -> None:
        self._store = store
        self._error = error
        self.failing = False

    def __getattr__(self, name: str) -> Any:
        if self.failing:
            raise self._error
        return getattr(self._store, name)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HeldError("the disk is full"), "the live page stands still: the disk is full; trying again"),
        (RuntimeError("a bug"), "a fault of bookhopper's own; please report it"),
    ],
)
def test_what_cannot_be_told_is_said_once(
    site: Site, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    caplog.set_level(logging.INFO, "bookhopper.live")
    store = FailingStore(site.store, error)
    live = Live(replace(site.view, store=store))
    jobs = site.queue.add(want("One"), want("Two"), want("Three"))
    site.queue.changes.clear()
    with serving_live(site, live) as port, looking(port) as client:
        heard(client)
        store.failing = True
        for job in jobs[:2]:
            site.store.cancel(job)
            live.changed(site.queue.changes.pop())
            until(lambda: not live._news._jobs)
        until(lambda: said in caplog.text)
        store.failing = False
        message = heard(client)
    assert message["type"] == "snapshot"
    assert [download["id"] for download in message["queue"]] == jobs[2:]
    assert [record.getMessage() for record in caplog.records] == [
        said,
        "the live page goes on",
    ]


def test_the_server_stops_in_time_with_clients(
    site: Site, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    long_queue(site)
    live = Live(site.view)
    with ExitStack() as connected:
        with serving_live(site, live) as port:
            clients = [connected.enter_context(looking(port)) for _ in range(20)]
            for client in clients:
                heard(client)
            deaf = [connected.enter_context(silent(port)) for _ in range(3)]
            until(lambda: sum(not one.ready for one in live._clients) == len(deaf))
        assert live.clients == 0
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=DEADLINE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
