"""The ancestor's calls about books: searching, one in full, how all of them stand, and their files."""

from __future__ import annotations

import logging
import mimetypes
import os
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bookhopper.api.ancestor import Book, book_of, offered, title_of
from bookhopper.api.books import find_job, want_of
from bookhopper.api.delivered import line_of, open_file
from bookhopper.api.offers import Offers
from bookhopper.api.routes import ancestor_queue
from bookhopper.api.routes.ancestor_queue import NOT_FOUND, id_of
from bookhopper.api.statuses import statuses
from bookhopper.api.view import View
from bookhopper.delivery.naming import clean
from bookhopper.errors import BookhopperError
from bookhopper.store.base import UnknownJobError

log = logging.getLogger("bookhopper.api")

_CHUNK = 1 << 20
_NO_FILE = "File not found"


def routes(view: View) -> list[Route]:
    """Make the routes of all the ancestor's calls."""
    offers = Offers(view)

    def found(request: Request) -> JSONResponse:
        # the ancestor's callers expect a list whatever happens; no source's failure is any of their business
        try:
            candidates = offers.search(request.query_params)
        except BookhopperError as error:
            log.debug("a search over HTTP found nothing: %s", error)
            candidates = []
        except Exception:
            log.exception("a search over HTTP failed: a fault in bookhopper")
            candidates = []
        return JSONResponse([offered(candidate).known() for candidate in candidates])

    def info(request: Request) -> JSONResponse:
        book = _book(view, offers, id_of(request))
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
        line = line_of(view, job) if job else None
        book = open_file(view, line) if line else None
        if job is None or line is None or book is None:
            raise UnknownJobError(_NO_FILE)
        return _sent(book, f"{clean(title_of(job)) or 'book'}.{line.format}")

    return [
        Route("/api/search", found),
        Route("/api/info", info),
        Route("/api/status", status),
        Route("/api/localdownload", file),
        *ancestor_queue.routes(view),
    ]


def _book(view: View, offers: Offers, text: str) -> Book | None:
    """Find a book by the id of what a source offers, or else by its job."""
    job, want = find_job(view, text), want_of(text)
    if want is not None and not (job and job.candidates):
        try:
            found = offers.look_up(want)
        except BookhopperError as error:
            log.debug("%s cannot be looked up over HTTP: %s", text, error)
            found = ()
        if found:
            return offered(found[0])
    if job is None:
        return None
    return book_of(job, view.tickets().get(job.id), line_of(view, job))


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
