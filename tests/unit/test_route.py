"""Where connections go: names that change, resolvers, private addresses; against a real DNS server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import dns.rcode
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as Page
from urllib3.util.connection import create_connection

from bookhopper import private_hosts
from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.net import addresses, connections
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.resolver import SYSTEM, UnknownNameError, resolver_of
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.network_settings import PRESETS, parse_resolver
from bookhopper.ticket import Ticket
from tests.fakes.dns_server import Zone, answering_names
from tests.fakes.server import free_port, serving
from tests.fakes.tls_server import Authority, new_authority, serving_tls

PUBLIC = "93.184.215.14"
"""An address of the public internet; the tests that use it never let a connection leave this machine."""


@pytest.fixture
def zone() -> Iterator[Zone]:
    with answering_names(Zone()) as zone:
        yield zone


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("tls") / "ca")


@contextmanager
def web_by(zone: Zone, *allowed: str) -> Iterator[Web]:
    """Reach the web by the zone's names, private hosts only where they are allowed."""
    resolver = resolver_of([parse_resolver(zone.server)])
    with new_session(Route(frozenset(allowed), resolver=resolver)) as session:
        yield Web(session, Hosts(UNPACED))


@pytest.fixture
def site() -> Iterator[str]:
    async def book(_: Request) -> Response:
        return PlainTextResponse("a book", headers={"Connection": "close"})

    async def away(request: Request) -> Response:
        return RedirectResponse(request.query_params["to"], headers={"Connection": "close"})

    with serving(Starlette(routes=[Page("/book", book), Page("/away", away)])) as url:
        yield url.rpartition(":")[2]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lead every connection to this machine, and note where it wanted to go."""
    wanted: list[str] = []

    def dial(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        wanted.append(address[0])
        return create_connection(("127.0.0.1", address[1]), *rest, **more)

    monkeypatch.setattr(connections, "create_connection", dial)
    return wanted


def get(web: Web, url: str) -> bytes:
    return web.get(url, Ticket(1), max_bytes=1000).content


class TestRebinding:
    def test_the_address_that_was_judged_is_connected_to(
        self, zone: Zone, site: str, dialled: list[str]
    ) -> None:
        zone.names["books.example"] = [[PUBLIC], ["127.0.0.1"]]
        with web_by(zone) as web:
            assert get(web, f"http://books.example:{site}/book") == b"a book"
            assert zone.asked == ["books.example"] * 2, "one look-up, for IPv6 and IPv4"
            assert dialled == [PUBLIC]

    def test_a_name_that_has_moved_into_the_private_network_is_refused(
        self, zone: Zone, site: str, dialled: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bookhopper.net.dns._MIN_SECONDS", 0.0)
        zone.names["books.example"] = [[PUBLIC], ["127.0.0.1"]]
        with web_by(zone) as web:
            get(web, f"http://books.example:{site}/book")
            with pytest.raises(PermanentError, match=r"books\.example:\d+ leads into the private network"):
                get(web, f"http://books.example:{site}/book")
        assert dialled == [PUBLIC]

    def test_after_a_redirect_too(self, zone: Zone, site: str, dialled: list[str]) -> None:
        zone.names |= {"books.example": [[PUBLIC]], "router.example": [["192.168.1.1"]]}
        with web_by(zone) as web, pytest.raises(PermanentError, match="private network"):
            get(web, f"http://books.example:{site}/away?to=http://router.example:{site}/book")
        assert dialled == [PUBLIC]

    def test_of_several_addresses_only_public_ones_are_tried(
        self, zone: Zone, site: str, dialled: list[str]
    ) -> None:
        zone.names["books.example"] = [["::1", "10.0.0.1", PUBLIC]]
        with web_by(zone) as web:
            get(web, f"http://books.example:{site}/book")
        assert dialled == [PUBLIC]

    def test_a_host_that_is_named_may_be_private(self, zone: Zone, site: str) -> None:
        zone.names["nas.example"] = [["127.0.0.1"]]
        with web_by(zone, f"nas.example:{site}") as web:
            assert get(web, f"http://nas.example:{site}/book") == b"a book"

    def test_its_other_ports_may_not(self, zone: Zone, site: str) -> None:
        zone.names["nas.example"] = [["127.0.0.1"]]
        with (
            web_by(zone, *addresses.ports_named("http://nas.example/")) as web,
            pytest.raises(PermanentError, match=f"nas.example:{site} leads into"),
        ):
            get(web, f"http://nas.example:{site}/book")


def test_a_dead_address_gives_way_to_the_next(zone: Zone, site: str) -> None:
    zone.names["books.example"] = [["::1", "127.0.0.1"]]  # nothing listens on the first
    with web_by(zone, "books.example") as web:
        assert get(web, f"http://books.example:{site}/book") == b"a book"


def test_when_no_address_answers_the_last_one_s_fault_is_told(zone: Zone) -> None:
    zone.names["books.example"] = [["::1", "127.0.0.1"]]
    with web_by(zone, "books.example") as web, pytest.raises(HeldError, match="connection was refused"):
        get(web, f"http://books.example:{free_port()}/book")


def test_answers_are_remembered_for_their_time(zone: Zone, site: str) -> None:
    zone.ttl = 300
    zone.names["books.example"] = [["127.0.0.1"]]
    with web_by(zone, "books.example") as web:
        for _ in range(3):
            get(web, f"http://books.example:{site}/book")
    assert len(zone.asked) == 2


@pytest.mark.parametrize(
    ("rcode", "words"),
    [
        (dns.rcode.NOERROR, "the name gone.example is not known to 127.0.0.1: check its spelling"),
        (dns.rcode.SERVFAIL, "no answer about books.example from 127.0.0.1: check the network and `dns`"),
    ],
)
def test_a_name_without_an_address_is_named(zone: Zone, rcode: dns.rcode.Rcode, words: str) -> None:
    zone.names["books.example"] = [[PUBLIC]]
    zone.rcode = rcode
    host = "books.example" if rcode else "gone.example"
    with web_by(zone) as web, pytest.raises(HeldError) as raised:
        get(web, f"http://{host}/book")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_next_resolver_is_asked_when_one_is_silent(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookhopper.net.dns._TIMEOUT", 0.2)
    zone.names["books.example"] = [["192.0.2.7", "2001:db8::7"]]
    with answering_names(Zone(silent=True)) as dead:
        resolver = resolver_of([parse_resolver(dead.server), parse_resolver(zone.server)])
        assert resolver.addresses("books.example") == (ip_address("2001:db8::7"), ip_address("192.0.2.7"))
        resolver.close()


@pytest.mark.parametrize("host", ["a" * 80 + ".example", "a..example"])
def test_what_cannot_be_a_name(zone: Zone, host: str) -> None:
    for resolver in (SYSTEM, resolver_of([parse_resolver(zone.server)])):
        with pytest.raises((PermanentError, UnknownNameError)):
            resolver.addresses(host)
    assert zone.asked == []


class TestOverHttps:
    def test_it_is_asked_by_post_and_trusted_by_its_certificate(
        self, zone: Zone, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        zone.names["books.example"] = [["192.0.2.7"]]
        certificate = authority.certificate("IP:127.0.0.1")

        def answer(_: str, body: bytes) -> tuple[str, bytes]:
            assert body[:2] == b"\0\0", "a message of id 0 can be cached on the way"
            return "application/dns-message", zone.answer(body)

        with serving_tls(certificate, answer) as port:
            resolver = resolver_of([parse_resolver(f"https://127.0.0.1:{port}/dns-query")])
            assert resolver.addresses("books.example") == (ip_address("192.0.2.7"),)
            resolver.close()

    @pytest.mark.parametrize(
        "answer",
        [
            ("text/html", b"<p>hello"),
            ("application/dns-message", b"\0" * 9),
            ("application/dns-message", bytes(70_000)),
        ],
    )
    def test_nonsense_is_no_answer(
        self, answer: tuple[str, bytes], authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        with serving_tls(authority.certificate("IP:127.0.0.1"), lambda *_: answer) as port:
            resolver = resolver_of([f"https://127.0.0.1:{port}/dns-query"])
            with pytest.raises(UnknownNameError, match=r"no answer about books\.example from 127\.0\.0\.1"):
                resolver.addresses("books.example")
            resolver.close()

    def test_an_untrusted_one_is_not_believed(self, authority: Authority) -> None:
        with serving_tls(authority.certificate("IP:127.0.0.1"), lambda *_: ("", b"")) as port:
            resolver = resolver_of([f"https://127.0.0.1:{port}/dns-query"])
            with pytest.raises(UnknownNameError):
                resolver.addresses("books.example")
            resolver.close()


class TestTls:
    def test_name_and_certificate_are_the_host_s_whatever_its_address(
        self, zone: Zone, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        zone.names["books.example"] = [["127.0.0.1"]]
        certificate = authority.certificate("DNS:books.example")
        with (
            serving_tls(certificate, lambda path, _: ("text/plain", path.encode())) as port,
            web_by(zone, "books.example") as web,
        ):
            assert get(web, f"https://books.example:{port}/book") == b"/book"

    @pytest.mark.parametrize(
        ("name", "trusted", "words"),
        [
            ("DNS:other.example", True, "use the name that stands in the certificate"),
            ("DNS:books.example", False, "add its CA to what this machine trusts"),
        ],
    )
    def test_what_is_wrong_with_a_certificate_is_told(
        self,
        *,
        zone: Zone,
        authority: Authority,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        trusted: bool,
        words: str,
    ) -> None:
        if trusted:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        zone.names["books.example"] = [["127.0.0.1"]]
        with (
            serving_tls(authority.certificate(name), lambda *_: ("text/plain", b"")) as port,
            web_by(zone, "books.example") as web,
            pytest.raises(HeldError) as raised,
        ):
            get(web, f"https://books.example:{port}/book")
        assert f"https://books.example:{port}/book: no trusted connection: " in str(raised.value)
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("0.0.0.0", True),
        ("10.1.2.3", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("192.0.0.8", True),
        ("198.18.0.1", True),
        ("224.0.0.1", True),
        ("255.255.255.255", True),
        ("::", True),
        ("::1", True),
        ("::7f00:1", True),
        ("::ffff:10.0.0.1", True),
        ("fc00::1", True),
        ("fe80::1", True),
        ("fec0::1", True),
        ("ff02::1", True),
        ("64:ff9b::7f00:1", True),
        ("64:ff9b:1::7f00:1", True),
        ("2002:a00:1::", True),
        ("2001:db8::1", True),
        ("64:ff9b::808:808", False),
        ("2002:808:808::", False),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
    ],
)
def test_which_addresses_are_private(address: str, private: bool) -> None:
    assert private_hosts.is_private(ip_address(address)) is private


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("a.localhost.", True),
        ("127.1", True),
        ("0x7f000001", True),
        ("2130706433", True),
        ("0177.0.0.1", True),
        ("::1", True),
        ("books.example", False),
        ("8.8.8.8", False),
        ("ü" * 80, True),
        ("router", True),
        ("NAS.", True),
        ("fritz.box", False),
        ("printer.local", True),
        ("nas.lan.", True),
        ("db.prod.internal", True),
        ("home.arpa", True),
        ("nas.home.arpa", True),
        ("nothome.arpa", False),
        ("local.example", False),
        ("books.onion", False),
        ("2606:4700::1111", False),
        ("134744072", False),
    ],
)
def test_names_that_are_plainly_local(host: str, local: bool) -> None:
    assert private_hosts.is_plainly_local(host) is local


@pytest.mark.parametrize("host", ["a\0b", "0\0books.example", "127.0.0.1\0.example", "\udc80", "１27.0.0.1"])
def test_what_is_no_name_is_local_and_no_fault(host: str) -> None:
    assert private_hosts.is_plainly_local(host)


def test_behind_a_proxy_a_local_name_must_be_admitted() -> None:
    route = Route(addresses.ports_named("http://nas/opds"), proxy="socks5h://127.0.0.1:9050")
    route.judge("nas", 80)
    route.judge("books.example", 80)
    for host, port in (("nas", 8080), ("router", 80), ("nas.lan", 80)):
        with pytest.raises(PermanentError, match=f"{host}:{port} leads into the private network"):
            route.judge(host, port)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://nas/", ("nas:80", "nas:443")),
        ("https://nas:443/", ("nas:80", "nas:443")),
        ("http://nas:8083/", ("nas:8083",)),
        ("https://nas:80/", ("nas:80",)),
        ("http://[fd00::1]:8080/", ("[fd00::1]:8080",)),
        ("http://bücher:8080/", ("xn--bcher-kva:8080",)),
    ],
)
def test_what_a_configured_address_admits(url: str, named: tuple[str, ...]) -> None:
    assert addresses.ports_named(url) == named


@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("cloudflare", PRESETS["cloudflare"]),
        ("https://dns.example/q", "https://dns.example/q"),
        ("9.9.9.9", ("9.9.9.9", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2620:fe::fe", ("2620:fe::fe", 53)),
        ("[2620:fe::fe]:5353", ("2620:fe::fe", 5353)),
    ],
)
def test_resolvers_by_name(name: str, server: object) -> None:
    assert parse_resolver(name) == server


@pytest.mark.parametrize(
    "name",
    ["", "cloudfare", "http://dns.example/q", "https://", "https://a:b@c/", "1.2.3", "9.9.9.9:0", "::g"],
)
def test_what_is_no_resolver(name: str) -> None:
    with pytest.raises(ValueError, match="is no resolver: write system, cloudflare"):
        parse_resolver(name)


def test_threads_share_one_session(site: str) -> None:
    """One session serves all threads of a source, and keeps its connections for the next."""
    faults: list[BookhopperError] = []
    with new_session(Route({"127.0.0.1"})) as session:
        web = Web(session, Hosts(UNPACED))

        def ask() -> None:
            try:
                for _ in range(20):
                    assert get(web, f"http://127.0.0.1:{site}/book") == b"a book"
            except BookhopperError as error:
                faults.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert faults == []
