"""Who may ask: whoever is on this machine and names it rightly; a wrong token is refused."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bookhopper.errors import BookhopperError

_FILE = "server.json"
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


def new_token() -> str:
    """Make a token that cannot be guessed."""
    return secrets.token_urlsafe(32)


def leave_address(state: Path, url: str, token: str) -> None:
    """Write where the daemon listens, and the token for it, where only its user can read it."""
    temporary = state / f"{_FILE}.tmp"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token}, file)
    temporary.replace(state / _FILE)


def find_address(state: Path) -> tuple[str, str]:
    """Read what `leave_address` wrote: the URL and the token; raises BookhopperError when that fails."""
    path = state / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["url"]), str(data["token"])
    except FileNotFoundError as error:
        raise BookhopperError(
            f"bookhopper is not running (nothing at {path}): start it with `bookhopper run`"
        ) from error
    except OSError as error:
        raise BookhopperError(f"{path}: {error.strerror}: run this as bookhopper's own user") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BookhopperError(f"{path} is damaged: restart bookhopper, which writes it anew") from error


def forget_address(state: Path) -> None:
    """Remove what `leave_address` wrote."""
    (state / _FILE).unlink(missing_ok=True)
