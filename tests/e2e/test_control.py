"""The queue in people's hands: a real daemon whose running downloads are paused, cancelled and overtaken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, TITLES, MakeDaemon, digest, path_of
from tests.fakes.mirror import Mirror
from tests.waiting import until

MOBY_DICK = "Moby Dick — Herman Melville"
LARGE_PATH = path_of(LARGE)
PART = 1_500_000


def running(daemon: Daemon, at_least: int) -> dict[str, Any]:
    """Wait until the large book is on its way, and give its download."""
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    until(lambda: any(job["received"] >= at_least for job in daemon.jobs()), "a download under way")
    (job,) = daemon.jobs()
    return job


def test_a_running_download_is_paused_and_goes_on_from_its_part_even_after_a_restart(
    daemon: Daemon, shelf: Mirror
) -> None:
    slow = shelf.hold(LARGE_PATH, PART, drips=True)
    job = running(daemon, slow.at)["id"]
    paused = daemon.ask("POST", f"/api/downloads/{job}/pause")
    assert (paused["state"], paused["paused"]) == ("queued", True)
    assert (daemon.state / "parts" / f"{job}.part").stat().st_size >= PART
    assert daemon.stop() == 0

    daemon.start()
    (found,) = daemon.jobs()
    assert (found["state"], found["paused"], found["attempts"]) == ("queued", True, 0)
    daemon.ask("POST", f"/api/downloads/{job}/resume")
    daemon.await_counts(done=1)
    _, second = shelf.requests(LARGE_PATH)
    assert (second.status, second.range) == (206, f"bytes={second.begun}-")
    assert second.begun >= PART
    (book,) = daemon.ingest.iterdir()
    assert digest(book.read_bytes()) == digest(shelf.content(LARGE_PATH))
    assert daemon.stop() == 0


def test_a_running_download_is_cancelled_without_a_trace(daemon: Daemon, shelf: Mirror) -> None:
    slow = shelf.hold(LARGE_PATH, PART, drips=True)
    job = running(daemon, slow.at)["id"]
    assert daemon.ask("DELETE", f"/api/download/{job}/cancel") == {"status": "cancelled", "book_id": str(job)}
    daemon.await_counts(cancelled=1)
    until(lambda: not list((daemon.state / "parts").glob("*.part")), "no part file")
    assert daemon.delivered() == []
    daemon.ask("POST", f"/api/downloads/{job}/retry")
    daemon.await_counts(done=1)
    assert daemon.stop() == 0


def test_the_whole_queue_stays_paused_across_a_restart(daemon: Daemon, shelf: Mirror) -> None:
    slow = shelf.hold(LARGE_PATH, PART, drips=True)
    running(daemon, slow.at)
    assert daemon.ask("POST", "/api/downloads/pause")["paused"] is True
    daemon.await_counts(queued=1)
    daemon.drop("more.txt", "Alice's Adventures in Wonderland — Lewis Carroll")
    daemon.await_counts(queued=2)
    assert daemon.stop() == 0

    daemon.start()
    assert daemon.get("/api/downloads/status")["paused"] is True
    daemon.await_counts(queued=2)
    assert daemon.ask("POST", "/api/downloads/resume")["paused"] is False
    daemon.await_counts(done=2)
    assert shelf.requests(LARGE_PATH)[-1].begun >= PART
    assert daemon.stop() == 0


@pytest.mark.parametrize("preempt", [True, False])
def test_an_urgent_book_goes_first(make_daemon: MakeDaemon, shelf: Mirror, *, preempt: bool) -> None:
    slow = shelf.hold(LARGE_PATH, PART, drips=True)
    daemon = make_daemon(queue={"preempt": preempt}, download={"workers": 1, "keep_free": 0})
    job = running(daemon, slow.at)["id"]
    daemon.drop("soon.txt", "Electra — Sophocles\nPride and Prejudice — Jane Austen")
    daemon.drop("urgent.txt", "! Frankenstein — Mary Shelley")
    if preempt:
        until(lambda: daemon.delivered() != [], "a book that did not wait")
        assert daemon.delivered()[0].startswith("Frankenstein")
    else:
        daemon.await_counts(downloading=1, queued=3)
        slow.go.set()
    daemon.await_counts(done=4)
    done = sorted(daemon.get("/api/history")["items"], key=lambda item: item["delivery"]["done_at"])
    assert next(item["title"] for item in done if item["id"] != job) == "Frankenstein"
    if preempt:
        assert done[0]["title"] == "Frankenstein"
        assert shelf.requests(LARGE_PATH)[1].begun >= PART
        assert next(item for item in done if item["id"] == job)["attempts"] == 0
    assert daemon.stop() == 0


def test_more_and_fewer_workers_at_run_time(make_daemon: MakeDaemon, shelf: Mirror) -> None:
    others = [number for number in TITLES if number not in {LARGE, 31, 14322}]
    holds = [shelf.hold(path_of(number), 1000, drips=True) for number in others]
    daemon = make_daemon(download={"workers": 1, "keep_free": 0})
    daemon.start()
    daemon.drop("list.txt", "\n".join(f"{TITLES[number][0]} — {TITLES[number][1]}" for number in others))
    daemon.await_counts(downloading=1, queued=len(others) - 1)
    assert daemon.ask("PUT", "/api/workers", {"workers": 3})["workers"] == 3
    daemon.await_counts(downloading=3, queued=len(others) - 3)
    assert daemon.ask("PUT", "/api/workers", {"workers": 1}) == {"workers": 1, "busy": 3, "limit": 32}
    for hold in holds:
        hold.go.set()
    daemon.await_counts(done=len(others))
    assert daemon.stop() == 0
