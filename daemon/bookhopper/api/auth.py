"""Who may come in: under one of the daemon's names, signed in where that is asked, from no page elsewhere."""

from __future__ import annotations

import math
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bookhopper.api import origin
from bookhopper.api.callers import ANYBODY, Caller
from bookhopper.api.sign_in.errors import LockedError, SignInUnavailableError, WrongCredentialsError
from bookhopper.api.sign_in.gate import Gate
from bookhopper.api.sign_in.headers import has_bearer
from bookhopper.api.sign_in.sessions import Identity
from bookhopper.api.sign_in.tokens import TokenFile
from bookhopper.api.sign_in.users import Users
from bookhopper.settings import ServerSettings

_MONITORS = frozenset(("/healthz", "/readyz", "/metrics"))
_PAGE = frozenset(("/", "/api/docs", "/api/openapi.json"))
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_CHANGING_GET = "/api/download"  # an ancestor's call, which queues a book
_STRANGER = Caller("", admin=False)
_SIGN_IN = {
    "token": "sign in with an API token: `bookhopper token new NAME` makes one",
    "calibre-web": "sign in with your name and password of Calibre-Web",
}


def gate_for(settings: ServerSettings, state: Path, daemon_token: str) -> Gate:
    """Make the gate that the settings ask for; `state` is the folder in which API tokens are kept."""
    users = Users(settings.app_db) if settings.app_db is not None else None
    return Gate(
        settings.sign_in,
        daemon_token=daemon_token,
        tokens=TokenFile(state),
        users=users,
        names=origin.own_names(settings.hosts),
    )


class Gatekeeper:
    """Refuses who may not come in; the routes find who did in `scope["caller"]` and `scope["identity"]`."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with 400, 401, 403, 429 or 500."""
        refusal = await self._judge(scope) if scope["type"] in {"http", "websocket"} else None
        await (refusal or self._app)(scope, receive, send)

    async def _judge(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if not origin.is_own(headers.get("host", ""), self._gate.names):
            words = "Host: bookhopper is not reached under this name; add it to server.hosts if it should be"
            return JSONResponse({"error": words}, 400)
        # only a page that knows a token can send one, so what comes with it is no page's trick
        if not has_bearer(headers) and _changes(scope):
            if origin.is_foreign(headers):
                return JSONResponse({"error": "a page elsewhere may not change anything here"}, 403)
            # the one change that a page elsewhere can ask for by showing a picture
            if scope["path"] == _CHANGING_GET and origin.hides_its_page(headers):
                words = "a browser has to say from which page it asks for a book: use bookhopper's own"
                return JSONResponse({"error": words}, 403)
        guarded = self._guards(scope)
        try:
            if guarded:
                identity = await self._gate.identify(headers, _address(scope))
            else:
                identity = self._gate.identify_token(headers, _address(scope))
        except WrongCredentialsError as error:
            return self._refusal(str(error))
        except LockedError as error:
            return JSONResponse({"error": str(error)}, 429, {"Retry-After": str(math.ceil(error.seconds))})
        except SignInUnavailableError as error:
            return JSONResponse({"error": str(error)}, 500)
        if identity is None and guarded:
            return self._refusal(_SIGN_IN[self._gate.mode])
        scope["identity"] = identity
        scope["caller"] = self._caller(identity)
        return None

    def _guards(self, scope: Scope) -> bool:
        """Tell whether a request needs a sign-in."""
        path: str = scope["path"]
        if self._gate.mode == "none" or path in _MONITORS:
            return False
        if self._gate.mode == "calibre-web":  # the browser itself asks for the password, so for the page too
            return True
        return path not in _PAGE and not path.startswith("/page/")

    def _refusal(self, words: str) -> JSONResponse:
        return JSONResponse({"error": words}, 401, {"WWW-Authenticate": self._gate.challenge})

    def _caller(self, identity: Identity | None) -> Caller:
        if identity is not None:
            return identity.caller
        return ANYBODY if self._gate.mode == "none" else _STRANGER


def _changes(scope: Scope) -> bool:
    """Tell whether a request may change something, or is a WebSocket, which any page may open and read."""
    if scope["type"] == "websocket" or scope["path"] == _CHANGING_GET:
        return True
    return scope["method"] not in _READING


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
