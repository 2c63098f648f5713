"""One table from what goes wrong to what HTTP says; bodies are `{"error": …}` and show no internals."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bookhopper.errors import BookhopperError, HeldError, StoreError

log = logging.getLogger("bookhopper.api")

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (HeldError, 503),
    (StoreError, 503),
    (BookhopperError, 400),
)
_WORDS = {404: "Resource not found", 405: "This method is not for this address"}


class InvalidFieldError(BookhopperError):
    """A parameter or field of a request makes no sense."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


async def known_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    """Answer one of the daemon's own errors."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)


async def http_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    """Answer what Starlette itself refuses."""
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"error": _WORDS.get(error.status_code, error.detail)}, error.status_code, error.headers
    )


async def unknown_error(request: Request, error: Exception) -> Response:
    """Answer a fault of the daemon's own; what it is stands in the log only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the daemon met a fault of its own; its log says more"}, 500)
