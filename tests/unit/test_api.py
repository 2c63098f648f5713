"""What the HTTP server shows, over a real socket: lists, one download, figures, health, faults."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bookhopper.api import address, listener
from bookhopper.api.callers import ForbiddenError
from bookhopper.api.server import Server
from bookhopper.errors import BookhopperError, HeldError, StoreError
from bookhopper.intake.base import UnreadableRequestError
from bookhopper.model import Candidate, Job, State
from bookhopper.store.base import UnfitError, UnknownJobError
from bookhopper.ticket import Ticket
from tests.queues import candidate, want
from tests.site import Site, in_every_state, running_site, serving
from tests.waiting import until

NOT_FOUND = {"error": "Resource not found"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


# lists


def test_an_empty_list(site: Site) -> None:
    answer = site.ask("/api/downloads")
    assert (answer.status, answer.json) == (200, {"items": [], "total": 0, "limit": 100, "offset": 0})
    assert answer.headers["Content-Type"] == "application/json"


def test_a_download_shows_everything(site: Site) -> None:
    found = Candidate(
        "shelf", "7", "A Täle", ("Ann",), "en", "epub", 10, 1999, urls=("http://u:p@x/1",), score=0.91239,
        parts={"title": 0.33333},
    )  # fmt: skip
    job = site.queue.queued(want("A Täle"), found)
    (item,) = site.ask("/api/downloads").json["items"]
    assert item.pop("created") <= item.pop("changed") <= time.time()
    assert item == {
        "id": job,
        "book_id": str(job),
        "parent": None,
        "children": None,
        "owner": "",
        "state": "queued",
        "paused": False,
        "asked": None,
        "title": "A Täle",
        "authors": ["Ann Author"],
        "request": 1,
        "line": 1,
        "raw": "A Täle — Ann Author",
        "priority": 1,
        "position": 0,
        "attempts": 0,
        "looks": 0,
        "error": None,
        "not_before": None,
        "candidate": {
            "source": "shelf",
            "key": "7",
            "title": "A Täle",
            "authors": ["Ann"],
            "language": "en",
            "format": "epub",
            "size": 10,
            "year": 1999,
            "score": 0.912,
            "parts": {"title": 0.333},
        },
        "stage": None,
        "received": 0,
        "total": None,
        "percent": None,
        "speed": None,
        "eta": None,
    }


def test_a_running_download_shows_its_progress(site: Site) -> None:
    job = site.run_one()
    item = site.ask(f"/api/downloads/{job}").json
    progress = {name: item[name] for name in ("state", "stage", "received", "total", "percent")}
    assert progress == {
        "state": "downloading",
        "stage": "download",
        "received": 250,
        "total": 1000,
        "percent": 25.0,
    }
    assert item["speed"] >= 0
    assert site.ask("/api/downloads?status=downloading").json["items"][0]["received"] == 250
    status = site.ask("/api/downloads/status").json
    assert (status["active"], status["workers"], status["held"]) == (1, 3, {})


def test_lists_come_in_pages(site: Site) -> None:
    jobs = site.queue.add(*(want(f"Tale {number}") for number in range(5)))
    answer = site.ask("/api/downloads?limit=2&offset=3").json
    assert [item["id"] for item in answer["items"]] == jobs[3:5]
    assert (answer["total"], answer["limit"], answer["offset"]) == (5, 2, 3)
    assert site.ask("/api/downloads?limit=0").json["items"] == []
    assert site.ask("/api/downloads?offset=9").json["items"] == []
    assert site.ask("/api/downloads?limit=5000").json["limit"] == 1000


def test_lists_are_filtered_by_state(site: Site) -> None:
    queued = site.queue.queued(want("Queued"), candidate())
    (wanted,) = site.queue.add(want("Wanted"))
    site.control.pause(wanted)
    for query, expected in (
        ("status=queued", [queued]),
        ("status=wanted,done", [wanted]),
        ("status=queued&status=wanted", [queued, wanted]),
        ("status=done", []),
        ("status=", [queued, wanted]),
        ("status=pending", [queued, wanted]),
        ("status=pending,done", [queued, wanted]),
        ("status=completed", []),
        ("status=paused", [wanted]),
        ("status=paused,queued", []),
        ("request=1", [queued]),
        ("request=2&status=wanted", [wanted]),
        ("request=3", []),
    ):
        answer = site.ask(f"/api/downloads?{query}").json
        assert [item["id"] for item in answer["items"]] == expected, query
        assert answer["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=x", "limit: a whole number from 0 is expected"),
        ("limit=-1", "limit: a whole number from 0 is expected"),
        ("limit=", "limit: a whole number from 0 is expected"),
        ("limit=%D9%A1", "limit: a whole number from 0 is expected"),
        ("offset=1.5", "offset: a whole number from 0 is expected"),
        ("offset=9999999999", "offset: a whole number from 0 is expected"),
        ("offset=1000000001", "offset: a whole number from 0 is expected"),
        ("request=-", "request: a whole number from 0 is expected"),
        ("status=nope", f"status: one of {', '.join(State)}, pending, completed, paused is expected"),
    ],
)
def test_bad_parameters_are_refused(site: Site, query: str, error: str) -> None:
    answer = site.ask(f"/api/downloads?{query}")
    assert (answer.status, answer.json) == (400, {"error": error})


@pytest.mark.parametrize("number", ["42", "0", "9223372036854775807", "99999999999999999999999"])
def test_a_download_that_is_not_there(site: Site, number: str) -> None:
    answer = site.ask(f"/api/downloads/{number}")
    assert (answer.status, answer.json) == (404, {"error": f"there is no download {int(number)}"})


def test_the_queue_s_status(site: Site) -> None:
    site.queue.add(want("One"), want("Two"))
    status = site.ask("/api/downloads/status").json
    assert status["counts"] == {state.value: 2 if state is State.WANTED else 0 for state in State}
    assert (status["total"], status["active"], status["workers"], status["held"]) == (2, 0, 3, {})
    assert (status["paused"], status["hosts"]) == (False, {})


def test_a_held_queue_says_why(site: Site) -> None:
    site.queue.queued(want(), candidate())

    def hold(job: Job, ticket: Ticket) -> None:
        raise HeldError("the disk is full: make room", scope="queue", seconds=60)

    site.fetchers._step = hold
    site.fetchers.start()
    until(lambda: site.fetchers.held)
    assert site.ask("/api/downloads/status").json["held"] == {"download": "the disk is full: make room"}


def test_a_download_by_the_id_of_its_book(site: Site) -> None:
    assert site.send("/api/downloads/batch", {"book_ids": ["shelf:a/b c.epub~epub"]}).status == 200
    (item,) = site.ask("/api/downloads").json["items"]
    assert item["book_id"] == "shelf:a/b c.epub~epub"
    for path in ("shelf:a/b%20c.epub~epub", "shelf%3Aa%2Fb%20c.epub%7Eepub", str(item["id"])):
        assert site.ask(f"/api/downloads/{path}").json["id"] == item["id"], path


def test_a_download_with_all_there_is_to_it(site: Site) -> None:
    job = site.queue.downloading(want(), candidate("1"), replace(candidate("2"), fault="broken"))
    site.queue.place(job, candidate("1"))
    site.store.complete(job.id)
    item = site.ask(f"/api/downloads/{job.id}").json
    assert [(one["key"], one["fault"]) for one in item["candidates"]] == [("1", None), ("2", "broken")]
    assert "urls" not in item["candidates"][0]
    done_at = item["delivery"].pop("done_at")
    assert 0 < done_at <= time.time()
    assert item["delivery"].pop("seconds") >= 0
    expected = {"name": f"{job.id}.epub", "format": "epub", "size": 10, "sha256": f"sha-{job.id}"}
    assert item["delivery"] == expected


def test_the_queue_in_its_order(site: Site) -> None:
    wanted = site.queue.add(want("One"), want("Two"))
    site.control.prioritise({wanted[1]: -5})
    answer = site.ask("/api/queue?limit=1").json
    assert ([item["id"] for item in answer["items"]], answer["total"]) == ([wanted[1]], 2)
    assert [item["id"] for item in site.ask("/api/queue?offset=1").json["items"]] == [wanted[0]]


def test_what_was_cleared_is_in_the_history_only(site: Site) -> None:
    jobs = in_every_state(site)
    settled = {jobs[state] for state in ("done", "owned", "duplicate", "failed", "cancelled")}
    assert settled < {item["id"] for item in site.ask("/api/downloads").json["items"]}
    site.control.clear()
    left = site.ask("/api/downloads").json
    assert not settled & {item["id"] for item in left["items"]}
    assert left["total"] == len(left["items"])
    history = site.ask("/api/history").json
    assert ({item["id"] for item in history["items"]}, history["total"]) == (settled, 5)
    deliveries = {item["id"]: item["delivery"] for item in history["items"]}
    assert deliveries[jobs["done"]]["name"] == f"{jobs['done']}.epub"
    assert deliveries[jobs["failed"]] is None
    assert site.ask("/api/history?limit=1&offset=4").json["items"][0]["id"] == jobs["done"]


def test_statistics(site: Site) -> None:
    nothing = {"completed": 0, "failed": 0, "success_rate": None, "bytes": 0, "mean_speed": None}
    empty = {"active": 0, "queued": 0, "all_time": nothing, "last_24h": nothing}
    assert site.ask("/api/statistics").json == empty
    in_every_state(site)
    counts = site.ask("/api/downloads/status").json["counts"]
    shown = site.ask("/api/statistics").json
    assert shown["queued"] == counts["wanted"] + counts["searching"] + counts["queued"]
    assert shown["active"] == 3
    achieved = shown["all_time"]
    assert (achieved["completed"], achieved["failed"], achieved["success_rate"]) == (1, 1, 0.5)
    assert achieved["bytes"] == 10
    assert achieved["mean_speed"] > 0
    assert shown["last_24h"] == achieved


# health


def test_a_healthy_daemon(site: Site) -> None:
    assert site.ask("/healthz").json == {"ok": True, "parts": {"watcher": True, "writer": True}}
    assert (site.ask("/readyz").status, site.ask("/readyz").json) == (200, {"ready": True})


def test_a_dead_part_is_named(site: Site) -> None:
    site.health["writer"] = False
    answer = site.ask("/healthz")
    assert (answer.status, answer.json["ok"], answer.json["parts"]["writer"]) == (503, False, False)
    assert (site.ask("/readyz").status, site.ask("/readyz").json) == (503, {"ready": False})


def test_metrics_are_text(site: Site) -> None:
    answer = site.ask("/metrics")
    assert (answer.status, answer.body) == (200, b"a_metric 1\n")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")


# who may ask, and what for


@pytest.mark.parametrize(
    "path",
    [
        *("/nope", "/api", "/metrics/x", "//api/downloads", "/api//downloads", "/api%2Fnope"),
        *(
            "/api/downloads/x",
            "/api/downloads/1/x",
            "/api/downloads/%00",
        ),
        *("/requests/api/downloads", "/request/request/api/downloads", "/request//api/downloads"),
    ],
)
def test_an_unknown_path(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.json) == (404, NOT_FOUND)


def test_a_wrong_method(site: Site) -> None:
    answer = site.ask("/api/downloads", "POST")
    assert (answer.status, answer.json) == (405, {"error": "This method is not for this address"})
    assert "GET" in answer.headers["Allow"]


def test_head_is_answered_without_a_body(site: Site) -> None:
    answer = site.ask("/healthz", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


# faults


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (HeldError("the disk is full: make room"), 503, "the disk is full: make room"),
        (UnknownJobError("there is none"), 404, "there is none"),
        (UnfitError("it is done"), 409, "it is done"),
        (ForbiddenError("not yours"), 403, "not yours"),
        (UnreadableRequestError(1, 2, "odd"), 400, "line 1, column 2: odd"),
        (StoreError("the store is closed"), 503, "the store is closed"),
        (BookhopperError("that makes no sense"), 400, "that makes no sense"),
        (ZeroDivisionError("secret"), 500, "the daemon met a fault of its own; its log says more"),
    ],
)
def test_faults_have_a_status_and_one_line(
    site: Site, error: Exception, status: int, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    def failing() -> Any:
        raise error

    site.queue.store.counts = failing  # type: ignore[method-assign]
    answer = site.ask("/api/downloads/status")
    assert (answer.status, answer.json) == (status, {"error": shown})
    assert ("GET /api/downloads/status failed" in caplog.text) == (status == 500)
    assert answer.headers["Retry-After"] == ("30" if isinstance(error, HeldError) else None)


# the server itself


def hello(_: Request) -> Response:
    return Response("hello")


def test_what_was_asked_before_the_start_is_answered() -> None:
    bound = listener.bind("127.0.0.1", 0)
    server = Server(Starlette(routes=[Route("/", hello)]), bound)
    with socket.create_connection(bound.getsockname(), 20) as early:
        early.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        server.start()
        assert early.makefile("rb").read().endswith(b"hello")
    server.stop(time.monotonic() + 20)


def test_a_server_that_never_started_stops() -> None:
    bound = listener.bind("127.0.0.1", 0)
    Server(Starlette(), bound).stop(time.monotonic())
    assert bound.fileno() == -1


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with serving(Starlette(routes=[Route("/", hello)]), "::1") as bound:
        port = bound.getsockname()[1]
        assert listener.url_of(bound) == f"http://[::1]:{port}"
        connection = http.client.HTTPConnection("::1", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"hello"
        connection.close()


def test_an_address_that_is_taken_says_so() -> None:
    bound = listener.bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    assert listener.url_of(bound) == f"http://127.0.0.1:{port}"
    remedy = "change server.listen, or stop what is there"
    with pytest.raises(BookhopperError) as refused:
        listener.bind("127.0.0.1", port)
    assert str(refused.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use: {remedy}"
    bound.close()


# the address that it leaves


def test_the_address_is_for_its_user_only(tmp_path: Path) -> None:
    token = address.new_token()
    assert len(token) >= 40
    (tmp_path / "server.json.tmp").write_text("left by a crash")
    address.leave_address(tmp_path, "http://127.0.0.1:1", token)
    assert address.find_address(tmp_path) == ("http://127.0.0.1:1", token)
    assert (tmp_path / "server.json").stat().st_mode & 0o777 == 0o600
    address.forget_address(tmp_path)
    address.forget_address(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"bookhopper is not running \(nothing at .*\): start it with `bookhopper run`"),
        (b"", "is damaged: restart bookhopper, which writes it anew"),
        (b"[]", "is damaged"),
        (b'{"url": 1}', "is damaged"),
        (b"\xff", "is damaged"),
    ],
)
def test_an_address_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "server.json").write_bytes(content)
    with pytest.raises(BookhopperError, match=message) as refused:
        address.find_address(tmp_path)
    assert "\n" not in str(refused.value)


def test_an_address_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "server.json").mkdir()
    with pytest.raises(BookhopperError, match="Is a directory: run this as bookhopper's own user"):
        address.find_address(tmp_path)
