"""What came to its end, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.fields import paging
from bookhopper.api.view import View, delivery, download, page
from bookhopper.model import Job, State

_ENDED = (State.DONE, State.OWNED, State.DUPLICATE, State.FAILED, State.CANCELLED)


def history(view: View, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Show the downloads that ended, each with its delivery, the latest first; at most a thousand."""
    return with_deliveries(view, view.store.history(limit=limit, offset=offset))


def with_deliveries(view: View, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Show jobs that do not run, each with its line of the ledger."""
    lines = view.store.deliveries([job.id for job in jobs])
    return [
        {**download(job, None), "delivery": delivery(lines[job.id]) if job.id in lines else None}
        for job in jobs
    ]


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def listed(request: Request) -> JSONResponse:
        limit, offset = paging(request)
        counts = view.store.counts()
        total = sum(counts[state] for state in _ENDED)
        return JSONResponse(page(history(view, limit, offset), total, limit, offset))

    return [Route("/api/history", listed)]
