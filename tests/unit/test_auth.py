"""Who may come in, over a real socket: names, origins, tokens, passwords, sessions, locks."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from werkzeug import security
from werkzeug.security import generate_password_hash

from bookhopper.api.auth import Gatekeeper, gate_for
from bookhopper.api.callers import caller
from bookhopper.api.sign_in import lockout, session, sessions
from bookhopper.api.sign_in.errors import LockedError
from bookhopper.api.sign_in.gate import Gate
from bookhopper.api.sign_in.lockout import Lockout
from bookhopper.api.sign_in.sessions import COOKIE, Sessions
from bookhopper.api.sign_in.tokens import TokenFile
from bookhopper.settings import ServerSettings
from tests.site import serving

TOKEN = "the daemon's own"
PBKDF2 = "pbkdf2:sha256:1000"
SCRYPT = "scrypt:1024:8:1"
WRONG = {"error": "the name or the password is wrong"}
WRONG_TOKEN = {"error": "the token is wrong"}
FOREIGN = {"error": "a page elsewhere may not change anything here"}
NOBODY = {"error": "nobody can sign in now: the log of bookhopper says why"}
GUARDED = ("/api/downloads", "/nope", "/api", "/api/session", "/healthz/x", "//", "/page")
MONITORS = ("/healthz", "/readyz", "/metrics")
PAGE = ("/", "/page/main.js", "/api/docs", "/api/openapi.json")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    json: Any


@dataclass
class Door:
    """What stands behind a gate: it tells every comer who they are."""

    state: Path
    app_db: Path
    gate: Gate
    port: int

    def ask(self, path: str = "/api/downloads", method: str = "GET", **headers: str) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            body = answer.read()
            return Answer(answer.status, answer.headers, json.loads(body) if body else None)

    def sign_in(self, name: str, password: str, path: str = "/api/downloads", method: str = "GET") -> Answer:
        return self.ask(path, method, Authorization=basic(name, password))


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


async def who(request: Request) -> JSONResponse:
    found = caller(request)
    return JSONResponse({"name": found.name, "admin": found.admin})


async def events(socket: WebSocket) -> None:
    await socket.accept()
    found = caller(socket)
    await socket.send_json({"name": found.name, "admin": found.admin})
    await socket.close()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List what the gate has logged; the server itself is not asked here."""
    return [record.getMessage() for record in caplog.records if record.name == "bookhopper.api"]


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
Opener = Callable[..., Door]


def opened_door(opened: ExitStack, state: Path, **server: Any) -> Door:
    gate = gate_for(ServerSettings(**server), state, TOKEN)
    app = Starlette(
        routes=[
            *session.routes(gate),
            WebSocketRoute("/api/events", events),
            Route("/{path:path}", who, methods=METHODS),
        ]
    )
    bound = opened.enter_context(serving(Gatekeeper(app, gate)))
    return Door(state, state / "app.db", gate, bound.getsockname()[1])


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Opener]:
    with ExitStack() as opened:
        yield partial(opened_door, opened, tmp_path)


@pytest.fixture(scope="module")
def open_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give one door without a sign-in to all tests that leave nothing behind in it."""
    with ExitStack() as opened:
        yield opened_door(opened, tmp_path_factory.mktemp("state"), hosts=("books.example.org",))


@pytest.fixture
def app_db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Make an app.db as Calibre-Web does, in WAL mode, and keep its writer's connection."""
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, name VARCHAR(64) UNIQUE, email VARCHAR(120),"
            " role SMALLINT, password VARCHAR)"
        )
        for name, role, password in (
            ("admin", 1 | 2, generate_password_hash("admin123", SCRYPT)),
            ("Ann", 2, generate_password_hash("blåbær:1", PBKDF2)),
            ("Ärger", 0, generate_password_hash("x", PBKDF2)),
            ("Guest", 32, ""),
            ("old", 1, "md5$salt$b305cadbb3bce54f3aa59c64fec00dea"),
            ("null", None, None),
        ):
            connection.execute(
                "INSERT INTO user (name, role, password) VALUES (?, ?, ?)", (name, role, password)
            )
        yield connection


@pytest.fixture
def users(door: Opener, app_db: sqlite3.Connection, tmp_path: Path) -> Door:
    return door(sign_in="calibre-web", app_db=tmp_path / "app.db")


