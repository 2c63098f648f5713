"""Somebody who is told: a real HTTP server behind apprise's `json://`, which takes, refuses or hangs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.server import serving
from tests.waiting import until


class Inbox:
    """What has come, in the order in which it came."""

    def __init__(self) -> None:
        self.status = 200
        self.tried = 0
        self.messages: list[dict[str, Any]] = []
        self.url = ""

    def app(self) -> Starlette:
        async def take(request: Request) -> Response:
            self.tried += 1
            if self.status == 200:
                self.messages.append(json.loads(await request.body()))
            return Response(status_code=self.status)

        return Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])

    def await_(self, number: int) -> list[dict[str, Any]]:
        """Wait for so many messages, and give all that came."""
        until(lambda: len(self.messages) >= number, lambda: f"{number} messages: {self.messages}")
        return self.messages

    @property
    def titles(self) -> list[str]:
        return [str(message["title"]).removeprefix("bookhopper: ") for message in self.messages]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Open one for the block; `url` is its address as apprise writes it."""
    box = Inbox()
    with serving(box.app()) as url:
        box.url = url.replace("http://", "json://")
        yield box
