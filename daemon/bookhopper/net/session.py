"""HTTP as the rest of the daemon uses it: a session, a stream, and a small answer read whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests

from bookhopper import __version__
from bookhopper.errors import PermanentError, TransientError
from bookhopper.net.addresses import host_and_port, origin, safe_url, without_credentials
from bookhopper.net.connections import RouteAdapter
from bookhopper.net.cookies import NOTHING_KEPT, Cookies
from bookhopper.net.faults import faults_named, refuse_status
from bookhopper.net.heads import awaited
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import DIRECT, Route
from bookhopper.net.sign_in import SignIn, no_auth
from bookhopper.ticket import Ticket

__all__ = ["Fetched", "Remedy", "Session", "SignIn", "chunks", "fetch", "new_session", "open_stream"]

USER_AGENT = f"bookhopper/{__version__} (fetches books for one household or library)"
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
HEAD_SECONDS = 60.0
DEFAULT_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
MAX_REDIRECTS = 10

_KEPT_HOSTS = 32
_KEPT_ORIGINS = 1000
_SAME_METHOD = frozenset({307, 308})
"""Redirects that repeat a POST; the others, as browsers have it, turn it into a GET (RFC 9110, 15.4)."""

_HEADERS_FOR_ANYBODY = frozenset(
    {
        "accept",
        "accept-language",
        "accept-encoding",
        "range",
        "if-range",
        "if-none-match",
        "if-modified-since",
    }
)
"""What a caller's headers may say to another server than the one they were meant for: no secrets."""

Form = Mapping[str, str] | bytes
"""What is posted: the fields of a form, or bytes as they are."""

Remedy = Callable[[requests.Response], bool]
"""Looks at a refusal, and tells whether it has just done something so that asking once more may help."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer read whole: its bytes, the URL it came from after redirects, its headers and status."""

    content: bytes
    url: str
    headers: Mapping[str, str]
    status: int = 200


