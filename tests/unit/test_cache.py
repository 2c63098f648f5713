"""Answers kept: when they are fresh, how they are asked for again, and what is never kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Page

from bookhopper.errors import BookhopperError, TransientError
from bookhopper.net.addresses import origin
from bookhopper.net.cache import FRESH_SECONDS, Cache, freshness
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import Fetched, new_session
from bookhopper.net.sign_in import SignIn
from bookhopper.net.web import Web
from bookhopper.search.sources.json_answers import get_json
from bookhopper.search.sources.opds_catalogue import Catalogue
from bookhopper.ticket import Ticket
from tests.fakes.server import serving

NOW = 1_700_000_000.0
DAY = FRESH_SECONDS


@dataclass
class Site:
    """A site that gives what it is told to, counts, and knows its ETag again."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    body: str = ""
    bodies: dict[str, str] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    def app(self) -> Starlette:
        async def page(request: Request) -> Response:
            self.asked.append(request)
            tag = self.headers.get("ETag")
            if tag and request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=self.headers)
            body = self.bodies.get(request.url.path, self.body) or f"answer {len(self.asked)}"
            return PlainTextResponse(body, self.status, self.headers)

        return Starlette(routes=[Page("/{path}", page)])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with serving(site.app()) as url:
        site.url = url
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> Iterator[Cache]:
    cache = Cache(tmp_path / "cache" / "answers.db", clock=clock)
    yield cache
    cache.close()


@pytest.fixture
def web(cache: Cache) -> Iterator[Web]:
    with new_session(Route({"127.0.0.1"})) as session:
        yield Web(session, Hosts(UNPACED), cache=cache, name="home")


def ask(web: Web, url: str, *, fresh: bool = False, **headers: str) -> Fetched:
    return web.get(url, Ticket(1), max_bytes=1000, fresh=fresh, headers=headers or None)


def test_for_a_day_nobody_is_asked_again(site: Site, web: Web, clock: Clock) -> None:
    first = ask(web, f"{site.url}/a?q=x")
    clock.now += DAY - 1
    again = ask(web, f"{site.url}/a?q=x")
    assert (again.content, again.url) == (first.content, first.url)
    assert again.headers["content-type"] == first.headers["Content-Type"]
    assert len(site.asked) == 1
    clock.now += 2
    assert ask(web, f"{site.url}/a?q=x").content == b"answer 2"


def test_it_outlives_a_restart(site: Site, web: Web, tmp_path: Path, clock: Clock) -> None:
    ask(web, f"{site.url}/a")
    assert web.cache is not None
    web.cache.close()
    other = Cache(tmp_path / "cache" / "answers.db", clock=clock)
    ask(Web(web.session, web.hosts, cache=other, name="home"), f"{site.url}/a")
    other.close()
    assert len(site.asked) == 1


def test_a_stale_one_is_asked_after_by_its_validator(site: Site, web: Web, clock: Clock) -> None:
    site.headers = {"ETag": '"v1"', "Cache-Control": "max-age=60"}
    ask(web, f"{site.url}/a")
    clock.now += 61
    assert ask(web, f"{site.url}/a").content == b"answer 1"
    assert site.asked[-1].headers["if-none-match"] == '"v1"'
    clock.now += 59  # confirmed, it is fresh again
    ask(web, f"{site.url}/a")
    assert len(site.asked) == 2
    site.headers = {"ETag": '"v2"'}
    clock.now += 2
    assert ask(web, f"{site.url}/a").content == b"answer 3"


def test_a_fresh_answer_can_be_asked_for(site: Site, web: Web) -> None:
    ask(web, f"{site.url}/a")
    assert ask(web, f"{site.url}/a", fresh=True).content == b"answer 2"
    assert ask(web, f"{site.url}/a").content == b"answer 2"


def test_what_varies_is_kept_apart(site: Site, web: Web) -> None:
    ask(web, f"{site.url}/a")
    ask(web, f"{site.url}/b")
    ask(web, f"{site.url}/a", Accept="application/json")
    ask(Web(web.session, web.hosts, cache=web.cache, name="other"), f"{site.url}/a")
    web.session.kept_cookies.set(site.url, "session", "1")
    ask(web, f"{site.url}/a")
    assert len(site.asked) == 5


