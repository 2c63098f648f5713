"""Basic and Digest sign-in: to one origin only, as its server asks, and with the password as it is now."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from types import SimpleNamespace
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPDigestAuth
from requests.utils import parse_dict_header

from bookhopper.net.addresses import origin

Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Puts into a request what signs it in."""

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_TELLS_NOTHING = frozenset({429, *range(500, 600)})
_ALGORITHMS = frozenset({"MD5", "MD5-SESS", "SHA-256", "SHA-512"})
_DIGEST = re.compile(r"(?:^|,)\s*digest\s+", re.IGNORECASE)
_NEXT_SCHEME = re.compile(r",\s*[a-z-]+(\s+[a-z0-9-]+=|\s*$).*", re.IGNORECASE)


class SignIn:
    """Credentials, and the only origin that ever sees them; `source` is whose they are.

    Nobody sees them before its server has been asked without.  Where it demands Digest, they do not go over
    the wire; once it has, nothing else is spoken.  One that lets everybody in gets them as Basic, for it may
    show more to who signs in, though not over plain http, where others could read them and its next page may
    demand Digest: there it is asked as anybody until it refuses a page.  `reread` reads the password anew
    from where it is kept, for when it was changed; it may raise OSError, ValueError.
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
        self._way: _Basic | _Digest | None = None

    def __repr__(self) -> str:
        return f"SignIn({self.username!r} at {self.origin}, for {self.source})"

    def auth(self, url: str) -> Auth:
        """Give what signs a request to a URL in; nothing elsewhere, or while nobody knows how."""
        way = self._way
        return no_auth if way is None or origin(url) != self.origin else way

    def told(self, response: requests.Response) -> bool:
        """Whether an answer to who did not sign in tells how to, so that it is to be asked again."""
        with self._lock:
            if isinstance(self._way, _Digest) and response.ok and self._way.signed(response.request):
                self._way.proved = True
            if not self._is_unsigned(response) or response.status_code in _TELLS_NOTHING:
                return False
            if self._way is None:  # else another thread has just found it
                self._way = self._way_told(response)
            return self._way is not None

    def renewed(self, response: requests.Response) -> bool:
        """Whether a refused sign-in had another password, or went another way, than what is known now."""
        if response.status_code != _UNAUTHORIZED or "Authorization" not in response.request.headers:
            return False
        offered = response.headers.get("WWW-Authenticate", "")
        challenge = digest_challenge(offered)
        with self._lock:
            way = self._way
            if way is None or not way.signed(response.request):
                return way is not None  # another thread has renewed it meanwhile
            changed = self._has_changed()
            if challenge and (changed or isinstance(way, _Basic) or way.proved):  # a nonce lasts for a while
                self._way = _Digest(self.username, self._password, challenge)
            elif changed and isinstance(way, _Basic):
                self._way = _Basic(self.username, self._password)
            return self._way is not way

    def _way_told(self, response: requests.Response) -> _Basic | _Digest | None:
        """Choose how to sign in; None where what is offered cannot be done, or is not asked for as yet."""
        offered = response.headers.get("WWW-Authenticate", "")
        if challenge := digest_challenge(offered):
            return _Digest(self.username, self._password, challenge)
        if response.status_code == _UNAUTHORIZED:
            takes_basic = not offered or "basic" in offered.lower()
        else:
            takes_basic = response.status_code == _FORBIDDEN or not _is_overheard(self.origin)
        return _Basic(self.username, self._password) if takes_basic else None

    def _has_changed(self) -> bool:
        """Read the password again; whether it is another one."""
        if self._reread is None:
            return False
        known = self._password
        try:
            self._password = self._reread()
        except (OSError, ValueError):
            return False
        return self._password != known

    def _is_unsigned(self, response: requests.Response) -> bool:
        return "Authorization" not in response.request.headers and origin(response.url) == self.origin


class _Basic:
    """Signs in by RFC 7617, in UTF-8."""

    def __init__(self, username: str, password: str) -> None:
        self._header = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request

    def signed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request was signed with this."""
        return request.headers.get("Authorization") == self._header


class _Digest(HTTPDigestAuth):
    """Signs in by one challenge (RFC 7616), whose uses all threads count together; `proved`: it was accepted.

    The arithmetic is that of requests; not so its way to ask again, which heeds no host's turn and no bounds.
    """

    def __init__(self, username: str, password: str, challenge: Mapping[str, str]) -> None:
        super().__init__(username, password)
        self.proved = False
        self._nonce = challenge["nonce"]
        self._lock = threading.Lock()
        # requests keeps a challenge for each thread, and learns it only where it asks again by itself
        self._thread_local = SimpleNamespace(init=True, chal=dict(challenge), last_nonce="", nonce_count=0)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._lock:
            header = self.build_digest_header(request.method, request.url)  # type: ignore[no-untyped-call]
        # header values are written as Latin-1, and a user's name is UTF-8
        request.headers["Authorization"] = str(header).encode().decode("latin-1")
        return request

    def signed(self, request: requests.PreparedRequest) -> bool:
        """Whether a request was signed with this."""
        header = request.headers.get("Authorization") or ""
        return header.startswith("Digest ") and f'nonce="{self._nonce}"' in header


def digest_challenge(offered: str) -> Mapping[str, str] | None:
    """Read the first Digest challenge in a WWW-Authenticate header that can be answered."""
    text = offered[:4096].encode("latin-1", "replace")  # as header values are read, and a realm is UTF-8
    for found in _DIGEST.split(text.decode("utf-8", "replace"))[1:]:
        alone = _NEXT_SCHEME.sub("", found)
        said: dict[str, str | None] = parse_dict_header(alone)  # type: ignore[no-untyped-call]
        challenge = {name: value for name, value in said.items() if value is not None}  # it had no `=`
        ways = challenge.get("qop", "auth").replace(" ", "").split(",")
        known = challenge.get("algorithm", "MD5").upper() in _ALGORITHMS and "auth" in ways
        # what it says is said back in a header, in which a line's end of theirs has no place
        known = known and all(map(str.isprintable, challenge.values()))
        if known and {"realm", "nonce"} <= challenge.keys():
            return challenge | {"qop": "auth"} if "qop" in challenge else challenge
    return None


def _is_overheard(origin: str) -> bool:
    """Whether others may read what goes there: it is plain http, and leaves this machine."""
    parts = urlsplit(origin)
    if parts.scheme == "https":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname != "localhost"


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign in nowhere, and keep requests from looking into ~/.netrc, which nobody named."""
    return request
