"""The ancestor's calls on the queue: asking for a book, the order, cancelling, clearing."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bookhopper.api.ancestor import CANCELLED, DONE, DOWNLOADING, ERROR, QUEUED, author_of, group_of, title_of
from bookhopper.api.books import book_id, find_job, want_of
from bookhopper.api.callers import Caller, caller, require_admin, require_owner
from bookhopper.api.delivered import line_of, open_file
from bookhopper.api.errors import InvalidFieldError
from bookhopper.api.fields import Body, Priority, PriorityBody, number, taking
from bookhopper.api.states import ASIDE, RUNNING
from bookhopper.api.statuses import MOST, statuses
from bookhopper.api.view import View
from bookhopper.model import Job, State
from bookhopper.store.base import PRIORITY_BOUND, UnfitError, UnknownJobError
from bookhopper.store.queries import JobFilter

log = logging.getLogger("bookhopper.api")

NOT_FOUND = "Book not found"

_TRIED_AGAIN = ASIDE | {State.CANCELLED}
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


class ReorderBody(Body):
    """New priorities by the ids of books."""

    book_priorities: dict[Annotated[str, Field(max_length=2000)], Priority]


def routes(view: View) -> list[Route]:
    """Make the routes."""

    def ask(request: Request) -> JSONResponse:
        text, priority = id_of(request), _priority(request)
        ask_for(view, text, priority, caller(request))
        return JSONResponse({"status": "queued", "priority": priority})

    def cancel(request: Request) -> JSONResponse:
        job = _own(view, request, QUEUED, DOWNLOADING)
        try:
            view.control.cancel(job.id)
        except UnfitError as error:  # it ended meanwhile
            raise UnknownJobError(NOT_FOUND) from error
        return JSONResponse({"status": "cancelled", "book_id": request.path_params["id"]})

    def prioritise(request: Request, body: PriorityBody) -> JSONResponse:
        job = _own(view, request, QUEUED)
        _prioritise(view, {job.id: body.priority})
        shown = {"status": "updated", "book_id": request.path_params["id"], "priority": body.priority}
        return JSONResponse(shown)

    def reorder(request: Request, body: ReorderBody) -> JSONResponse:
        priorities: dict[int, int] = {}
        for text, priority in body.book_priorities.items():
            if (job := find_job(view, text)) is not None:
                require_owner(request, job)
                priorities[job.id] = priority
        _prioritise(view, priorities)
        return JSONResponse({"status": "reordered", "updated_count": len(body.book_priorities)})

    def order(request: Request) -> JSONResponse:
        limit, offset = number(request, "limit"), number(request, "offset")
        jobs = view.store.queue(limit=MOST if limit is None else min(limit, MOST), offset=offset or 0)
        return JSONResponse({"queue": [_place(job) for job in jobs]})

    def active(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        jobs = view.store.jobs(JobFilter(RUNNING), limit=MOST)
        return JSONResponse({"active_downloads": [book_id(job) for job in jobs]})

    def clear(request: Request) -> JSONResponse:
        require_admin(request)
        shown = statuses(view)
        view.control.clear()
        removed = sum(len(shown[name]) for name in (DONE, ERROR, CANCELLED))
        return JSONResponse({"status": "cleared", "removed_count": removed})

    return [
        Route("/api/download", ask),
        Route("/api/download/{id:path}/cancel", cancel, methods=["DELETE"]),
        Route("/api/queue/reorder", taking(ReorderBody, reorder), methods=["POST"]),
        Route("/api/queue/order", order),
        Route("/api/queue/clear", clear, methods=["DELETE"]),
        Route("/api/queue/{id:path}/priority", taking(PriorityBody, prioritise), methods=["PUT"]),
        Route("/api/downloads/active", active),
    ]


def id_of(request: Request) -> str:
    """Read the parameter that names a book; raises InvalidFieldError."""
    text = request.query_params.get("id", "")
    if not text:
        raise InvalidFieldError("id", "the id of a book is expected")
    return text


def ask_for(view: View, text: str, priority: int, who: Caller) -> Job:
    """Queue the book that an id names, for whoever asks; gives its job, also where it was queued already.

    What had been given up or was not found is looked for anew; what still waits gets the priority, if it is
    the asker's to change.  Raises UnknownJobError where the id names nothing that could be had, and
    ForbiddenError where somebody else's job would have to be tried again.
    """
    job = find_job(view, text)
    if job is None:
        return _queue(view, text, priority, who)
    if job.state in _TRIED_AGAIN:
        require_owner({"caller": who}, job)
        job = view.control.retry(job.id)
    elif group_of(job) == DONE:
        _say_when_gone(view, job)
    if priority != job.priority and group_of(job) == QUEUED and (who.admin or who.name == job.owner):
        with suppress(UnfitError):  # first in, first out: there are no priorities
            view.control.prioritise({job.id: priority})
    return view.store.job(job.id) or job


def _queue(view: View, text: str, priority: int, who: Caller) -> Job:
    want = want_of(text)
    if want is None or want.pick is None or want.pick.source not in view.resolver.source_names:
        raise UnknownJobError(NOT_FOUND)
    return view.desk.want(replace(want, priority=priority), who.name)


def _say_when_gone(view: View, job: Job) -> None:
    """Tell whoever reads the log why a book that was asked for again does not come."""
    line = line_of(view, job)
    if line is None:
        return
    if (book := open_file(view, line)) is not None:
        book.close()
        return
    words = "%s was delivered as %s and is not fetched again: ask for it in a list with `force: true`"
    log.info(words, book_id(job), line.name)


def _own(view: View, request: Request, *groups: str) -> Job:
    """Find the job that a path names, if it is in one of the ancestor's states and the caller's to change."""
    job = find_job(view, request.path_params["id"])
    if job is None or group_of(job) not in groups:
        raise UnknownJobError(NOT_FOUND)
    require_owner(request, job)
    return job


def _prioritise(view: View, priorities: dict[int, int]) -> None:
    try:
        view.control.prioritise(priorities)
    except UnfitError as error:  # first in, first out: there are no priorities
        raise InvalidFieldError("priority", str(error)) from error


def _priority(request: Request) -> int:
    text = request.query_params.get("priority", "0")
    if not _INTEGER.fullmatch(text) or abs(int(text)) > PRIORITY_BOUND:
        problem = f"a whole number from -{PRIORITY_BOUND} to {PRIORITY_BOUND} is expected"
        raise InvalidFieldError("priority", problem)
    return int(text)


def _place(job: Job) -> dict[str, object]:
    return {
        "id": book_id(job),
        "title": title_of(job),
        "author": author_of(job),
        "priority": job.priority,
        "added_time": float(job.created),
        "status": group_of(job),
    }
