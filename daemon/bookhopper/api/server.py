"""The HTTP server: Starlette on uvicorn, in a thread of its own, on a socket that was bound before."""

from __future__ import annotations

import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from bookhopper.api.auth import Gatekeeper
from bookhopper.api.errors import http_error, known_error, unknown_error
from bookhopper.api.routes import downloads, health
from bookhopper.api.view import View
from bookhopper.errors import BookhopperError


def application(view: View, token: str) -> Starlette:
    """Put the routes together."""
    return Starlette(
        routes=[*downloads.routes(view), *health.routes(view)],
        middleware=[Middleware(Gatekeeper, token=token)],
        exception_handlers={
            BookhopperError: known_error,
            HTTPException: http_error,
            Exception: unknown_error,
        },
    )


class Server:
    """Serves the application until it is stopped."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            app, ws="none", log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
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
        """Answer what was asked and end, by a moment of the monotonic clock."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._listener.close()