# names


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8084", "127.0.0.1:1", "[::1]:8084", "[::1]", "192.168.1.2", "0.0.0.0:80"),
        *("[fe80::1]", "books.example.org", "Books.Example.Org:443", socket.gethostname()),
        f"{socket.gethostname().partition('.')[0]}.local:8084",
    ],
)
def test_its_own_names_and_any_address_are_good(open_door: Door, host: str) -> None:
    assert open_door.ask(Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8084", "127.0.0.1.evil.example", "[::", "", "localhost.", "127.1"),
        *(
            "evil@localhost",
            "localhost@evil",
            "localhost/evil",
            "localhost#",
            "localhost:x",
            "localhost:123456",
        ),
        *("::1", "[127.0.0.1]", "[localhost]", "local host", ".local", "0x7f000001", "[fe80::1%25eth0]"),
    ],
)
def test_other_names_are_refused(open_door: Door, host: str) -> None:
    answer = open_door.ask("/healthz", Host=host)
    words = "Host: bookhopper is not reached under this name; add it to server.hosts if it should be"
    assert (answer.status, answer.json) == (400, {"error": words})


# without a sign-in


def test_without_a_sign_in_everybody_is_an_admin(open_door: Door) -> None:
    for path in (*GUARDED[:2], *MONITORS, *PAGE):
        for headers in ({}, {"Authorization": basic("x", "y")}, {"Cookie": f"{COOKIE}=x"}):
            assert open_door.ask(path, **headers).json == {"name": "", "admin": True}, (path, headers)
    assert open_door.ask("/api/session").json == {"name": "", "admin": True, "sign_in": "none"}
    answer = open_door.ask("/api/session", "POST", Authorization=f"Bearer {TOKEN}")
    assert (answer.status, answer.headers["Set-Cookie"]) == (200, None)


@pytest.mark.parametrize("path", ["/api/downloads", "/metrics", "/nope"])
def test_a_wrong_token_is_refused_however_often(open_door: Door, path: str) -> None:
    for token in (
        "Bearer nope",
        "the token",
        "Bearer ",
        "Bearer t\xf6ken",
        "Digest x",
        f"Bearer {TOKEN}x",
    ) * 3:
        answer = open_door.ask(path, Authorization=token)
        assert (answer.status, answer.json) == (401, WRONG_TOKEN), token
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert open_door.ask(path, Authorization=f"bearer  {TOKEN}").status == 200


def test_an_api_token_names_its_bearer_without_a_sign_in_too(door: Opener) -> None:
    opened = door()
    token = TokenFile(opened.state).add("telephone")
    answer = opened.ask(Authorization=f"Bearer {token}")
    assert answer.json == {"name": "telephone", "admin": True}


# tokens


def test_what_a_token_is_needed_for(door: Opener) -> None:
    opened = door(sign_in="token")
    for path in GUARDED:
        for headers in ({}, {"Authorization": basic("admin", "admin123")}, {"Cookie": f"{COOKIE}=x"}):
            answer = opened.ask(path, **headers)
            words = "sign in with an API token: `bookhopper token new NAME` makes one"
            assert (answer.status, answer.json) == (401, {"error": words}), path
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in (*MONITORS, *PAGE):
        assert opened.ask(path).json == {"name": "", "admin": False}, path
        assert opened.ask(path, Authorization="Bearer nope").status == 401


def test_tokens_come_and_go_while_it_runs(door: Opener) -> None:
    opened = door(sign_in="token")
    tokens = TokenFile(opened.state)
    assert opened.ask(Authorization=f"Bearer {TOKEN}").json == {"name": "", "admin": True}
    token = tokens.add("script")
    other = tokens.add("other")
    assert opened.ask(Authorization=f"Bearer {token}").json == {"name": "script", "admin": True}
    assert opened.ask(Authorization=f"Bearer {other}").json == {"name": "other", "admin": True}
    tokens.remove("script")
    assert opened.ask(Authorization=f"Bearer {token}").status == 401
    assert opened.ask(Authorization=f"Bearer {other}").status == 200


