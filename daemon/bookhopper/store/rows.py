"""Rows of the database as the nouns that the rest of the program knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bookhopper.model import Delivery, Job, Request, State
from bookhopper.store.codec import (
    candidates_from_json,
    candidates_to_json,
    resume_from_json,
    resume_to_json,
    want_from_json,
    want_to_json,
)
from bookhopper.store.queries import Line, LineNote

JOB = (
    "id, request, want, state, parent, owner, paused, priority, position, attempts, looks, "
    "not_before, candidates, resume, error, asked, created, changed"
)
REQUEST = "id, name, digest, owner, report, wants, created"
DELIVERY = (
    "job, source, key, name, staged, folder, sha256, size, format, placed_at, done_at, seconds, fetched"
)
LINE = 'ordinal, number, "column", raw, note, job, reason'
"""An entry that made no job; one that did is read from its job."""

_WRITTEN: dict[str, Callable[[Any], str]] = {
    "want": want_to_json,
    "candidates": candidates_to_json,
    "resume": resume_to_json,
}


def written(field: str, value: object) -> object:
    """Give a job's field as its column holds it."""
    write = _WRITTEN.get(field)
    return value if write is None else write(value)


def job(row: tuple[Any, ...], *, state: State | None = None, changed: float | None = None) -> Job:
    """Read a row of the columns in JOB; `state` and `changed` stand for what has since been written."""
    return Job(
        id=row[0],
        request=row[1],
        want=want_from_json(row[2]),
        state=state or State(row[3]),
        parent=row[4],
        owner=row[5],
        paused=bool(row[6]),
        priority=row[7],
        position=row[8],
        attempts=row[9],
        looks=row[10],
        not_before=row[11],
        candidates=candidates_from_json(row[12]),
        resume=resume_from_json(row[13]),
        error=row[14],
        asked=row[15],
        created=row[16],
        changed=row[17] if changed is None else changed,
    )


def request(row: tuple[Any, ...]) -> Request:
    """Read a row of the columns in REQUEST."""
    return Request(*row)


def delivery(row: tuple[Any, ...]) -> Delivery:
    """Read a row of the columns in DELIVERY."""
    return Delivery(*row)


def line_of(job: Job, ordinal: int) -> Line:
    """Tell of the entry that a job was made for."""
    return Line(ordinal, job.want.line, 1, job.want.raw, LineNote.NEW, job.id)


def line(row: tuple[Any, ...]) -> Line:
    """Read a row of the columns in LINE."""
    ordinal, number, column, raw, note, job_id, reason = row
    return Line(ordinal, number, column, raw, LineNote(note), job_id, reason)
