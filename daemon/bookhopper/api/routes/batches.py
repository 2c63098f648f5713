"""Many downloads at once: queueing and changing them, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.callers import caller, require_owner
from bookhopper.api.fields import BatchActionBody, BatchBody, Reference, taking
from bookhopper.api.routes.ancestor_queue import ask_for
from bookhopper.api.routes.changes import prioritised
from bookhopper.api.routes.downloads import job_of
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError
from bookhopper.model import Job

_MULTI_STATUS = 207


def routes(view: View) -> list[Route]:
    """Make the routes."""
    actions: dict[str, Callable[[int], Job]] = {
        "pause": view.control.pause,
        "resume": view.control.resume,
        "cancel": view.control.cancel,
        "retry": view.control.retry,
    }

    def add(request: Request, body: BatchBody) -> JSONResponse:
        def queue(reference: Reference) -> None:
            ask_for(view, str(reference), body.priority or 0, caller(request))

        return _answer(body.ids, queue)

    def act(request: Request, body: BatchActionBody) -> JSONResponse:
        def change(reference: Reference) -> None:
            job = job_of(view, str(reference))
            require_owner(request, job)
            if body.action == "priority" and body.priority is not None:
                prioritised(view, job, body.priority)
            else:
                actions[body.action](job.id)

        return _answer(body.ids, change)

    return [
        Route("/api/downloads/batch", taking(BatchBody, add), methods=["POST"]),
        Route("/api/downloads/batch-action", taking(BatchActionBody, act), methods=["POST"]),
    ]


def _answer(ids: Iterable[Reference], change: Callable[[Reference], None]) -> JSONResponse:
    results = [_result(reference, partial(change, reference)) for reference in ids]
    well = all(result["ok"] for result in results)
    return JSONResponse({"results": results}, 200 if well else _MULTI_STATUS)


def _result(reference: Reference, change: Callable[[], None]) -> dict[str, Any]:
    try:
        change()
    except BookhopperError as error:
        return {"id": reference, "ok": False, "error": str(error)}
    return {"id": reference, "ok": True, "error": None}
