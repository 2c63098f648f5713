"""How a command reaches the running daemon: over its HTTP server, with the token that it left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from bookhopper import config
from bookhopper.api.address import find_address
from bookhopper.errors import BookhopperError, ConfigError
from bookhopper.intake.base import shown

_READ_SECONDS = 10.0
_CHANGE_SECONDS = 120.0
"""A change of many jobs waits for the workers that it stops."""


class RefusedError(BookhopperError):
    """The daemon answers, and says no; `words` are its own, in one line."""

    def __init__(self, path: str, words: str) -> None:
        super().__init__(f"the daemon refuses {path}: {words}")
        self.words = words


def daemon_of(config_path: Path | None) -> Client:
    """Find the daemon that has this configuration; raises ConfigError as `state_of` does."""
    return Client(state_of(config_path))


def state_of(config_path: Path | None) -> Path:
    """Name the state folder of this configuration, even if that has been spoilt since a daemon took it.

    Raises ConfigError where it cannot be used and no daemon is found by its folders either.
    """
    try:
        return config.load(config_path).folders.state
    except ConfigError:
        with suppress(BookhopperError):
            state = config.folders(config_path).state
            find_address(state)
            return state
        raise


class Client:
    """Asks one daemon, the one that works in a state folder.

    Each call finds it anew, for it may have been restarted since; each raises RefusedError with the daemon's
    word, or BookhopperError when it is away.
    """

    def __init__(self, state: Path, patience: float = _READ_SECONDS) -> None:
        """`patience`: how many seconds an answer may take that changes nothing."""
        self._state = state
        self._patience = patience
        self._opener = build_opener(ProxyHandler({}))

    def get(self, path: str) -> Any:
        """GET a path and decode its JSON."""
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST to a path, with a JSON body if there is one, and decode its JSON."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """PUT a JSON body to a path and decode its JSON."""
        return self._ask("PUT", path, body)

    def delete(self, path: str) -> Any:
        """DELETE a path and decode its JSON."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        url, token = find_address(self._state)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = Request(url + path, data, headers, method=method)  # noqa: S310 - the daemon's own address
        timeout = self._patience if method == "GET" else _CHANGE_SECONDS
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise RefusedError(path.partition("?")[0], _words(error)) from error
        except (URLError, OSError, HTTPException, ValueError) as error:  # or what answers is no bookhopper
            raise BookhopperError(
                f"bookhopper does not answer at {url}: start it (`bookhopper run`) or see its log"
            ) from error


def _words(error: HTTPError) -> str:
    with error:
        try:
            return shown(str(json.load(error)["error"]))
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            return f"status {error.code}"
