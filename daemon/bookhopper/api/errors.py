"""One table from what goes wrong to what HTTP says; bodies are `{"error": …}` and show no internals."""

from __future__ import annotations

import logging
import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from bookhopper.api.callers import ForbiddenError
from bookhopper.errors import BookhopperError, HeldError, StoreError
from bookhopper.intake.base import UnreadableRequestError
from bookhopper.schedule import UnknownChoreError
from bookhopper.store.base import UnfitError, UnknownJobError

log = logging.getLogger("bookhopper.api")


class InvalidFieldError(BookhopperError):
    """A parameter or field of a request makes no sense."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


class TooLargeError(BookhopperError):
    """The body of a request is larger than what is read."""


class IncompleteError(BookhopperError):
    """The body of a request does not come, or breaks off."""


_STATUS: tuple[tuple[type[BookhopperError], int], ...] = (
    (InvalidFieldError, 400),
    (UnreadableRequestError, 400),
    (ForbiddenError, 403),
    (UnknownJobError, 404),
    (UnknownChoreError, 404),
    (IncompleteError, 408),
    (UnfitError, 409),
    (TooLargeError, 413),
    (HeldError, 503),
    (StoreError, 503),
    (BookhopperError, 400),
)
_WORDS = {404: "Resource not found", 405: "This method is not for this address"}


def status_of(error: BookhopperError) -> int:
    """Give the HTTP status of one of the daemon's own errors."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


async def known_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    """Answer one of the daemon's own errors; one that passes says when to ask again."""
    assert isinstance(error, BookhopperError)
    headers = {}
    if isinstance(error, HeldError):
        headers["Retry-After"] = str(math.ceil(error.seconds))
    if isinstance(error, IncompleteError):  # what may still come of the body is no request
        headers["Connection"] = "close"
    return JSONResponse({"error": str(error)}, status_of(error), headers)


async def http_error(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses."""
    assert isinstance(error, HTTPException)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return JSONResponse({"error": _WORDS.get(error.status_code, error.detail)}, error.status_code, headers)


def _allowed(request: Request) -> str:
    """List the methods of all routes to an address; Starlette names those of the first alone."""
    fitting = [
        route.methods or set()
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    return ", ".join(sorted(set().union(*fitting)))


async def unknown_error(request: Request, error: Exception) -> Response:
    """Answer a fault of the daemon's own; what it is stands in the log only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the daemon met a fault of its own; its log says more"}, 500)
