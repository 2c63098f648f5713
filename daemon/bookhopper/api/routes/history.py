"""What came to its end, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.fields import paging
from bookhopper.api.states import ENDED
from bookhopper.api.view import View, delivery, downloads, page
from bookhopper.model import Job


def history(view: View, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """Show the downloads that ended, each with its delivery, the latest first; at most a thousand."""
    return with_deliveries(view, view.store.history(limit=limit, offset=offset))


def with_deliveries(view: View, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Show jobs that do not run, each with its line of the ledger."""
    lines = view.store.deliveries([job.id for job in jobs])
    return [
        {**shown, "delivery": delivery(lines[shown["id"]]) if shown["id"] in lines else None}
        for shown in downloads(view, jobs, {})
    ]


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def listed(request: Request) -> JSONResponse:
        limit, offset = paging(request)
        counts = view.store.counts()
        total = sum(counts[state] for state in ENDED)
        return JSONResponse(page(history(view, limit, offset), total, limit, offset))

    return [Route("/api/history", listed)]