class Session(requests.Session):
    """A session that takes one route, leaves redirects to `open_stream`, and may be shared by threads.

    Even when told not to follow one, requests would read its body to the end, however long that is.  And the
    environment's proxies and CA bundle are looked up once for each origin, not for each request: that took
    longer than the request.
    """

    def __init__(self, route: Route = DIRECT, origins: Collection[str] = ()) -> None:
        super().__init__()
        self.cookies.set_policy(NOTHING_KEPT)
        self.origins = frozenset(origins)
        """The origins that the source names; empty where that is not known."""
        self.kept_cookies = Cookies(self.origins)
        """The cookies by origin, instead of `cookies`, which would give them to neighbours as well."""
        self.user_agents: dict[str, str] = {}
        """By which name to go at single hosts, as `host_and_port` gives them."""
        self.proxy = route.proxy
        """The URL of the route's own proxy, perhaps with a password; empty without one."""
        self._route = route
        self._environment: dict[str, Any] = {}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Make what goes on the wire, under the name by which the host knows us."""
        prepared = super().prepare_request(request)
        self.kept_cookies.put_on(prepared)
        if self.user_agents and (name := self.user_agents.get(host_and_port(prepared.url or ""))):
            prepared.headers["User-Agent"] = name
        return prepared

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        """Send a request, and keep the cookies that its answer gives."""
        response = super().send(request, **how)
        self.kept_cookies.take(request, response)
        return response

    def merge_environment_settings(self, url: Any, *others: Any) -> Any:
        """Give the proxies and the CA bundle for a URL: the route's proxy, or what the environment says."""
        place = origin(url)
        if place not in self._environment:
            if len(self._environment) >= _KEPT_ORIGINS:  # links may name any number of them
                self._environment.clear()
            settings = super().merge_environment_settings(url, *others)
            if proxy := self.proxy:  # whatever no_proxy says: who goes by Tor never goes without
                settings["proxies"] = {"http": proxy, "https": proxy}
            self._environment[place] = settings
        return self._environment[place]

    def close(self) -> None:
        """Close the connections, those to the resolvers too."""
        super().close()
        self._route.resolver.close()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no redirects."""


def new_session(
    route: Route = DIRECT,
    *,
    origins: Collection[str] = (),
    user_agent: str = USER_AGENT,
    connections: int = 32,
) -> Session:
    """Make a session that keeps up to `connections` connections a host and retries nothing by itself.

    `origins` are those of one source, which may share its cookies; every other one sees only its own.
    Without a proxy of the route's own, the environment's proxies hold; its CA bundle always does.
    """
    session = Session(route, origins)
    session.headers["User-Agent"] = user_agent
    adapter = RouteAdapter(route, hosts=_KEPT_HOSTS, connections=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


@contextmanager
def open_stream(
    session: Session,
    url: str,
    *,
    hosts: Hosts,
    ticket: Ticket,
    headers: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    sign_in: SignIn | None = None,
    remedies: Collection[Remedy] = (),
    statuses: Collection[int] = (),
    head_seconds: float = HEAD_SECONDS,
    data: Form | None = None,
) -> Iterator[requests.Response]:
    """GET a URL, or POST `data` to it, and give its successful answer, unread, for the block.

    Redirects are followed here, at most ten, each in its host's turn: never from https to http, only where
    the session's route leads, without the credentials once they leave `sign_in.origin`, and what was posted
    is not posted again elsewhere.  Another origin sees none of the `headers` that may be secret, and nor does
    whoever it redirects to.  `statuses` are answers besides 2xx that the caller wants to see, such as
    416.  After a refusal that one of the `remedies` mends it is asked again.  `head_seconds` bound the wait
    for each answer's head.  Faults of reading the answer inside the block are named too, so that what is
    raised is a HeldError, TransientError or PermanentError (`net.faults`), or Interrupted.
    """
    url = without_credentials(url)
    for _ in range(MAX_REDIRECTS + 1):
        auth = sign_in.auth(url) if sign_in else no_auth
        with (
            hosts.visit(url, ticket),
            faults_named(url, hosts, ticket),
            _asked(
                session, url, ticket, head_seconds, headers=headers, timeout=timeout, auth=auth, data=data
            ) as response,
            ticket.ended_by(response.raw.shutdown),
        ):
            target = _redirect_target(response)
            if not target:
                if sign_in is not None and sign_in.told(response):
                    continue
                if _fits(response, statuses):
                    hosts.succeeded(url)
                elif any(remedy(response) for remedy in remedies):
                    continue
                else:
                    refuse_status(response, url, hosts, sign_in.source if sign_in else "", session.origins)
                yield response
                return
            hosts.succeeded(url)
        goal, data = _redirected(url, target), _repeated(response.status_code, url, target, data)
        if origin(goal) != origin(url):
            headers = _for_anybody(headers)
        url = goal
    raise PermanentError(f"{safe_url(url)}: more than {MAX_REDIRECTS} redirects")


def fetch(
    session: Session,
    url: str,
    *,
    hosts: Hosts,
    ticket: Ticket,
    max_bytes: int,
    seconds: float = 60.0,
    headers: Mapping[str, str] | None = None,
    timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    sign_in: SignIn | None = None,
    remedies: Collection[Remedy] = (),
    statuses: Collection[int] = (),
    head_seconds: float = HEAD_SECONDS,
    data: Form | None = None,
) -> Fetched:
    """Ask as `open_stream` does, for a small answer read whole.

    It may have `max_bytes` after decompression, and its body take `seconds`.  Raises what `open_stream` does,
    PermanentError for an answer that is too large and TransientError for one that takes too long.
    """
    with open_stream(
        session,
        url,
        hosts=hosts,
        ticket=ticket,
        headers=headers,
        timeout=timeout,
        sign_in=sign_in,
        remedies=remedies,
        statuses=statuses,
        head_seconds=head_seconds,
        data=data,
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
        return Fetched(bytes(content), response.url, response.headers, response.status_code)


def chunks(response: requests.Response, size: int = 64 * 1024) -> Iterator[bytes]:
    """Give the decoded body as it arrives, at most `size` bytes at a time.

    Unlike `iter_content` it gives what is there instead of waiting until `size` bytes are, so that a caller
    can see how slowly they drip.
    """
    while data := response.raw.read1(size, decode_content=True):
        yield data


def _asked(session: Session, url: str, ticket: Ticket, head_seconds: float, **how: Any) -> requests.Response:
    method = "GET" if how["data"] is None else "POST"
    with awaited(ticket, url, head_seconds):
        return session.request(method, url, stream=True, allow_redirects=False, **how)


def _fits(response: requests.Response, statuses: Collection[int]) -> bool:
    return 200 <= response.status_code < 300 or response.status_code in statuses


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


def _for_anybody(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (headers or {}).items() if name.lower() in _HEADERS_FOR_ANYBODY}


def _repeated(status: int, url: str, target: str, data: Form | None) -> Form | None:
    """Give what is posted again after a redirect: nothing, unless the status says so and it is at home."""
    if data is None or status not in _SAME_METHOD:
        return None
    if origin(urljoin(url, target)) != origin(url):
        raise PermanentError(f"{safe_url(url)} hands on to another server what was sent to it")
    return data
