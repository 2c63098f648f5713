"""What a script is told of a book, as JSON on its standard input; no address, since these may hold secrets.

The keys stay as they are once they are out; more may come.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bookhopper.model import Candidate, Job, Want
from bookhopper.scripts.script import Stage


def facts(
    stage: Stage,
    job: Job,
    book: Mapping[str, object],
    paths: Mapping[str, Path | None],
    *,
    repeated: bool = False,
) -> dict[str, object]:
    """Put together what is known; `repeated` says that an earlier run may have been cut short."""
    return {
        "stage": stage,
        "job": job.id,
        "request": job.request,
        "repeated": repeated,
        "want": _want(job.want),
        "book": book,
        "paths": {name: None if path is None else str(path) for name, path in paths.items()},
    }


def book_facts(
    candidate: Candidate,
    *,
    kind: str,
    size: int,
    sha256: str,
    name: str | None = None,
) -> dict[str, object]:
    """Describe a file of a format (`kind`) and its book; `name` is its name in ingest, where it has one."""
    return {
        "source": candidate.source,
        "key": candidate.key,
        "title": candidate.title,
        "authors": candidate.authors,
        "year": candidate.year,
        "series": candidate.series,
        "position": candidate.position,
        "language": candidate.language,
        "format": kind,
        "size": size,
        "sha256": sha256,
        "name": name,
    }


def _want(want: Want) -> dict[str, object]:
    """Describe a want; `number` and `line` are its place and its text in the list."""
    return {
        "title": want.title,
        "authors": want.authors,
        "isbn": want.isbn,
        "year": want.year,
        "language": want.language,
        "series": want.series,
        "tags": want.tags,
        "number": want.line,
        "line": want.raw,
    }
