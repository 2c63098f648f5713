"""Taking a whole want-list over HTTP."""

from __future__ import annotations

from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import caller
from bookhopper.api.fields import by_turns, taking_bytes
from bookhopper.api.view import View
from bookhopper.store.queries import Line

_SHOWN_LINES = 1000
_AT_ONCE = 4  # lists that are held in memory, each of which may be as large as lists can be


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def take(request: Request, data: bytes) -> JSONResponse:
        name = request.query_params.get("name", "")
        who = caller(request)
        intake = view.desk.take(name, data, who.name, None if who.admin else who.name)
        lines = islice(view.store.lines(intake.request.id), _SHOWN_LINES)
        return JSONResponse(
            {
                "request": intake.request.id,
                "name": intake.request.name,
                "new": intake.new,
                "known": intake.known,
                "bad": intake.bad,
                "lines": [_shown(line) for line, _ in lines],
            },
            201,
        )

    endpoint = by_turns(taking_bytes(take, view.max_list), _AT_ONCE)
    return [Route("/api/requests", endpoint, methods=["POST"])]


def _shown(line: Line) -> dict[str, Any]:
    return {
        "line": line.number,
        "raw": line.raw,
        "note": line.note.value,
        "job": line.job,
        "reason": line.reason or None,
    }
