"""The HTTP server: Starlette on uvicorn, in a thread of its own, on a socket that was bound before."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from asyncio import Protocol
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from bookhopper.api.auth import Gatekeeper
from bookhopper.api.connections import BoundedHttp
from bookhopper.api.errors import http_error, known_error, unknown_error
from bookhopper.api.live import Live
from bookhopper.api.middleware import PlainPath, SecureHeaders
from bookhopper.api.routes import (
    ancestor,
    batches,
    changes,
    downloads,
    events,
    health,
    history,
    page,
    queue_status,
    reference,
    reload,
    requests,
    schedule,
    statistics,
    workers,
)
from bookhopper.api.sign_in import session
from bookhopper.api.sign_in.gate import Gate
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError

log = logging.getLogger("bookhopper.api")

_MAX_HEADERS = 32 * 1024
_MAX_MESSAGE = 64 * 1024
_BACKLOG = 256  # connections that are taken in one go, and so before any of them is counted
_PING_SECONDS = 20.0


def application(view: View, gate: Gate, live: Live) -> ASGIApp:
    """Put the routes together, behind what every request has to pass."""
    app = Starlette(
        routes=all_routes(view, gate, live),
        exception_handlers={
            BookhopperError: known_error,
            HTTPException: http_error,
            Exception: unknown_error,
        },
    )
    app.router.redirect_slashes = False
    return PlainPath(SecureHeaders(Gatekeeper(app, gate)))


def all_routes(view: View, gate: Gate, live: Live) -> list[BaseRoute]:
    """Give every route there is; the first that fits answers, so a name comes before any id."""
    return [
        *ancestor.routes(view),
        *queue_status.routes(view),
        *batches.routes(view),
        *changes.routes(view),
        *downloads.routes(view),
        *history.routes(view),
        *reload.routes(view),
        *schedule.routes(view),
        *workers.routes(view),
        *statistics.routes(view),
        *requests.routes(view),
        *session.routes(gate),
        *reference.routes(),
        *events.routes(live, gate),
        *page.routes(),
        *health.routes(view),
    ]


class _Uvicorn(uvicorn.Server):
    """uvicorn whose event loop says in one line what the system refuses it.

    By itself it writes a traceback for each connection that cannot be accepted, hundreds of them a second.
    """

    _said = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._complain)
        await super().startup(sockets)

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):
            loop.default_exception_handler(context)
        elif self._said != (reason := str(error.strerror or error)):
            self._said = reason
            log.warning("the HTTP server lost a connection: %s", reason)


class Server:
    """Serves the application until it is stopped."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            h11_max_incomplete_event_size=_MAX_HEADERS,
            backlog=_BACKLOG,
            ws=cast(Any, _web_socket),
            ws_max_size=_MAX_MESSAGE,
            ws_per_message_deflate=False,  # much memory for each client, and small messages gain little
            ws_ping_interval=_PING_SECONDS,
            ws_ping_timeout=_PING_SECONDS,
            proxy_headers=False,  # anybody on this machine could send them
            server_header=False,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=None,  # the protocols end in time; a task that is cancelled is a fault
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http", daemon=True
        )

    @property
    def alive(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to answer; connections made since the socket was bound are answered too."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Answer what was asked and end, by a moment of the monotonic clock.

        Half of the time until then is left to others: a search that hangs holds up the server's end alone.
        """
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()) / 2)
        self._listener.close()


def _web_socket(**arguments: Any) -> Protocol:
    """Make uvicorn's protocol for a connection that asks to become a WebSocket."""
    # imported with the first of them, since a daemon whose page nobody opens can do without
    from bookhopper.api.websocket import BoundedWebSocket  # noqa: PLC0415

    return BoundedWebSocket(**arguments)
