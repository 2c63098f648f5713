"""What the daemon does by the clock: how it stands with it, and having one of it done now."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import require_admin
from bookhopper.api.view import View


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def show(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        return JSONResponse({"chores": [asdict(each) for each in view.schedule.standings()]})

    def run(request: Request) -> JSONResponse:
        require_admin(request)
        return JSONResponse(asdict(view.schedule.asked(request.path_params["name"])), 202)

    return [
        Route("/api/schedule", show),
        Route("/api/schedule/{name}/run", run, methods=["POST"]),
    ]
