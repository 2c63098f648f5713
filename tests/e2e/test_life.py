"""How the daemon starts, stops, dies and goes on: real processes, real signals, real files."""

from __future__ import annotations

import datetime
import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, TITLES, MakeDaemon, digest, number_in, path_of
from tests.fakes.mirror import Break, Mirror, Refuse
from tests.reliability.faults_impatient import MODULE
from tests.waiting import until

MOBY_DICK = "Moby Dick — Herman Melville"
LARGE_PATH = path_of(LARGE)
TWINS = (31, 14322)
LIST = "\n".join(
    f"{title} — {author.partition(',')[0]}" for title, author in TITLES.values() if title != "Electra"
)
EACH = set(TITLES) - set(TWINS)


# stopping in order


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_an_idle_daemon(daemon: Daemon, number: signal.Signals) -> None:
    daemon.start()
    assert daemon.stop(number) == 0
    assert "STOPPING=1" in daemon.notices
    assert not (daemon.state / "server.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_in_a_slow_download_keeps_what_came_and_the_next_start_goes_on(
    daemon: Daemon, shelf: Mirror, number: signal.Signals
) -> None:
    slow = shelf.hold(LARGE_PATH, 1_500_000, drips=True)
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    until(lambda: _received(daemon) >= slow.at, "the first part of the book")
    assert daemon.stop(number) == 0
    assert "STOPPING=1" in daemon.notices
    assert daemon.delivered() == []

    daemon.start()
    daemon.await_counts(done=1)
    first, second = shelf.requests(LARGE_PATH)
    assert first.range is None
    assert (second.status, second.range) == (206, f"bytes={second.begun}-")
    assert second.begun >= 1_500_000
    assert second.if_range == f'"{digest(shelf.content(LARGE_PATH))[:16]}"'
    (book,) = daemon.ingest.iterdir()
    assert digest(book.read_bytes()) == digest(shelf.content(LARGE_PATH))
    assert daemon.jobs()[0]["attempts"] == 0
    assert daemon.stop() == 0


@pytest.mark.parametrize("cut", [False, True], ids=["killed", "power cut"])
def test_what_had_come_of_a_book_is_trusted_after_a_kill_and_not_after_a_power_cut(
    cut: bool, make_daemon: MakeDaemon, shelf: Mirror
) -> None:
    """What was not synced may have holes, which not every format would show."""
    slow = shelf.hold(LARGE_PATH, 1_500_000, drips=True)
    daemon = make_daemon()
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    until(lambda: _received(daemon) >= slow.at, "the first part of the book")
    daemon.kill()
    if cut:
        with closing(sqlite3.connect(daemon.state / "queue.db")) as database, database:
            database.execute("UPDATE settings SET value = 'another boot' WHERE key = 'running since boot'")
    daemon.start()
    daemon.await_counts(done=1)
    _, again = shelf.requests(LARGE_PATH)
    assert (again.range is None) is cut
    assert daemon.stop() == 0


def test_a_host_that_says_nothing_does_not_keep_it_beyond_the_grace_time(
    make_daemon: MakeDaemon, shelf: Mirror
) -> None:
    stalled = shelf.hold(LARGE_PATH, 1_500_000)
    daemon = make_daemon(grace="2 s", download={"timeout": "10 m", "keep_free": 0})
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    assert stalled.reached.wait(30)
    assert daemon.stop() == 0
    assert "STOPPING=1" in daemon.notices
    daemon.start()
    daemon.await_counts(done=1)
    assert len(daemon.delivered()) == 1


def test_a_search_that_never_ends_does_not_keep_it_beyond_the_grace_time(
    make_daemon: MakeDaemon, shelf: Mirror
) -> None:
    stalled = shelf.hold(LARGE_PATH, 0)
    opds = {"kind": "opds", "name": "home", "url": f"{shelf.url}{LARGE_PATH}"}
    folder = {"kind": "folder", "name": "disk", "path": "/nowhere"}
    daemon = make_daemon(grace="2 s", sources=[opds, folder])
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    assert stalled.reached.wait(30)
    assert daemon.stop(within=20) == 0  # the search itself would wait for 30 seconds


def test_a_second_daemon_on_the_same_state_is_refused_in_one_line(make_daemon: MakeDaemon) -> None:
    daemon, other = make_daemon(), make_daemon(name="other")
    daemon.start()
    other.spawn()
    assert other.wait() == 1
    (line,) = [line for line in other.log.splitlines() if not line.startswith("INFO")]
    assert "another bookhopper" in line
    assert str(daemon.state) in line
    assert daemon.counts() == {}
    assert daemon.stop() == 0


# dying without a word


def _part_files(daemon: Daemon) -> list[Path]:
    return list((daemon.state / "parts").glob("*.part"))


def _received(daemon: Daemon) -> int:
    """Tell how far the download is that is under way."""
    return max((int(job["received"]) for job in daemon.jobs()), default=0)


def _private_lists(daemon: Daemon) -> list[Path]:
    return list(daemon.requests.glob(".bookhopper-*"))


def test_kill_while_a_list_is_taken_takes_it_once(daemon: Daemon) -> None:
    lines = 20_000
    text = "".join(f"No Such Book {number} — Nobody {number}\n" for number in range(lines))
    daemon.start()
    for _ in range(3):
        daemon.drop("long.txt", text)
        until(lambda: _private_lists(daemon) or daemon.counts(), "the list being taken")
        daemon.kill()
        daemon.start()
    until(lambda: sum(daemon.counts().values()) == lines, "every line stored once")
    until(lambda: not _private_lists(daemon), "the lists filed")
    assert sum(daemon.counts().values()) == lines
    daemon.kill()


