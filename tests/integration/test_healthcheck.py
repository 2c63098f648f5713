"""`bookhopper healthcheck` as a container engine calls it: its exit code, its one line, and what it loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookhopper.api.address import leave_address
from tests.daemon import ROOT, Daemon
from tests.fakes.faulty import Answer, faulty, status, whole


def healthcheck(*words: str, program: str = "-m", **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BOOKHOPPER_")}
    return subprocess.run(
        [sys.executable, program, *(("bookhopper", "healthcheck") if program == "-m" else ()), *words],
        env={**clean, "PYTHONPATH": str(ROOT / "daemon"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """Give the one line of a daemon that is not well."""
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line.removeprefix("bookhopper: ")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(
        tmp_path / "home", {"sources": [{"kind": "folder", "name": "shelf", "path": str(tmp_path)}]}
    )
    yield made
    made.close()


def test_well_while_it_runs_and_not_when_it_hangs_or_has_stopped(daemon: Daemon) -> None:
    by_file = ("--config", str(daemon.config))
    by_state = {"BOOKHOPPER_FOLDERS_STATE": str(daemon.state)}
    assert "bookhopper is not running" in said(healthcheck(*by_file))
    daemon.start()
    for words, environment in (
        (by_file, {}),
        ((), by_state),
        ((), {"BOOKHOPPER_CONFIG": str(daemon.config)}),
    ):
        ended = healthcheck(*words, **environment)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", ""), environment
    daemon.signal(signal.SIGSTOP)
    assert "does not answer" in said(healthcheck(*by_file))
    daemon.signal(signal.SIGCONT)
    assert daemon.stop() == 0
    assert "bookhopper is not running" in said(healthcheck(*by_file))


def test_a_wrong_file_is_no_usage_error(tmp_path: Path) -> None:
    """Docker keeps the exit code 2 for itself."""
    config = tmp_path / "bookhopper.yaml"
    config.write_text("wrokers: 3")
    assert f"{config}:1:1: " in said(healthcheck("--config", str(config)))


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (whole(b'{"ok": false, "parts": {"watcher": true, "writer": false}}', 503), "is not well (writer)"),
        (whole(b'{"ok": true, "parts": {}}', 500), "is not well (500)"),
        (whole(b"<html>"), "does not answer"),
        (whole(b"[1]"), "does not answer"),
        (whole(b'{"parts": 7}'), "does not answer"),
        (whole(b'{"parts": {"x\\u001b[2J": false}}'), "is not well (x�[2J)"),
        (whole(b" " * 1_000_000), "does not answer"),
        (status(404), "does not answer"),
        (lambda connection, _: connection.sendall(b"SSH-2.0\r\n"), "does not answer"),
    ],
)
def test_what_answers_may_be_anything(tmp_path: Path, answer: Answer, line: str) -> None:
    with faulty() as server:
        server.at("/healthz", answer)
        leave_address(tmp_path, server.url, "token")
        config = tmp_path / "bookhopper.yaml"
        config.write_text(f"folders: {{state: {tmp_path}}}")
        assert line in said(healthcheck("--config", str(config)))


def test_it_loads_little_where_it_is_told_the_folder(daemon: Daemon) -> None:
    daemon.start()
    code = (
        "import sys; sys.argv = ['bookhopper', 'healthcheck']\n"
        "from bookhopper.cli import main\n"
        "main(standalone_mode=False)\n"
        "print(*sorted({'lxml', 'pydantic', 'rich', 'urllib.request', 'yaml'} & set(sys.modules)))"
    )
    ended = healthcheck(code, program="-c", BOOKHOPPER_FOLDERS_STATE=str(daemon.state))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")
