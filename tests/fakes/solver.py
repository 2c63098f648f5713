"""A solver of browser challenges as FlareSolverr answers, and a site that wants to see a browser."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0"
MARKED = {"cf-mitigated": "challenge", "Server": "cloudflare"}


@dataclass
class FakeSolver:
    """Answers `POST /v1` with what the test put into `answer`, and keeps what it was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    answer: Any = field(
        default_factory=lambda: {
            "status": "ok",
            "message": "Challenge solved!",
            "startTimestamp": 1700000000000,
            "endTimestamp": 1700000005000,
            "version": "3.4.0",
            "solution": {
                "url": "http://127.0.0.1/",
                "status": 200,
                "headers": {},
                "response": "<html>…</html>",
                "cookies": [
                    {
                        "name": "cf_clearance",
                        "value": "passed",
                        "domain": "127.0.0.1",
                        "path": "/",
                        "expires": 4102444800,
                        "httpOnly": True,
                        "secure": False,
                        "sameSite": "None",
                    },
                    {"name": "spy", "value": "1", "domain": ".other.example", "path": "/"},
                    {"name": "bad name", "value": "1", "domain": "127.0.0.1"},
                    "nonsense",
                ],
                "userAgent": AGENT,
            },
        }
    )
    status: int = 200
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def app(self) -> Starlette:
        async def solve(request: Request) -> Response:
            self.asked.append(await request.json())
            await run_in_threadpool(self.go_on.wait, 20)
            return JSONResponse(self.answer, self.status)

        return Starlette(routes=[Route("/v1", solve, methods=["POST"])])


@dataclass
class GuardedSite:
    """Gives its books to whoever wears the solver's cookie and goes by its browser's name."""

    asked: list[Request] = field(default_factory=list)
    status: int = 403
    headers: dict[str, str] = field(default_factory=lambda: dict(MARKED))
    page: str = "<html><head><title>Just a moment...</title></head></html>"

    def app(self) -> Starlette:
        async def book(request: Request) -> Response:
            self.asked.append(request)
            passed = request.cookies.get("cf_clearance") == "passed"
            if passed and request.headers["user-agent"] == AGENT:
                return PlainTextResponse("a book")
            return HTMLResponse(self.page, self.status, self.headers)

        return Starlette(routes=[Route("/{path}", book)])
