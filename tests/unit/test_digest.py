"""Digest sign-in (RFC 7616) against a server that keeps to it: no password on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as Path

from bookhopper.net.addresses import origin
from bookhopper.net.faults import AnswerError
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.sign_in import SignIn, digest_challenge
from bookhopper.net.web import Web
from bookhopper.ticket import Ticket
from tests.fakes.server import serving

USER, PASSWORD = "käthe", "pass:wörd"


@dataclass
class Guarded:
    """Lets in who knows the password by the nonce of the moment, each count of it once."""

    nonce: str = "n1"
    offers: str = 'Digest realm="books", nonce="{}", algorithm=MD5, qop="auth"'
    seen: list[str] = field(default_factory=list)
    counts: set[str] = field(default_factory=set)
    elsewhere: str = ""

    def app(self) -> Starlette:
        async def book(request: Request) -> Response:
            said = request.headers.get("authorization", "")
            self.seen.append(said)
            if self._knows(request, said):
                return PlainTextResponse("a book")
            return PlainTextResponse("no", 401, {"WWW-Authenticate": self.offers.format(self.nonce)})

        async def away(_: Request) -> Response:
            return RedirectResponse(self.elsewhere)

        return Starlette(routes=[Path("/away", away), Path("/{path}", book)])

    def _knows(self, request: Request, said: str) -> bool:
        given: dict[str, str] = dict(re.findall(r'(\w+)="?([^",]*)', said.encode("latin-1").decode()))
        if not said.startswith("Digest") or given["nonce"] != self.nonce or given["nc"] in self.counts:
            return False
        self.counts.add(given["nc"])
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        secret, asked = hashed(f"{USER}:books:{PASSWORD}"), hashed(f"{request.method}:{path}")
        whole = f"{secret}:{self.nonce}:{given['nc']}:{given['cnonce']}:auth:{asked}"
        return given["response"] == hashed(whole) and given["uri"] == path and given["username"] == USER


def hashed(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def site() -> Iterator[tuple[Guarded, str]]:
    guarded = Guarded()
    with serving(guarded.app()) as url:
        yield guarded, url


@pytest.fixture
def web(site: tuple[Guarded, str]) -> Iterator[Web]:
    with new_session(Route({"127.0.0.1"})) as session:
        yield Web(session, Hosts(UNPACED), SignIn(origin(site[1]), USER, PASSWORD, "home"))


def get(web: Web, url: str) -> bytes:
    return web.get(url, Ticket(1), max_bytes=100).content


def test_the_server_chooses_and_hears_no_password(site: tuple[Guarded, str], web: Web) -> None:
    guarded, url = site
    assert [get(web, f"{url}/book?q=a%20b") for _ in range(3)] == [b"a book"] * 3
    assert [said.partition(" ")[0] for said in guarded.seen] == ["", "Digest", "Digest", "Digest"]
    assert guarded.counts == {"00000001", "00000002", "00000003"}


def test_both_are_offered(site: tuple[Guarded, str], web: Web) -> None:
    guarded, url = site
    guarded.offers = f'Basic realm="books", {guarded.offers}, Negotiate'
    assert get(web, f"{url}/book") == b"a book"
    assert not any(said.startswith("Basic") for said in guarded.seen)


def answered(
    sign_in: SignIn, page: str, status: int, offers: str = "", signed: str = ""
) -> requests.Response:
    """Make an answer to a request that was signed in so, or not at all."""
    answer = requests.Response()
    answer.url = f"{sign_in.origin}{page}"
    answer.request = requests.Request("GET", answer.url).prepare()
    if signed:
        answer.request.headers["Authorization"] = signed
    answer.status_code = status
    if offers:
        answer.headers["WWW-Authenticate"] = offers
    return answer


def spoken(sign_in: SignIn) -> str:
    """Tell by which scheme the next request is signed."""
    request = requests.Request("GET", f"{sign_in.origin}/next").prepare()
    return sign_in.auth(f"{sign_in.origin}/next")(request).headers.get("Authorization", "").partition(" ")[0]


@pytest.mark.parametrize("status", [200, 404])
def test_where_others_read_along_a_password_waits_until_it_is_asked_for(status: int) -> None:
    sign_in = SignIn("http://books.example", USER, PASSWORD, "home")
    assert not sign_in.told(answered(sign_in, "/opds", status))
    assert spoken(sign_in) == ""
    assert sign_in.told(answered(sign_in, "/get/1.epub", 401, 'Digest realm="books", nonce="n1", qop="auth"'))
    assert spoken(sign_in) == "Digest"
    only_basic = answered(sign_in, "/other", 401, 'Basic realm="books"', signed='Digest nonce="n1"')
    assert not sign_in.renewed(only_basic)
    assert spoken(sign_in) == "Digest", "it has said that it can do without the password"


@pytest.mark.parametrize(("status", "offers"), [(401, 'Basic realm="books"'), (401, ""), (403, "")])
def test_who_refuses_a_page_and_wants_no_digest_gets_basic(status: int, offers: str) -> None:
    sign_in = SignIn("http://books.example", USER, PASSWORD, "home")
    assert not sign_in.told(answered(sign_in, "/opds", 200))
    assert sign_in.told(answered(sign_in, "/get/1.epub", status, offers))
    assert spoken(sign_in) == "Basic"


@pytest.mark.parametrize("place", ["https://books.example", "http://localhost:8080", "http://[::1]:8080"])
def test_who_lets_everybody_in_may_show_more_to_who_signs_in(place: str) -> None:
    sign_in = SignIn(place, USER, PASSWORD, "home")
    assert sign_in.told(answered(sign_in, "/opds", 200))
    assert spoken(sign_in) == "Basic"


def test_a_nonce_that_is_over_is_renewed(site: tuple[Guarded, str], web: Web) -> None:
    guarded, url = site
    get(web, f"{url}/book")
    guarded.nonce = "n2"
    guarded.counts.clear()
    assert get(web, f"{url}/book") == b"a book"
    assert len(guarded.seen) == 4


def test_a_wrong_password_is_tried_once(site: tuple[Guarded, str], web: Web) -> None:
    guarded, url = site
    wrong = Web(web.session, web.hosts, SignIn(origin(url), USER, "another", "home"))
    for expected in (2, 3):
        with pytest.raises(AnswerError, match=r"sign-in refused \(401\): check username"):
            get(wrong, f"{url}/book")
        assert len(guarded.seen) == expected


def test_another_origin_gets_none(site: tuple[Guarded, str], web: Web) -> None:
    guarded, url = site
    other = Guarded()
    with serving(other.app()) as elsewhere:
        guarded.elsewhere = f"{elsewhere}/book"
        get(web, f"{url}/book")
        with pytest.raises(AnswerError, match="asks for a sign-in at another address"):
            get(web, f"{url}/away")
    assert other.seen == [""]


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        ('Digest realm="a", nonce="b"', True),
        ('digest realm="a, b", nonce="b", algorithm=sha-256, qop="auth-int, auth"', True),
        ('Basic realm="x", Digest realm="a", nonce="b", qop="auth"', True),
        ('Digest realm="a", nonce="b", Basic realm="x"', True),
        ('Digest realm="c", nonce="d", algorithm=SHA-512-256, Digest realm="a", nonce="b"', True),
        ('Digest realm="a", nonce="b", qop="auth-int"', False),
        ('Digest realm="a", nonce="b", algorithm="MD2"', False),
        ('Digest realm="a", nonce="b", qop, algorithm', True),
        ("Digest realm, nonce=b", False),
        ('Digest realm="a", nonce="b", opaque="c\r d"', False),
        ('Digest realm="a"', False),
        ('Basic realm="Digest of news"', False),
        ("Digest", False),
        ("", False),
    ],
)
def test_what_can_be_answered(offered: str, known: bool) -> None:
    challenge = digest_challenge(offered)
    assert (challenge is not None) is known
    assert challenge is None or challenge["nonce"] == "b"
    assert challenge is None or challenge.get("qop", "auth") == "auth"


def test_a_realm_is_read_as_utf_8() -> None:
    challenge = digest_challenge('Digest realm="Bücher", nonce="b"'.encode().decode("latin-1"))
    assert challenge is not None
    assert challenge["realm"] == "Bücher"
