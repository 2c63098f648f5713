"""Browser challenges, met by a solver that the person runs and names (FlareSolverr's protocol).

Nobody is asked unless a source names a solver, for sites that the person is entitled to use:
POST /v1 {"cmd": "request.get", "url": …, "maxTimeout": …, "proxy": {"url": …}}, answered by
{"status": "ok", "solution": {"cookies": [{"name", "value", "domain", "path", …}], "userAgent": …,
"response": …}}.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from bookhopper.errors import BookhopperError, HeldError
from bookhopper.net.addresses import host_and_port, host_name, is_named, ports_named, safe_url
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import Session, chunks, fetch, new_session
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.net")

SOLVE_SECONDS = 60.0
"""How long the solver may take for one challenge."""

PAUSE_SECONDS = 10 * 60.0
"""How long a host is not tried again after its last challenge."""

_MAX_ANSWER = 16 << 20
_PEEK_BYTES = 64 << 10
_PEEK_SECONDS = 10.0
_CHALLENGES = frozenset({403, 503})
_GUARDS = ("cloudflare", "ddos-guard")
_TITLE = re.compile(rb"<title>\s*(just a moment|ddos-guard|checking your browser|please wait)", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_MAX_COOKIES = 50
_MAX_TEXT = 4096


class Solver:
    """Asks one solver, for one source's session; at most once in some minutes for each host.

    `origins` are the source's own: where links and redirects lead besides, no browser is sent.
    """

    def __init__(
        self,
        url: str,
        session: Session,
        hosts: Hosts,
        origins: frozenset[str],
        seconds: float = SOLVE_SECONDS,
    ) -> None:
        """Name the solver's address, and the session that its cookies and browser's name are for."""
        self.origins = origins
        self._url = url
        self._for = session
        self._hosts = hosts
        self._seconds = seconds
        self._asking = new_session(Route(allowed=ports_named(url)))
        self._lock = threading.Lock()
        self._tried: dict[str, float] = {}
        self._solving: set[str] = set()

    def passed(self, response: requests.Response, ticket: Ticket) -> bool:
        """Whether a refusal was a browser's challenge and was met, so that asking again may help.

        Raises HeldError (scope `host`) while another thread is at it, or when it was not met of late.
        """
        if not is_named(response.url, self.origins) or not is_challenge(response):
            return False
        host = host_and_port(response.url)
        worn = self._for.user_agents.get(host)
        if worn is not None and response.request.headers.get("User-Agent") != worn:
            return True  # it was met while this request was under way
        self._begin(host)
        try:
            with ticket.in_line():  # a browser takes its time, which is none of the host's
                solution = self._solution(response.url, ticket)
            self._take(solution, response.url)
        except BookhopperError as error:
            raise HeldError(
                f"{host} wants to see a browser, and the solver did not help: {error}",
                scope="host",
                seconds=PAUSE_SECONDS,
            ) from error
        finally:
            self._solving.discard(host)
        log.info("the solver met the challenge of %s", host)
        return True

    def close(self) -> None:
        """Close the connections to the solver."""
        self._asking.close()

    def _begin(self, host: str) -> None:
        """Note that the solver is asked for a host now, unless it is or was of late."""
        now = time.monotonic()
        with self._lock:
            left = self._tried.get(host, now) - now
            if left > 0:
                how, seconds = (
                    ("is at it", self._seconds) if host in self._solving else ("was asked already", left)
                )
                raise HeldError(
                    f"{host} wants to see a browser, and the solver {how}", scope="host", seconds=seconds
                )
            self._tried = {name: until for name, until in self._tried.items() if until > now}
            self._tried[host] = now + PAUSE_SECONDS
            self._solving.add(host)

    def _solution(self, url: str, ticket: Ticket) -> dict[str, Any]:
        asked: dict[str, Any] = {"cmd": "request.get", "url": url, "maxTimeout": int(self._seconds * 1000)}
        if self._for.proxy:  # what was met counts for one address, and nobody is to see another than that
            asked["proxy"] = _proxy(self._for.proxy)
        patience = self._seconds + 15
        answer = fetch(
            self._asking,
            self._url,
            hosts=self._hosts,
            ticket=ticket,
            max_bytes=_MAX_ANSWER,
            headers={"Content-Type": "application/json"},
            timeout=(10.0, patience),
            head_seconds=patience,
            statuses=range(400, 600),
            data=json.dumps(asked).encode(),
        )
        try:
            document = json.loads(answer.content)
            solution = document["solution"] if document["status"] == "ok" else None
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BookhopperError(
                f"{safe_url(self._url)} answers otherwise than a solver ({answer.status}): check `solver`"
            ) from error
        if not isinstance(solution, dict):
            said = " ".join(str(document.get("message", "")).split())[:120]
            raise BookhopperError(f"{safe_url(self._url)} says: {said or 'nothing'}")
        return solution

    def _take(self, solution: dict[str, Any], url: str) -> None:
        """Put on what the solver's browser wore; cookies only for the host that was asked."""
        host = host_and_port(url)
        agent = solution.get("userAgent")
        if isinstance(agent, str) and agent.isascii() and agent.isprintable() and len(agent) < _MAX_TEXT:
            self._for.user_agents[host] = agent
        for name, value, domain, path in _cookies(solution.get("cookies"), host_name(host)):
            self._for.kept_cookies.set(url, name, value, domain=domain, path=path)


def _proxy(url: str) -> dict[str, str]:
    """Give a proxy as a browser takes it: its sign-in apart, and socks5, which there resolves the names."""
    parts = urlsplit(url)
    scheme = "socks5" if parts.scheme == "socks5h" else parts.scheme
    told = {"url": f"{scheme}://{parts.netloc.rpartition('@')[2]}"}
    if parts.username is not None:
        told |= {"username": unquote(parts.username), "password": unquote(parts.password or "")}
    return told


def is_challenge(response: requests.Response) -> bool:
    """Whether an answer that is not read yet asks for a browser rather than for another client's manners."""
    if response.headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    server = response.headers.get("Server", "").lower()
    if response.status_code not in _CHALLENGES or not any(guard in server for guard in _GUARDS):
        return False
    seen, deadline = bytearray(), time.monotonic() + _PEEK_SECONDS
    for piece in chunks(response):
        seen += piece
        if len(seen) >= _PEEK_BYTES or time.monotonic() > deadline:
            break
    return _TITLE.search(seen) is not None


def _cookies(found: Any, host: str) -> Iterator[tuple[str, str, str, str]]:
    for cookie in found[:_MAX_COOKIES] if isinstance(found, list) else ():
        if not isinstance(cookie, dict):
            continue
        name, value, domain, path = (
            str(cookie.get(key) or "") for key in ("name", "value", "domain", "path")
        )
        bare = domain.lstrip(".").lower() or host
        ours = host == bare or host.endswith(f".{bare}")
        plain = value.isascii() and value.isprintable() and ";" not in value and len(value) < _MAX_TEXT
        if _TOKEN.fullmatch(name) and plain and ours and "." in bare + domain:
            yield name, value, domain or host, path or "/"
