"""What people ask of one download; each answers the download as it stands then."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import require_owner
from bookhopper.api.fields import MoveBody, PickBody, PriorityBody, taking
from bookhopper.api.routes.downloads import found, job_of, shown
from bookhopper.api.view import View
from bookhopper.intake.base import shown as brief
from bookhopper.model import Job, Pick
from bookhopper.store.base import UnfitError


def routes(view: View) -> list[Route]:
    """Make the routes."""
    control = view.control

    def own(request: Request) -> Job:
        job = found(view, request)
        require_owner(request, job)
        return job

    def simple(change: Callable[[int], Job]) -> Callable[[Request], JSONResponse]:
        def handler(request: Request) -> JSONResponse:
            return JSONResponse(shown(view, change(own(request).id)))

        return handler

    def priority(request: Request, body: PriorityBody) -> JSONResponse:
        return JSONResponse(shown(view, prioritised(view, own(request), body.priority)))

    def move(request: Request, body: MoveBody) -> JSONResponse:
        job = own(request)
        other = None if body.before is None else job_of(view, str(body.before)).id
        return JSONResponse(shown(view, control.move_before(job.id, other)))

    def pick(request: Request, body: PickBody) -> JSONResponse:
        job, names = own(request), view.resolver.source_names
        if body.source not in names:
            there_are = ", ".join(sorted(names)) or "none"
            raise UnfitError(f"no source is called {brief(body.source)}; there are: {there_are}")
        return JSONResponse(shown(view, control.pick(job.id, Pick(body.source, body.key))))

    endpoints = {
        "cancel": simple(control.cancel),
        "pause": simple(control.pause),
        "resume": simple(control.resume),
        "retry": simple(control.retry),
        "priority": taking(PriorityBody, priority),
        "move": taking(MoveBody, move),
        "pick": taking(PickBody, pick),
    }
    return [
        Route(f"/api/downloads/{{id:book}}/{name}", endpoint, methods=["POST"])
        for name, endpoint in endpoints.items()
    ]


def prioritised(view: View, job: Job, priority: int) -> Job:
    """Give a job another priority; raises UnfitError where it is settled."""
    if not view.control.prioritise({job.id: priority}):
        raise UnfitError(f"download {job.id} is {job.state.value}: its priority says nothing any more")
    return view.store.job(job.id) or job
