"""The downloads as others read them: lists, the queue in its order, one with all there is to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.books import find_job
from bookhopper.api.errors import InvalidFieldError
from bookhopper.api.fields import number, paging
from bookhopper.api.states import COMPLETED, WAITING
from bookhopper.api.view import View, candidate, delivery, downloads, page
from bookhopper.intake.base import shown as brief
from bookhopper.model import Job, State
from bookhopper.store.base import UnknownJobError
from bookhopper.store.queries import JobFilter

_PAUSED = "paused"
_STATES: dict[str, frozenset[State]] = {
    **{state.value: frozenset((state,)) for state in State},
    "pending": WAITING,
    "completed": COMPLETED,
    _PAUSED: frozenset(),  # a flag that any waiting job may have
}
"""What may be asked for by `status`."""


def routes(view: View) -> list[Route]:
    """Make the routes; their handlers are plain functions, which Starlette runs on threads of its own."""

    def listed(request: Request) -> JSONResponse:
        limit, offset = paging(request)
        where = _filter(request, view.control.cleared)
        jobs = view.store.jobs(where, limit=limit, offset=offset)
        return JSONResponse(page(_shown(view, jobs), view.store.count(where), limit, offset))

    def queue(request: Request) -> JSONResponse:
        limit, offset = paging(request)
        jobs = view.store.queue(limit=limit, offset=offset)
        counts = view.store.counts()
        total = sum(counts[state] for state in WAITING)
        return JSONResponse(page(_shown(view, jobs), total, limit, offset))

    def one(request: Request) -> JSONResponse:
        job = found(view, request)
        line = view.store.delivery(job.id)
        return JSONResponse(
            {
                **shown(view, job),
                "candidates": [{**candidate(each), "fault": each.fault or None} for each in job.candidates],
                "delivery": delivery(line) if line else None,
            }
        )

    return [
        Route("/api/downloads", listed),
        Route("/api/queue", queue),
        Route("/api/downloads/{id:book}", one),
    ]


def found(view: View, request: Request) -> Job:
    """Find the job that a path names; raises UnknownJobError."""
    return job_of(view, request.path_params["id"])


def job_of(view: View, text: str) -> Job:
    """Find the job of an id, be it a number or a book's; raises UnknownJobError."""
    job = find_job(view, text)
    if job is None:
        raise UnknownJobError(f"there is no download {brief(text)}")
    return job


def shown(view: View, job: Job) -> dict[str, Any]:
    """Show a job with its progress."""
    return _shown(view, [job])[0]


def _shown(view: View, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    return downloads(view, jobs, view.tickets())


def _filter(request: Request, cleared: float) -> JobFilter:
    """Read what is to be listed; `paused` narrows down the states that are named beside it."""
    names = {name for given in request.query_params.getlist("status") for name in given.split(",") if name}
    if not names <= _STATES.keys():
        raise InvalidFieldError("status", f"one of {', '.join(_STATES)} is expected")
    return JobFilter(
        frozenset().union(*(_STATES[name] for name in names)),
        request=number(request, "request"),
        parent=number(request, "parent"),
        paused=True if _PAUSED in names else None,
        since=cleared or None,
    )
