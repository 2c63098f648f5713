"""Streams, redirects, sign-in and faults, against real sockets on loopback."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bookhopper import __version__
from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.net import addresses, heads, route
from bookhopper.net import web as web_module
from bookhopper.net.faults import AnswerError
from bookhopper.net.hosts import Hosts
from bookhopper.net.session import Fetched, Session, SignIn, _redirected, fetch, new_session, open_stream
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.fakes.dripping import HANDSHAKE, SOCKS_REPLY, TUNNEL, dripping
from tests.fakes.proxies import http_proxy
from tests.fakes.server import answering, free_port, serving

LOCAL = frozenset({"127.0.0.1", "localhost"})


@dataclass
class Web:
    """A small site with every kind of answer, and the requests that it saw."""

    url: str = ""
    elsewhere: str = ""
    seen: list[Request] = field(default_factory=list)

    def app(self) -> Starlette:
        async def book(request: Request) -> Response:
            self.seen.append(request)
            return PlainTextResponse("a book")

        async def status(request: Request) -> Response:
            headers = (
                {"Retry-After": request.query_params["after"]} if "after" in request.query_params else {}
            )
            if "ask" in request.query_params:
                headers["WWW-Authenticate"] = request.query_params["ask"]
            return Response("no", int(request.path_params["status"]), headers)

        async def hop(request: Request) -> Response:
            self.seen.append(request)
            left = int(request.path_params["left"])
            return RedirectResponse(f"{self.url}/hop/{left - 1}" if left else "/book")

        async def away(request: Request) -> Response:
            self.seen.append(request)
            return RedirectResponse(self.elsewhere)

        async def home(request: Request) -> Response:
            self.seen.append(request)
            return RedirectResponse("/away")

        async def back(request: Request) -> Response:
            self.seen.append(request)
            return RedirectResponse(f"{self.url}/book")

        async def bomb(_: Request) -> Response:
            return Response(gzip.compress(bytes(20_000_000)), headers={"Content-Encoding": "gzip"})

        return Starlette(
            routes=[
                Route("/book", book),
                Route("/status/{status}", status),
                Route("/hop/{left}", hop),
                Route("/away", away),
                Route("/home", home),
                Route("/back", back),
                Route("/bomb", bomb),
            ]
        )


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    web = Web()
    with serving(web.app()) as url:
        web.url = url
        yield web


@pytest.fixture
def web(site: Web) -> Web:
    site.seen.clear()
    return site


@pytest.fixture
def session() -> Iterator[Session]:
    with new_session(route.Route(LOCAL)) as session:
        yield session


@pytest.fixture
def hosts() -> Hosts:
    return Hosts(local=LOCAL, jitter=float)


def get(
    session: Session,
    hosts: Hosts,
    url: str,
    *,
    sign_in: SignIn | None = None,
    max_bytes: int = 1_000_000,
    seconds: float = 30.0,
    timeout: tuple[float, float] = (10.0, 10.0),
) -> Fetched:
    return fetch(
        session,
        url,
        hosts=hosts,
        ticket=Ticket(1),
        max_bytes=max_bytes,
        seconds=seconds,
        sign_in=sign_in,
        timeout=timeout,
    )


@contextmanager
def dripping_head(start: bytes) -> Iterator[tuple[str, threading.Event]]:
    """Answer with `start`, then with one byte after another of a head that never ends."""
    dripping, done = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        with suppress(OSError):  # the client hung up, which is what it is about
            while not done.wait(0.01):
                connection.sendall(b"x")
                dripping.set()

    with answering(drip) as url:
        try:
            yield url, dripping
        finally:
            done.set()


def test_an_answer_is_read_and_the_program_names_itself(web: Web, session: Session, hosts: Hosts) -> None:
    fetched = get(session, hosts, f"{web.url}/book#part")
    assert (fetched.content, fetched.url) == (b"a book", f"{web.url}/book")
    assert fetched.headers["content-type"].startswith("text/plain")
    assert web.seen[0].headers["user-agent"].startswith(f"bookhopper/{__version__} (")


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("404", PermanentError, "not there (404)"),
        ("410", PermanentError, "gone for good"),
        ("403", PermanentError, "forbids"),
        ("451", PermanentError, "legal reasons"),
        ("418", PermanentError, "answered 418"),
        ("304", PermanentError, "answered 304"),
        ("302", PermanentError, "answered 302"),
        ("401", PermanentError, "set username and password_file"),
        ("500", TransientError, "the server failed (500)"),
        ("502", TransientError, "the server failed (502)"),
        ("429?after=77", HeldError, "left alone for 77 s: it asks for a pause (429)"),
        ("503", TransientError, "the server failed (503)"),
    ],
)
def test_every_status_has_its_meaning(
    web: Web, session: Session, path: str, error: type[BookhopperError], words: str
) -> None:
    with pytest.raises(error) as raised:
        get(session, Hosts(local=LOCAL), f"{web.url}/status/{path}")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_pause_holds_the_whole_host(web: Web, session: Session, hosts: Hosts) -> None:
    with pytest.raises(HeldError) as first:
        get(session, hosts, f"{web.url}/status/503?after=600")
    assert first.value.scope == "host"
    assert first.value.seconds == pytest.approx(600, abs=5)
    with pytest.raises(HeldError):
        get(session, hosts, f"{web.url}/book")
    assert web.seen == []


def test_a_pause_for_one_file_is_that_file_s(web: Web, session: Session, hosts: Hosts) -> None:
    get(session, hosts, f"{web.url}/book")
    with pytest.raises(TransientError, match=r"not now \(503\), it says: again in 600 s"):
        get(session, hosts, f"{web.url}/status/503?after=600")
    with pytest.raises(HeldError, match="is left alone for 600 s") as again:
        get(session, hosts, f"{web.url}/status/503?after=600")
    assert again.value.scope == "job"
    get(session, hosts, f"{web.url}/book")


def test_a_pause_for_a_second_file_is_the_host_s(web: Web, session: Session, hosts: Hosts) -> None:
    get(session, hosts, f"{web.url}/book")
    with pytest.raises(TransientError):
        get(session, hosts, f"{web.url}/status/503?after=60")
    with pytest.raises(HeldError) as held:
        get(session, hosts, f"{web.url}/status/503?after=61")
    assert held.value.scope == "host"


def test_the_same_file_s_pause_does_not_hold_the_host_again(web: Web, session: Session) -> None:
    now = 100.0
    hosts = Hosts(local=LOCAL, jitter=float, clock=lambda: now)
    for scope in ("host", "job"):
        with pytest.raises(HeldError) as held:
            get(session, hosts, f"{web.url}/status/503?after=60")
        assert held.value.scope == scope
        now += 61.0
        assert hosts.held() == {}


def test_statuses_that_the_caller_wants_to_see_are_given(web: Web, session: Session, hosts: Hosts) -> None:
    with open_stream(
        session, f"{web.url}/status/416", hosts=hosts, ticket=Ticket(1), statuses={416}
    ) as response:
        assert response.status_code == 416


class TestRedirects:
    def test_ten_are_followed(self, web: Web, session: Session, hosts: Hosts) -> None:
        assert get(session, hosts, f"{web.url}/hop/9").content == b"a book"

    def test_eleven_are_not(self, web: Web, session: Session, hosts: Hosts) -> None:
        with pytest.raises(PermanentError, match="more than 10 redirects"):
            get(session, hosts, f"{web.url}/hop/50")

    def test_their_bodies_are_not_read(self, session: Session, hosts: Hosts) -> None:
        def endless(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ftp://a.example/\r\n\r\n")
            while True:
                connection.sendall(bytes(65536))

        with answering(endless) as url, pytest.raises(PermanentError, match="no address"):
            get(session, hosts, url)

    def test_an_unescaped_path(self, web: Web, session: Session, hosts: Hosts) -> None:
        head = f"HTTP/1.1 302 Found\r\nLocation: {web.url}/book?Käthe\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(lambda connection: connection.sendall(head)) as url:
            get(session, hosts, url)
        assert web.seen[0].url.query == "K%C3%A4the"

    def test_another_origin_sees_no_header_that_may_be_secret(
        self, web: Web, session: Session, hosts: Hosts
    ) -> None:
        secret = {
            "Authorization": "Bearer x",
            "Cookie": "a=b",
            "x-api-key": "x",
            "Referer": "http://a/?key=x",
        }
        plain = {"accept": "text/plain", "Accept-Language": "de", "Range": "bytes=0-", "If-None-Match": '"x"'}
        plain |= {"Accept-Encoding": "br", "If-Range": '"x"', "If-Modified-Since": "never"}
        web.elsewhere = f"{web.url.replace('127.0.0.1', 'localhost')}/back"
        with open_stream(
            session, f"{web.url}/home", hosts=hosts, ticket=Ticket(1), headers=secret | plain
        ) as response:
            assert response.url == f"{web.url}/book"
        assert [request.url.path for request in web.seen] == ["/home", "/away", "/back", "/book"]
        for request, sees_all in zip(web.seen, (True, True, False, False), strict=True):
            assert all(request.headers[name] == value for name, value in plain.items())
            assert {name for name in secret if name in request.headers} == (
                set(secret) if sees_all else set()
            )

    def test_never_from_encrypted_to_plain(self) -> None:
        with pytest.raises(PermanentError, match=r"unencrypted address, http://b\.example/x"):
            _redirected("https://a.example/", "http://b.example/x")
        assert _redirected("http://a.example/b/c", "../d?e#f") == "http://a.example/d?e"

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://a.example/", "http://[::1", "a:b"])
    def test_never_to_another_scheme(self, web: Web, session: Session, hosts: Hosts, target: str) -> None:
        web.elsewhere = target
        with pytest.raises(PermanentError, match=r"no address that can be fetched|malformed"):
            get(session, hosts, f"{web.url}/away")

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.2", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1"],
    )
    def test_never_into_the_private_network(self, web: Web, hosts: Hosts, host: str) -> None:
        web.elsewhere = f"http://{host}:9/"
        with (
            new_session(route.Route({"127.0.0.1"})) as session,
            pytest.raises(PermanentError, match="leads into the private network"),
        ):
            get(session, hosts, f"{web.url}/away")

    def test_an_allowed_port_is_not_the_whole_host(self, web: Web, hosts: Hosts) -> None:
        web.elsewhere = "http://127.0.0.1:9/"
        with (
            new_session(route.Route({addresses.host_and_port(web.url)})) as session,
            pytest.raises(PermanentError, match="private network"),
        ):
            get(session, hosts, f"{web.url}/away")


class TestPosts:
    @pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
    def test_a_redirect_at_home_repeats_what_its_status_says(
        self, session: Session, hosts: Hosts, status: int, method: str
    ) -> None:
        async def form(request: Request) -> Response:
            return RedirectResponse("/there?" + (await request.body()).decode(), status)

        async def there(request: Request) -> Response:
            return PlainTextResponse(f"{request.method} {(await request.body()).decode()}".strip())

        pages = [Route("/form", form, methods=["POST"]), Route("/there", there, methods=["GET", "POST"])]
        with serving(Starlette(routes=pages)) as url:
            posting = web_module.Web(session, hosts)
            got = posting.post(f"{url}/form", Ticket(1), data={"q": "a b"}, max_bytes=100)
        assert got.url == f"{url}/there?q=a+b"
        assert got.content.decode() == (f"{method} q=a+b" if method == "POST" else method)

    def test_what_was_sent_is_not_handed_on(self, web: Web, session: Session, hosts: Hosts) -> None:
        async def form(_: Request) -> Response:
            return RedirectResponse(f"{web.url}/book", 307)

        with serving(Starlette(routes=[Route("/form", form, methods=["POST"])])) as url:
            posting = web_module.Web(session, hosts)
            with pytest.raises(PermanentError, match="hands on to another server what was sent to it"):
                posting.post(f"{url}/form", Ticket(1), data={"password": "x"}, max_bytes=100)
        assert web.seen == []


class TestSignIn:
    def sign_in(self, web: Web) -> SignIn:
        return SignIn(addresses.origin(web.url), "käthe", "pass:wörd", "home")

    def test_the_origin_gets_it(self, web: Web, session: Session, hosts: Hosts) -> None:
        sign_in = self.sign_in(web)
        get(session, hosts, f"{web.url}/book", sign_in=sign_in)
        get(session, hosts, f"{web.url}/hop/1", sign_in=sign_in)
        expected = "Basic " + base64.b64encode("käthe:pass:wörd".encode()).decode()
        seen = [request.headers.get("authorization") for request in web.seen]
        assert seen == [None, *[expected] * 4], "only the first time it is asked whether it wants Digest"

    def test_another_origin_does_not(self, web: Web, session: Session, hosts: Hosts) -> None:
        with serving(web.app()) as other:
            web.elsewhere = f"{other}/book"
            sign_in = self.sign_in(web)
            for page in ("book", "away"):
                get(session, hosts, f"{web.url}/{page}", sign_in=sign_in)
        assert ["authorization" in request.headers for request in web.seen] == [False, True, True, False]

    def test_credentials_in_a_link_are_dropped(self, web: Web, session: Session, hosts: Hosts) -> None:
        get(session, hosts, web.url.replace("//", "//eve:secret@") + "/book")
        assert "authorization" not in web.seen[0].headers

    def test_netrc_is_not_asked(
        self,
        web: Web,
        session: Session,
        hosts: Hosts,
        tmp_path: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        netrc = f"{tmp_path}/netrc"
        with open(netrc, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("machine 127.0.0.1 login eve password secret\n")
        monkeypatch.setenv("NETRC", netrc)
        get(session, hosts, f"{web.url}/book")
        assert "authorization" not in web.seen[0].headers

    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            ("Basic realm=x", "sign-in refused (401): check username and password_file of source home"),
            (
                "Digest realm=x",
                "takes only digest sign-in (401): let it take Basic, or Digest by MD5, for source home",
            ),
        ],
    )
    def test_a_refusal_says_what_to_do(
        self, web: Web, session: Session, hosts: Hosts, ask: str, words: str
    ) -> None:
        with pytest.raises(PermanentError) as raised:
            get(session, hosts, f"{web.url}/status/401?ask={ask}", sign_in=self.sign_in(web))
        assert words in str(raised.value)

    def test_a_password_that_was_changed_is_read_once_more(self, hosts: Hosts, tmp_path: Path) -> None:
        kept = tmp_path / "password"
        kept.write_text("old")
        asked: list[str] = []

        async def book(request: Request) -> Response:
            if not (said := request.headers.get("authorization")):
                return PlainTextResponse("who is it?", 401, {"WWW-Authenticate": "Basic realm=x"})
            user, _, password = base64.b64decode(said[6:]).decode().partition(":")
            asked.append(password)
            return PlainTextResponse("a book", 200 if (user, password) == ("anne", "new") else 401)

        with (
            serving(Starlette(routes=[Route("/book", book)])) as url,
            new_session(route.Route(LOCAL)) as session,
        ):
            sign_in = SignIn(url, "anne", "old", "home", reread=kept.read_text)
            signed = web_module.Web(session, hosts, sign_in)
            with pytest.raises(AnswerError, match="sign-in refused"):
                signed.get(f"{url}/book", Ticket(1), max_bytes=100)
            assert asked == ["old"], "nothing new to try"
            kept.write_text("new")
            for _ in range(2):
                assert signed.get(f"{url}/book", Ticket(1), max_bytes=100).content == b"a book"
            assert asked == ["old", "old", "new", "new"]
            kept.unlink()
            sign_in.origin = "http://elsewhere.example"
            with pytest.raises(AnswerError, match="asks for a sign-in at another address"):
                signed.get(f"{url}/book", Ticket(1), max_bytes=100)

    def test_a_password_is_not_shown(self, web: Web) -> None:
        assert "wörd" not in repr(self.sign_in(web))


class TestFaults:
    def test_a_refused_connection_holds_the_host(self, session: Session, hosts: Hosts) -> None:
        url = f"http://127.0.0.1:{free_port()}/"
        for _ in range(3):
            with pytest.raises(HeldError, match="connection was refused") as raised:
                get(session, hosts, url)
        assert (raised.value.scope, raised.value.seconds) == ("host", 30.0)
        with pytest.raises(HeldError, match="left alone"):
            get(session, hosts, url)

    def test_an_unknown_name(self, session: Session, hosts: Hosts) -> None:
        with pytest.raises(
            HeldError,
            match=r"the name nowhere\.invalid cannot be resolved|no answer about nowhere\.invalid",
        ):
            get(session, hosts, "http://nowhere.invalid/")

    def test_an_untrusted_connection(self, web: Web, session: Session, hosts: Hosts) -> None:
        with pytest.raises(HeldError, match="no trusted connection: no TLS is spoken there: write http://"):
            get(session, hosts, web.url.replace("http:", "https:"))

    def test_an_unreachable_proxy(
        self, session: Session, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(HeldError, match="proxy cannot be reached"):
            get(session, hosts, "http://books.invalid/")

    def test_a_port_of_407_is_no_refusal(
        self, session: Session, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as taken:
            for port in range(40700, 40800):
                with suppress(OSError):
                    taken.bind(("127.0.0.1", port))
                    break
            monkeypatch.setenv("http_proxy", "http://{}:{}".format(*taken.getsockname()))
            monkeypatch.setenv("no_proxy", "")
            with pytest.raises(HeldError, match="proxy cannot be reached"):
                get(session, hosts, "http://books.invalid/")

    @pytest.mark.parametrize(
        "url", ["ftp://a.example/x", "a.example", "http://", "http://a:b:c/", "file:///etc/x"]
    )
    def test_what_is_no_address(self, session: Session, hosts: Hosts, url: str) -> None:
        with pytest.raises(PermanentError, match="no address that can be fetched"):
            get(session, hosts, url)

    def test_a_host_name_that_cannot_be_one(self, session: Session, hosts: Hosts) -> None:
        with pytest.raises(PermanentError):
            get(session, hosts, f"http://{'a' * 80}.example/")

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nshort",
            b"nonsense\r\n\r\n",
            b"",
        ],
    )
    def test_an_answer_that_breaks_off(self, session: Session, hosts: Hosts, answer: bytes) -> None:
        with answering(lambda connection: connection.sendall(answer)) as url, pytest.raises(TransientError):
            get(session, hosts, url)

    def test_an_answer_that_stalls(self, session: Session, hosts: Hosts) -> None:
        done = threading.Event()

        def stall(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            done.wait(10)

        with answering(stall) as url:
            with pytest.raises(TransientError, match="stalled"):
                get(session, hosts, url, timeout=(5, 0.1))
            done.set()

    def test_an_answer_that_drips(self, session: Session, hosts: Hosts) -> None:
        done = threading.Event()

        def drip(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not done.wait(0.01):
                connection.sendall(b"x")

        with answering(drip) as url, ExitStack() as stack:
            stack.callback(done.set)
            with pytest.raises(TransientError, match="took longer than"):
                get(session, hosts, url, seconds=0.2)

    @pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
    def test_a_head_that_drips(self, session: Session, hosts: Hosts, start: bytes) -> None:
        with (
            dripping_head(start) as (url, _),
            pytest.raises(TransientError, match=r"the answer's head took longer than 0\.1 s"),
            open_stream(session, url, hosts=hosts, ticket=Ticket(1), head_seconds=0.1),
        ):
            pass

    @pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
    def test_an_interruption_breaks_off_the_wait_for_a_head(
        self, session: Session, hosts: Hosts, start: bytes
    ) -> None:
        ticket = Ticket(1)
        with dripping_head(start) as (url, drips):

            def interrupt() -> None:
                drips.wait(10)
                ticket.interrupt(Reason.SHUTDOWN)

            interruption = threading.Thread(target=interrupt)
            interruption.start()
            with (
                pytest.raises(Interrupted),
                open_stream(session, url, hosts=hosts, ticket=ticket),
            ):
                pass
            interruption.join(10)

    @pytest.mark.parametrize("way", ["server", "proxy", "SOCKS proxy", "behind the proxy"])
    def test_connecting_that_drips(self, hosts: Hosts, way: str) -> None:
        starts = {"proxy": TUNNEL, "SOCKS proxy": SOCKS_REPLY}
        with ExitStack() as stack:
            port = stack.enter_context(dripping(starts.get(way, HANDSHAKE)))
            proxy, goal = "", f"https://127.0.0.1:{port}/"
            if way in starts:
                proxy, goal = f"http://127.0.0.1:{port}", "https://books.example/"
            if way == "SOCKS proxy":
                proxy = f"socks5h://127.0.0.1:{port}"
            elif way == "behind the proxy":
                proxy = stack.enter_context(http_proxy()).url
            session = stack.enter_context(new_session(route.Route(LOCAL, proxy=proxy)))
            with (
                pytest.raises(HeldError, match=r"no connection in time|does not get done") as held,
                open_stream(session, goal, hosts=hosts, ticket=Ticket(1), head_seconds=0.1),
            ):
                pass
        assert held.value.scope == "host"

    @pytest.mark.parametrize("by_socks", [False, True])
    def test_an_interruption_breaks_off_connecting(self, hosts: Hosts, *, by_socks: bool) -> None:
        ticket = Ticket(1)
        with dripping(SOCKS_REPLY if by_socks else HANDSHAKE) as port:
            way = route.Route(LOCAL, proxy=f"socks5h://127.0.0.1:{port}" if by_socks else "")
            interruption = threading.Timer(0.1, ticket.interrupt, [Reason.SHUTDOWN])
            interruption.start()
            with (
                new_session(way) as session,
                pytest.raises(Interrupted),
                open_stream(session, f"https://127.0.0.1:{port}/", hosts=hosts, ticket=ticket),
            ):
                pass
            interruption.join(10)

    def test_a_slow_body_has_no_deadline_of_the_head(self, session: Session, hosts: Hosts) -> None:
        def late_body(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            body.wait(10)
            connection.sendall(b"book")

        body = threading.Event()
        with (
            answering(late_body) as url,
            open_stream(session, url, hosts=hosts, ticket=Ticket(1), head_seconds=5) as response,
        ):
            assert not heads._waits
            body.set()
            assert response.content == b"book"

    def test_an_answer_that_unpacks_to_too_much(self, web: Web, session: Session, hosts: Hosts) -> None:
        with pytest.raises(PermanentError, match="larger than 1,000,000 bytes"):
            get(session, hosts, f"{web.url}/bomb")

    def test_what_the_reader_itself_gets_wrong_stays_as_it_is(
        self, web: Web, session: Session, hosts: Hosts
    ) -> None:
        with (
            pytest.raises(OSError, match="disk full"),
            open_stream(session, f"{web.url}/book", hosts=hosts, ticket=Ticket(1)),
        ):
            raise OSError("disk full")

    def test_an_interruption_after_the_last_byte_breaks_nothing(
        self, web: Web, session: Session, hosts: Hosts
    ) -> None:
        ticket = Ticket(1)
        with open_stream(session, f"{web.url}/book", hosts=hosts, ticket=ticket) as response:
            assert response.content == b"a book"
            ticket.interrupt(Reason.CANCEL)

    def test_an_interrupted_ticket_asks_nobody(self, web: Web, session: Session, hosts: Hosts) -> None:
        ticket = Ticket(1)
        ticket.interrupt(Reason.CANCEL)
        with pytest.raises(Interrupted):
            fetch(session, f"{web.url}/book", hosts=hosts, ticket=ticket, max_bytes=1)
        assert web.seen == []


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("HTTP://Books.Example:80/a", "http://books.example"),
            ("https://books.example:443", "https://books.example"),
            ("https://u:p@books.example:8443/?q", "https://books.example:8443"),
            ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080"),
        ],
    )
    def test_origin(self, url: str, expected: str) -> None:
        assert addresses.origin(url) == expected

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("https://u:p@books.example/a?token=1#f", "https://books.example/a?…"),
            ("https://books.example/a\u202eb", "https://books.example/a�b"),
            ("http://[::1", "(a malformed address)"),
            (
                "http://a.example/api/opds/0a1b2c3d4e5f6a7b8c9d0e1f/x.epub",
                "http://a.example/api/opds/…/x.epub",
            ),
            ("http://a.example/opds/b3c5d2f0-1c1e-4f7e-9a51-0d1f2a3b4c5d", "http://a.example/opds/…"),
            ("http://a.example/" + "x" * 500, "http://a.example/" + "x" * 182 + "…"),
        ],
    )
    def test_safe_url(self, url: str, shown: str) -> None:
        assert addresses.safe_url(url) == shown

    @pytest.mark.parametrize(
        ("host", "local"),
        [
            ("192.168.1.2", True),
            ("100.64.0.1", True),
            ("0.0.0.0", True),
            ("224.0.0.1", True),
            ("fe80::1", True),
            ("2002:7f00:1::", True),
            ("64:ff9b::7f00:1", True),
            ("64:ff9b::808:808", False),
            ("8.8.8.8", False),
            ("2606:4700::1111", False),
            ("nowhere.invalid", False),
        ],
    )
    def test_is_local(self, host: str, local: bool) -> None:
        assert addresses.is_local(host) is local
        assert addresses.local_among([host, host]) == ({host} if local else set())

    def test_a_silent_resolver_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = threading.Event()
        ask = socket.getaddrinfo

        def asked(host: str, *more: Any, **named: Any) -> Any:
            if host == "silent.test":
                answers.wait()
            return ask("127.0.0.1", *more, **named)

        monkeypatch.setattr(socket, "getaddrinfo", asked)
        before = set(threading.enumerate())
        assert addresses.local_among(["near.test", "silent.test"], 0.5) == {"near.test"}
        answers.set()
        for thread in set(threading.enumerate()) - before:
            thread.join()
