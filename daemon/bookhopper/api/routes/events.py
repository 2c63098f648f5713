"""The live page's stream: a WebSocket, and a word to whoever asks for it in any other way."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from bookhopper.api.live import Live

_PATH = "/api/events"


def routes(live: Live) -> list[BaseRoute]:
    """Make the routes."""
    return [WebSocketRoute(_PATH, live.serve), Route(_PATH, _upgrade)]


async def _upgrade(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
    return JSONResponse(
        {"error": "this address speaks WebSocket only: use a WebSocket client"},
        426,
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )
