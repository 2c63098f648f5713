"""Cookies by origin: what a site gives or is given goes back to that origin, never to its neighbours.

RFC 6265 lets a cookie go to every port of a host, from https to http, and to sub-domains: enough for a
service beside the site, or somebody on the way, to get hold of a session.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import cast

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header

from bookhopper.net.addresses import host_and_port, host_name, origin

_KEPT_ORIGINS = 1000
_KEPT_COOKIES = 50
"""Of each origin, the latest; a header of more would be refused by most servers."""


class Cookies:
    """One jar for each origin; safe from several threads.

    `together` are origins of one site: what one of them gives for a domain of theirs (`Domain=`), the others
    get, too, though never unencrypted what was encrypted.
    """

    def __init__(self, together: Collection[str] = ()) -> None:
        self._together = frozenset(together)
        self._jars: dict[str, RequestsCookieJar] = {}
        self._lock = threading.Lock()

    def set(self, url: str, name: str, value: str, *, domain: str = "", path: str = "/") -> None:
        """Keep a cookie for the origin of a URL; a `domain` is for those together with it."""
        host = host_name(host_and_port(url))
        named = f"[{host}]" if ":" in host else host
        # the cookie jar's own spelling of a host without dots
        alone = named if "." in named else f"{named}.local"
        with self._lock:
            self._jar(origin(url)).set(name, value, domain=domain or alone, path=path)

    def take(self, request: requests.PreparedRequest, response: requests.Response) -> None:
        """Keep the cookies that came with an answer."""
        if "Set-Cookie" in response.headers:
            with self._lock:
                jar = self._jar(origin(request.url or ""))
                extract_cookies_to_jar(jar, request, response.raw)  # type: ignore[no-untyped-call]
                cookies = cast("list[Cookie]", list(jar))
                for cookie in cookies[:-_KEPT_COOKIES]:
                    jar.clear(cookie.domain, cookie.path, cookie.name)

    def put_on(self, request: requests.PreparedRequest) -> None:
        """Put into a request the cookies that are for where it goes."""
        goal = origin(request.url or "")
        with self._lock:
            fitting = [jar for home, jar in self._jars.items() if self._may_go(home, goal)]
            if not fitting:
                return
            all_of_them = RequestsCookieJar(_POLICY)
            for jar in fitting:
                all_of_them.update(jar)
            cookies = get_cookie_header(all_of_them, request)  # type: ignore[no-untyped-call]
        if cookies:
            request.headers["Cookie"] = cookies

    def _may_go(self, home: str, goal: str) -> bool:
        """Whether an origin may see another's cookies at all; http's where it has moved to https may."""
        if goal in {home, home.replace("http://", "https://", 1)}:
            return True
        return {home, goal} <= self._together and not (home.startswith("https:") and goal.startswith("http:"))

    def _jar(self, home: str) -> RequestsCookieJar:
        if home not in self._jars:
            if len(self._jars) >= _KEPT_ORIGINS:  # links and redirects may name any number of them
                self._jars = {each: jar for each, jar in self._jars.items() if each in self._together}
            self._jars[home] = RequestsCookieJar()
        return self._jars[home]


_POLICY = DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain)
"""What was given for no domain is the very host's that gave it."""

NOTHING_KEPT = DefaultCookiePolicy(allowed_domains=())
"""The policy of a jar that stays empty."""