def test_a_start_removes_the_part_files_that_no_job_goes_on_with(daemon: Daemon, shelf: Mirror) -> None:
    shelf.hold(LARGE_PATH, 1_500_000, drips=True)
    daemon.start()
    daemon.drop("list.txt", f"Dracula — Bram Stoker\n{MOBY_DICK}\n")
    until(lambda: _received(daemon) >= 1_500_000 and daemon.counts().get("done"), "one done, one half-way")
    numbers = {job["state"]: job["id"] for job in daemon.jobs()}
    assert daemon.stop() == 0
    parts = daemon.state / "parts"
    for number in (numbers["done"], 999):
        (parts / f"{number}.part").write_bytes(b"left over")
    shelf.hold(LARGE_PATH, 1_600_000, drips=True)
    daemon.start()
    until(lambda: _received(daemon) >= 1_600_000, "the half-way one going on")
    assert _part_files(daemon) == [parts / f"{numbers['downloading']}.part"]
    assert daemon.stop() == 0


# lists that meet


def test_a_list_that_is_edited_and_dropped_again_adds_what_is_new(daemon: Daemon, shelf: Mirror) -> None:
    daemon.start()
    daemon.drop("list.txt", "Dracula — Bram Stoker\n")
    daemon.await_counts(done=1)
    daemon.drop("list.txt", "Dracula — Bram Stoker\nJane Eyre — Charlotte Brontë\n")
    daemon.await_counts(done=2)
    until(lambda: "Jane Eyre" in daemon.report("list (2).txt") + daemon.report("list.txt"), "its report")
    assert len(daemon.delivered()) == 2
    assert len(shelf.requests(path_of(345))) == 1
    assert daemon.stop() == 0


def test_two_wants_that_come_to_one_book_deliver_one(daemon: Daemon, shelf: Mirror) -> None:
    daemon.start()
    daemon.drop(
        "list.txt", "Moby Dick — Herman Melville\nmoby dick or the whale, melville\npick: gutenberg:2701\n"
    )
    daemon.await_counts(done=1, duplicate=2)
    assert len(daemon.delivered()) == 1
    assert daemon.stop() == 0


def test_books_in_sub_folders_outlive_a_kill_while_they_wait_for_their_names(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(naming={"folder": "{author}/{request}", "file": "{title} {(year)}"})
    daemon.start()
    daemon.drop("to-read.txt", "Dracula — Bram Stoker\nElectra — Sophocles")
    until(lambda: daemon.counts() == {"placed": 2}, lambda: f"both wait: {daemon.counts()}")
    daemon.kill()
    waiting = {path.name for path in daemon.ingest.rglob("*") if path.is_file()}
    assert waiting == {"Dracula.epub.uploading", "Electra.epub.uploading"}
    daemon.program = ("-m", MODULE)
    daemon.start()
    daemon.await_counts(done=2)
    names = {"Bram Stoker/to-read/Dracula.epub", "Sophocles/to-read/Electra.epub"}
    found = {str(path.relative_to(daemon.ingest)) for path in daemon.ingest.rglob("*") if path.is_file()}
    assert found == names
    assert daemon.metric("ingest_pending_files") == 2
    assert {item["delivery"]["name"] for item in daemon.get("/api/history")["items"]} == names
    available = daemon.get("/api/status")["available"].values()
    assert {book["download_path"] for book in available} == names
    assert daemon.stop() == 0


def test_what_is_missing_says_when_it_is_looked_for_again(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("list.txt", "Love's Labour's Won — William Shakespeare\n")
    daemon.await_counts(missing=1)
    tomorrow = (datetime.datetime.now() + datetime.timedelta(days=1)).date()  # noqa: DTZ005 - as people read it
    until(lambda: "again" in daemon.report("list.txt"), "a report that says so")
    report = daemon.report("list.txt")
    days = {str(tomorrow + datetime.timedelta(days=shift)) for shift in (-1, 0, 1)}  # a test at midnight
    assert any(day in report for day in days), report
    assert daemon.stop() == 0


def test_a_pick_from_the_report_settles_an_ambiguous_want(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("list.txt", "Electra\n")
    daemon.await_counts(ambiguous=1)
    until(lambda: "pick:" in daemon.report("list.txt"), "a report with picks")
    picks = re.findall(r"pick: \d+ \S+:\S+", daemon.report("list.txt"))
    assert {int(pick.rpartition(":")[2]) for pick in picks} == set(TWINS)
    daemon.drop("answer.txt", f"{picks[0]}\n")
    daemon.await_counts(done=1)
    (book,) = daemon.ingest.iterdir()
    assert number_in(book) == int(picks[0].rpartition(":")[2])
    assert daemon.stop() == 0


# what goes wrong on the way


def test_what_breaks_on_the_way_is_tried_again_from_where_it_broke(daemon: Daemon, shelf: Mirror) -> None:
    shelf.add_fault(LARGE_PATH, Break(700_000))
    shelf.add_fault(LARGE_PATH, Refuse(500))
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    daemon.await_counts(done=1)
    (book,) = daemon.ingest.iterdir()
    assert digest(book.read_bytes()) == digest(shelf.content(LARGE_PATH))
    assert [seen.begun for seen in shelf.requests(LARGE_PATH)][-1] > 0
    assert daemon.stop() == 0


def test_an_ingest_folder_on_another_filesystem_gets_whole_books(
    make_daemon: MakeDaemon, other_filesystem: Path
) -> None:
    daemon = make_daemon(ingest=other_filesystem)
    daemon.start()
    daemon.drop("list.txt", LIST)
    daemon.await_counts(done=len(EACH))
    assert {number_in(book) for book in other_filesystem.iterdir()} == EACH
    assert next(other_filesystem.iterdir()).stat().st_mode & 0o777 == 0o664 & ~_umask()
    assert _part_files(daemon) == []
    assert daemon.stop() == 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
