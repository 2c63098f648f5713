"""Having the configuration read again."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import require_admin
from bookhopper.api.view import View


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def reload(request: Request) -> JSONResponse:
        require_admin(request)
        outcome = view.reload()
        return JSONResponse({"ok": outcome.ok, **asdict(outcome)})

    return [Route("/api/reload", reload, methods=["POST"])]
