"""A source's own proxy, or the environment's: against real proxies on loopback."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as Page

from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.ticket import Ticket
from tests.fakes.proxies import http_proxy, socks_proxy
from tests.fakes.server import free_port, serving
from tests.fakes.tls_server import new_authority, serving_tls


@pytest.fixture
def port() -> Iterator[str]:
    async def book(_: Request) -> Response:
        return PlainTextResponse("a book")

    async def away(request: Request) -> Response:
        return RedirectResponse(request.query_params["to"])

    with serving(Starlette(routes=[Page("/book", book), Page("/away", away)])) as url:
        yield url.rpartition(":")[2]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def web_through(proxy: str, *allowed: str) -> Iterator[Web]:
    with new_session(Route(frozenset(allowed), proxy=proxy)) as session:
        yield Web(session, Hosts(UNPACED))


def get(web: Web, url: str) -> bytes:
    return web.get(url, Ticket(1), max_bytes=1000).content


def fault(web: Web, url: str) -> str:
    with pytest.raises(BookhopperError) as raised:
        get(web, url)
    assert "\n" not in str(raised.value)
    return str(raised.value)


class TestSocks:
    def test_the_proxy_gets_the_name(self, port: str) -> None:
        with socks_proxy() as proxy, web_through(proxy.url) as web:
            assert get(web, f"http://books.onion:{port}/book") == b"a book"
        assert proxy.asked == [f"books.onion:{port}"]

    def test_over_tls(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = new_authority(tmp_path_factory.mktemp("tls") / "ca")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        certificate = authority.certificate("DNS:books.onion")
        with (
            serving_tls(certificate, lambda *_: ("text/plain", b"a book")) as secure,
            socks_proxy() as proxy,
            web_through(proxy.url) as web,
        ):
            assert get(web, f"https://books.onion:{secure}/book") == b"a book"

    def test_signed_in_without_a_word_in_the_log(self, port: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with socks_proxy("reader:s3cret") as proxy, web_through(proxy.url) as web:
            get(web, f"http://books.onion:{port}/book")
            assert "s3cret" not in repr(web)
        assert proxy.sign_ins == ["reader:s3cret"]
        assert "s3cret" not in caplog.text

    def test_a_wrong_password(self, port: str) -> None:
        with socks_proxy("reader:right") as proxy:
            wrong = proxy.url.replace("right", "wrong")
            with web_through(wrong) as web:
                assert "the proxy refuses the sign-in" in fault(web, f"http://books.onion:{port}/book")

    def test_one_that_is_not_there(self) -> None:
        with web_through(f"socks5h://127.0.0.1:{free_port()}") as web:
            assert "the proxy cannot be reached: check `proxy`" in fault(web, "http://books.onion/")

    def test_a_server_that_it_does_not_reach(self) -> None:
        with socks_proxy(refusing=True) as proxy, web_through(proxy.url) as web:
            assert "the connection was refused" in fault(web, "http://books.onion/")

    def test_the_environment_s_resolves_the_names_too(
        self, port: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socks_proxy() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.replace("socks5h", "socks5"))
            with web_through("") as web:
                get(web, f"http://books.onion:{port}/book")
        assert proxy.asked == [f"books.onion:{port}"]


class TestHttp:
    def test_plain_and_through_a_tunnel(
        self, port: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = new_authority(tmp_path_factory.mktemp("tls") / "ca")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        certificate = authority.certificate("DNS:books.example")
        with (
            serving_tls(certificate, lambda *_: ("text/plain", b"a secret")) as secure,
            http_proxy() as proxy,
            web_through(proxy.url) as web,
        ):
            assert get(web, f"http://books.example:{port}/book") == b"a book"
            assert get(web, f"https://books.example:{secure}/book") == b"a secret"
        assert proxy.asked == [f"GET books.example:{port}", f"CONNECT books.example:{secure}"]

    def test_one_that_is_spoken_to_over_tls(
        self, port: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority = new_authority(tmp_path_factory.mktemp("tls") / "ca")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.certificate("IP:127.0.0.1"))
        with http_proxy(context=context) as proxy, web_through(proxy.url) as web:
            assert get(web, f"http://books.example:{port}/book") == b"a book"
            monkeypatch.delenv("REQUESTS_CA_BUNDLE")
            with web_through(proxy.url) as distrusting:
                assert "no trusted connection to the proxy: " in fault(
                    distrusting, f"http://books.example:{port}/book"
                )
        assert proxy.asked == [f"GET books.example:{port}"]

    def test_signed_in(self, port: str) -> None:
        with http_proxy() as proxy, web_through(proxy.url.replace("//", "//reader:s3cret@")) as web:
            get(web, f"http://books.example:{port}/book")
        assert proxy.sign_ins == ["Basic cmVhZGVyOnMzY3JldA=="]

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_refused_sign_in(self, scheme: str) -> None:
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        with http_proxy(refusal) as proxy, web_through(proxy.url) as web:
            assert "user:password@" in fault(web, f"{scheme}://books.example/")

    def test_a_tunnel_that_leads_nowhere(self) -> None:
        with http_proxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as proxy, web_through(proxy.url) as web:
            assert "the proxy does not get there (502 Bad Gateway)" in fault(web, "https://books.example/")

    def test_it_goes_before_the_environment(self, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("no_proxy", "books.example")
        with http_proxy() as proxy, web_through(proxy.url) as web:
            get(web, f"http://books.example:{port}/book")
        assert len(proxy.asked) == 1

    def test_the_environment_s_is_used_but_not_for_no_proxy(
        self, port: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with http_proxy() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            with web_through("", f"127.0.0.1:{port}") as web:
                get(web, f"http://books.example:{port}/book")
                get(web, f"http://127.0.0.1:{port}/book")
        assert proxy.asked == [f"GET books.example:{port}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "127.1", "0x7f.1"])
def test_what_is_plainly_private_is_refused_before_any_proxy(port: str, host: str) -> None:
    with http_proxy() as proxy, web_through(proxy.url) as web:
        with pytest.raises(PermanentError, match="private network"):
            get(web, f"http://{host}:{port}/book")
        with pytest.raises(PermanentError, match="private network"):
            get(web, f"http://books.example:{port}/away?to=http://{host}:{port}/book")
    assert proxy.asked == [f"GET books.example:{port}"]


def test_a_proxy_s_fault_holds_the_host() -> None:
    with web_through(f"http://127.0.0.1:{free_port()}") as web, pytest.raises(HeldError) as raised:
        get(web, "http://books.example/")
    assert raised.value.scope == "host"
