"""One daemon for one state folder."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bookhopper.errors import BookhopperError
from bookhopper.lock import StateLock

HOLD = """
import sys
from pathlib import Path
from bookhopper.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_refused_and_told_who(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with pytest.raises(BookhopperError) as refused:
        StateLock(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: another bookhopper (process {os.getpid()}) works in this state folder: "
        "stop it first, or give this one a folder of its own"
    )
    lock.release()
    StateLock(tmp_path).release()


def test_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root / "daemon")},
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BookhopperError, match=rf"process {other.pid}\)"):
            StateLock(tmp_path)
        other.kill()
    StateLock(tmp_path).release()


def test_a_longer_number_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("123456789012345\n")
    lock = StateLock(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_holder_that_left_no_number(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BookhopperError, match=r"\(process unknown\)"):
            StateLock(tmp_path)


def test_a_folder_without_the_right(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(BookhopperError, match="lock cannot be locked: Is a directory: give"):
        StateLock(tmp_path)


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", failing)
    with pytest.raises(BookhopperError, match="cannot be locked: No locks available"):
        StateLock(tmp_path)
