"""What holds for every request and answer: the paths of old, headers for browsers, bounds, owners."""

from __future__ import annotations

import base64
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from bookhopper.api.auth import gate_for
from bookhopper.api.middleware import plain_path
from bookhopper.model import Pick
from bookhopper.settings import ServerSettings
from tests.site import SOURCE, TOKEN, Site, running_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", "/"),
        ("/request", "/"),
        ("/request/", "/"),
        ("/request/api/status", "/api/status"),
        ("/request/api/status/", "/api/status"),
        ("/api/status/", "/api/status"),
        ("/api/status//", "/api/status/"),
        ("//", "/"),
        ("/requests", "/requests"),
        ("/request//api", "//api"),
        ("/request/request/api", "/request/api"),
        ("/api/request", "/api/request"),
        ("", "/"),
    ],
)
def test_paths_of_old_are_plain_ones(path: str, plain: str) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize(
    "path",
    ["/api/downloads", "/api/downloads/", "/request/api/downloads", "/request/api/downloads/?limit=100"],
)
def test_every_path_is_there_as_the_ancestor_had_it(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.json["total"]) == (200, 0)


@pytest.mark.parametrize("path", ["/", "/api/downloads", "/nope", "/api/downloads/x", "/metrics"])
def test_browsers_are_told_what_not_to_do(site: Site, path: str) -> None:
    headers = site.ask(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert headers["Server"] is None
    assert headers["Access-Control-Allow-Origin"] is None
    assert (headers["Cache-Control"] == "no-store") == path.startswith("/api")


def test_headers_have_a_bound(site: Site) -> None:
    endless = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1_000_000
    with suppress(ConnectionError):  # the server need not read it all
        assert b" 400 " in site.exchange(endless)
    assert site.ask("/healthz").status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/api/downloads?status=%FF%FE", "/api/downloads?status=%00", "/api/downloads?limit=%ED%A0%80"),
        *("/api/downloads/%FF:%00", "/api/downloads/a:%ED%A0%80", "/api/downloads/a:%F0%9F", "/api/%00"),
        *("/api/download?id=%00", "/api/info?id=a:%FF", "/api/search?query=%00%FF&lang=%ED%A0%80"),
        *("/api/localdownload?id=../../etc/passwd", "/page/..%2f..%2fserver.py", "/page/%00"),
    ],
)
def test_no_path_is_too_odd(site: Site, path: str) -> None:
    assert site.ask(path).status in {200, 400, 404}


def test_noise_is_refused(site: Site) -> None:
    assert b" 400 " in site.exchange(b"\x00\xff\x16\x03\x01 nonsense\r\n\r\n")
    assert site.ask("/healthz").status == 200


def test_random_bytes_end_nothing(site: Site) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", site.port), 20) as connection:
            connection.sendall(os.urandom(200))
    assert site.ask("/healthz").status == 200


# whose it is


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Site]:
    """A site where one signs in with Calibre-Web's users: the administrator `boss`, and `ann` and `bob`."""
    with closing(sqlite3.connect(tmp_path / "app.db")) as users, users:
        users.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT, role INTEGER, password TEXT)")
        hashed = generate_password_hash("secret", "pbkdf2:sha256:1")
        for name, role in (("boss", 1), ("ann", 0), ("bob", 0)):
            users.execute("INSERT INTO user (name, role, password) VALUES (?, ?, ?)", (name, role, hashed))
    gate = gate_for(ServerSettings(sign_in="calibre-web", app_db=tmp_path / "app.db"), tmp_path, TOKEN)
    with running_site(tmp_path, gate) as site:
        yield site


def as_user(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()


def test_what_somebody_adds_is_theirs(shared: Site) -> None:
    shared.ask("/api/requests", "POST", "Emma — Jane Austen", Authorization=as_user("ann"))
    shared.send("/api/downloads/batch", {"book_ids": [f"{SOURCE}:a~epub"]}, Authorization=as_user("bob"))
    items = shared.ask("/api/downloads", Authorization=as_user("bob")).json["items"]
    assert {item["owner"]: item["id"] for item in items} == {"ann": 1, "bob": 2}


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("cancel", None),
        ("pause", None),
        ("resume", None),
        ("retry", None),
        ("priority", {"priority": 0}),
        ("move", {"before": None}),
        ("pick", {"source": SOURCE, "key": "a"}),
    ],
)
def test_a_download_is_its_owner_s_to_change(shared: Site, action: str, body: Any) -> None:
    shared.ask("/api/requests", "POST", "Emma — Jane Austen", Authorization=as_user("ann"))
    refused = "download 1 was queued by somebody else: ask them, or an administrator"
    answer = shared.send(f"/api/downloads/1/{action}", body, Authorization=as_user("bob"))
    assert (answer.status, answer.json) == (403, {"error": refused})
    for user in ("ann", "boss"):
        answer = shared.send(f"/api/downloads/1/{action}", body, Authorization=as_user(user))
        assert answer.status in {200, 409}, user
    assert shared.ask(f"/api/downloads/1/{action}", "POST").status == 401


def test_of_many_downloads_only_one_s_own_are_changed(shared: Site) -> None:
    shared.ask("/api/requests", "POST", "Emma — Jane Austen", Authorization=as_user("ann"))
    shared.ask("/api/requests", "POST", "Ulysses — James Joyce", Authorization=as_user("bob"))
    body = {"ids": [1, 2], "action": "cancel"}
    answer = shared.send("/api/downloads/batch-action", body, Authorization=as_user("bob"))
    assert (answer.status, [result["ok"] for result in answer.json["results"]]) == (207, [False, True])
    assert shared.queue.states() == {"wanted": 1, "cancelled": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/downloads/pause", None),
        ("POST", "/api/downloads/resume", None),
        ("PUT", "/api/workers", {"workers": 4}),
    ],
)
def test_the_queue_is_the_administrators_to_change(shared: Site, method: str, path: str, body: Any) -> None:
    refused = "only an administrator may do this: ask one of yours"
    answer = shared.send(path, body, method, Authorization=as_user("ann"))
    assert (answer.status, answer.json) == (403, {"error": refused})
    assert shared.send(path, body, method, Authorization=as_user("boss")).status == 200


@pytest.mark.parametrize("line", ["!! pick: 2 gutenberg:345", "pick: 2 gutenberg:345"])
def test_a_list_picks_books_for_one_s_own_downloads_only(shared: Site, line: str) -> None:
    for user, text in (("ann", "Emma — Jane Austen"), ("bob", "Dracula — Bram Stoker")):
        shared.ask("/api/requests", "POST", text, Authorization=as_user(user))
    before = shared.queue.job(2)
    taken = shared.ask("/api/requests", "POST", line, Authorization=as_user("ann")).json
    assert (taken["new"], taken["bad"]) == (0, 1)
    (shown,) = taken["lines"]
    assert (shown["note"], shown["reason"]) == ("bad", "job 2 was queued by somebody else")
    assert shared.queue.job(2) == before
    for user in ("bob", "boss"):
        taken = shared.ask("/api/requests", "POST", line, Authorization=as_user(user)).json
        assert [shown["note"] for shown in taken["lines"]] == ["picked"], user
        assert shared.queue.job(2).want.pick == Pick("gutenberg", "345")
