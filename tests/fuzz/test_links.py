"""Somebody who swaps files for links while the daemon takes them: nothing outside is read, moved or deleted.

The special cases that have tests elsewhere: zip bombs and names that leave their folder, `test_verify_epub`;
entities, `test_hostile_xml`, `test_parse_feeds`; alias bombs, `test_parse_yaml`, `test_config`; expressions
that run away, `test_definition_templates`; redirects into the private network, `test_session`; names that
move there, `test_route`; lines put into the log, `test_events`; links in folders, `test_bad_input`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bookhopper.intake import names
from tests.daemon import ROOT, Daemon
from tests.fuzz.target import TALLY
from tests.waiting import until

SWAPS = 4_000
OUTSIDE = "Outside Secret — Nobody"

_SWAPPER = """
import os, sys, time
from itertools import cycle
from pathlib import Path

requests, outside, swaps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
goals = cycle([outside / "secret.txt", outside / "folder", Path("/proc/self/mem"), Path("..")])
kinds = cycle(["file", "link", "file", "hard", "folder", "fifo"])
for number in range(swaps):
    name = requests / f"list{number % 8}.txt"
    made = requests / f".made-{number}"
    kind = next(kinds)
    try:
        if kind == "file":
            made.write_text(f"Inside {number} — Somebody\\n")
        elif kind == "link":
            made.symlink_to(next(goals))
        elif kind == "hard":
            made.symlink_to(requests / f"list{(number + 1) % 8}.txt")
        elif kind == "folder":
            made.mkdir()
        else:
            os.mkfifo(made)
        os.replace(made, name)
    except OSError:
        # it was taken meanwhile, or a folder lies there
        for left in (made, name):
            try:
                left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
            except OSError:
                pass
    time.sleep(0.001)  # so that the daemon sees some of it
    if number % 50 == 0:  # our own folders, too: away, and a link in their place
        for sub in ("accepted", "rejected", "reports"):
            try:
                (requests / sub).rename(requests / f".{sub}-{number}")
                (requests / sub).symlink_to(outside / "folder")
            except OSError:
                pass
    if number % 50 == 10:
        for sub in ("accepted", "rejected", "reports"):
            if (requests / sub).is_symlink():
                (requests / sub).unlink()
"""


def _state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Give everything in a folder, with what a write, a rename or a new mode would change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_mode, content)
    return found


def test_a_writer_that_swaps_files_for_links_reaches_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "kept.txt").write_text("kept\n")
    (outside / "secret.txt").write_text(f"{OUTSIDE}\n")
    before = _state_of(outside)
    daemon = _daemon(tmp_path)
    try:
        arguments = [sys.executable, "-c", _SWAPPER, str(daemon.requests), str(outside), str(SWAPS)]
        subprocess.run(arguments, check=True, timeout=100, cwd=ROOT)
        TALLY.cases["symbolic links"] += SWAPS
        for sub in ("accepted", "rejected", "reports"):
            if (daemon.requests / sub).is_symlink():
                (daemon.requests / sub).unlink()
        daemon.drop("last.txt", "The Last — Somebody\n")
        until(lambda: daemon.report("last.txt"), lambda: daemon.log)
        until(lambda: not _hidden(daemon.requests), lambda: f"{_hidden(daemon.requests)}\n{daemon.log}")
        assert _state_of(outside) == before
        titles = [job["title"] for job in daemon.jobs()]
        assert "The Last" in titles
        assert sum(title.startswith("Inside") for title in titles) >= 10, "the daemon took next to nothing"
        assert not any("Outside" in title for title in titles)
        told = "".join(
            path.read_text(errors="replace")
            for path in daemon.requests.rglob("*.txt")
            if path.is_file() and not path.is_symlink()
        )
        assert "Outside Secret" not in told + daemon.log
        assert "Traceback" not in daemon.log
        assert daemon.stop() == 0
        assert _state_of(outside) == before
    finally:
        daemon.close()


def _hidden(requests: Path) -> list[str]:
    """Give what was taken and neither accepted nor refused."""
    return [path.name for path in requests.iterdir() if names.from_private(path.name)]


def _daemon(folder: Path) -> Daemon:
    sources = [{"kind": "folder", "path": str(folder)}]
    daemon = Daemon(folder / "home", {"sources": sources, "intake": {"settle": "0 s", "rescan": "1 s"}})
    daemon.start()
    return daemon
