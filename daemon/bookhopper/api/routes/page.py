"""The page for people and the readable reference: files of this package, and nothing from another host."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    # a title can hold any text; were it ever to become markup, the browser would still run none of it
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
}


def routes() -> list[Route]:
    """Make the routes: the page, its files, and the reference page."""
    # a table, so that a name in an address can never become a path
    known = {path.name: path for path in _folder().iterdir() if _suffix(path.name) in _TYPES}

    def index(request: Request) -> Response:
        return _answer(request, known, "index.html")

    def reference(request: Request) -> Response:
        return _answer(request, known, "docs.html")

    def file(request: Request) -> Response:
        return _answer(request, known, request.path_params["file"])

    return [Route("/", index), Route("/api/docs", reference), Route("/page/{file}", file)]


def _folder() -> Traversable:
    return files("bookhopper.api") / "page"


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def _answer(request: Request, known: Mapping[str, Traversable], name: str) -> Response:
    """Answer a file, or 304 where the browser has it; raises a 404 for what is not in the table."""
    if name not in known:
        raise HTTPException(404)
    content = known[name].read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {**_HEADERS, "ETag": tag}
    held = request.headers.get("if-none-match", "")
    if tag in {given.strip().removeprefix("W/") for given in held.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content, headers={**headers, "Content-Type": _TYPES[_suffix(name)]})
