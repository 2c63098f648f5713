"""What a server sends: heads, addresses, cookies, ranges; and where a client may be led by them."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.util import parse_url

from bookhopper import private_hosts
from bookhopper.download import Downloader
from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.hostile_json import known_charset
from bookhopper.intake.fetched_list import kind_of
from bookhopper.intake.parse import is_request
from bookhopper.model import Candidate, Resume
from bookhopper.net import addresses
from bookhopper.net.cache import FRESH_SECONDS, Cache, freshness
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.resolver import Address
from bookhopper.net.retry_after import RETRY_AFTER_MAX_SECONDS, retry_after
from bookhopper.net.route import Route
from bookhopper.net.session import Session, SignIn, new_session
from bookhopper.net.sign_in import digest_challenge
from bookhopper.net.web import Web
from bookhopper.part import Limits
from bookhopper.search.sources.opds import _title_of_file
from bookhopper.search.sources.registry import Opener, SourceSet
from bookhopper.ticket import Ticket
from bookhopper.transfer import Order
from tests.fuzz.target import Case, Target, check, one_line, simple, texts

MOST = 20_000
"""Bytes of an answer, and of a file, that are taken."""

_REQUEST = re.compile(r"(GET|POST) [!-~]+ HTTP/1\.1")
_SENT = re.compile(r"[A-Za-z-]+: [^\r\n]*")
_ASKED = frozenset(
    [
        "host",
        "user-agent",
        "accept-encoding",
        "accept",
        "connection",
        "cookie",
        "range",
        "if-range",
        "if-none-match",
        "if-modified-since",
        "authorization",
    ]
)
_PLAIN_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?")
_SECRET = "c2VjcmV0LW9mLXRoZS1zb3VyY2U"


class _Loopback:
    """A resolver for whom every name is this machine, as somebody may say whose name it is."""

    def addresses(self, host: str) -> Sequence[Address]:  # noqa: ARG002
        return [ip_address("127.0.0.1")]

    def close(self) -> None: ...


class _Server:
    """Answers every request with the same bytes and keeps what it was asked; a neighbour waits in vain."""

    def __init__(self, stack: ExitStack) -> None:
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._neighbour = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._neighbour.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._other: int = self._neighbour.getsockname()[1]
        self.answer = b""
        self.asked: list[bytes] = []
        thread = threading.Thread(target=self._serve, name="raw-server", daemon=True)
        thread.start()
        stack.callback(thread.join, 10.0)
        stack.callback(self._listener.shutdown, socket.SHUT_RDWR)

    def begin(self, data: bytes) -> None:
        """Take the next case; PORT in it is the server's own port, OTHER the neighbour's."""
        self.asked.clear()
        self.answer = data.replace(b"PORT", b"%d" % self.port).replace(b"OTHER", b"%d" % self._other)

    def judge(self) -> None:
        """See that nobody asked the neighbour, and that only whole requests came, with no header put in."""
        try:
            self._neighbour.accept()[0].close()
        except BlockingIOError:
            pass
        else:
            check(False, "a link led to another port of this machine")
        for head in self.asked:
            request, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            check(_REQUEST.fullmatch(request), f"a request line {request!r}")
            headers = {}
            for line in lines:
                check(_SENT.fullmatch(line), f"a header {line!r}")
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            check(headers.keys() <= _ASKED, f"headers {sorted(headers.keys() - _ASKED)}")
            if headers.get("host") != f"127.0.0.1:{self.port}":
                check("authorization" not in headers, f"{headers.get('host')} is told the password")

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5.0)
                    head = b""
                    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                        head += piece
                    if head:
                        self.asked.append(head)
                        connection.sendall(self.answer)


@contextmanager
def _answers() -> Iterator[Case]:
    """Ask twice for a page whose whole answer, from the status line on, is the case."""
    with ExitStack() as stack:
        server = _Server(stack)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        cache = Cache(Path(folder, "answers.db"))
        stack.callback(cache.close)
        numbers = count()
        home = f"http://127.0.0.1:{server.port}"
        sign_in = SignIn(home, "reader", "open sesame", "home")

        def ask(data: bytes) -> None:
            server.begin(data)
            with _session(server.port) as session:
                try:
                    for _ in range(2):
                        web = Web(
                            session, Hosts(default=UNPACED), sign_in, cache, name=f"{next(numbers) // 2}"
                        )
                        got = web.get(f"{home}/page", Ticket(1), max_bytes=MOST)
                        check(len(got.content) <= MOST, f"{len(got.content):,} bytes")
                        one_line(addresses.safe_url(got.url), "an address", most=200)
                finally:
                    server.judge()

        yield ask


@contextmanager
def _downloads() -> Iterator[Case]:
    """Fetch a file, go on with it, and go on by checksum; the answer is always the case."""
    with ExitStack() as stack:
        server = _Server(stack)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        part = folder / "1.part"
        url = f"http://127.0.0.1:{server.port}/book"
        candidate = Candidate("shelf", "1", "A Tale", format="epub", urls=(url,))

        def fetch(data: bytes) -> None:
            server.begin(data)
            ticket = Ticket(1)
            with _session(server.port) as session:
                try:
                    for resume in (None, ticket.resume, Resume(url, '"x"', 8, 4)):
                        _fetch(Web(session, Hosts(default=UNPACED)), candidate, ticket, part, resume)
                finally:
                    size = part.stat().st_size if part.exists() else 0
                    part.unlink(missing_ok=True)
                    server.judge()
                    check(size <= MOST, f"a part file of {size:,} bytes")
                    check(not list(folder.iterdir()), "a download has left files")

        yield fetch


def _fetch(web: Web, candidate: Candidate, ticket: Ticket, part: Path, resume: Resume | None) -> None:
    opener = Opener(SourceSet((), web.hosts, {}, {"shelf": web}), (5.0, 5.0))
    downloader = Downloader(opener, Limits(MOST, 0), {})
    try:
        got = downloader.fetch(Order(candidate, ticket, lambda _: None), part, resume)
        check(got.size == part.stat().st_size <= MOST, "a file that is larger than it may be")
    except (TransientError, PermanentError, HeldError) as error:
        one_line(str(error), "a refusal", most=1_000)


def _session(port: int) -> Session:
    """Make a session that may visit the server by two names, of which only the first is the source's."""
    allowed = {f"127.0.0.1:{port}", f"elsewhere.example.org:{port}"}
    session = new_session(Route(allowed, resolver=_Loopback()))
    session.trust_env = False
    return session


