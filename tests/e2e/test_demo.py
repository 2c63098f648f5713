"""`bookhopper demo` as a newcomer runs it: no network, no configuration, a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.daemon import DEADLINE, ROOT, until

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
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder), **nowhere}


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "bookhopper", "demo", *options]


@pytest.fixture
def short_folder() -> object:
    # the path of a socket has room for some hundred bytes, less than pytest's own folders may take
    with tempfile.TemporaryDirectory(prefix="bh-") as folder:
        yield Path(folder)


def test_it_shows_the_whole_way_and_leaves_nothing_behind(short_folder: Path) -> None:
    done = subprocess.run(
        _command(),
        env=_environment(short_folder),
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
    assert len(re.findall(r"pick: \d+ demo:/opds/books/\d+", done.stdout)) == 2
    assert list(short_folder.iterdir()) == []


def test_keep_leaves_the_folder_and_names_it(short_folder: Path) -> None:
    done = subprocess.run(
        _command("--keep"),
        env=_environment(short_folder),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (folder,) = short_folder.iterdir()
    assert str(folder) in done.stdout
    assert sorted(book.name for book in (folder / "ingest").iterdir()) == sorted(BOOKS)
    assert (folder / "bookhopper.yaml").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_ctrl_c_cleans_up(short_folder: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        _command(),
        env=_environment(short_folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    with running, running.stdout as output:
        until(lambda: list(short_folder.glob("*/state/parts/*.part")), "a download")
        running.send_signal(number)
        said = output.read()
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert list(short_folder.iterdir()) == []
