"""A real requests folder with its watcher, taker and store, for tests that drop files into it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bookhopper.intake.base import Limits
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.observer import Polling
from bookhopper.intake.taking import Taken, Taker
from bookhopper.intake.watch import Watcher
from bookhopper.model import State
from bookhopper.store.sqlite import SqliteStore
from tests.waiting import DEADLINE, until


class Intake:
    """What a test needs of a running intake."""

    def __init__(self, path: Path, store: SqliteStore, watcher: Watcher, taken: list[Taken]) -> None:
        self.path = path
        self.store = store
        self.watcher = watcher
        self.taken = taken

    def names(self, sub: str = "") -> list[str]:
        folder = self.path / sub
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def error(self, name: str) -> str:
        """Wait for the answer to a file that was refused, and read it."""
        answer = self.path / "rejected" / f"{name}.error.txt"
        until(lambda: answer.is_file() and answer.read_text(), f"an answer to {name}")
        return answer.read_text()

    def accepted(self, name: str) -> Path:
        """Wait until a file was filed away as taken."""
        filed = self.path / "accepted" / name
        until(lambda: any(taken.intake and taken.name == name for taken in self.taken), f"{name} taken")
        return filed

    def wanted(self) -> int:
        return self.store.counts()[State.WANTED]


@contextmanager
def running_intake(
    tmp_path: Path,
    *,
    settle: float = 0.05,
    polling: Polling = "auto",
    limits: Limits | None = None,
    doubtful: float = 0.2,
) -> Iterator[Intake]:
    requests = tmp_path / "requests"
    requests.mkdir(exist_ok=True)
    store = SqliteStore(tmp_path / "queue.sqlite", lambda _: None)
    folder = RequestFolder(requests)
    taken: list[Taken] = []
    taker = Taker(folder, store, limits=limits, told=taken.append)
    watcher = Watcher(
        folder, taker.take, settle=settle, polling=polling, poll_interval=0.05, doubtful=doubtful
    )
    try:
        watcher.start()
        yield Intake(requests, store, watcher, taken)
    finally:
        watcher.stop()
        assert watcher.join(time.monotonic() + DEADLINE)
        store.close()
