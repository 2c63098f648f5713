"""How a command reaches the running daemon: over its HTTP server, with the token that it left."""

from __future__ import annotations

import json
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from bookhopper.api.address import find_address
from bookhopper.errors import BookhopperError

_TIMEOUT_SECONDS = 10.0


class Client:
    """Asks one daemon, the one that works in a state folder."""

    def __init__(self, state: Path) -> None:
        """Find the daemon; raises BookhopperError when it has left no address."""
        self._url, self._token = find_address(state)
        self._opener = build_opener(ProxyHandler({}))

    def get(self, path: str) -> Any:
        """GET a path and decode its JSON; raises BookhopperError with the daemon's word, or if it is away."""
        request = Request(self._url + path, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - ours
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise BookhopperError(f"the daemon refuses {path}: {_words(error)}") from error
        except (URLError, OSError, HTTPException, ValueError) as error:  # or what answers is no bookhopper
            raise BookhopperError(
                f"bookhopper does not answer at {self._url}: start it (`bookhopper run`) or see its log"
            ) from error


def _words(error: HTTPError) -> str:
    with error:
        try:
            return str(json.load(error)["error"])
        except (ValueError, KeyError, TypeError):
            return f"status {error.code}"
