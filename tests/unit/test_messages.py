"""What the live page is told: a whole picture, then what differs from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookhopper.api.messages import Messages
from bookhopper.api.news import News, Noted
from bookhopper.model import Change, Job, State
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from tests.queues import candidate, want
from tests.site import Site

LISTS = ("running", "collections", "queue", "aside", "history")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def messages(site: Site) -> Messages:
    return Messages(site.view)


def news(site: Site) -> Noted:
    """What the store has published since this was asked last."""
    site.queue.settle()
    gathered = News()
    while site.queue.changes:
        gathered.note(site.queue.changes.pop(0))
    return gathered.take()


def snapshot(messages: Messages) -> dict[str, Any]:
    told = messages.make(Noted(), True)
    assert told.snapshot is not None
    message: dict[str, Any] = json.loads(told.snapshot)
    assert message["type"] == "snapshot"
    return message


def change(messages: Messages, noted: Noted) -> dict[str, Any]:
    told = messages.make(noted, False)
    assert told.change is not None
    message: dict[str, Any] = json.loads(told.change)
    return message


def ids(downloads: list[dict[str, Any]]) -> list[int]:
    return [download["id"] for download in downloads]


def missed(site: Site, title: str) -> int:
    (job,) = site.queue.add(want(title))
    site.store.claim(State.WANTED)
    site.store.move(Move(job, State.SEARCHING, State.MISSING, "nobody has it"))
    return job


def test_an_empty_picture(messages: Messages) -> None:
    picture = snapshot(messages)
    assert {name: picture[name] for name in LISTS} == {name: [] for name in LISTS}
    assert picture["status"]["total"] == 0
    assert picture["statistics"]["all_time"]["completed"] == 0


def test_each_job_stands_in_its_list(site: Site, messages: Messages) -> None:
    running = site.queue.downloading(want("Runs"), candidate("1"))
    aside = missed(site, "Missed")
    failed = site.queue.downloading(want("Failed"), candidate("2"))
    site.store.move(Move(failed.id, State.DOWNLOADING, State.FAILED, "broken"))
    waiting = site.queue.add(want("Waits"), want("Waits too"))
    picture = snapshot(messages)
    assert ids(picture["running"]) == [running.id]
    assert ids(picture["queue"]) == waiting
    assert sorted(ids(picture["aside"])) == [aside, failed.id]
    assert ids(picture["history"]) == [failed.id]


def test_what_was_cleared_is_hidden_from_all_unless_it_asks_for_a_person(
    site: Site, messages: Messages
) -> None:
    job = missed(site, "Missed")
    failed = site.queue.downloading(want("Failed"), candidate()).id
    site.store.move(Move(failed, State.DOWNLOADING, State.FAILED, "it broke off"))
    assert ids(snapshot(messages)["aside"]) == [job, failed]
    site.control.clear()
    told = messages.make(Noted(renewed=True), False)
    assert told.change == told.snapshot
    assert told.snapshot is not None
    assert ids(json.loads(told.snapshot)["aside"]) == [job]


def test_nothing_new_is_nothing_told(messages: Messages) -> None:
    snapshot(messages)
    told = messages.make(Noted(), False)
    assert (told.change, told.snapshot) == (None, None)
    told = messages.make(Noted(renewed=True), False)
    assert (told.change, told.snapshot) == (None, None)


def test_a_change_tells_the_job_and_the_status(site: Site, messages: Messages) -> None:
    (job,) = site.queue.add(want("A Tale"))
    snapshot(messages)
    site.queue.changes.clear()
    site.store.cancel(job)
    message = change(messages, news(site))
    assert set(message) == {"type", "status", "downloads"}
    assert message["type"] == "change"
    assert [(download["id"], download["state"]) for download in message["downloads"]] == [(job, "cancelled")]
    assert message["status"]["counts"]["cancelled"] == 1


def test_what_no_change_tells_of(site: Site, messages: Messages) -> None:
    snapshot(messages)
    site.control.pause_queue()
    message = change(messages, Noted(renewed=True))
    assert set(message) == {"type", "status"}
    assert message["status"]["paused"] is True


def test_new_jobs_are_a_new_picture(site: Site, messages: Messages) -> None:
    snapshot(messages)
    jobs = site.queue.add(want("One"), want("Two"))
    message = change(messages, Noted(renewed=True))
    assert message["type"] == "snapshot"
    assert ids(message["queue"]) == jobs
    assert messages.make(Noted(renewed=True), False).change is None


def test_only_progress_that_moved_is_told(site: Site, messages: Messages) -> None:
    job = site.run_one()
    picture = snapshot(messages)
    assert [(download["id"], download["percent"]) for download in picture["running"]] == [(job, 25.0)]
    site.fetchers.tickets()[job].received = 500
    message = change(messages, Noted())
    (moved,) = message["progress"]
    assert (moved["id"], moved["stage"], moved["received"], moved["total"]) == (job, "download", 500, 1000)
    assert moved["percent"] == 50.0
    assert set(moved) == {"id", "stage", "received", "total", "percent", "speed", "eta"}
    assert "progress" not in message.get("downloads", {})


def test_a_job_that_is_told_whole_is_not_told_twice(site: Site, messages: Messages) -> None:
    job = site.run_one()
    snapshot(messages)
    site.queue.changes.clear()
    site.fetchers.tickets()[job].received = 750
    site.store.prioritise({job: 7})
    message = change(messages, news(site))
    assert "progress" not in message
    assert [(download["priority"], download["percent"]) for download in message["downloads"]] == [(7, 75.0)]


def test_who_is_up_to_date_gets_the_change_and_who_is_new_the_picture(site: Site, messages: Messages) -> None:
    (job,) = site.queue.add(want("A Tale"))
    snapshot(messages)
    site.queue.changes.clear()
    site.store.pause(job)
    told = messages.make(news(site), True)
    assert told.change is not None
    assert told.snapshot is not None
    assert json.loads(told.change)["type"] == "change"
    assert json.loads(told.snapshot)["queue"][0]["paused"] is True


def test_many_changes_are_a_new_picture(site: Site, messages: Messages) -> None:
    jobs = site.queue.add(*(want(f"Tale {number}") for number in range(301)))
    snapshot(messages)
    site.queue.changes.clear()
    site.store.prioritise(dict.fromkeys(jobs, 3))
    noted = news(site)
    assert (noted.many, len(noted.jobs)) == (True, 0)
    message = change(messages, noted)
    assert message["type"] == "snapshot"
    assert {download["priority"] for download in message["queue"]} == {3}


def test_lists_show_only_their_beginning_and_are_filled_up(site: Site, messages: Messages) -> None:
    jobs = site.queue.add(*(want(f"Tale {number}") for number in range(250)))
    assert ids(snapshot(messages)["queue"]) == jobs[:200]
    site.queue.changes.clear()
    for job in jobs[:100]:
        site.store.cancel(job)
    message = change(messages, news(site))
    assert (message["type"], len(message["downloads"])) == ("change", 100)
    site.store.cancel(jobs[100])
    message = change(messages, news(site))
    assert message["type"] == "snapshot"
    assert ids(message["queue"]) == jobs[101:]
    for job in jobs[101:]:
        site.store.cancel(job)
    assert change(messages, news(site))["type"] == "change"


def test_a_broken_title_breaks_no_message(site: Site, messages: Messages) -> None:
    noted = Noted({1: Job(1, 1, want("A T\udce4le"), State.WANTED)})
    snapshot(messages)
    told = messages.make(noted, False)
    assert told.change is not None
    assert told.change.isascii()
    assert json.loads(told.change)["downloads"][0]["title"] == "A T\udce4le"


def test_of_a_job_only_its_last_state_is_kept() -> None:
    gathered = News()
    for state in (State.WANTED, State.SEARCHING, State.QUEUED):
        gathered.note(Change(Job(1, 1, want(), state), None, state, 0.0))
    gathered.renew()
    noted = gathered.take()
    assert ([job.state for job in noted.jobs.values()], noted.renewed) == ([State.QUEUED], True)
    assert gathered.take() == Noted()


def test_a_ticket_that_has_not_begun_is_not_told(site: Site) -> None:
    tickets = {5: Ticket(5)}
    messages = Messages(site.view)
    assert messages._moved(tickets) == {}


def test_a_job_comes_with_the_counts_that_hold_it(site: Site, messages: Messages) -> None:
    (job,) = site.queue.add(want("Waits"))
    snapshot(messages)
    site.store.cancel(job)
    noted = news(site)
    ahead = change(messages, Noted(renewed=True))
    assert ahead["status"]["counts"]["cancelled"] == 1
    told = change(messages, noted)
    assert ids(told["downloads"]) == [job]
    assert told["status"] == ahead["status"]
