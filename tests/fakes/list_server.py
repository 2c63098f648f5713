"""Lists at an address on a real socket: each with an ETag, and changed by the test when it likes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.server import serving


@dataclass
class ListServer:
    """What is served where, and every request that was answered: its path and the status."""

    url: str = ""
    pages: dict[str, tuple[str | bytes, str]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    validators: bool = True
    seen: list[tuple[str, int]] = field(default_factory=list)

    def put(self, path: str, content: str | bytes, content_type: str = "") -> None:
        """Serve a list at a path."""
        self.pages[path] = (content, content_type)

    def statuses(self, path: str) -> list[int]:
        """List what was answered at a path."""
        return [status for asked, status in self.seen if asked == path]

    def _answer(self, request: Request) -> Response:
        path = request.url.path
        if path in self.redirects:
            answer = Response(status_code=302, headers={"Location": self.redirects[path]})
        elif path not in self.pages:
            answer = Response(status_code=404)
        else:
            answer = self._list(request, *self.pages[path])
        self.seen.append((path, answer.status_code))
        return answer

    def _list(self, request: Request, content: str | bytes, content_type: str) -> Response:
        data = content.encode() if isinstance(content, str) else content
        headers = {"Content-Type": content_type} if content_type else {}
        if self.validators:
            headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
        return Response(data, headers=headers)


@contextmanager
def list_server() -> Iterator[ListServer]:
    """Serve lists for the block; there are none at first."""
    server = ListServer()
    with serving(Starlette(routes=[Route("/{path:path}", server._answer)])) as url:
        server.url = url
        yield server
