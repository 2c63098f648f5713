"""Who may ask: whoever is on this machine and names it rightly; a wrong token is refused."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))


class Gatekeeper:
    """Refuses a wrong token, and a Host header by which a web page elsewhere could reach the daemon."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer 400 or 401."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] in {"http", "websocket"} else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        try:
            host = urlsplit(f"//{headers.get('host', '')}").hostname
        except ValueError:
            host = None
        if host not in _LOCAL_NAMES:
            return JSONResponse({"error": "Host: this daemon is reached as localhost only"}, 400)
        given = headers.get("authorization")
        if given is not None and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return JSONResponse({"error": "the token is wrong"}, 401, {"WWW-Authenticate": "Bearer"})
        return None