def test_never_across_sign_ins(site: Site, web: Web) -> None:
    for user in ("anne", "bea"):
        sign_in = SignIn(origin(site.url), user, "x", "home")
        for _ in range(2):
            ask(Web(web.session, web.hosts, sign_in, web.cache, name="home"), f"{site.url}/a")
    ask(web, f"{site.url}/a")
    signed = ["authorization" in request.headers for request in site.asked]
    assert signed == [False, True, False, True, False], "each is first asked how to sign in"


def test_an_answer_that_signs_in_is_not_kept(site: Site, web: Web) -> None:
    site.headers = {"Set-Cookie": "session=abc; Path=/"}
    ask(web, f"{site.url}/a")
    site.headers = {}
    assert ask(web, f"{site.url}/a").content == b"answer 2"
    assert ask(web, f"{site.url}/a").content == b"answer 2"


@pytest.mark.parametrize("status", [404, 500, 206])
def test_only_whole_answers_are_kept(site: Site, web: Web, status: int) -> None:
    site.status = status
    for _ in range(2):
        try:
            ask(web, f"{site.url}/a")
        except BookhopperError:
            continue
    assert len(site.asked) == 2


def test_what_nobody_understood_is_forgotten(site: Site, web: Web) -> None:
    site.headers = {"ETag": '"v1"'}
    ask(web, f"{site.url}/a", Accept="text/plain")
    ask(web, f"{site.url}/a")
    web.forget(f"{site.url}/a", {"accept": "text/plain"})
    assert ask(web, f"{site.url}/a", Accept="text/plain").content == b"answer 3"
    assert "if-none-match" not in site.asked[-1].headers
    assert ask(web, f"{site.url}/a").content == b"answer 2"
    Web(web.session, web.hosts).forget(f"{site.url}/a")  # without a cache there is nothing to forget


@pytest.mark.parametrize("nonsense", ["<h1>Maintenance</h1>", "[]", '{"error": "busy"}'])
def test_a_catalogue_s_nonsense_is_not_kept(site: Site, web: Web, nonsense: str) -> None:
    site.body = nonsense
    with suppress(TransientError):
        assert get_json(web, f"{site.url}/a", Ticket(1)) == {"error": "busy"}
    site.body = '{"docs": []}'
    for _ in range(2):
        assert get_json(web, f"{site.url}/a", Ticket(1)) == {"docs": []}
    assert len(site.asked) == 2


FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Books</title>
<link rel="search" type="application/opensearchdescription+xml" href="/search"/></feed>"""
SEARCH = """<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
<Url type="application/atom+xml" template="/find?q={searchTerms}"/></OpenSearchDescription>"""


@pytest.mark.parametrize("nonsense", ["no feed", "<html><h1>Maintenance</h1></html>", '{"error": "busy"}'])
def test_nor_is_that_of_a_feed(site: Site, web: Web, nonsense: str) -> None:
    catalogue = Catalogue(f"{site.url}/a", web)
    asked: list[Callable[[], object]] = [
        lambda: catalogue.feed(f"{site.url}/a", Ticket(1)),
        lambda: catalogue.way(Ticket(1)),
    ]
    for ask_once in asked:
        site.body = nonsense
        with pytest.raises(TransientError):
            ask_once()
        site.body = FEED
        assert catalogue.feed(f"{site.url}/a", Ticket(1)).title == "Books"
        web.forget(f"{site.url}/a", {"Accept": site.asked[-1].headers["accept"]})


def test_nor_that_of_a_search_description(site: Site, web: Web) -> None:
    catalogue = Catalogue(f"{site.url}/a", web)
    site.bodies = {"/a": FEED, "/search": "no description"}
    with pytest.raises(TransientError):
        catalogue.way(Ticket(1))
    site.bodies["/search"] = SEARCH
    assert catalogue.way(Ticket(1)).template == f"{site.url}/find?q={{searchTerms}}"


@pytest.mark.parametrize("forbidden", ["no-store", "max-age=0", "no-cache"])
def test_what_may_not_be_kept_is_not(site: Site, web: Web, forbidden: str) -> None:
    ask(web, f"{site.url}/a")
    site.headers = {"Cache-Control": forbidden}
    ask(web, f"{site.url}/a", fresh=True)
    ask(web, f"{site.url}/a")
    assert len(site.asked) == 3


def test_posts_and_streams_are_not_kept(site: Site, web: Web) -> None:
    for _ in range(2):
        with web.stream(f"{site.url}/a", Ticket(1)) as response:
            assert response.content
    assert len(site.asked) == 2


def test_it_stays_within_its_bounds(tmp_path: Path, clock: Clock) -> None:
    cache = Cache(tmp_path / "a.db", max_answers=20, max_bytes=10**6, clock=clock)
    for number in range(151):
        clock.now += 1
        cache.put(str(number), "http://a.example/", {}, b"x")
        cache.get("0")
    kept = [number for number in range(151) if cache.get(str(number))]
    assert len(kept) == 20
    assert kept[0] == 0, "what is asked for stays"
    assert kept[-1] == 150
    cache.close()
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("UPDATE answers SET size = 600000")
    database.close()
    cache = Cache(tmp_path / "a.db", max_answers=20, max_bytes=10**6, clock=clock)
    clock.now += 1
    cache.put("new", "http://a.example/", {}, b"x")
    assert cache.get("new")
    assert sum(cache.get(str(number)) is not None for number in range(151)) == 1
    cache.close()


def test_a_broken_one_is_thrown_away(site: Site, web: Web, tmp_path: Path) -> None:
    ask(web, f"{site.url}/a")
    assert web.cache is not None
    web.cache.close()
    path = tmp_path / "cache" / "answers.db"
    path.write_bytes(b"no database at all " * 1000)
    for _ in range(2):
        assert ask(web, f"{site.url}/a").content == b"answer 2"


@pytest.mark.parametrize("column", ["content = x'00'", "headers = 'no json'", "stored = 'long ago'"])
def test_a_broken_row_is_thrown_away(site: Site, web: Web, tmp_path: Path, column: str) -> None:
    ask(web, f"{site.url}/a")
    with sqlite3.connect(tmp_path / "cache" / "answers.db") as database:
        database.execute(f"UPDATE answers SET {column}")
    database.close()
    assert ask(web, f"{site.url}/a").content == b"answer 2"


def test_one_that_cannot_be_written_is_done_without(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = Cache(tmp_path / "cache" / "answers.db")
    with new_session(Route({"127.0.0.1"})) as session:
        web = Web(session, Hosts(UNPACED), cache=cache)
        assert ask(web, f"{site.url}/a").content == b"answer 1"
        assert ask(web, f"{site.url}/a").content == b"answer 2"
    cache.close()


def test_a_clock_that_went_back_makes_nothing_fresh(site: Site, web: Web, clock: Clock) -> None:
    ask(web, f"{site.url}/a")
    clock.now -= 3600
    ask(web, f"{site.url}/a")
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, DAY),
        ({"Cache-Control": "max-age=60"}, 60.0),
        ({"Cache-Control": 'public, max-age="60"', "Age": "50"}, 10.0),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0.0),
        ({"Cache-Control": "max-age=999999999"}, DAY),
        ({"Cache-Control": "private"}, DAY),
        ({"Cache-Control": "no-cache"}, 0.0),
        ({"Cache-Control": "No-Store"}, None),
        ({"Pragma": "no-cache"}, 0.0),
        ({"Vary": "*"}, None),
        ({"Vary": "Accept"}, DAY),
        ({"Expires": "0"}, 0.0),
        ({"Expires": formatdate(NOW + 300, usegmt=True)}, 300.0),
        ({"Expires": formatdate(NOW + 300), "Date": formatdate(NOW + 200)}, 100.0),
        ({"Expires": formatdate(NOW + 300), "Cache-Control": "max-age=5"}, 5.0),
        ({"Cache-Control": "max-age=soon"}, DAY),
    ],
)
def test_freshness(headers: dict[str, str], seconds: float | None) -> None:
    assert freshness(headers, NOW) == seconds
