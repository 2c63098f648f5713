"""What is done by the clock, as a person sees it on the command line of a running daemon."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests import books
from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon
from tests.waiting import until


def schedule(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return daemon.command("schedule", *arguments)


def test_the_schedule_is_shown_and_run(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    until(lambda: daemon.metric("scheduler_runs_total", job="look_again", outcome="ok") >= 1)
    shown = schedule(daemon)
    assert (shown.returncode, shown.stderr) == (0, "")
    head, *rows = shown.stdout.splitlines()
    assert head.split() == [
        "name",
        "what",
        "it",
        "does",
        "every",
        "last",
        "run",
        "took",
        "outcome",
        "next",
        "run",
    ]
    (rescan,) = [row for row in rows if row.startswith("rescan ")]
    assert "look through the requests folder" in rescan
    assert "not yet" in rescan
    assert "minutes from now" in rescan
    chores = {each["name"]: each for each in json.loads(schedule(daemon, "--json").stdout)["chores"]}
    assert chores["look_again"]["last"]["ok"] is True
    assert chores["rescan"]["last"] is None

    assert schedule(daemon, "run", "rescan").stdout == "Nothing was to be done.\n"
    chores = {each["name"]: each for each in json.loads(schedule(daemon, "--json").stdout)["chores"]}
    assert chores["rescan"]["runs"] == 1
    assert daemon.metric("scheduler_last_success_timestamp_seconds", job="rescan") > 0

    unknown = schedule(daemon, "run", "nonsense/../x")
    assert unknown.returncode == 1
    assert "there are rescan, look_again" in unknown.stderr or "not found" in unknown.stderr
    assert daemon.stop() == 0
    away = schedule(daemon)
    assert away.returncode == 1
    assert "start it with `bookhopper run`" in away.stderr
    assert "Traceback" not in daemon.log


def test_what_fails_says_so(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(
        sources=[{"kind": "gutenberg", "name": "pg", "catalogue": "/nowhere/pg_catalog.csv"}]
    )
    daemon.start()
    until(lambda: daemon.metric("scheduler_runs_total", job="catalogues", outcome="failed") >= 1)
    failed = schedule(daemon, "run", "catalogues")
    assert failed.returncode == 1
    fault = "source pg cannot be brought up to date: no Gutenberg catalogue"
    assert f"catalogues failed: {fault}" in failed.stderr
    (row,) = [row for row in schedule(daemon).stdout.splitlines() if row.startswith("catalogues ")]
    assert f"failed: {fault}" in row
    assert daemon.stop() == 0


def test_the_database_is_backed_up_and_looked_through(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    until((daemon.state / "server.json").exists)
    assert schedule(daemon, "run", "check").stdout == "in order\n"
    for number in range(1, 5):
        said = schedule(daemon, "run", "backup").stdout
        assert said.startswith(f"queue-000{number}-")
    assert [path.name[:10] for path in sorted((daemon.state / "backups").iterdir())] == [
        "queue-0002",
        "queue-0003",
        "queue-0004",
    ]
    settings = {"keep": {"backups": 1, "backup_every": "2h"}}
    daemon.configure(settings)
    assert "keep.backups, keep.backup_every" in daemon.command("reload").stdout
    assert schedule(daemon, "run", "backup").returncode == 0
    assert [path.name[:10] for path in (daemon.state / "backups").iterdir()] == ["queue-0005"]
    (backup,) = [each for each in _chores(daemon) if each["name"] == "backup"]
    assert backup["every"] == 7200
    assert daemon.stop() == 0
    daemon.start()
    until(lambda: _chores(daemon))
    (again,) = [each for each in _chores(daemon) if each["name"] == "backup"]
    assert again["last"] == backup["last"], "it is remembered"
    assert abs(again["next"] - backup["last"]["started"] - 7200) < 600
    assert daemon.stop() == 0


def test_a_history_that_is_forgotten_while_the_daemon_is_killed(make_daemon: MakeDaemon) -> None:
    """Nothing comes twice, nothing that is looked for is lost, and the next run goes on with it."""
    daemon = make_daemon()
    folder = daemon.state.parent / "shelf"
    folder.mkdir()
    titles = ("Emma", "Persuasion", "Sanditon")
    for title in titles:
        (folder / f"{title} - Jane Austen.epub").write_bytes(books.epub(title, "Jane Austen"))
    source = {"kind": "folder", "name": "shelf", "path": str(folder)}
    daemon.configure({"sources": [source], "keep": {"history_number": 1}})
    daemon.start()
    for title in titles:
        daemon.drop(f"{title}.txt", f"{title} — Jane Austen")
    daemon.drop("nowhere.txt", "Nothing of the Kind — Nobody")
    daemon.await_counts(done=3, missing=1)
    daemon.ask("POST", "/api/schedule/history/run")
    daemon.kill()
    daemon.start()
    until((daemon.state / "server.json").exists)
    schedule(daemon, "run", "history")
    daemon.await_counts(done=1, missing=1)
    daemon.drop("again.txt", "\n".join(f"{title} — Jane Austen" for title in titles))
    daemon.await_counts(done=1, duplicate=2, missing=1)
    assert len(daemon.delivered()) == 3
    until(lambda: daemon.report("again.txt").count("delivered before, as ") == 2)
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log


def _chores(daemon: Daemon) -> list[dict[str, Any]]:
    shown = schedule(daemon, "--json")
    chores: list[dict[str, Any]] = json.loads(shown.stdout)["chores"] if shown.returncode == 0 else []
    return chores
