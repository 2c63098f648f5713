"""How many downloads run at once, changed while they do."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import require_admin
from bookhopper.api.fields import WorkersBody, taking
from bookhopper.api.view import View
from bookhopper.control import MOST_WORKERS


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def workers() -> dict[str, Any]:
        return {"workers": view.fetchers.size, "busy": len(view.fetchers.tickets()), "limit": MOST_WORKERS}

    def show(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        return JSONResponse(workers())

    def change(request: Request, body: WorkersBody) -> JSONResponse:
        require_admin(request)
        view.control.resize(body.workers)
        return JSONResponse(workers())

    return [
        Route("/api/workers", show),
        Route("/api/workers", taking(WorkersBody, change), methods=["PUT"]),
    ]
