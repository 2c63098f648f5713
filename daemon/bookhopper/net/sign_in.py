"""Basic and Digest sign-in: to one origin only, as its server asks, and with the password as it is now."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable

import requests

from bookhopper.net.addresses import origin

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Puts into a request what signs it in."""

_UNAUTHORIZED = 401


class SignIn:
    """Basic credentials, and the only origin that ever sees them; `source` is whose they are.

    `reread` reads the password anew from where it is kept (it may raise OSError): for when it was changed.
    """

    def __init__(
        self,
        origin: str,
        username: str,
        password: str,
        source: str,
        reread: Callable[[], str] | None = None,
    ) -> None:
        self.origin = origin
        self.username = username
        self.source = source
        self._password = password
        self._reread = reread
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SignIn({self.username!r} at {self.origin}, for {self.source})"

    def auth(self, url: str) -> Auth:
        """Give what signs a request to a URL in; nothing away from the origin."""
        if origin(url) != self.origin:
            return no_auth
        header = self._header()

        def basic(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = header
            return request

        return basic

    def renewed(self, response: requests.Response) -> bool:
        """Whether a refused sign-in had another password than the one that is kept now."""
        refused = response.request.headers.get("Authorization")
        if response.status_code != _UNAUTHORIZED or not refused or self._reread is None:
            return False
        with self._lock:
            try:
                self._password = self._reread()
            except OSError:
                return False
        return self._header() != refused

    def _header(self) -> str:
        """Give the header of RFC 7617, in UTF-8."""
        return "Basic " + base64.b64encode(f"{self.username}:{self._password}".encode()).decode("ascii")


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign in nowhere, and keep requests from looking into ~/.netrc, which nobody named."""
    return request
