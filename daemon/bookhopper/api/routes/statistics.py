"""What the daemon has achieved."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.states import WAITING
from bookhopper.api.view import View
from bookhopper.store.queries import Totals

_DAY = 86400.0


def statistics(view: View) -> dict[str, Any]:
    """Show what runs, what waits, and what was achieved over all time and the last 24 hours."""
    counts = view.store.counts()
    return {
        "active": len(view.fetchers.tickets()),
        "queued": sum(counts[state] for state in WAITING),
        "all_time": _achieved(view.store.totals()),
        "last_24h": _achieved(view.store.totals(time.time() - _DAY)),
    }


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def answer(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        return JSONResponse(statistics(view))

    return [Route("/api/statistics", answer)]


def _achieved(totals: Totals) -> dict[str, Any]:
    ended = totals.completed + totals.failed
    return {
        "completed": totals.completed,
        "failed": totals.failed,
        "success_rate": totals.completed / ended if ended else None,
        "bytes": totals.bytes,
        "mean_speed": totals.timed_bytes / totals.seconds if totals.seconds > 0 else None,
    }
