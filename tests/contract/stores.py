"""A store to hold to its contract, whatever keeps the queue, and what the tests put into it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bookhopper.model import BadLine, Candidate, Change, Delivery, Job, State, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import Entry, Move, NewRequest, Store, Wish
from bookhopper.store.sqlite import SqliteStore

CANDIDATE = Candidate(
    source="shelf",
    key="1",
    title="Emma",
    authors=("Jane Austen",),
    language="en",
    format="epub",
    size=10,
    urls=("http://127.0.0.1/1",),
    checksums={"md5": "x"},
    score=0.9,
    parts={"title": 0.6},
)


class Bench:
    """A store, the changes that it told of, and a way to open it again."""

    def __init__(self, folder: Path, *, by_priority: bool = True) -> None:
        self.path = folder / "queue.db"
        self.changes: list[Change] = []
        self.store: Store = SqliteStore(self.path, self.changes.append, by_priority=by_priority)

    def reopen(self, *, by_priority: bool = True) -> Store:
        self.store.close()
        self.store = SqliteStore(self.path, self.changes.append, by_priority=by_priority)
        return self.store

    def drop(self, *entries: Want | BadLine, token: str = "") -> list[int]:
        """Store a request and give the jobs of its lines."""
        wishes: list[Entry] = [
            entry if isinstance(entry, BadLine) else Wish(entry, identity(entry)) for entry in entries
        ]
        name = token or f"list {time.monotonic_ns()}"
        intake = self.store.add_request(
            NewRequest(name, f"{name}.txt", "digest", f"{name}.report.txt"), wishes
        )
        return [line.job or 0 for line, _ in self.store.lines(intake.request.id)]

    def claimed_earlier(self, job: int, seconds: float) -> None:
        """Let a running job have begun so much earlier."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE jobs SET changed = changed - ? WHERE id = ?", (seconds, job))

    def downloading(self, title: str = "Emma") -> int:
        """Bring a new job to DOWNLOADING."""
        (job,) = self.drop(want(title))
        claimed = self.store.claim(State.WANTED)
        assert claimed is not None
        self.store.move(Move(job, State.SEARCHING, State.QUEUED, candidates=(CANDIDATE,)))
        assert self.store.claim(State.QUEUED) is not None
        return job

    def settle(self) -> None:
        """Wait until every change that was durable before has been told."""
        self.store.set_setting("settled", "")

    def job(self, number: int) -> Job:
        """Read a job that is there."""
        found = self.store.job(number)
        assert found is not None
        return found


def want(title: str, author: str = "Jane Austen", **fields: object) -> Want:
    return replace(Want(title=title, authors=(author,), line=1, raw=f"{title} — {author}"), **fields)  # type: ignore[arg-type]


def delivery(job: int, **fields: object) -> Delivery:
    line = Delivery(
        job=job,
        source="shelf",
        key=str(job),
        name=f"{job}.epub",
        staged=f"{job}.epub.uploading",
        folder="here",
        sha256=f"sha-{job}",
        size=10,
        format="epub",
        placed_at=100.0,
    )
    return replace(line, **fields)  # type: ignore[arg-type]
