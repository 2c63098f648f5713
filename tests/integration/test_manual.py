"""The manual page: every command is in it, and those that show man pages find no fault with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bookhopper import __version__, shipped
from bookhopper.cli import main
from tests.commands import every_command
from tests.terminal import Terminal


def needed(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def printed(tmp_path: Path, width: int = 100) -> str:
    """Give the page as `man` shows it."""
    environment = os.environ | {"MANWIDTH": str(width), "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}
    shown = subprocess.run(
        [needed("man"), "--warnings", "-l", "-E", "UTF-8", shipped.MANUAL],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown.stderr == ""
    return re.sub(r".\x08", "", shown.stdout)


def test_mandoc_finds_no_fault() -> None:
    ended = subprocess.run(
        [needed("mandoc"), "-Tlint", shipped.MANUAL], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_every_command_is_in_it_with_its_options(tmp_path: Path) -> None:
    page = " ".join(printed(tmp_path).split())
    words = set(re.sub(r"[\[\],]", " ", page).split())
    assert f"bookhopper {__version__}" in page
    for ctx in every_command():
        assert f" {ctx.command_path} {ctx.command_path} " in page
        for param in ctx.command.params:
            assert words >= {name for name in param.opts if name.startswith("-")}


def test_what_else_a_manual_page_has(tmp_path: Path) -> None:
    page = printed(tmp_path)
    assert re.findall(r"^([A-Z ]{4,})$", page, re.MULTILINE) == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "RUNNING",
        "THE QUEUE",
        "LOOKING INTO THINGS",
        "SETTING UP",
        "EXIT STATUS",
        "SIGNALS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ]
    assert 'bookhopper add "Jane Eyre — Charlotte Brontë"\n' in page
    assert " bookhopper queue list --json | jq '.items[].title'\n" in page


def test_no_line_of_prose_is_cut(tmp_path: Path) -> None:
    wide = [line for line in printed(tmp_path, 80).splitlines() if len(line) > 80]
    assert all(line.lstrip().startswith(("bookhopper ", "sudo bookhopper ")) for line in wide)


def test_it_is_printed_into_a_pipe() -> None:
    assert CliRunner().invoke(main, ["man"]).stdout_bytes == shipped.MANUAL.read_bytes()


def test_it_is_shown_on_a_terminal(tmp_path: Path) -> None:
    needed("man")
    # bold letters are typed twice by some, a backspace between them, which col takes away
    environment = os.environ | {"MANPAGER": "col -bx", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    terminal = Terminal([sys.executable, "-m", "bookhopper", "man"], environment, tmp_path)
    try:
        terminal.await_text("BOOKHOPPER(1)")
        terminal.await_text("SEE ALSO")
    finally:
        terminal.close()
