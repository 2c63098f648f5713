"""Calibre-Web: searched and downloaded from over its OPDS feed, which always asks for a sign-in."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.server import free_port
from tests.peers.conftest import Run
from tests.peers.library import BOOKS, PASSWORD, WANTED, digests, environment, found, running, served
from tests.waiting import DEADLINE, until

ADMIN = "admin"
EXECUTABLE = "BOOKHOPPER_CALIBRE_WEB"
"""The environment variable that names its executable, `cps`, where it is not on the PATH."""


@pytest.fixture(scope="module")
def calibre_web(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the library on loopback; gives the origin."""
    program, folder, port = found("cps", EXECUTABLE), tmp_path_factory.mktemp("calibre-web"), free_port()
    command = [program, "-p", str(folder / "app.db"), "-g", str(folder / "gdrive.db")]
    env = environment(folder, CALIBRE_DBPATH=str(folder))
    # the first start makes the settings and the administrator; what its wizard asks for is then filled in
    subprocess.run(
        [*command, "-s", f"{ADMIN}:{PASSWORD}"], env=env, check=True, capture_output=True, timeout=DEADLINE
    )
    with closing(sqlite3.connect(folder / "app.db")) as settings, settings:
        settings.execute(
            "UPDATE settings SET config_calibre_dir = ?, config_port = ?, config_logfile = ?",
            (str(library), port, str(folder / "calibre-web.log")),
        )
    origin = f"http://127.0.0.1:{port}"
    with running([*command, "-i", "127.0.0.1"], f"{origin}/opds", env, folder / "output.log"):
        yield origin


def test_a_whole_list_is_found_and_fetched(calibre_web: str, library: Path, run_daemon: Run) -> None:
    daemon = run_daemon(f"{calibre_web}/opds", username=ADMIN, password=PASSWORD)
    daemon.drop("to-read.txt", WANTED)
    daemon.await_counts(done=len(BOOKS))
    assert digests(daemon.ingest) == served(calibre_web, "/opds/new", (ADMIN, PASSWORD))
    assert daemon.stop() == 0


def test_a_sign_in_that_is_refused_is_named(calibre_web: str, run_daemon: Run) -> None:
    daemon = run_daemon(f"{calibre_web}/opds", username=ADMIN, password="another")
    daemon.drop("to-read.txt", WANTED)
    until(lambda: "sign-in refused (401)" in daemon.log, lambda: daemon.log)
    assert daemon.delivered() == []
    assert daemon.stop() == 0
