"""`bookhopper demo` as a newcomer runs it: no network, no configuration, a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bookhopper.demo import run as demo_run
from bookhopper.model import State
from tests.daemon import ROOT
from tests.waiting import DEADLINE, until

BOOKS = (
    "Alice's Adventures in Wonderland - Lewis Carroll.epub",
    "Dracula - Bram Stoker.epub",
    "Frankenstein - Mary Shelley.epub",
    "Moby Dick; Or, The Whale - Herman Melville.epub",
    "Pride and Prejudice - Jane Austen.epub",
    "The Picture of Dorian Gray - Oscar Wilde.epub",
    "The Time Machine - H. G. Wells.epub",
    "Treasure Island - Robert Louis Stevenson.epub",
    "Walden, or Life in the Woods - Henry David Thoreau.epub",
)


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT / "daemon"), os.environ.get("PYTHONPATH"))))
    nowhere = {f"XDG_{name}_HOME": str(folder / "xdg") for name in ("CONFIG", "DATA", "STATE")}
    return {
        **os.environ,
        **nowhere,
        "PYTHONPATH": path,
        "TMPDIR": str(folder),
        "http_proxy": "http://192.0.2.1:9",  # nobody: it must not be asked
    }


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "bookhopper", "demo", *options]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the demonstration makes its folder: a name longer than the path of a socket may be."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    return folder


def test_it_shows_the_whole_way_and_leaves_nothing_behind(temporary: Path) -> None:
    done = subprocess.run(
        _command(),
        env=_environment(temporary),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "\x1b" not in done.stdout
    for name in BOOKS:
        assert f"  {name}  " in done.stdout
    assert "9 done, 1 failed, 1 ambiguous, 1 missing" in done.stdout
    assert "✗" not in done.stdout
    assert len(re.findall(r"pick: \d+ demo:\./books/\d+ +# Electra", done.stdout)) == 2
    assert list(temporary.iterdir()) == []


def test_keep_leaves_the_folder_and_names_it(temporary: Path) -> None:
    done = subprocess.run(
        _command("--keep"),
        env=_environment(temporary),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (folder,) = temporary.iterdir()
    assert str(folder) in done.stdout
    assert sorted(book.name for book in (folder / "ingest").iterdir()) == sorted(BOOKS)
    assert (folder / "bookhopper.yaml").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_ctrl_c_cleans_up(temporary: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        _command(),
        env=_environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    with running, running.stdout as output:
        until(lambda: list(temporary.glob("*/state/parts/*.part")), "a download")
        running.send_signal(number)
        said = output.read()
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert list(temporary.iterdir()) == []


@pytest.fixture
def here(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the demonstration run in this process, its temporary folder in ours."""
    for name, value in _environment(temporary).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return temporary


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_it_shows_bars_and_no_line_is_too_long(here: Path, width: int) -> None:
    screen = StringIO()
    assert demo_run.demo(Console(file=screen, force_terminal=True, width=width, no_color=True), False) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).splitlines()
    assert any("━" in line and "Moby Dick" in line for line in shown)
    assert max(map(len, shown)) <= width
    assert list(here.iterdir()) == []


def test_it_says_so_when_something_else_came_out(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_run, "EXPECTED", {**demo_run.EXPECTED, State.MISSING: 0, State.FAILED: 2})
    screen = StringIO()
    assert demo_run.demo(Console(file=screen, width=100), False) == 1
    assert "✗ 12 wants, each with an answer: 9 done, 1 failed, 1 ambiguous, 1 missing" in screen.getvalue()
    assert "This is not what should have come out" in screen.getvalue()


def test_no_room_for_a_temporary_folder_is_told_in_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(here / "absent"))
    screen = StringIO()
    assert demo_run.demo(Console(file=screen, width=300), False) == 1
    (line,) = screen.getvalue().splitlines()
    assert "set TMPDIR" in line


def test_a_daemon_that_does_not_start_is_told_in_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    screen = StringIO()
    assert demo_run.demo(Console(file=screen, width=100), False) == 1
    assert screen.getvalue().splitlines()[-1].startswith("the daemon did not start: ")
    assert list(here.iterdir()) == []
