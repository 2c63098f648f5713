"""What is done by the clock, as a person sees it on the command line of a running daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.daemon import ROOT, Daemon
from tests.e2e.conftest import MakeDaemon
from tests.waiting import until


def schedule(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bookhopper", "schedule", *arguments, "--config", str(daemon.config)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon")},
        capture_output=True,
        text=True,
        check=False,
    )


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
