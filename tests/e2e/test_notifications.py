"""The daemon tells people what happens: over reloads, a stop, a kill; without any, it loads nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest

from tests.books import epub
from tests.daemon import Daemon
from tests.fakes.inbox import Inbox, inbox
from tests.fakes.server import answering
from tests.waiting import DEADLINE, until

pytest.importorskip("apprise", reason="apprise is not installed")


class Home:
    """A daemon with a folder of one book, and somebody who is told."""

    def __init__(self, folder: Path, box: Inbox) -> None:
        self.box = box
        books = folder / "books"
        books.mkdir()
        (books / "Emma.epub").write_bytes(epub("Emma", "Jane Austen"))
        self.plain: dict[str, Any] = {"sources": [{"kind": "folder", "name": "shelf", "path": str(books)}]}
        self.daemon = Daemon(folder / "home", self.plain)

    def configure(self, *targets: dict[str, Any], **sections: Any) -> None:
        self.daemon.configure(self.plain | {"notify": list(targets)} | sections)

    def target(self, **fields: Any) -> dict[str, Any]:
        return {"name": "phone", "url": f"{self.box.url}/t0ken", "every": "0.2s", **fields}

    def waiting(self) -> dict[str, int]:
        """Count what is written down to be told."""
        path = self.daemon.state / "notify" / "phone.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"bundle": {}}
        return {event: entry["count"] for event, entry in kept["bundle"].items()}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with inbox() as box:
        made = Home(tmp_path, box)
        try:
            yield made
        finally:
            made.daemon.close()


WANTS = "Emma — Jane Austen\n@everyone Nothing of the Kind — Nobody\n"


def test_a_list_is_told_of_once_it_is_settled(home: Home) -> None:
    home.configure(home.target(events=["list", "missed", "delivered"], every="1s"))
    daemon = home.daemon
    daemon.start()
    daemon.drop("to-read.txt", WANTS)
    until(lambda: any("list done" in title for title in home.box.titles), lambda: daemon.log)
    told = "\n".join(message["message"] for message in home.box.messages)
    assert "- to-read.txt: 1 of 2 books delivered, 1 found nowhere yet" in told
    assert "Delivered:\n- Emma — Jane Austen" in told
    assert "Found nowhere, looked for again later:\n- ＠everyone Nothing of the Kind — Nobody" in told
    sent = len(home.box.messages)
    until(lambda: daemon.metric("notifications_total", target="phone", outcome="sent") == sent)
    assert daemon.metric("notifications_total", outcome="failed") == 0
    assert daemon.stop() == 0
    assert len(home.box.messages) == sent


def test_a_reload_tells_others_from_then_on(home: Home) -> None:
    daemon = home.daemon
    home.configure()
    daemon.start()
    daemon.drop("first.txt", WANTS)
    daemon.await_counts(done=1, missing=1)
    until(lambda: daemon.metric("request_completion_seconds_count") == 1, "the end of the first")
    home.configure(home.target(events=["list"]))
    daemon.signal(SIGHUP)
    until(lambda: "the configuration is read again: notify" in daemon.log, lambda: daemon.log)
    daemon.drop("second.txt", "Another Book — Somebody\n")
    home.box.await_(1)
    assert home.box.titles == ["1 list done"]
    assert "second.txt" in home.box.messages[0]["message"]
    home.configure()
    assert daemon.ask("POST", "/api/reload")["applied"] == ["notify"]
    until(lambda: not (daemon.state / "notify" / "phone.json").exists())


def test_a_stop_sends_what_waits(home: Home) -> None:
    home.configure(home.target(events=["delivered"], every="1h"))
    daemon = home.daemon
    daemon.start()
    daemon.drop("to-read.txt", WANTS)
    daemon.await_counts(done=1, missing=1)
    assert daemon.stop() == 0
    assert home.box.titles == ["1 delivered"]
    assert home.waiting() == {}


def test_a_killed_daemon_tells_it_at_its_next_start(home: Home) -> None:
    home.configure(home.target(events=["missed", "delivered"], every="1h"))
    daemon = home.daemon
    daemon.start()
    daemon.drop("to-read.txt", WANTS)
    until(lambda: home.waiting() == {"missed": 1, "delivered": 1}, lambda: daemon.log)
    daemon.kill()
    home.configure(home.target(events=["missed", "delivered"]))
    daemon.start()
    home.box.await_(1)
    assert home.box.titles == ["1 found nowhere, 1 delivered"]
    assert daemon.stop() == 0
    assert len(home.box.messages) == 1


def test_who_hangs_or_cannot_be_told_holds_nothing_up(home: Home) -> None:
    release, asked = threading.Event(), threading.Event()

    def hang(_: socket.socket) -> None:
        asked.set()
        release.wait()

    with answering(hang) as url:
        home.configure(
            home.target(url=f"{url.replace('http', 'json')}/t0ken?rto=600", events=["delivered"], every=0),
            {"name": "odd", "url": "nosuch://t0ken"},
            grace="4s",
        )
        daemon = home.daemon
        daemon.start()
        daemon.drop("to-read.txt", WANTS)
        daemon.await_counts(done=1, missing=1)
        until(lambda: "notify odd: apprise knows no service at `nosuch://`" in daemon.log)
        assert asked.wait(DEADLINE)
        assert daemon.stop() == 0
        release.set()
    assert "a notification did not get through in time; it is kept for the next start" in daemon.log
    assert home.waiting() == {"delivered": 1}
    assert "t0ken" not in daemon.log


def test_a_digest_that_was_missed_comes_once_after_the_start(home: Home) -> None:
    daemon, kept = home.daemon, home.daemon.state / "notify" / "phone.json"
    home.configure(home.target(events=["digest"]))
    daemon.start()
    daemon.drop("to-read.txt", WANTS)
    daemon.await_counts(done=1, missing=1)
    assert daemon.stop() == 0
    assert home.box.messages == []
    kept.write_text(json.dumps({"bundle": {}, "digest": time.time() - 3 * 86400}), encoding="utf-8")
    daemon.start()
    (message,) = home.box.await_(1)
    assert daemon.stop() == 0
    assert message["title"] == "bookhopper: 1 delivered, 0 failed"
    assert (
        "- Emma — Jane Austen\n\nNow: 0 in the queue, 0 to choose from, 1 found nowhere yet.\nFree: "
        in (message["message"])
    )
    assert json.loads(kept.read_text(encoding="utf-8"))["digest"] > time.time() - 86400
    assert len(home.box.messages) == 1
