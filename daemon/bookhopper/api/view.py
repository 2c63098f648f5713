"""What the routes may see of the daemon, and how its nouns look in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bookhopper.api.books import best_of, book_id
from bookhopper.control import Control
from bookhopper.delivery.copies import Copies
from bookhopper.intake.desk import Desk
from bookhopper.model import UNSETTLED, Candidate, Delivery, Job, Pick, Resume, State, Want
from bookhopper.reload import Configuration, Outcome
from bookhopper.schedule import Schedule
from bookhopper.store.base import Store
from bookhopper.ticket import Ticket
from bookhopper.worker import Pool


class Resolving(Protocol):
    """Who finds candidates, as `search.resolve.Resolver` does."""

    @property
    def source_names(self) -> frozenset[str]:
        """The names of the sources."""
        ...

    def offers(
        self, want: Want, ticket: Ticket, limit: int = ..., *, languages: Sequence[str] = ...
    ) -> Sequence[Candidate]:
        """Give the candidates that answer a want at all, best first."""
        ...

    def lookup(self, pick: Pick, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Give the candidates behind a pick."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """The running daemon from outside; `health` names each part and whether it is alive.

    `held_hosts` gives the hosts that are left alone now, and for how many more seconds; `status_timeout` is
    for how many seconds the ancestor's status shows what settled; `max_list` bounds a list, in bytes.
    """

    store: Store
    control: Control
    searchers: Pool
    fetchers: Pool
    resolver: Resolving
    desk: Desk
    copies: Copies
    ingest: Path
    health: Callable[[], Mapping[str, bool]]
    metrics: Callable[[], bytes]
    configuration: Configuration
    reload: Callable[[], Outcome]
    schedule: Schedule
    held_hosts: Callable[[], Mapping[str, float]] = dict
    order: str = "priority"
    status_timeout: float = 3600.0
    max_list: int = 20 * 1024**2

    def tickets(self) -> Mapping[int, Ticket]:
        """Give the tickets of all running jobs, by job."""
        return {**self.searchers.tickets(), **self.fetchers.tickets()}


def downloads(view: View, jobs: Sequence[Job], tickets: Mapping[int, Ticket]) -> list[dict[str, Any]]:
    """Show jobs as the API does; `tickets` are those of the running ones, by job."""
    collections = [job.id for job in jobs if job.want.collection is not None]
    if not collections:
        return [download(job, tickets.get(job.id)) for job in jobs]
    books, paused = view.store.books_of(collections), view.store.paused_books_of(collections)
    return [download(job, tickets.get(job.id), books.get(job.id), paused.get(job.id, 0)) for job in jobs]


def _is_held(books: Mapping[State, int], paused: int) -> bool:
    """Tell of a collection whether all of its books that are on the way are paused."""
    return paused > 0 and paused >= sum(books.get(state, 0) for state in UNSETTLED)


def download(
    job: Job, ticket: Ticket | None, books: Mapping[State, int] | None = None, paused: int = 0
) -> dict[str, Any]:
    """Show a job as the API does: what was wished, what it became, and how far it is.

    `books` counts a collection's books by state, and `paused` those that are.

    `received` and `total` are bytes, `speed` bytes a second, `eta` seconds, moments seconds since the epoch;
    what is not known is null.  A want that names no title (an ISBN, a pick) is shown by its book's, and a
    collection by its line, which names its author.
    """
    best = best_of(job)
    named = best if not job.want.title else None
    authors = job.want.authors or (named.authors if named else ())
    return {
        "id": job.id,
        "book_id": book_id(job),
        "parent": job.parent,
        "children": None if books is None else {state.value: number for state, number in books.items()},
        "owner": job.owner,
        "state": job.state.value,
        "paused": job.paused or (books is not None and _is_held(books, paused)),
        "asked": job.asked or None,
        "title": job.want.title or (named.title if named else "") or job.want.isbn or job.want.raw,
        "authors": list(authors if job.want.collection is None else ()),
        "request": job.request,
        "line": job.want.line,
        "raw": job.want.raw,
        "priority": job.priority,
        "position": job.position,
        "attempts": job.attempts,
        "looks": job.looks,
        "error": job.error or None,
        "not_before": job.not_before,
        "created": job.created,
        "changed": job.changed,
        "candidate": candidate(best) if best else None,
        **progress(ticket, job.resume),
    }


def progress(ticket: Ticket | None, resume: Resume | None = None) -> dict[str, Any]:
    """Show how far a job is, as part of its download or alone.

    One that does not run (or has not begun) is as far as its part file, from which it can go on.
    """
    running = ticket if ticket is not None and ticket.stage else None
    received, total = (resume.bytes, resume.size) if resume else (0, None)
    if running:
        received, total = running.received, running.total
    return {
        "stage": running.stage if running else None,
        "received": received,
        "total": total,
        "percent": min(100.0, round(100 * received / total, 1)) if total else None,
        "speed": round(running.speed) if running else None,
        "eta": running.eta if running else None,
    }


def candidate(found: Candidate) -> dict[str, Any]:
    """Show a candidate without its addresses, which may hold secrets."""
    return {
        "source": found.source,
        "key": found.key,
        "title": found.title,
        "authors": list(found.authors),
        "language": found.language or None,
        "format": found.format or None,
        "size": found.size,
        "year": found.year,
        "score": round(found.score, 3),
        "parts": {name: round(part, 3) for name, part in found.parts.items()},
    }


def delivery(line: Delivery) -> dict[str, Any]:
    """Show a line of the ledger: the file's name in ingest, its size in bytes and what it took in seconds."""
    return {
        "name": line.name,
        "format": line.format,
        "size": line.size,
        "sha256": line.sha256,
        "seconds": line.seconds,
        "done_at": line.done_at,
    }


def page(items: Sequence[Any], total: int, limit: int, offset: int) -> dict[str, Any]:
    """Show one page of a list."""
    return {"items": list(items), "total": total, "limit": limit, "offset": offset}
