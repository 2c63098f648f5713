"""`bookhopper demo`: the whole way of a book in a few seconds, without network or configuration.

The catalogue, the books and the want-list are made up; the daemon is the real one, in a process of its own.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import humanize
from rich.console import Console

from bookhopper.client import Client
from bookhopper.demo.catalogue import Catalogue, shelf
from bookhopper.demo.daemon import Daemon
from bookhopper.demo.library import MOBY_DICK, TREASURE_ISLAND
from bookhopper.demo.screen import Screen
from bookhopper.errors import BookhopperError
from bookhopper.intake.drop import drop
from bookhopper.model import UNSETTLED, State
from bookhopper.verify import verify

LIST_NAME = "to-read.txt"
WANT_LIST = """\
# For the long evenings
! The Time Machine — H. G. Wells
Frankenstien - Mary Shelley
978-0-14-143951-8
Bram Stoker - Dracula
The Picture of Dorian Gray by Oscar Wilde
alice's adventures in wonderland, carroll
Walden (1854) Thoreau
Moby Dick — Herman Melville
Treasure Island — Robert Louis Stevenson
The Hound of the Baskervilles — Arthur Conan Doyle
Electra
Love's Labour's Won — William Shakespeare
"""
EXPECTED = {State.DONE: 9, State.FAILED: 1, State.AMBIGUOUS: 1, State.MISSING: 1}
"""What becomes of the list: nine books, a locked one, two plays of one name, and one that is lost."""

_WANTS = sum(EXPECTED.values())
_DEADLINE_SECONDS = 14.0
_LOOK_SECONDS = 0.1
_INTERRUPTED = 130


def demo(console: Console, keep: bool) -> int:  # noqa: FBT001 - the command's own flag
    """Run the demonstration; returns 0 when everything came out as it should, else 1 (130 when interrupted).

    With `keep` the folder stays, and is named at the end.
    """
    screen = Screen(console)
    try:
        folder = Path(tempfile.mkdtemp(prefix="bookhopper-demo-"))
    except OSError as error:
        screen.fault(f"no temporary folder: {error}: set TMPDIR to a folder that can be written to")
        return 1
    try:
        with _ended_by_sigterm():
            good = _show(screen, folder)
    except KeyboardInterrupt:
        screen.fault("Interrupted.")
        return _INTERRUPTED
    except (BookhopperError, OSError) as error:
        screen.fault(str(error))
        return 1
    finally:
        if keep:
            screen.heading("Kept", str(folder))
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Clean up after SIGTERM as after Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the form of a handler
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show(screen: Screen, folder: Path) -> bool:
    begun = time.monotonic()
    with ExitStack() as running:
        catalogue = Catalogue(shelf())
        running.callback(catalogue.stop)
        screen.heading("A library", f"{len(catalogue.books)} books at {catalogue.url}")
        daemon = running.enter_context(Daemon(folder, catalogue.url))
        screen.heading("A want-list", f"dropped into requests/ as {LIST_NAME}")
        screen.lines(WANT_LIST.splitlines())
        drop(daemon.requests, LIST_NAME, WANT_LIST)
        screen.heading("The daemon at work", "it searches, downloads, verifies, delivers")
        counts = _watch(screen, daemon)
        status = daemon.stop()
        took = time.monotonic() - begun
    screen.heading("Its report", f"requests/reports/{LIST_NAME}.report.txt")
    report = daemon.requests / "reports" / f"{LIST_NAME}.report.txt"
    screen.lines(report.read_text(encoding="utf-8").splitlines() if report.exists() else ["(there is none)"])
    screen.heading("The ingest folder", "ingest/, where Calibre-Web or calibre takes books from")
    screen.files(daemon.ingest)
    checks = list(_checks(daemon, catalogue, counts, status))
    screen.heading("In short", f"{took:.1f} seconds")
    screen.checks(checks)
    good = all(came_true for came_true, _ in checks)
    if not good:
        screen.fault(f"This is not what should have come out; the daemon's last words: {daemon.last_words()}")
    return good


def _watch(screen: Screen, daemon: Daemon) -> Counter[State]:
    """Show the jobs until all are settled; returns how many there are in each state."""
    client = Client(daemon.state)
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with screen.progress(_WANTS) as watching:
        while True:
            downloads: list[dict[str, Any]] = client.get("/api/downloads?limit=100")["items"]
            watching.update(downloads)
            counts = Counter(State(download["state"]) for download in downloads)
            if counts.total() >= _WANTS and not UNSETTLED & counts.keys():
                return counts
            if time.monotonic() > deadline or daemon.ended(_LOOK_SECONDS):
                return counts


def _checks(
    daemon: Daemon, catalogue: Catalogue, counts: Counter[State], status: int
) -> Iterator[tuple[bool, str]]:
    """Compare what came out with what should have."""
    outcome = ", ".join(f"{counts[state]} {state.value}" for state in EXPECTED)
    yield counts == EXPECTED, f"{_WANTS} wants, each with an answer: {outcome}"
    files = list(daemon.ingest.iterdir())
    whole = [file for file in files if file.suffix == ".epub" and verify(file, "epub").ok]
    yield (
        len(whole) == len(files) == EXPECTED[State.DONE],
        f"{len(whole)} whole, readable EPUBs in ingest/, and nothing else",
    )
    sent = [each for each in catalogue.sent if each.book.work is MOBY_DICK]
    resumed = len(sent) == 2 and not sent[0].whole and sent[1].whole and sent[1].begun > 0
    where = humanize.naturalsize(sent[-1].begun) if sent else "nothing"
    yield resumed, f"Moby Dick broke off midway and went on from there, at {where}"
    sent = [each for each in catalogue.sent if each.book.work is TREASURE_ISLAND]
    other_copy = len(sent) == 2 and not sent[0].whole and sent[1].whole
    yield other_copy, "Treasure Island broke off for good and came from another copy"
    yield status == 0, "the daemon stopped in order"
