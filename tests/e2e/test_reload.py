"""A daemon that reads its configuration again: what goes on, what changes, what waits, what is refused."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import books
from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, MakeDaemon, digest, number_in, path_of
from tests.fakes.mirror import Mirror
from tests.waiting import until

LARGE_PATH = path_of(LARGE)
MOBY_DICK = "Moby Dick — Herman Melville"
HELD = 1_500_000


@pytest.fixture
def other_shelf(tmp_path: Path) -> dict[str, Any]:
    """Another source: a folder with a book that the first one does not have."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "persuasion.epub").write_bytes(books.epub("Persuasion", "Austen, Jane"))
    return {"kind": "folder", "name": "shelf", "path": str(folder)}


def hang_up(daemon: Daemon) -> None:
    """Send SIGHUP and wait until it has been heeded."""
    ready, reloading = daemon.notices.count("READY=1"), daemon.notices.count("RELOADING=1")
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.notices.count("RELOADING=1") > reloading, "RELOADING=1")
    until(lambda: daemon.notices.count("READY=1") > ready, "READY=1 after it")


def reload(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    return daemon.command("reload")


def test_a_download_goes_on_while_sources_and_workers_change(
    make_daemon: MakeDaemon, shelf: Mirror, other_shelf: dict[str, Any]
) -> None:
    daemon = make_daemon(download={"workers": 1, "keep_free": 0})
    hold = shelf.hold(LARGE_PATH, HELD)
    daemon.start()
    daemon.drop("list.txt", MOBY_DICK)
    assert hold.reached.wait(30)
    daemon.configure({"sources": [other_shelf], "download": {"workers": 3, "keep_free": 0}})
    hang_up(daemon)
    (moment,) = [line for line in daemon.notices if line.startswith("MONOTONIC_USEC=")]
    assert int(moment.partition("=")[2]) > 0
    assert "the configuration is read again: sources, download.workers" in daemon.log
    assert daemon.metric("workers", stage="download") == 3
    assert daemon.metric("source_available", source="shelf") == 1
    assert daemon.metric("downloads_in_progress") == 1

    daemon.drop("more.txt", "Persuasion — Jane Austen\nDracula — Bram Stoker")
    daemon.await_counts(downloading=1, done=1, missing=1)
    hold.go.set()
    daemon.await_counts(done=2, missing=1)
    assert [(seen.status, seen.range) for seen in shelf.requests(LARGE_PATH)] == [(200, None)]
    large = next(path for path in daemon.ingest.iterdir() if path.stat().st_size > HELD)
    assert digest(large.read_bytes()) == digest(shelf.content(LARGE_PATH))
    assert number_in(large) == LARGE
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log


def test_formats_matching_and_limits_hold_for_what_begins_next(
    make_daemon: MakeDaemon, shelf: Mirror
) -> None:
    daemon = make_daemon()
    daemon.start()
    sources = daemon_sources(daemon)
    daemon.configure({"sources": sources, "formats": ["pdf"], "match": {"accept": 0.9}})
    said = reload(daemon)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "formats, match.accept\n"
    daemon.drop("list.txt", "Dracula — Bram Stoker")
    daemon.await_counts(missing=1)
    daemon.configure({"sources": sources, "download": {"max_size": "1 MiB", "keep_free": 0}})
    assert reload(daemon).stdout == "formats, match.accept, download.max_size\n"
    daemon.drop("more.txt", f"{MOBY_DICK}\nJane Eyre — Charlotte Brontë")
    daemon.await_counts(missing=1, failed=1, done=1)
    assert "larger than 1.0 MiB" in daemon.log
    assert reload(daemon).stdout == "Nothing that could be applied has changed.\n"


def test_names_hold_from_the_next_book_on(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    daemon.drop("list.txt", "Dracula — Bram Stoker")
    daemon.await_counts(done=1)
    daemon.configure({"sources": daemon_sources(daemon), "naming": {"file": "{author_sort} - {title}"}})
    assert reload(daemon).stdout == "naming.file\n"
    daemon.drop("more.txt", "Electra — Sophocles\nJane Eyre — Charlotte Brontë")
    daemon.await_counts(done=3)
    assert daemon.delivered() == [
        "Brontë, Charlotte - Jane Eyre_ An Autobiography.epub",
        "Dracula - Bram Stoker.epub",
        "Sophocles - Electra.epub",
    ]


def daemon_sources(daemon: Daemon) -> list[dict[str, Any]]:

    sources: list[dict[str, Any]] = yaml.safe_load(daemon.config.read_text())["sources"]
    return sources


def test_what_cannot_change_at_run_time_is_named_and_kept(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = make_daemon()
    daemon.start()
    folders = {name: str(tmp_path / "elsewhere" / name) for name in ("requests", "ingest", "state")}
    folders["state"] = str(daemon.state)
    daemon.configure(
        {"sources": daemon_sources(daemon), "folders": folders, "server": {"listen": "127.0.0.1:1"}}
    )
    said = reload(daemon)
    kept = ["folders.requests", "folders.ingest", "server.listen"]
    assert said.returncode == 0
    assert said.stdout == "Nothing that could be applied has changed.\n"
    assert said.stderr.splitlines() == [
        f"{key} has changed, which is heeded at the next start only" for key in kept
    ]
    for key in kept:
        assert f"WARNING bookhopper: {key} has changed, which is heeded at the next start only" in daemon.log
    daemon.drop("list.txt", "Dracula — Bram Stoker")
    daemon.await_counts(done=1)
    assert not (tmp_path / "elsewhere").exists()


def test_a_broken_file_leaves_everything_as_it_was_and_says_so(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    good = daemon.config.read_text()
    taken = daemon.metric("config_last_reload_success_timestamp_seconds")
    daemon.config.write_text(good + "queue: {ordre: arrival}\nmatch: {accept: 7}\n")
    hang_up(daemon)
    told = [line for line in daemon.log.splitlines() if "cannot be used, and the old one stays" in line]
    assert len(told) >= 2, "a line for each fault"
    assert any("ordre" in line for line in told)
    assert all(f"{daemon.config}:" in line for line in told)
    assert daemon.metric("config_last_reload_successful") == 0
    assert daemon.metric("config_last_reload_success_timestamp_seconds") == taken
    configuration = daemon.get("/api/downloads/status")["configuration"]
    assert (configuration["ok"], len(configuration["faults"])) == (False, len(told))
    assert any("the old one stays" in line for line in daemon.notices if line.startswith("STATUS="))
    said = reload(daemon)
    assert said.returncode == 2
    assert [line.removeprefix("bookhopper: ") for line in said.stderr.splitlines()] == configuration["faults"]
    shown = daemon.command("status", "--once")
    assert shown.returncode == 0, shown.stderr
    assert "the configuration cannot be used, and the old one stays" in shown.stdout
    daemon.drop("list.txt", "Dracula — Bram Stoker")
    daemon.await_counts(done=1)

    daemon.config.write_text("folders: [")
    hang_up(daemon)
    daemon.config.unlink()
    hang_up(daemon)
    assert "cannot be read" in daemon.log
    daemon.config.write_text(good)
    assert reload(daemon).returncode == 0
    assert daemon.metric("config_last_reload_successful") == 1
    assert daemon.metric("config_last_reload_success_timestamp_seconds") > taken
    assert daemon.get("/api/downloads/status")["configuration"]["faults"] == []
    assert daemon.stop() == 0


def test_a_storm_of_hang_ups_drops_nothing(
    make_daemon: MakeDaemon, shelf: Mirror, other_shelf: dict[str, Any]
) -> None:
    daemon = make_daemon()
    hold = shelf.hold(LARGE_PATH, HELD)
    daemon.start()
    sources = daemon_sources(daemon)
    daemon.drop("list.txt", MOBY_DICK)
    assert hold.reached.wait(30)
    daemon.drop("more.txt", "Dracula — Bram Stoker\nJane Eyre — Charlotte Brontë\nEmma — Nobody")
    for number in range(40):
        daemon.configure({"sources": [*sources, other_shelf][: 1 + number % 2]})
        for _ in range(25):
            daemon.signal(signal.SIGHUP)
    daemon.configure({"sources": [*sources, other_shelf]})
    hang_up(daemon)
    until(lambda: daemon.counts().get("done") == 2)
    hold.go.set()
    daemon.await_counts(done=3, missing=1)
    assert [seen.status for seen in shelf.requests(LARGE_PATH)] == [200]
    daemon.drop("last.txt", "Persuasion — Jane Austen")
    daemon.await_counts(done=4, missing=1)
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
    assert "fault of bookhopper's own" not in daemon.log


def open_files(daemon: Daemon) -> list[str]:
    return sorted(
        re.sub(r"\[\d+\]", "", str(path.readlink())) for path in Path(f"/proc/{daemon.pid}/fd").iterdir()
    )


def test_what_was_replaced_is_let_go(daemon: Daemon, other_shelf: dict[str, Any]) -> None:
    daemon.start()
    sources = daemon_sources(daemon)
    daemon.drop("list.txt", "Dracula — Bram Stoker")
    daemon.await_counts(done=1)
    hang_up(daemon)

    def churn() -> None:
        for chosen in ([*sources, other_shelf], sources):
            daemon.configure({"sources": chosen})
            hang_up(daemon)

    churn()
    threads, files = daemon.metric("workers"), len(open_files(daemon))
    for _ in range(5):
        churn()
    assert daemon.metric("workers") == threads
    until(lambda: len(open_files(daemon)) <= files + 2, lambda: "\n".join(open_files(daemon)))


def test_a_hang_up_while_it_starts_or_stops_is_no_end(daemon: Daemon) -> None:
    process = daemon.spawn()
    until(lambda: "starts" in daemon.log or process.poll() is not None)
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
    until(lambda: daemon.notices.count("READY=1") >= 2 or process.poll() is not None, lambda: daemon.log)
    assert process.poll() is None, daemon.log
    assert "the configuration is read again" in daemon.log
    daemon.signal(signal.SIGTERM)
    while process.poll() is None and "INFO bookhopper: stopped" not in daemon.log:
        daemon.signal(signal.SIGHUP)
    assert daemon.wait() == 0
    assert "STOPPING=1" in daemon.notices
    assert "Traceback" not in daemon.log


_WITH_TERMINAL = """
import os, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_terminal_that_is_closed_ends_the_daemon_in_it(daemon: Daemon) -> None:
    ours, its = pty.openpty()
    daemon.under = [sys.executable, "-c", _WITH_TERMINAL, os.ttyname(its)]
    try:
        daemon.start()
        hang_up(daemon)
    finally:
        os.close(its)
        os.close(ours)
    assert daemon.wait() == 0
    assert "INFO bookhopper: stopped" in daemon.log
