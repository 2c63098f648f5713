"""The live page's stream: a WebSocket, and a word to whoever asks for it in any other way."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from bookhopper.api.live import Live
from bookhopper.api.sign_in.gate import Gate

_PATH = "/api/events"


def routes(live: Live, gate: Gate) -> list[BaseRoute]:
    """Make the routes."""

    async def watch(socket: WebSocket) -> None:
        await live.serve(socket, partial(gate.still_good, socket.scope["identity"]))

    return [WebSocketRoute(_PATH, watch), Route(_PATH, _upgrade)]


async def _upgrade(request: Request) -> JSONResponse:  # noqa: ARG001 - Starlette's form
    return JSONResponse(
        {"error": "this address speaks WebSocket only: use a WebSocket client"},
        426,
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )
