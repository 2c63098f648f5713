"""What people ask of the queue over HTTP: one download, many, the whole queue, workers, lists."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bookhopper.api import fields
from bookhopper.model import State
from bookhopper.store.base import Move
from tests.queues import candidate, want
from tests.site import SOURCE, Answer, Site, running_site
from tests.waiting import DEADLINE, until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as site:
        yield site


def queued(site: Site, *titles: str) -> list[int]:
    return [site.queue.queued(want(title), candidate(title)) for title in titles]


# one download


def test_cancelling_what_waits(site: Site) -> None:
    (job,) = site.queue.add(want())
    answer = site.ask(f"/api/downloads/{job}/cancel", "POST")
    assert (answer.status, answer.json["id"], answer.json["state"]) == (200, job, "cancelled")
    again = site.ask(f"/api/downloads/{job}/cancel", "POST")
    assert again.status == 409
    assert again.json["error"]


def test_cancelling_what_runs(site: Site) -> None:
    job = site.run_one()
    assert site.ask(f"/api/downloads/{job}/cancel", "POST").json["state"] == "cancelled"
    assert site.ask("/api/workers").json["busy"] == 0


def test_pausing_and_resuming_what_runs(site: Site) -> None:
    job = site.run_one()
    paused = site.ask(f"/api/downloads/{job}/pause", "POST").json
    assert (paused["state"], paused["paused"], paused["asked"]) == ("queued", True, None)
    assert site.ask(f"/api/downloads/{job}/resume", "POST").json["paused"] is False


def test_retrying_what_failed(site: Site) -> None:
    job = site.queue.downloading(want(), candidate())
    site.store.move(Move(job.id, State.DOWNLOADING, State.FAILED, "broken"))
    answer = site.ask(f"/api/downloads/{job.id}/retry", "POST")
    assert (answer.status, answer.json["state"]) == (200, "wanted")


def test_a_priority(site: Site) -> None:
    first, second = site.queue.add(want("One"), want("Two"))
    answer = site.send(f"/api/downloads/{second}/priority", {"priority": -3})
    assert (answer.status, answer.json["priority"]) == (200, -3)
    assert [item["id"] for item in site.ask("/api/queue").json["items"]] == [second, first]
    site.control.cancel(first)
    answer = site.send(f"/api/downloads/{first}/priority", {"priority": 0})
    problem = f"download {first} is cancelled: its priority says nothing any more"
    assert (answer.status, answer.json) == (409, {"error": problem})


def test_moving_one_before_another(site: Site) -> None:
    first, second, third = queued(site, "One", "Two", "Three")
    assert site.send(f"/api/downloads/{third}/move", {"before": first}).json["id"] == third
    assert site.send(f"/api/downloads/{first}/move", {"before": None}).status == 200
    assert site.send(f"/api/downloads/{second}/move", {"before": str(third)}).status == 200
    assert [item["id"] for item in site.ask("/api/queue").json["items"]] == [second, third, first]
    unknown = site.send(f"/api/downloads/{third}/move", {"before": 99})
    assert (unknown.status, unknown.json) == (404, {"error": "there is no download 99"})


def test_picking_a_book(site: Site) -> None:
    job = site.queue.downloading(want(), candidate())
    site.store.move(Move(job.id, State.DOWNLOADING, State.AMBIGUOUS, "several"))
    answer = site.send(f"/api/downloads/{job.id}/pick", {"source": SOURCE, "key": "a.epub"})
    assert (answer.status, answer.json["state"]) == (200, "wanted")
    pick = site.queue.job(job.id).want.pick
    assert pick is not None
    assert (pick.source, pick.key) == (SOURCE, "a.epub")


def test_picking_from_a_source_that_there_is_none_of(site: Site) -> None:
    (job,) = site.queue.add(want())
    answer = site.send(f"/api/downloads/{job}/pick", {"source": "nowhere", "key": "1"})
    assert (answer.status, answer.json) == (
        409,
        {"error": f"no source is called nowhere; there are: {SOURCE}"},
    )
    assert site.queue.job(job).want == want()


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry", "priority", "move", "pick"])
def test_what_is_not_there_cannot_be_changed(site: Site, action: str) -> None:
    bodies = {"priority": {"priority": 1}, "move": {"before": None}, "pick": {"source": "a", "key": "b"}}
    answer = site.send(f"/api/downloads/7/{action}", bodies.get(action))
    assert (answer.status, answer.json) == (404, {"error": "there is no download 7"})
    answer = site.ask(f"/api/downloads/7/{action}")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# the whole queue


def test_pausing_the_queue(site: Site) -> None:
    job = site.run_one()
    assert site.ask("/api/downloads/pause", "POST").json["paused"] is True
    assert site.store.setting("queue_paused")
    status = site.ask("/request/api/downloads/resume/", "POST").json
    assert (status["paused"], status["total"]) == (False, 1)
    assert site.queue.job(job).paused is False


def test_workers(site: Site) -> None:
    assert site.ask("/api/workers").json == {"workers": 3, "busy": 0, "limit": 32}
    answer = site.send("/api/workers", {"workers": 5}, "PUT")
    assert (answer.status, answer.json["workers"], site.fetchers.size) == (200, 5, 5)
    for wrong in (0, 33, -1):
        assert site.send("/api/workers", {"workers": wrong}, "PUT").status == 400
    answer = site.ask("/api/workers", "DELETE")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, PUT")


# many at once


def test_queueing_many(site: Site) -> None:
    (known,) = site.queue.add(want())
    ids = [f"{SOURCE}:a/b.epub~epub", known, str(known), "nope", f"{SOURCE}:a/b.epub~epub"]
    for name in ("book_ids", "track_ids"):
        answer = site.send("/api/downloads/batch", {name: ids, "priority": -2})
        assert answer.status == 207
        results = answer.json["results"]
        assert [result["id"] for result in results] == ids
        assert [result["ok"] for result in results] == [True, True, True, False, True]
        assert results[3]["error"] == "Book not found"
    queue = site.ask("/api/queue").json["items"]
    assert [(item["book_id"], item["priority"]) for item in queue] == [
        (str(known), -2),
        (f"{SOURCE}:a/b.epub~epub", -2),
    ]


@pytest.mark.parametrize(
    ("action", "state"),
    [("cancel", "cancelled"), ("pause", "wanted"), ("resume", "wanted"), ("priority", "wanted")],
)
def test_changing_many(site: Site, action: str, state: str) -> None:
    jobs = site.queue.add(want("One"), want("Two"))
    if action == "resume":
        for job in jobs:
            site.control.pause(job)
    body = {"ids": jobs, "action": action} | ({"priority": 9} if action == "priority" else {})
    answer = site.send("/api/downloads/batch-action", body)
    expected = [{"id": job, "ok": True, "error": None} for job in jobs]
    assert (answer.status, answer.json) == (200, {"results": expected})
    for job in jobs:
        assert site.queue.job(job).state == state
        assert site.queue.job(job).paused is (action == "pause")
        assert site.queue.job(job).priority == (9 if action == "priority" else 1)


def test_each_of_many_has_its_own_answer(site: Site) -> None:
    jobs = site.queue.add(want("One"), want("Two"))
    site.control.cancel(jobs[0])
    answer = site.send("/api/downloads/batch-action", {"ids": [jobs[0], jobs[1], 99], "action": "cancel"})
    assert answer.status == 207
    assert [result["ok"] for result in answer.json["results"]] == [False, True, False]
    assert answer.json["results"][2]["error"] == "there is no download 99"
    answer = site.send("/api/downloads/batch-action", {"ids": [jobs[0]], "action": "retry"})
    assert (answer.status, site.queue.job(jobs[0]).state) == (200, State.WANTED)


# lists


def test_a_list(site: Site) -> None:
    text = "Emma — Jane Austen\n\n! Frankenstein — Mary Shelley\nEmma — Jane Austen\nisbn: 123\n"
    answer = site.ask("/api/requests?name=to-read.txt", "POST", text)
    assert answer.status == 201
    taken = answer.json
    lines = taken.pop("lines")
    assert taken == {"request": 1, "name": "to-read.txt", "new": 2, "known": 1, "bad": 1}
    assert [line["line"] for line in lines] == [1, 3, 4, 5]
    assert [line["note"] for line in lines] == ["new", "new", "known", "bad"]
    assert [line["job"] for line in lines] == [1, 2, 1, None]
    assert lines[0]["raw"] == "Emma — Jane Austen"
    assert (lines[0]["reason"], bool(lines[3]["reason"])) == (None, True)
    assert site.ask("/api/downloads?request=1").json["total"] == 2


def test_only_the_beginning_of_a_long_list_is_shown(site: Site) -> None:
    text = "".join(f"Tale number {number} — Ann Author\n" for number in range(1001))
    taken = site.ask("/api/requests", "POST", text).json
    assert (taken["new"], len(taken["lines"])) == (1001, 1000)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "line 1, column 1: there is no want in it; write one book a line"),
        (b"# nothing\n", "line 1, column 1: there is no want in it; write one book a line"),
    ],
)
def test_a_list_that_cannot_be_read(site: Site, body: bytes, error: str) -> None:
    answer = site.ask("/api/requests?name=a.txt", "POST", body)
    assert (answer.status, answer.json) == (400, {"error": error})


def test_a_list_that_is_too_large(site: Site) -> None:
    limit = site.view.max_list
    for size in (limit + 1, 8 * limit):
        answer = site.ask("/api/requests?name=a.txt", "POST", b"x" * size)
        assert (answer.status, answer.json) == (
            413,
            {"error": f"the body is too large: at most {limit} bytes are read"},
        )
    assert site.store.request(1) is None


# bodies


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "body: no JSON: EOF while parsing a value at line 1 column 0"),
        (b"[]", "body: an object is expected"),
        (b"null", "body: an object is expected"),
        (b"{}", "priority: is missing"),
        (b'{"priority": true}', "priority: a whole number is expected"),
        (b'{"priority": "1"}', "priority: a whole number is expected"),
        (b'{"priority": 1.5}', "priority: a whole number is expected"),
        (b'{"priority": null}', "priority: a whole number is expected"),
        (b'{"priority": 1000001}', "priority: at most 1000000 is expected"),
        (b'{"priority": -1000001}', "priority: at least -1000000 is expected"),
        (b'{"priority": 1e400}', "priority: a whole number is expected"),
        (b'{"priority": NaN}', "priority: a whole number is expected"),
        (b'{"priority": ' + b"9" * 4000 + b"}", "priority: at most 1000000 is expected"),
        (b'{"priority": 1, "n\\u0000\\nm": 2}', "n m: is no field of this call"),
        (b'{"priority": 1, "' + b"a" * 5000 + b'": 2}', "a" * 200 + "…: is no field of this call"),
    ],
)
def test_bodies_that_make_no_sense(site: Site, body: bytes, error: str) -> None:
    (job,) = site.queue.add(want())
    answer = site.ask(f"/api/downloads/{job}/priority", "POST", body)
    assert (answer.status, answer.json) == (400, {"error": error})


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b'{"priority": 1',
        b'{"priority": "\\ud800"}',
        b'{"\xff": 1}',
        b"[" * 100_000,
        b'{"priority": ' + b"9" * 10_000 + b"}",
        b'{"priority": 1}{}',
    ],
)
def test_bodies_that_are_no_json(site: Site, body: bytes) -> None:
    answer = site.ask("/api/downloads/1/priority", "POST", body)
    assert answer.status == 400
    assert "\n" not in answer.json["error"]


def test_what_is_said_twice_or_as_a_whole_float_is_understood(site: Site) -> None:
    (job,) = site.queue.add(want())
    answer = site.ask(f"/api/downloads/{job}/priority", "POST", b'{"priority": 5, "priority": 7.0}')
    assert (answer.status, answer.json["priority"]) == (200, 7)


def test_a_priority_means_nothing_to_other_actions(site: Site) -> None:
    (job,) = site.queue.add(want("A Tale"))
    body = {"ids": [job], "action": "pause", "priority": 0}
    answer = site.send("/api/downloads/batch-action", body)
    assert (answer.status, answer.json["results"]) == (200, [{"id": job, "ok": True, "error": None}])
    found = site.queue.job(job)
    assert (found.paused, found.priority) == (True, 1)


NO_REFERENCE = "the number of a download or the id of a book is expected"
NO_PRIORITY = "body: priority is expected with the action priority"
NO_ACTION = "action: 'pause', 'resume', 'cancel', 'priority' or 'retry' is expected"


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("batch", {}, "body: either book_ids or track_ids is expected"),
        ("batch", {"book_ids": ["a"], "track_ids": ["b"]}, "body: either book_ids or track_ids is expected"),
        ("batch", {"book_ids": "a"}, "book_ids: a list is expected"),
        ("batch", {"book_ids": [True]}, f"book_ids.0: {NO_REFERENCE}"),
        ("batch", {"book_ids": ["\0"]}, f"book_ids.0: {NO_REFERENCE}"),
        ("batch", {"book_ids": [2**63]}, f"book_ids.0: {NO_REFERENCE}"),
        ("batch", {"book_ids": [1] * 1001}, "book_ids: at most 1000 are expected"),
        ("batch", {"book_ids": []}, "book_ids: at least 1 is expected"),
        ("batch-action", {"ids": [1], "action": "x"}, NO_ACTION),
        ("batch-action", {"ids": [1], "action": "priority"}, NO_PRIORITY),
        ("1/move", {"before": []}, f"before: {NO_REFERENCE}"),
        ("1/pick", {"source": "", "key": "k"}, "source: a text is expected"),
        ("1/pick", {"source": "s", "key": 7}, "key: a text is expected"),
    ],
)  # fmt: skip
def test_faults_name_their_field(site: Site, path: str, body: Any, error: str) -> None:
    site.queue.add(want())
    answer = site.send(f"/api/downloads/{path}", body)
    assert (answer.status, answer.json) == (400, {"error": error})


def test_a_body_that_is_too_large(site: Site) -> None:
    body = json.dumps({"priority": 1, "x": "y" * fields.MAX_BODY})
    answer = site.ask("/api/downloads/1/priority", "POST", body)
    assert (answer.status, answer.json) == (
        413,
        {"error": "the body is too large: at most 1048576 bytes are read"},
    )


def test_a_list_that_breaks_off_is_not_taken(site: Site) -> None:
    head = b"POST /api/requests?name=a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    answer = site.exchange(head + b"Emma - Jane Austen\n", hang_up=True)
    assert not answer.startswith(b"HTTP/1.1 2")
    assert site.store.counts()[State.WANTED] == 0


def test_a_body_that_does_not_come(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_READ_SECONDS", 0.05)
    head = "POST /api/downloads/1/priority HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
    assert b" 408 " in site.exchange(head.encode())


def test_a_body_that_takes_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_WHOLE_SECONDS", 0.3)
    head = b"POST /api/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    over = threading.Event()
    with socket.create_connection(("127.0.0.1", site.port), DEADLINE) as connection:

        def drip() -> None:
            while not over.wait(0.01):
                with suppress(OSError):
                    connection.send(b"x")

        connection.sendall(head)
        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert b" 408 " in connection.recv(1 << 16)
        finally:
            over.set()
            dripping.join()


def test_only_so_many_lists_are_held_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    taking: list[str] = []
    go = threading.Event()
    take = site.view.desk.take

    def slow_take(name: str, *arguments: Any) -> Any:
        taking.append(name)
        assert go.wait(DEADLINE)
        return take(name, *arguments)

    def hand_in(number: int) -> Answer:
        return site.ask(f"/api/requests?name={number}.txt", "POST", f"Tale {number} — Ann Author")

    monkeypatch.setattr(site.view.desk, "take", slow_take)
    with ThreadPoolExecutor(5) as threads:
        first = [threads.submit(hand_in, number) for number in range(4)]
        until(lambda: len(taking) == 4)
        waiting = threads.submit(hand_in, 4)
        monkeypatch.setattr(fields, "_READ_SECONDS", 0.1)
        refused = hand_in(5)
        assert (refused.status, refused.json) == (
            503,
            {"error": "4 others are at this already: try again a little later"},
        )
        assert int(refused.headers["Retry-After"]) > 0
        assert len(taking) == 4
        go.set()
        assert [answer.result().status for answer in first] == [201] * 4
        assert waiting.result().status in {201, 503}  # as long as it may wait
    assert hand_in(6).status == 201
