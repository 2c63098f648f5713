"""How the queue as a whole stands, and holding it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import require_admin
from bookhopper.api.view import View


def queue_status(view: View) -> dict[str, Any]:
    """Show the queue's figures: jobs by state, workers, and what holds it or its hosts (in seconds)."""
    counts = view.store.counts()
    return {
        "paused": view.control.paused,
        "order": view.order,
        "counts": {state.value: number for state, number in counts.items()},
        "total": sum(counts.values()),
        "workers": view.fetchers.size,
        "active": len(view.fetchers.tickets()),
        "held": {pool.stage: pool.held for pool in (view.searchers, view.fetchers) if pool.held},
        "configuration": {
            "ok": not view.configuration.faults,
            "loaded_at": view.configuration.loaded_at,
            "faults": list(view.configuration.faults),
        },
        "hosts": {name: round(seconds) for name, seconds in view.held_hosts().items()},
    }


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def status(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        return JSONResponse(queue_status(view))

    def pause(request: Request) -> JSONResponse:
        require_admin(request)
        view.control.pause_queue()
        return JSONResponse(queue_status(view))

    def resume(request: Request) -> JSONResponse:
        require_admin(request)
        view.control.resume_queue()
        return JSONResponse(queue_status(view))

    return [
        Route("/api/downloads/status", status),
        Route("/api/downloads/pause", pause, methods=["POST"]),
        Route("/api/downloads/resume", resume, methods=["POST"]),
    ]
