"""Folders for a moment: nothing of them is left, whatever was done in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from bookhopper.scripts.scratch import Scratch
from tests.ordinary import ordinary
from tests.waiting import DEADLINE

_LOCKING = """
import pathlib, sys
from bookhopper.scripts.scratch import Scratch
from tests.ordinary import ordinary
from tests.waiting import DEADLINE
with Scratch(pathlib.Path(sys.argv[1])).folder(1) as folder:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (deep / "link").symlink_to(sys.argv[2])
    for each in (deep, deep.parent, folder):
        each.chmod(0)
"""


def test_what_a_program_has_locked_goes_as_well(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o750)
    command = [*ordinary(), sys.executable, "-c", _LOCKING, str(tmp_path / "scratch"), str(elsewhere)]
    subprocess.run(command, check=True, timeout=60)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert elsewhere.stat().st_mode & 0o777 == 0o750


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True, mode=0o750)
    with scratch.folder(1) as folder:
        folder.rmdir()
        folder.symlink_to(elsewhere)
    assert (elsewhere / "kept").stat().st_mode & 0o777 == 0o750
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_crash_left_is_removed_also_where_the_folder_lies_elsewhere(tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "scratch"
    (elsewhere / "1-abc" / "work").mkdir(parents=True)
    link.symlink_to(elsewhere)
    Scratch(link).clear()
    assert link.is_symlink()
    assert list(elsewhere.iterdir()) == []


def test_a_program_that_outlived_a_crash_is_ended(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "1-abc" / "work"
    left.mkdir(parents=True)
    mine = subprocess.Popen(["sleep", "600"], env={"PATH": os.defpath, "TMPDIR": str(left)})
    gone = str(tmp_path / "scratch" / "2-def")
    free = subprocess.Popen(["sleep", "600"], env={"PATH": os.defpath, "TMPDIR": gone})
    try:
        Scratch(tmp_path / "scratch").clear()
        assert mine.wait(DEADLINE) == -signal.SIGKILL
        assert free.poll() is None, "its run had ended in order, so that it was meant to go on"
    finally:
        for process in (mine, free):
            process.kill()
            process.wait()
