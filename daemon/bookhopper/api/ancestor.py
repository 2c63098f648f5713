"""Books and states as the ancestor's callers know them, made of ours.

Its states are fewer: what waits and what is searched for is `queued`, what failed, was missed or asks for a
person is an `error`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from humanize import naturalsize

from bookhopper.api.books import best_of, book_id, offer_id
from bookhopper.model import Candidate, Delivery, Job, State
from bookhopper.ticket import Ticket

QUEUED, DOWNLOADING, AVAILABLE = "queued", "downloading", "available"
ERROR, DONE, CANCELLED = "error", "done", "cancelled"

_GROUP = {
    State.WANTED: QUEUED,
    State.SEARCHING: QUEUED,
    State.QUEUED: QUEUED,
    State.DOWNLOADING: DOWNLOADING,
    State.PLACED: DOWNLOADING,
    State.MISSING: ERROR,
    State.AMBIGUOUS: ERROR,
    State.FAILED: ERROR,
    State.DONE: DONE,
    State.OWNED: DONE,
    State.DUPLICATE: DONE,
    State.EXPANDED: DONE,
    State.EXPANDED: DONE,
    State.CANCELLED: CANCELLED,
}
_JOINT = "; "


@dataclass(frozen=True, slots=True)
class Book:
    """The ancestor's noun, with its fields in its order; `error` is ours, and shown only where there is one.

    `size` is for people to read, `progress` runs from 0 to 100; `download_urls` stays empty, since addresses
    may hold secrets; `download_path` is the name of the file in ingest while it lies there.
    """

    id: str
    title: str
    preview: str | None = None
    author: str | None = None
    publisher: str | None = None
    year: str | None = None
    language: str | None = None
    format: str | None = None
    size: str | None = None
    info: Mapping[str, Sequence[str]] = field(default_factory=dict)
    download_urls: Sequence[str] = ()
    download_path: str | None = None
    priority: int = 0
    progress: float | None = None
    error: str = ""

    def whole(self) -> dict[str, Any]:
        """Show every field, nulls included."""
        shown = {name: getattr(self, name) for name in self.__slots__ if name != "error"}
        return {**shown, "error": self.error} if self.error else shown

    def known(self) -> dict[str, Any]:
        """Show what is known, nulls left out."""
        return {name: value for name, value in self.whole().items() if value is not None}


def group_of(job: Job) -> str:
    """Name the ancestor's state of a job; `available` is a matter of files, and so `done` here."""
    return _GROUP[job.state]


def title_of(job: Job) -> str:
    """Give the title by which a person knows a job."""
    best = best_of(job)
    return (best.title if best else "") or job.want.title or job.want.isbn or job.want.raw


def author_of(job: Job) -> str | None:
    """Give the authors of a job's book in one line, as far as they are known."""
    best = best_of(job)
    return _JOINT.join((best.authors if best else ()) or job.want.authors) or None


def offered(candidate: Candidate) -> Book:
    """Show what a source offers."""
    return Book(
        id=offer_id(candidate),
        title=candidate.title,
        author=_JOINT.join(candidate.authors) or None,
        year=str(candidate.year) if candidate.year is not None else None,
        language=candidate.language or None,
        format=candidate.format or None,
        size=naturalsize(candidate.size) if candidate.size is not None else None,
        info=_info(candidate),
    )


def book_of(
    job: Job, ticket: Ticket | None = None, line: Delivery | None = None, *, in_ingest: bool = False
) -> Book:
    """Show a job's book; `line` is its line of the ledger, `in_ingest` whether the file still lies there."""
    best, want = best_of(job), job.want
    group = group_of(job)
    year = best.year if best and best.year is not None else want.year
    size = line.size if line else best.size if best else None
    formats = (line.format if line else "", best.format if best else "", *want.formats)
    return Book(
        id=book_id(job),
        title=title_of(job),
        author=author_of(job),
        year=str(year) if year is not None else None,
        language=(best.language if best else "") or want.language or None,
        format=next(filter(None, formats), None),
        size=naturalsize(size) if size is not None else None,
        info=_info(best) if best else {"ISBN": (want.isbn,)} if want.isbn else {},
        download_path=line.name if line and in_ingest else None,
        priority=job.priority,
        progress=_progress(group, ticket),
        error=(job.error or job.state.value) if group == ERROR else "",
    )


def _info(candidate: Candidate) -> dict[str, Sequence[str]]:
    said = {
        "Source": (candidate.source,),
        "Key": (candidate.key,),
        "ISBN": candidate.isbns,
        "Series": (candidate.series,) if candidate.series else (),
        "Score": (f"{candidate.score:.2f}",) if candidate.score else (),
    }
    return {name: values for name, values in said.items() if values}


def _progress(group: str, ticket: Ticket | None) -> float | None:
    if group == DONE:
        return 100.0
    if group != DOWNLOADING:
        return None
    if ticket is None or not ticket.total:
        return 0.0
    return min(100.0, round(100 * ticket.received / ticket.total, 1))