def _headers(data: bytes) -> None:
    """Read single headers, as http.client hands them over: Latin-1, perhaps with folded lines."""
    value = data.decode("latin-1")
    headers = CaseInsensitiveDict(
        dict.fromkeys(
            ("Content-Type", "Content-Disposition", "Cache-Control", "Expires", "Age", "Date"), value
        )
    )
    seconds = retry_after(value, 1.7e9)
    check(seconds is None or 0 <= seconds <= RETRY_AFTER_MAX_SECONDS, f"a pause of {seconds} s")
    for kept in (
        headers,
        {"Expires": value},
        {"Expires": value, "Date": value},
        {"Cache-Control": "max-age=9", "Age": value},
    ):
        fresh = freshness(kept, 1.7e9)
        check(fresh is None or 0 <= fresh <= FRESH_SECONDS, f"good for {fresh} s")
    title, authors = _title_of_file(value, "http://example.org/books/Emma.epub")
    for text in (title, *authors):
        check("/" not in text and len(text) <= 300, f"a title {text!r}")
        one_line(text, "a title that an answer's head gives")
    with suppress(PermanentError):
        check(is_request(f"x{kind_of('http://example.org/x', headers)}"), "a kind of list that is none")
    "".encode(known_charset(value))
    digest_challenge(value)


def _addresses(data: bytes) -> None:
    """See that what is judged of an address is what is connected to, and that nothing of it leaks."""
    url = data.decode("utf-8", "surrogateescape")
    shown = addresses.safe_url(url)
    one_line(shown, "an address that is shown", most=200)
    check(
        _SECRET not in shown or _SECRET in (urlsplit(url).path + urlsplit(url).netloc.rpartition("@")[2]),
        f"{shown!r} shows a secret",
    )
    plain = addresses.without_credentials(url)
    judged = addresses.host_and_port(plain)
    try:
        prepared = requests.Request("GET", plain).prepare().url or ""
    except (ValueError, requests.RequestException):
        return
    goal = parse_url(prepared)
    check(goal.auth is None, f"{plain!r} goes out with credentials")
    met = addresses.host_and_port(prepared)
    host = (goal.host or "").strip("[]").lower()
    check(addresses.host_name(met).lower() == host, f"{prepared!r} is judged as {met}, and leads to {host}")
    # what a sign-in's origin looks like: a link that is judged as that has to go there
    check(
        not _PLAIN_HOST.fullmatch(judged) or judged == met.lower(),
        f"{plain!r} is judged as {judged}, and goes out to {met}",
    )
    check(
        addresses.port_of(prepared) == (goal.port or {"http": 80, "https": 443}[goal.scheme or "http"]),
        "a port",
    )


