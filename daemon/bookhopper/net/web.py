"""How one source reaches the web: its session, pace, sign-in, cache and, if it names one, its solver."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import requests

from bookhopper.net.addresses import origin, without_credentials
from bookhopper.net.cache import Cache, Kept, cache_key
from bookhopper.net.hosts import Hosts
from bookhopper.net.session import DEFAULT_TIMEOUT, Fetched, Form, Remedy, Session, SignIn, fetch, open_stream
from bookhopper.net.sign_in import no_auth
from bookhopper.net.solver import Solver
from bookhopper.ticket import Ticket

_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Web:
    """Asks on behalf of one source; safe from several threads.

    The private hosts that the source may visit are its session's: `new_session(Route(allowed=…))`.  `name` is
    the source's, which keeps its answers in the cache apart from others'.
    """

    session: Session
    hosts: Hosts
    sign_in: SignIn | None = None
    cache: Cache | None = None
    solver: Solver | None = None
    name: str = ""

    def get(
        self,
        url: str,
        ticket: Ticket,
        *,
        max_bytes: int,
        seconds: float = 60.0,
        headers: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> Fetched:
        """GET a small answer whole; raises what `net.session.fetch` does.

        An answer of the last day may be given again, or its server asked whether it is still the same;
        `fresh` asks for a new one.
        """
        if self.cache is None:
            return self._fetch(url, ticket, max_bytes, seconds, headers)
        key = self._key(url, headers)
        kept = None if fresh else self.cache.get(key)
        if kept is not None and kept.fresh and len(kept.content) <= max_bytes:
            return _answer(kept)
        asked = {**(headers or {}), **(kept.validators() if kept else {})}
        statuses = {_NOT_MODIFIED} if kept else ()
        found = self._fetch(url, ticket, max_bytes, seconds, asked, statuses=statuses)
        if kept is not None and found.status == _NOT_MODIFIED:
            self.cache.confirm(key, found.headers)
            return _answer(kept)
        if found.status == 200 and key == self._key(url, headers):  # no cookie that changed who asks
            self.cache.put(key, found.url, found.headers, found.content)
        return found

    def forget(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Drop what was kept of an answer that `get` gave and nobody understands, so as to ask anew.

        `headers` are those that went with the question.
        """
        if self.cache is not None:
            self.cache.put(self._key(url, headers), url, {"Cache-Control": "no-store"}, b"")

    def post(
        self,
        url: str,
        ticket: Ticket,
        *,
        data: Form,
        max_bytes: int,
        seconds: float = 60.0,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """POST a form (or bytes, whose Content-Type `headers` give) for a small answer, which is not kept.

        Raises what `net.session.fetch` does.
        """
        return self._fetch(url, ticket, max_bytes, seconds, headers, data=data)

    def stream(
        self,
        url: str,
        ticket: Ticket,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
        statuses: Collection[int] = (),
    ) -> AbstractContextManager[requests.Response]:
        """GET an answer unread, for a block; raises what `net.session.open_stream` does."""
        return open_stream(
            self.session,
            url,
            hosts=self.hosts,
            ticket=ticket,
            headers=headers,
            timeout=timeout,
            sign_in=self.sign_in,
            remedies=self._remedies(ticket),
            statuses=statuses,
        )

    def close(self) -> None:
        """Close the connections; the cache is others', too."""
        self.session.close()
        if self.solver is not None:
            self.solver.close()

    def _fetch(
        self,
        url: str,
        ticket: Ticket,
        max_bytes: int,
        seconds: float,
        headers: Mapping[str, str] | None,
        *,
        statuses: Collection[int] = (),
        data: Form | None = None,
    ) -> Fetched:
        return fetch(
            self.session,
            url,
            hosts=self.hosts,
            ticket=ticket,
            max_bytes=max_bytes,
            seconds=seconds,
            headers=headers,
            sign_in=self.sign_in,
            remedies=self._remedies(ticket),
            statuses=statuses,
            data=data,
        )

    def _remedies(self, ticket: Ticket) -> list[Remedy]:
        """List what may mend a refusal: the password as it is now, and the solver."""
        remedies: list[Remedy] = []
        if self.sign_in is not None:
            remedies.append(self.sign_in.renewed)
        if (solver := self.solver) is not None:
            remedies.append(lambda response: solver.passed(response, ticket))
        return remedies

    def _key(self, url: str, headers: Mapping[str, str] | None) -> str:
        """Make the key of an answer: by who asks, as whom, with what cookies and by what headers."""
        url = without_credentials(url)
        signed = self.sign_in if self.sign_in is not None and origin(url) == self.sign_in.origin else None
        request = requests.Request("GET", url, auth=no_auth)
        cookies = self.session.prepare_request(request).headers.get("Cookie", "")
        varying = sorted((name.lower(), value) for name, value in (headers or {}).items())
        user = signed.username if signed else ""
        return cache_key(
            self.name, "GET", url, user, str(cookies), *(part for pair in varying for part in pair)
        )


def _answer(kept: Kept) -> Fetched:
    return Fetched(kept.content, kept.url, requests.structures.CaseInsensitiveDict(kept.headers))
