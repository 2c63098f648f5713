"""The challenge solver: asked only for challenges, once in a while, and its fruits worn by one host."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import unquote

import pytest
import requests

from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.solver import Solver
from bookhopper.net.web import Web
from bookhopper.ticket import Ticket
from tests.fakes.proxies import socks_proxy
from tests.fakes.server import free_port, serving
from tests.fakes.solver import AGENT, MARKED, FakeSolver, GuardedSite
from tests.waiting import until


class Bench:
    def __init__(self, stack: ExitStack) -> None:
        self.site, self.solver = GuardedSite(), FakeSolver()
        self.url = stack.enter_context(serving(self.site.app()))
        self.solver_url = stack.enter_context(serving(self.solver.app())) + "/v1"
        self._stack = stack

    def web(self, solver_url: str = "", origins: Collection[str] = (), proxy: str = "") -> Web:
        own = frozenset(origins or {self.url})
        session = new_session(Route({"127.0.0.1"}, proxy), origins=own)
        hosts = Hosts(UNPACED)
        solver = Solver(solver_url or self.solver_url, session, hosts, own, seconds=1)
        web = Web(session, hosts, solver=solver)
        self._stack.callback(web.close)
        return web

    def get(self, web: Web, path: str = "/book") -> bytes:
        return web.get(self.url + path, Ticket(1), max_bytes=1000).content


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


def test_a_challenge_is_met_and_its_fruits_last(bench: Bench) -> None:
    web = bench.web()
    assert bench.get(web) == b"a book"
    assert bench.get(web, "/other") == b"a book"
    with web.stream(f"{bench.url}/third", Ticket(1)) as response:
        assert response.content == b"a book"
    assert bench.solver.asked == [{"cmd": "request.get", "url": f"{bench.url}/book", "maxTimeout": 1000}]
    sent = bench.site.asked[-1].headers["cookie"]
    assert "spy" not in sent
    assert "bad name" not in sent


def test_only_that_host_sees_the_browser_s_name(bench: Bench) -> None:
    web = bench.web()
    bench.get(web)
    with serving(GuardedSite(status=200).app()) as other:
        open_site = web.get(f"{other}/x", Ticket(1), max_bytes=1000)
    assert open_site.status == 200
    assert bench.site.asked[-1].headers["user-agent"] == AGENT
    assert web.session.headers["User-Agent"] != AGENT


def test_it_is_asked_for_the_source_s_own_servers_only(bench: Bench) -> None:
    with pytest.raises(PermanentError, match="wants to see a browser") as raised:
        bench.get(bench.web(origins={"http://books.example"}))
    assert f"its source names only http://books.example: name {bench.url} there, too" in str(raised.value)
    assert "`solver`" not in str(raised.value), "one is named already"
    assert bench.solver.asked == []


def test_a_server_that_moved_to_https_is_the_source_s_own(bench: Bench) -> None:
    challenge = requests.Response()
    challenge.headers.update(MARKED)
    challenge.url = "https://books.example/book"
    challenge.request = requests.PreparedRequest()
    for place, met in (
        ("https://books.example", True),
        ("http://books.example", True),
        ("http://a.example", False),
    ):
        solver = bench.web(origins={place}).solver
        assert solver is not None
        assert solver.passed(challenge, Ticket(1)) is met


@pytest.mark.parametrize("sign_in", ["", "reader:s3cr%40t"])
def test_it_goes_by_the_source_s_proxy(bench: Bench, sign_in: str) -> None:
    with socks_proxy(unquote(sign_in)) as proxy:
        address = proxy.url.rpartition("/")[2].rpartition("@")[2]
        web = bench.web(proxy=f"socks5h://{sign_in}{'@' if sign_in else ''}{address}")
        assert bench.get(web) == b"a book"
    told = {"username": "reader", "password": "s3cr@t"} if sign_in else {}
    assert bench.solver.asked[0]["proxy"] == {"url": f"socks5://{address}", **told}


@pytest.mark.parametrize(
    ("status", "headers", "page"),
    [
        (503, {"Server": "cloudflare"}, "<title>Just a moment...</title>"),
        (403, {"Server": "ddos-guard"}, "<html><TITLE> DDoS-Guard</TITLE>"),
        (403, MARKED, ""),
    ],
)
def test_what_looks_like_a_challenge(bench: Bench, status: int, headers: dict[str, str], page: str) -> None:
    bench.site.status, bench.site.headers, bench.site.page = status, headers, page
    assert bench.get(bench.web()) == b"a book"


@pytest.mark.parametrize(
    ("status", "headers", "page"),
    [
        (403, {"Server": "nginx"}, "<title>Just a moment...</title>"),
        (403, {"Server": "cloudflare"}, "<title>Forbidden</title>"),
        (404, {"Server": "cloudflare"}, "<title>Just a moment...</title>"),
        (503, {"Server": "cloudflare"}, "x" * 200_000 + "<title>Just a moment...</title>"),
    ],
)
def test_what_does_not(bench: Bench, status: int, headers: dict[str, str], page: str) -> None:
    bench.site.status, bench.site.headers, bench.site.page = status, headers, page
    with pytest.raises(BookhopperError):
        bench.get(bench.web())
    assert bench.solver.asked == []


def test_without_a_solver_a_challenge_says_what_it_is(bench: Bench) -> None:
    with new_session(Route({"127.0.0.1"})) as session:
        web = Web(session, Hosts(UNPACED))
        with pytest.raises(PermanentError, match=r"wants to see a browser \(403\): .* name a `solver`"):
            bench.get(web)


def test_one_that_does_not_help_is_not_asked_again_for_a_while(bench: Bench) -> None:
    bench.solver.answer["solution"]["cookies"] = []
    web = bench.web()
    for _ in range(2):
        with pytest.raises(HeldError, match="the solver was asked already") as held:
            bench.get(web)
        assert held.value.scope == "host"
    assert len(bench.solver.asked) == 1


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (
            {"status": "error", "message": "Error: Maximum\n timeout reached."},
            500,
            "says: Error: Maximum timeout reached.",
        ),
        ({"status": "error"}, 500, "says: nothing"),
        ({"status": "ok", "solution": "no"}, 200, "says: nothing"),
        ([], 200, "answers otherwise than a solver (200): check `solver`"),
        ({"solution": {}}, 200, "answers otherwise than a solver"),
    ],
)
def test_its_faults_are_one_line(bench: Bench, answer: object, status: int, words: str) -> None:
    bench.solver.answer, bench.solver.status = answer, status
    with pytest.raises(HeldError) as raised:
        bench.get(bench.web())
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_while_it_is_at_it_others_wait(bench: Bench) -> None:
    bench.solver.go_on.clear()
    web = bench.web()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.get, web)
        until(lambda: bench.solver.asked, "the solver is asked")
        with pytest.raises(HeldError, match="the solver is at it"):
            bench.get(web)
        bench.solver.go_on.set()
        assert first.result(20) == b"a book"
    assert bench.get(web) == b"a book"
    assert len(bench.solver.asked) == 1


def test_a_request_from_before_it_was_met_is_made_again(bench: Bench) -> None:
    web = bench.web()
    early = requests.get(f"{bench.url}/book", timeout=10)
    bench.get(web)
    assert web.solver is not None
    assert web.solver.passed(early, Ticket(1))
    assert len(bench.solver.asked) == 1


def test_one_that_is_away(bench: Bench) -> None:
    with pytest.raises(HeldError, match=r"the solver did not help: http://127\.0\.0\.1:\d+/v1: .*refused"):
        bench.get(bench.web(f"http://127.0.0.1:{free_port()}/v1"))