def test_ten_wrong_tokens_lock_wrong_ones_out_and_never_a_right_one(
    door: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    opened = door(sign_in="token")
    good = TokenFile(opened.state).add("good")
    for _ in range(9):
        assert opened.ask(Authorization="Bearer nope").status == 401
    assert opened.ask(Authorization=f"Bearer {good}").status == 200  # which starts the count again
    for _ in range(10):
        assert opened.ask("/metrics", Authorization="Bearer nope").status == 401
    words = "the token is wrong, as too many from this address: bring a right one, or wait half an hour"
    for _ in range(12):
        for right in (good, TOKEN):  # behind a proxy, those of others
            assert opened.ask(Authorization=f"Bearer {right}").status == 200
        answer = opened.ask(Authorization="Bearer nope")
        assert (answer.status, answer.json) == (429, {"error": words})
        assert 1700 < int(answer.headers["Retry-After"]) <= 1800
    assert told(caplog) == ["sign-in: 127.0.0.1 gave ten wrong tokens and may not guess for half an hour"]


def test_a_lock_ends(door: Opener) -> None:
    opened = door(sign_in="token")
    now = 0.0
    opened.gate._addresses = Lockout(lambda: now)
    for _ in range(10):
        opened.ask(Authorization="Bearer nope")
    now = 1799.5
    answer = opened.ask(Authorization="Bearer nope")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    now = 1800.0
    assert opened.ask(Authorization="Bearer nope").status == 401


def test_a_damaged_token_file_is_told_once(door: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    opened = door(sign_in="token")
    path = opened.state / "tokens.json"
    path.write_text("nonsense")
    for _ in range(3):
        answer = opened.ask(Authorization="Bearer x")
        assert (answer.status, answer.json) == (500, NOBODY)
    assert opened.ask(Authorization=f"Bearer {TOKEN}").status == 200
    path.unlink()
    assert opened.ask(Authorization="Bearer x").status == 401
    remedy = "remove it and make the tokens anew (`bookhopper token new`)"
    assert told(caplog) == [
        f"sign-in: {path} is damaged: {remedy}",
        "sign-in: the API tokens can be read again",
    ]


# Calibre-Web's users


def test_users_of_calibre_web(users: Door) -> None:
    assert users.sign_in("admin", "admin123").json == {"name": "admin", "admin": True}
    assert users.sign_in("Ann", "blåbær:1").json == {"name": "Ann", "admin": False}
    assert users.sign_in("aNN", "blåbær:1").json == {"name": "Ann", "admin": False}
    assert users.sign_in("Ärger", "x").json == {"name": "Ärger", "admin": False}
    latin = users.ask(Authorization=basic("Ann", "blåbær:1", "latin-1"))
    assert latin.json == {"name": "Ann", "admin": False}
    token = TokenFile(users.state).add("script")
    assert users.ask(Authorization=f"Bearer {token}").json == {"name": "script", "admin": True}
    assert users.ask(Authorization=f"Bearer {TOKEN}").json == {"name": "", "admin": True}


@pytest.mark.parametrize(
    ("name", "password"),
    [
        *(("admin", ""), ("admin", "Admin123"), ("admin", "admin123 "), ("nobody", "x"), ("", "")),
        *(("Guest", ""), ("old", "x"), ("null", ""), ("null", "None"), ("adm%", "admin123"), ("a\0", "x")),
        ("' OR 1=1 --", "x"),
    ],
)
def test_wrong_passwords(users: Door, name: str, password: str) -> None:
    answer = users.sign_in(name, password)
    assert (answer.status, answer.json) == (401, WRONG)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="bookhopper"'


@pytest.mark.parametrize("text", ["Basic", "Basic !", "Basic YQ", "Basic YQ==", "Basic YTpi YTpi", "Basic ä"])
def test_what_is_no_name_and_password(users: Door, text: str) -> None:
    answer = users.ask(Authorization=text)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="bookhopper"')


def test_what_a_user_is_needed_for(users: Door) -> None:
    for path in (*GUARDED, *PAGE):
        answer = users.ask(path)
        words = "sign in with your name and password of Calibre-Web"
        assert (answer.status, answer.json) == (401, {"error": words}), path
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="bookhopper"'
        assert users.ask(path, Authorization="Bearer nope").headers["WWW-Authenticate"].startswith("Basic")
        if path != "/api/session":
            assert users.sign_in("ann", "blåbær:1", path).json == {"name": "Ann", "admin": False}
        users.gate._addresses.succeeded("127.0.0.1")
    for path in MONITORS:
        assert users.ask(path).json == {"name": "", "admin": False}
        assert users.sign_in("ann", "nope", path).status == 200


def test_a_changed_password_counts_at_once(users: Door, app_db: sqlite3.Connection) -> None:
    for old, new in (("blåbær:1", "second"), ("second", "third"), ("third", "fourth")):
        assert users.sign_in("Ann", old).status == 200
        assert users.sign_in("Ann", old).status == 200
        fresh = generate_password_hash(new, PBKDF2)
        app_db.execute("UPDATE user SET password = ? WHERE name = 'Ann'", (fresh,))
        assert (users.state / "app.db-wal").stat().st_size > 0
        assert users.sign_in("Ann", old).status == 401
        assert users.sign_in("Ann", new).status == 200
    app_db.execute("UPDATE user SET role = 1 WHERE name = 'Ann'")
    assert users.sign_in("Ann", "fourth").json == {"name": "Ann", "admin": True}
    app_db.execute("DELETE FROM user WHERE name = 'Ann'")
    assert users.sign_in("Ann", "fourth").status == 401


def test_a_password_is_computed_once_even_when_asked_at_once(
    users: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = count_checks(monkeypatch)
    with ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(users.sign_in, "admin", "admin123") for _ in range(12)]
        assert {answer.result().status for answer in answers} == {200}
    assert len(computed) == 1


def test_a_user_that_is_not_there_costs_as_much(users: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = count_checks(monkeypatch)
    users.sign_in("nobody", "x")
    users.sign_in("admin", "x")
    assert computed[0] == computed[1]
    assert computed[0].startswith(SCRYPT)


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    computed: list[str] = []
    check = security.check_password_hash

    def counted(hashed: str, password: str) -> bool:
        computed.append(hashed)
        return check(hashed, password)

    monkeypatch.setattr(security, "check_password_hash", counted)
    return computed


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_ten_wrong_passwords_lock_the_name(users: Door, name: str, caplog: pytest.LogCaptureFixture) -> None:
    for attempt in range(10):
        spelt = name.upper() if attempt % 2 else name
        assert users.sign_in(spelt, f"guess {attempt}").status == 401
    for password in ("admin123", "guess"):
        answer = users.sign_in(name, password)
        assert answer.status == 429
        assert answer.json["error"].startswith("too many wrong sign-ins in a row")
        assert 1700 < int(answer.headers["Retry-After"]) <= 1800
    assert users.sign_in("ann", "blåbær:1").status == 200
    assert users.ask(Authorization=f"Bearer {TOKEN}").status == 200
    assert len(told(caplog)) == 1
    assert told(caplog)[0].casefold() == (
        f"sign-in: '{name}' is locked for half an hour after ten wrong passwords"
    )


def test_a_success_starts_the_count_again(users: Door) -> None:
    for _ in range(3):
        for _ in range(9):
            assert users.sign_in("admin", "guess").status == 401
        assert users.sign_in("admin", "admin123").status == 200


def test_guesses_at_once_are_ten_as_well(users: Door) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = [threads.submit(users.sign_in, "admin", f"guess {number}") for number in range(32)]
        found = sorted(answer.result().status for answer in answers)
    assert found == [401] * 10 + [429] * 22


@pytest.mark.parametrize("fault", ["missing", "folder", "no database", "no table", "no column"])
def test_an_app_db_that_cannot_be_read(
    door: Opener, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "app.db"
    if fault == "folder":
        path.mkdir()
    elif fault == "no database":
        path.write_bytes(b"nonsense " * 1000)
    elif fault != "missing":
        with closing(sqlite3.connect(path)) as connection:
            table = "user" if fault == "no column" else "other"
            connection.execute(f"CREATE TABLE {table} (name)")
    opened = door(sign_in="calibre-web", app_db=path)
    for asked in (*GUARDED, *PAGE):
        for headers in ({}, {"Authorization": basic("admin", "admin123")}):
            answer = opened.ask(asked, **headers)
            assert (answer.status, answer.json) == (500, NOBODY)
    for monitor in MONITORS:
        assert opened.ask(monitor).status == 200
    assert opened.ask(Authorization=f"Bearer {TOKEN}").status == 200
    (message,) = told(caplog)
    assert message.startswith(f"sign-in: {path} cannot be read: ")
    assert "\n" not in message


def test_an_app_db_that_comes_back(
    users: Door, app_db: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app_db.execute("ALTER TABLE user RENAME TO away")
    assert [users.sign_in("admin", "admin123").status for _ in range(2)] == [500, 500]
    app_db.execute("ALTER TABLE away RENAME TO user")
    assert users.sign_in("admin", "admin123").status == 200
    assert len(told(caplog)) == 2
    assert told(caplog)[1] == "sign-in: the app.db can be read again"


def test_the_app_db_is_never_written(users: Door) -> None:
    before = users.app_db.read_bytes(), (users.state / "app.db-wal").read_bytes()
    users.sign_in("admin", "admin123")
    users.sign_in("admin", "nope")
    assert (users.app_db.read_bytes(), (users.state / "app.db-wal").read_bytes()) == before


# pages elsewhere

SAME = {"Origin": "http://localhost:8084", "Host": "localhost:8084"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        SAME,
        {"Origin": "https://books.example.org", "Host": "books.example.org"},
        {"Origin": "http://[::1]:80", "Host": "[::1]:80"},
        {"Referer": "http://LOCALHOST:8084/page?x=1", "Host": "localhost:8084"},
        {**SAME, "Referer": "http://evil.example/"},
        {"Authorization": f"Bearer {TOKEN}", "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("call", ["POST /api/x", "DELETE /api/x", "GET /api/download", "HEAD /api/download"])
def test_changes_from_here_pass(open_door: Door, call: str, headers: Mapping[str, str]) -> None:
    method, path = call.split()
    assert open_door.ask(path, method, **headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", **SAME},
        {"Sec-Fetch-Site": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:8085", "Host": "localhost:8084"},
        {"Origin": "http://localhost", "Host": "localhost:8084"},
        {"Origin": "file://localhost", "Host": "localhost"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:8084.evil.example", "Host": "localhost:8084"},
        {"Origin": "http://evil.example", "Authorization": basic("a", "b")},
        {"Referer": "http://evil.example/http://localhost:8084", "Host": "localhost:8084"},
        {"Referer": "nonsense"},
    ],
)
@pytest.mark.parametrize(
    "call", ["POST /api/x", "PUT /api/x", "PATCH /x", "DELETE /", "GET /api/download", "HEAD /api/download"]
)
def test_changes_from_elsewhere_are_refused(open_door: Door, call: str, headers: Mapping[str, str]) -> None:
    method, path = call.split()
    answer = open_door.ask(path, method, **headers)
    assert answer.status == 403
    if method != "HEAD":
        assert answer.json == FOREIGN


BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
NO_PAGE = {"error": "a browser has to say from which page it asks for a book: use bookhopper's own"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_that_hides_its_page_asks_for_no_book(open_door: Door, method: str) -> None:
    answer = open_door.ask("/api/download", method, **BROWSER)
    assert (answer.status, answer.json) == (403, NO_PAGE if method == "GET" else None)
    refused = {"Authorization": "Bearer nope"}
    assert open_door.ask("/api/download", method, **BROWSER, **refused).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {**BROWSER, "Sec-Fetch-Site": "same-origin"},
        {**BROWSER, "Sec-Fetch-Site": "none"},
        {**BROWSER, **SAME},
        {**BROWSER, "Referer": "http://localhost:8084/", "Host": "localhost:8084"},
        {**BROWSER, "Authorization": f"Bearer {TOKEN}"},
        {"User-Agent": "python-requests/2.32"},
        {"User-Agent": "Dalvik/2.1.0 (Linux; U; Android 14)"},
    ],
)
def test_whoever_says_where_they_ask_from_gets_the_book(open_door: Door, headers: Mapping[str, str]) -> None:
    assert open_door.ask("/api/download", **headers).status == 200


def test_a_browser_may_read_without_saying_why(open_door: Door) -> None:
    for path in ("/", "/api/downloads", "/api/downloads/1", "/api/status"):
        assert open_door.ask(path, **BROWSER).status == 200


def test_reading_from_elsewhere_is_answered_without_leave(open_door: Door) -> None:
    for method in ("GET", "OPTIONS"):
        answer = open_door.ask(method=method, Origin="http://evil.example", Sec_Fetch_Site="cross-site")
        assert answer.status == 200
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_page_elsewhere_locks_nobody_out(users: Door) -> None:
    for _ in range(12):
        answer = users.ask(method="POST", Authorization=basic("admin", "x"), Origin="http://evil.example")
        assert answer.status == 403
    assert users.sign_in("admin", "admin123").status == 200


def shake(port: int, **headers: str) -> Any:
    """Open the WebSocket; gives its first message, or the status by which it was refused."""

    async def opened() -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"ws://127.0.0.1:{port}/api/events"
        try:
            async with connect(address, additional_headers=named, proxy=None) as connection:
                return json.loads(await connection.recv())
        except InvalidStatus as error:
            return error.response.status_code, json.loads(error.response.body)

    return asyncio.run(opened())


def test_a_websocket_from_elsewhere_is_refused(door: Opener) -> None:
    port = door().port
    assert shake(port, Origin="http://evil.example") == (403, FOREIGN)
    assert shake(port, Sec_Fetch_Site="cross-site") == (403, FOREIGN)
    assert shake(port, Authorization="Bearer nope") == (401, WRONG_TOKEN)
    anybody = {"name": "", "admin": True}
    assert shake(port) == anybody
    assert shake(port, Origin=f"http://127.0.0.1:{port}") == anybody
    assert shake(port, Origin="http://evil.example", Authorization=f"Bearer {TOKEN}") == anybody


def test_a_websocket_needs_a_sign_in(users: Door) -> None:
    words = "sign in with your name and password of Calibre-Web"
    assert shake(users.port) == (401, {"error": words})
    ann = {"name": "Ann", "admin": False}
    assert shake(users.port, Authorization=basic("ann", "blåbær:1")) == ann
    cookie = cookie_of(users.sign_in("ann", "blåbær:1", "/api/session", "POST"))
    assert shake(users.port, Cookie=cookie) == ann


# sessions


def cookie_of(answer: Answer) -> str:
    assert answer.status == 200, answer.json
    return str(answer.headers["Set-Cookie"].partition(";")[0])


def test_a_session_stands_for_a_token(door: Opener) -> None:
    opened = door(sign_in="token")
    token = TokenFile(opened.state).add("phone")
    answer = opened.ask("/api/session", "POST", Authorization=f"Bearer {token}")
    assert answer.json == {"name": "phone", "admin": True, "sign_in": "token"}
    crumbs = answer.headers["Set-Cookie"].split("; ")
    assert crumbs[0].startswith(f"{COOKIE}=")
    assert len(crumbs[0]) > 50
    assert sorted(crumbs[1:]) == ["HttpOnly", "Path=/", "SameSite=strict"]
    cookie = crumbs[0]
    assert opened.ask(Cookie=f"a=b; {cookie}; c=d").json == {"name": "phone", "admin": True}
    assert opened.ask("/api/session", Cookie=cookie).json == answer.json
    assert opened.ask("/api/session", Cookie=cookie, method="POST").status == 401
    assert opened.ask(Cookie=cookie, Authorization="Bearer nope").status == 401
    assert opened.ask(method="POST", Cookie=cookie, Origin="http://evil.example").status == 403
    gone = opened.ask("/api/session", "DELETE", Cookie=cookie)
    assert (gone.status, gone.json) == (200, {"name": "", "admin": False, "sign_in": "token"})
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    assert opened.ask(Cookie=cookie).status == 401
    assert opened.ask("/api/session").status == 401


def test_a_session_by_the_daemon_s_own_token(door: Opener) -> None:
    opened = door(sign_in="token")
    cookie = cookie_of(opened.ask("/api/session", "POST", Authorization=f"Bearer {TOKEN}"))
    assert opened.ask(Cookie=cookie).json == {"name": "", "admin": True}


def test_removing_a_token_ends_its_sessions(door: Opener) -> None:
    opened = door(sign_in="token")
    tokens = TokenFile(opened.state)
    cookie = cookie_of(opened.ask("/api/session", "POST", Authorization=f"Bearer {tokens.add('phone')}"))
    assert opened.ask(Cookie=cookie).status == 200
    tokens.remove("phone")
    tokens.add("phone")
    assert opened.ask(Cookie=cookie).status == 401
    again = cookie_of(opened.ask("/api/session", "POST", Authorization=f"Bearer {tokens.add('other')}"))
    (opened.state / "tokens.json").write_text("nonsense")
    assert opened.ask(Cookie=again).status == 500


def test_changing_a_password_ends_its_sessions(users: Door, app_db: sqlite3.Connection) -> None:
    cookie = cookie_of(users.sign_in("ann", "blåbær:1", "/api/session", "POST"))
    app_db.execute("UPDATE user SET role = 1 WHERE name = 'Ann'")
    assert users.ask(Cookie=cookie).json == {"name": "Ann", "admin": True}
    fresh = generate_password_hash("blåbær:1", PBKDF2)
    app_db.execute("UPDATE user SET password = ? WHERE name = 'Ann'", (fresh,))
    assert users.ask(Cookie=cookie).status == 401
    again = cookie_of(users.sign_in("ann", "blåbær:1", "/api/session", "POST"))
    app_db.execute("DELETE FROM user WHERE name = 'Ann'")
    assert users.ask(Cookie=again).status == 401


def test_a_session_goes_on_while_its_name_is_locked(users: Door) -> None:
    cookie = cookie_of(users.sign_in("admin", "admin123", "/api/session", "POST"))
    for _ in range(10):
        users.sign_in("admin", "guess")
    assert users.sign_in("admin", "admin123").status == 429
    assert users.ask(Cookie=cookie).json == {"name": "admin", "admin": True}


def test_a_session_ends_when_it_is_not_used(door: Opener) -> None:
    opened = door(sign_in="token")
    now = 0.0
    opened.gate.sessions = Sessions(lambda: now)
    cookie = cookie_of(opened.ask("/api/session", "POST", Authorization=f"Bearer {TOKEN}"))
    for _ in range(3):
        now += sessions.IDLE_SECONDS
        assert opened.ask(Cookie=cookie).status == 200
    now += sessions.IDLE_SECONDS + 1
    assert opened.ask(Cookie=cookie).status == 401


def test_the_cookie_is_secure_over_https_only_and_no_header_says_so(door: Opener) -> None:
    opened = door(sign_in="token")
    answer = opened.ask(
        "/api/session",
        "POST",
        Authorization=f"Bearer {TOKEN}",
        X_Forwarded_Proto="https",
        Forwarded="proto=https",
    )
    assert "secure" not in answer.headers["Set-Cookie"].lower()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_secure_over_https(tmp_path: Path, scheme: str) -> None:
    gate = gate_for(ServerSettings(sign_in="token"), tmp_path, TOKEN)
    app = Gatekeeper(Starlette(routes=session.routes(gate)), gate)
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/api/session", "headers": headers}
        await app({**scope, "scheme": scheme, "query_string": b"", "root_path": ""}, receive, send)

    asyncio.run(ask())
    cookie = dict(sent[0]["headers"])[b"set-cookie"].lower()
    assert sent[0]["status"] == 200
    assert (b"secure" in cookie) == (scheme == "https")


# headers from anybody

TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
NAMES = st.sampled_from(["Authorization", "Cookie", "Host", "Origin", "Referer", "Sec-Fetch-Site"])
VALUES = st.one_of(
    TEXT,
    TEXT.map(lambda text: f"Bearer {text}"),
    TEXT.map(lambda text: f"Basic {text}"),
    st.binary(max_size=30).map(lambda data: f"Basic {base64.b64encode(data).decode()}"),
    TEXT.map(lambda text: f"{COOKIE}={text}"),
    TEXT.map(lambda text: f"http://{text}"),
)


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    path=TEXT.map(lambda text: "/" + text.replace(" ", "")),
    method=st.sampled_from(METHODS),
)
def test_no_header_is_too_strange(
    users: Door, headers: list[tuple[str, str]], path: str, method: str
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in [("Connection", "close"), *headers])
    host = "" if any(name == "Host" for name, _ in headers) else "Host: localhost\r\n"
    with socket.create_connection(("127.0.0.1", users.port), 20) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{host}{head}\r\n".encode("latin-1"))
        with connection.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            answer.read()
    assert status in {400, 401, 403, 404, 405, 429}, (status, headers)


def test_the_lock_is_bounded_in_memory() -> None:
    names = Lockout(most=1000)
    for _ in range(lockout.FAILURES):
        names.failed("the locked one")
    for number in range(5000):
        names.failed(f"name {number}")
    assert len(names._records) == 1000
    with pytest.raises(LockedError):
        names.check("the locked one")
