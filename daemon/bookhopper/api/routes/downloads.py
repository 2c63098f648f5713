"""The queue as others read it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.errors import InvalidFieldError
from bookhopper.api.view import View, download, page
from bookhopper.model import State
from bookhopper.store.base import JobFilter

_MAX_LIMIT = 1000
_MAX_ID = 2**63 - 1


def routes(view: View) -> list[Route]:
    """Make the routes; their handlers are plain functions, which Starlette runs on threads of its own."""

    def listed(request: Request) -> JSONResponse:
        states = _states(request)
        limit = _number(request, "limit", 100, _MAX_LIMIT)
        offset = _number(request, "offset", 0, None)
        counts = view.store.counts()
        tickets = view.tickets()
        jobs = view.store.jobs(JobFilter(states), limit=limit, offset=offset)
        total = sum(number for state, number in counts.items() if not states or state in states)
        return JSONResponse(page([download(job, tickets.get(job.id)) for job in jobs], total, limit, offset))

    def status(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        counts = view.store.counts()
        return JSONResponse(
            {
                "counts": {state.value: number for state, number in counts.items()},
                "total": sum(counts.values()),
                "workers": view.fetchers.size,
                "active": len(view.fetchers.tickets()),
                "held": {pool.stage: pool.held for pool in (view.searchers, view.fetchers) if pool.held},
                "hosts": {name: round(seconds) for name, seconds in view.held_hosts().items()},
            }
        )

    def one(request: Request) -> JSONResponse:
        number = request.path_params["id"]
        job = view.store.job(number) if number <= _MAX_ID else None
        if job is None:
            return JSONResponse({"error": f"there is no download {number}"}, 404)
        return JSONResponse(download(job, view.tickets().get(number)))

    return [
        Route("/api/downloads", listed),
        Route("/api/downloads/status", status),
        Route("/api/downloads/{id:int}", one),
    ]


def _states(request: Request) -> frozenset[State]:
    names = [name for given in request.query_params.getlist("status") for name in given.split(",") if name]
    try:
        return frozenset(State(name) for name in names)
    except ValueError:
        raise InvalidFieldError("status", f"one of {', '.join(State)} is expected") from None


def _number(request: Request, name: str, default: int, most: int | None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise InvalidFieldError(name, "a whole number from 0 is expected")
    return int(text) if most is None else min(int(text), most)
