"""Cookies by origin: a session goes back to where it is from, and to those named beside it."""

from __future__ import annotations

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Path

from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import Session, new_session
from bookhopper.net.web import Web
from bookhopper.ticket import Ticket
from tests.fakes.server import serving


def sent(session: Session, url: str) -> str | None:
    prepared = session.prepare_request(requests.Request("GET", url))
    value = prepared.headers.get("Cookie")
    return str(value) if value is not None else None


@pytest.mark.parametrize(
    ("home", "goal", "goes"),
    [
        ("https://library.example", "https://library.example/x", True),
        ("https://library.example", "https://library.example:443/x", True),
        ("http://library.example", "https://library.example/x", True),
        ("https://library.example", "http://library.example/x", False),
        ("http://library.example:8080", "https://library.example:8080/x", True),
        ("https://library.example:8080", "http://library.example:8080/x", False),
        ("http://library.example:8080", "http://library.example:8081/x", False),
        ("https://library.example", "https://ads.library.example/x", False),
        ("https://library.example", "https://example/x", False),
        ("http://nas", "http://nas/x", True),
        ("http://nas", "http://nas:81/x", False),
        ("http://[::1]:80", "http://[::1]/x", True),
    ],
)
def test_where_a_session_goes(home: str, goal: str, goes: bool) -> None:
    with new_session() as session:
        session.kept_cookies.set(home, "session", "s1")
        session.kept_cookies.set(home, "wide", "w", domain=".example")
        assert ("session=s1" in (sent(session, goal) or "")) is goes
        assert goes or sent(session, goal) is None


def test_origins_that_are_named_together_share_what_is_for_their_domain() -> None:
    named = ("https://www.library.example", "https://login.library.example", "http://www.library.example")
    with new_session(origins=named) as session:
        session.kept_cookies.set(named[1], "wide", "w", domain=".library.example")
        session.kept_cookies.set(named[1], "own", "o")
        assert sent(session, f"{named[0]}/x") == "wide=w"
        assert sorted((sent(session, f"{named[1]}/x") or "").split("; ")) == ["own=o", "wide=w"]
        assert sent(session, f"{named[2]}/x") is None, "never unencrypted"
        assert sent(session, "https://ads.library.example/x") is None


def test_what_a_server_gives_is_its_own() -> None:
    async def gives(request: Request) -> Response:
        answer = PlainTextResponse(request.headers.get("cookie", "none"))
        answer.set_cookie("session", "s1")
        return answer

    app = Starlette(routes=[Path("/", gives)])
    with serving(app) as one, serving(app) as other, new_session(Route({"127.0.0.1"})) as session:
        web = Web(session, Hosts(UNPACED))
        said = [web.get(url, Ticket(1), max_bytes=100).content for url in (one, one, other)]
    assert said == [b"none", b"session=s1", b"none"]
    assert not session.cookies, "the jar that gives to neighbours stays empty"


def test_only_so_many_origins_are_remembered() -> None:
    with new_session(origins=["http://library.example"]) as session:
        session.kept_cookies.set("http://library.example", "session", "s1")
        for number in range(2500):
            session.kept_cookies.set(f"http://h{number}.example", "a", "b")
        assert len(session.kept_cookies._jars) <= 1001
        assert sent(session, "http://library.example/x") == "session=s1"


def test_only_so_many_cookies_of_an_origin_are_remembered() -> None:
    """A server that gives another name each time would refuse the growing header in the end."""

    async def gives(request: Request) -> Response:
        answer = PlainTextResponse(request.headers.get("cookie", ""))
        for number in range(40):
            answer.set_cookie(f"{request.query_params['n']}-{number}", "x")
        return answer

    with serving(Starlette(routes=[Path("/", gives)])) as one, new_session(Route({"127.0.0.1"})) as session:
        web = Web(session, Hosts(UNPACED))
        said = [web.get(f"{one}/?n={n}", Ticket(1), max_bytes=9000).content.decode() for n in range(5)]
    names = [pair.split("=")[0] for pair in said[-1].split("; ")]
    assert len(names) == 50
    assert "3-39" in names
    assert "0-0" not in names