def _names(data: bytes) -> None:
    """See that nothing that a C library takes for a private address passes for a public name."""
    (host,) = texts(data, 1)
    local = private_hosts.is_plainly_local(host)
    try:
        numeric = socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        return
    for *_, where in numeric:
        address = ip_address(str(where[0]).partition("%")[0])
        check(local or not private_hosts.is_private(address), f"{host!r} is {address}, and passes for public")


_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n"
_MOVED = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
_WORDS = (
    b"http://127.0.0.1:OTHER/",
    b"http://elsewhere.example.org:PORT/",
    b"http://localhost:OTHER/",
    b"//[::1]:OTHER",
    b"http://127.0.0.1:PORT\\@127.0.0.1:OTHER/",
    b"Set-Cookie: a=b; Domain=.org",
    b"\r\n folded",
    b"\rX-Injected: y",
    b"Retry-After: ",
    b"Content-Range: bytes 4-7/8",
    b"ETag: ",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: ",
    b"Content-Length: ",
)
_ANSWERS = (
    _PAGE + b'ETag: "x"\r\nCache-Control: max-age=0\r\nSet-Cookie: s=1; Path=/\r\n\r\nhello',
    _MOVED + b"http://elsewhere.example.org:PORT/x?a=b#c\r\n\r\n",
    _MOVED + b"http://127.0.0.1:OTHER/admin\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", opaque="o"\r\n\r\n',
    b'HTTP/1.1 206 Part\r\nContent-Range: bytes 4-7/8\r\nETag: "x"\r\nContent-Length: 4\r\n\r\nefgh',
    b"HTTP/1.1 416 Range\r\nContent-Range: bytes */8\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
)
_FAULTS = (TransientError, PermanentError, HeldError)

TARGETS = (
    Target("http answer", lambda: _ANSWERS, _answers, _FAULTS, _WORDS),
    Target("http download", lambda: _ANSWERS, _downloads, _FAULTS, _WORDS),
    Target(
        "http headers",
        lambda: [
            b"attachment; filename=\"a.epub\"; filename*=UTF-8''%e2%82%ac%20rates.epub",
            b"120",
            b"Wed, 21 Oct 2015 07:28:00 +0000",
            b"max-age=60, no-cache",
            b"text/csv; charset=utf-8",
            b"bytes 4-7/8",
            b'Digest realm="r", nonce="n", qop="auth"',
            b"application/rss+xml; name*0=a; name*1=b",
        ],
        simple(_headers),
        words=(b"filename*=", b"filename*0*=", b"''", b"=?utf-8?B?", b"\r\n ", b"+9999", b"; charset="),
    ),
    Target(
        "address",
        lambda: [
            f"https://user:{_SECRET}@example.org:443/a/{_SECRET}1?token={_SECRET}#x".encode(),
            b"http://127.0.0.1\\@example.org/",
            b"http://[::ffff:10.0.0.1]:80/",
            "http://bücher.example/ä".encode(),
            b"http://ex%61mple.org/%2e%2e/",
        ],
        simple(_addresses),
        words=(
            b"\\",
            b"@",
            b"%40",
            b"[",
            b"]",
            b":",
            b"//",
            "\u3002".encode(),
            "\uff0f".encode(),
            b"?",
            b"#",
        ),
    ),
    Target(
        "host name",
        lambda: [b"127.0.0.1", b"0x7f.1", b"2130706433", b"::ffff:127.0.0.1", b"fe80::1%lo", b"017700000001"],
        simple(_names),
        words=(b"0x", b".", b"::", b"%", b"ffff:", "\uff11".encode(), "\u2460".encode()),
    ),
)
