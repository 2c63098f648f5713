"""The ancestor's calls about books: searching, one in full, how all of them stand, and their files."""

from __future__ import annotations

import logging
import mimetypes
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bookhopper.api.ancestor import Book, book_of, offered, title_of
from bookhopper.api.books import find_job, want_of
from bookhopper.api.offers import look_up, search
from bookhopper.api.routes import ancestor_queue
from bookhopper.api.routes.ancestor_queue import NOT_FOUND, id_of
from bookhopper.api.statuses import statuses
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError
from bookhopper.naming import clean
from bookhopper.store.base import UnknownJobError

log = logging.getLogger("bookhopper.api")

_CHUNK = 1 << 20
_NO_FILE = "File not found"


def routes(view: View) -> list[Route]:
    """Make the routes of all the ancestor's calls."""

    def found(request: Request) -> JSONResponse:
        # the ancestor's callers expect a list whatever happens; no source's failure is any of their business
        try:
            offers = search(view, request.query_params)
        except BookhopperError as error:
            log.info("a search over HTTP found nothing: %s", error)
            offers = []
        except Exception:
            log.exception("a search over HTTP failed: a fault in bookhopper")
            offers = []
        return JSONResponse([offered(candidate).known() for candidate in offers])

    def info(request: Request) -> JSONResponse:
        book = _book(view, id_of(request))
        if book is None:
            raise UnknownJobError(NOT_FOUND)
        return JSONResponse(book.known())

    def status(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
        groups = statuses(view)
        return JSONResponse(
            {name: {book.id: book.whole() for book in books} for name, books in groups.items()}
        )

    def file(request: Request) -> Response:
        job = find_job(view, id_of(request))
        line = view.store.delivery(job.id) if job else None
        if job is None or line is None:
            raise UnknownJobError(_NO_FILE)
        name = f"{clean(title_of(job)) or 'book'}.{line.format}"
        return _sent(_open_first((view.copies.path(job.id), view.ingest / line.name)), name)

    return [
        Route("/api/search", found),
        Route("/api/info", info),
        Route("/api/status", status),
        Route("/api/localdownload", file),
        *ancestor_queue.routes(view),
    ]


def _book(view: View, text: str) -> Book | None:
    """Find a book by the id of what a source offers, or else by its job."""
    job, want = find_job(view, text), want_of(text)
    if want is not None and not (job and job.candidates):
        try:
            offers = look_up(view, want)
        except BookhopperError as error:
            log.info("%s cannot be looked up over HTTP: %s", text, error)
            offers = ()
        if offers:
            return offered(offers[0])
    if job is None:
        return None
    return book_of(job, view.tickets().get(job.id), view.store.delivery(job.id))


def _open_first(paths: Sequence[Path]) -> BinaryIO:
    """Open the first of these that is a file and no link to one; raises UnknownJobError."""
    for path in paths:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.fdopen(handle, "rb")
        os.close(handle)
    raise UnknownJobError(_NO_FILE)


def _sent(file: BinaryIO, name: str) -> Response:
    """Send an open file as an attachment with a name in any script (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    size = os.fstat(file.fileno()).st_size
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
    }
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StreamingResponse(_chunks(file, size), headers=headers, media_type=kind)


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Read what was there when the file was opened: in ingest, its consumer may write to it meanwhile."""
    with file:
        while size > 0 and (chunk := file.read(min(size, _CHUNK))):
            size -= len(chunk)
            yield chunk
