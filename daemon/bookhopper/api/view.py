"""What the routes may see of the daemon, and how its nouns look in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bookhopper.model import Candidate, Job
from bookhopper.store.base import Store
from bookhopper.ticket import Ticket
from bookhopper.worker import Pool


@dataclass(frozen=True, slots=True)
class View:
    """The running daemon from outside; `health` names each part and whether it is alive.

    `held_hosts` gives the hosts that are left alone now, and for how many more seconds.
    """

    store: Store
    searchers: Pool
    fetchers: Pool
    health: Callable[[], Mapping[str, bool]]
    metrics: Callable[[], bytes]
    held_hosts: Callable[[], Mapping[str, float]] = dict

    def tickets(self) -> Mapping[int, Ticket]:
        """Give the tickets of all running jobs, by job."""
        return {**self.searchers.tickets(), **self.fetchers.tickets()}


def download(job: Job, ticket: Ticket | None) -> dict[str, Any]:
    """Show a job as the API does: what was wished, what it became, and how far it is.

    `received` and `total` are bytes, `speed` bytes a second, `eta` seconds, moments seconds since the epoch;
    what is not known is null.
    """
    best = next((candidate for candidate in job.candidates if not candidate.fault), None)
    running = ticket if ticket is not None and ticket.stage else None
    total = running.total if running else None
    received = running.received if running else 0
    return {
        "id": job.id,
        "state": job.state.value,
        "paused": job.paused,
        "title": job.want.title or job.want.isbn or job.want.raw,
        "authors": list(job.want.authors),
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
        "stage": running.stage if running else None,
        "received": received,
        "total": total,
        "percent": round(100 * received / total, 1) if total else None,
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


def page(items: Sequence[Any], total: int, limit: int, offset: int) -> dict[str, Any]:
    """Show one page of a list."""
    return {"items": list(items), "total": total, "limit": limit, "offset": offset}
