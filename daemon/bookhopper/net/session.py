"""HTTP as the rest of the daemon uses it: a session, a stream, and a small answer read whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import requests
from requests.auth import HTTPBasicAuth

from bookhopper import __version__
from bookhopper.errors import PermanentError, TransientError
from bookhopper.net.addresses import origin, refuse_private, safe_url, without_credentials
from bookhopper.net.faults import faults_named, refuse_status
from bookhopper.net.heads import WatchedAdapter, awaited
from bookhopper.net.hosts import Hosts
from bookhopper.ticket import Ticket

USER_AGENT = f"bookhopper/{__version__}"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
HEAD_SECONDS = 60.0
DEFAULT_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
MAX_REDIRECTS = 10

_Auth = Callable[[requests.PreparedRequest], requests.PreparedRequest]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Basic credentials, and the only origin that ever sees them; `source` is whose they are."""

    origin: str
    username: str
    password: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer read whole: its bytes, the URL it came from after redirects, and its headers."""

    content: bytes
    url: str
    headers: Mapping[str, str]


class _Session(requests.Session):
    """A session that leaves redirects to `open_stream`.

    Even when told not to follow one, requests would read its body to the end, however long that is.  And the
    environment's proxies and CA bundle are looked up once for each origin, not for each request: that took
    longer than the request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[str, Any] = {}

    def merge_environment_settings(self, url: Any, *others: Any) -> Any:
        place = origin(url)
        if place not in self._environment:
            self._environment[place] = super().merge_environment_settings(url, *others)
        return self._environment[place]

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests names it
        return None


def new_session(user_agent: str = USER_AGENT, connections: int = 8) -> requests.Session:
    """Make a session that keeps up to `connections` connections a host and retries nothing by itself.

    The proxies and CA bundle of the environment hold.
    """
    session = _Session()
    session.headers["User-Agent"] = user_agent
    adapter = WatchedAdapter(pool_connections=32, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


@contextmanager
def open_stream(
    session: requests.Session,
    url: str,
    *,
    hosts: Hosts,
    ticket: Ticket,
    headers: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    sign_in: SignIn | None = None,
    allowed: Collection[str] = (),
    statuses: Collection[int] = (),
    head_seconds: float = HEAD_SECONDS,
) -> Iterator[requests.Response]:
    """GET a URL and give its successful answer, unread, for the block.

    Redirects are followed here, at most ten, each in its host's turn: never from https to http, never into
    the private network unless `allowed` names the host (`host` or `host:port`), and without the credentials
    once they leave `sign_in.origin`.  `statuses` are answers besides 2xx that the caller wants to see, such
    as 416.  `head_seconds` bound the wait for each answer's head.  Faults of reading the answer inside the
    block are named too, so that what is raised is a HeldError, TransientError or PermanentError
    (`net.faults`), or Interrupted.
    """
    url = without_credentials(url)
    for _ in range(MAX_REDIRECTS + 1):
        refuse_private(url, allowed)
        auth = _auth(url, sign_in)
        with (
            hosts.visit(url, ticket),
            faults_named(url, hosts, ticket),
            _asked(
                session, url, ticket, head_seconds, headers=headers, timeout=timeout, auth=auth
            ) as response,
            ticket.ended_by(response.raw.shutdown),
        ):
            target = _redirect_target(response)
            if not target:
                if response.status_code not in statuses:
                    refuse_status(response, hosts, sign_in.source if sign_in else "")
                yield response
                return
            hosts.succeeded(url)
        url = _redirected(url, target)
    raise PermanentError(f"{safe_url(url)}: more than {MAX_REDIRECTS} redirects")


def fetch(
    session: requests.Session,
    url: str,
    *,
    hosts: Hosts,
    ticket: Ticket,
    max_bytes: int,
    seconds: float = 60.0,
    headers: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    sign_in: SignIn | None = None,
    allowed: Collection[str] = (),
) -> Fetched:
    """GET a small answer whole: at most `max_bytes` after decompression, its body within `seconds`.

    Raises what `open_stream` does, PermanentError for an answer that is too large and TransientError for one
    that takes too long.
    """
    with open_stream(
        session,
        url,
        hosts=hosts,
        ticket=ticket,
        headers=headers,
        timeout=timeout,
        sign_in=sign_in,
        allowed=allowed,
    ) as response:
        deadline = time.monotonic() + seconds
        content = bytearray()
        for chunk in chunks(response):
            ticket.check()
            content += chunk
            if len(content) > max_bytes:
                raise PermanentError(f"{safe_url(url)}: the answer is larger than {max_bytes:,} bytes")
            if time.monotonic() > deadline:
                raise TransientError(f"{safe_url(url)}: the answer took longer than {seconds:.0f} s")
        ticket.check()
        return Fetched(bytes(content), response.url, response.headers)


def chunks(response: requests.Response, size: int = 64 * 1024) -> Iterator[bytes]:
    """Give the decoded body as it arrives, at most `size` bytes at a time.

    Unlike `iter_content` it gives what is there instead of waiting until `size` bytes are, so that a caller
    can see how slowly they drip.
    """
    while data := response.raw.read1(size, decode_content=True):
        yield data


def _asked(
    session: requests.Session, url: str, ticket: Ticket, head_seconds: float, **how: Any
) -> requests.Response:
    with awaited(ticket, url, head_seconds):
        return session.get(url, stream=True, allow_redirects=False, **how)


def _auth(url: str, sign_in: SignIn | None) -> _Auth:
    if sign_in is not None and origin(url) == sign_in.origin:
        return HTTPBasicAuth(sign_in.username.encode(), sign_in.password.encode())
    return _no_auth


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking into ~/.netrc, which nobody named in the configuration."""
    return request


def _redirect_target(response: requests.Response) -> str:
    # header values arrive decoded as Latin-1, while servers that do not escape a path send UTF-8
    target = response.headers["Location"] if response.is_redirect else ""
    return target.encode("latin-1").decode("utf-8", "replace")


def _redirected(url: str, target: str) -> str:
    try:
        goal = without_credentials(urljoin(url, target))
    except ValueError as error:
        raise PermanentError(f"{safe_url(url)} redirects to a malformed address") from error
    if url.startswith("https:") and not goal.startswith("https:"):
        raise PermanentError(f"{safe_url(url)} redirects to an unencrypted address, {safe_url(goal)}")
    return goal
