"""A real queue for tests: an SQLite store, its changes, and jobs brought to where a test begins."""

from __future__ import annotations

import time
from pathlib import Path

from bookhopper.model import Candidate, Change, Delivery, Job, State, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import Move, NewRequest, Wish
from bookhopper.store.sqlite import SqliteStore

FILE = "queue.db"


class Queue:
    """A store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: list[Change] = []
        self.store = SqliteStore(folder / FILE, self.changes.append)

    def reopen(self) -> None:
        """Close the store and open it again, as a restart does."""
        self.store.close()
        self.store = SqliteStore(self.folder / FILE, self.changes.append)

    def close(self) -> None:
        self.store.close()

    def add(self, *wants: Want) -> list[int]:
        """Store a request with these wants; gives their jobs."""
        name = f"list-{time.monotonic_ns()}"
        wishes = [Wish(want, identity(want)) for want in wants]
        intake = self.store.add_request(NewRequest(name, f"{name}.txt", "digest", f"{name}.report"), wishes)
        return [line.job or 0 for line, _ in self.store.lines(intake.request.id)]

    def queued(self, want: Want, *candidates: Candidate) -> int:
        """Bring a new job to QUEUED."""
        (job,) = self.add(want)
        claimed = self.store.claim(State.WANTED)
        assert claimed is not None
        assert claimed.id == job
        self.store.move(Move(job, State.SEARCHING, State.QUEUED, candidates=candidates))
        return job

    def downloading(self, want: Want, *candidates: Candidate) -> Job:
        """Bring a new job to DOWNLOADING."""
        job = self.queued(want, *candidates)
        claimed = self.store.claim(State.QUEUED)
        assert claimed is not None
        assert claimed.id == job
        return claimed

    def place(self, job: Job, of: Candidate, folder: str = "") -> None:
        """Enter a job's book into the ledger, as if it lay in ingest or a folder there."""
        name = f"{folder}{job.id}.{of.format}"
        line = Delivery(
            job=job.id,
            source=of.source,
            key=of.key,
            name=name,
            staged=f"{name}.uploading",
            folder="here",
            sha256=f"sha-{job.id}",
            size=10,
            format=of.format,
            placed_at=time.time(),
        )
        self.store.place(line)

    def settle(self) -> None:
        """Wait until what was handed to the store is durable."""
        self.store.writer.call("test", lambda _: None)

    def job(self, number: int) -> Job:
        self.settle()
        found = self.store.job(number)
        assert found is not None
        return found

    def states(self) -> dict[str, int]:
        """Count jobs by state, empty states left out."""
        self.settle()
        return {state.value: number for state, number in self.store.counts().items() if number}


def want(title: str = "A Tale", author: str = "Ann Author", *, force: bool = False) -> Want:
    """A want as a line `Title — Author` gives it."""
    return Want(title=title, authors=(author,), line=1, raw=f"{title} — {author}", force=force)


def candidate(key: str = "1", title: str = "A Tale", *urls: str, author: str = "Ann Author") -> Candidate:
    """An EPUB that the source `shelf` offers."""
    return Candidate("shelf", key, title, (author,), language="en", format="epub", urls=urls, score=0.9)
