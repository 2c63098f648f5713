"""What a client sends to the daemon's own HTTP server: requests as bytes on a socket."""

from __future__ import annotations

import http.client
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from starlette.datastructures import Headers

from bookhopper.api.auth import gate_for
from bookhopper.api.origin import is_foreign, is_own, own_names
from bookhopper.api.sign_in.errors import WrongCredentialsError
from bookhopper.api.sign_in.headers import authorization, name_and_password, session_cookie
from bookhopper.settings import ServerSettings
from tests.fuzz.target import HEADER, Case, EscapeError, Target, check, one_line, simple
from tests.queues import want
from tests.site import TOKEN, running_site

PLANTED = "Planted Treasure"
"""The title of a want: who may not come in may not read it."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n"
_JSON = _HEAD + b"Content-Type: application/json\r\n"


def _request(line: str, body: bytes = b"", head: bytes = _JSON) -> bytes:
    return f"{line} HTTP/1.1\r\n".encode() + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


_REQUESTS = (
    *(
        _request(f"GET {path}", head=_HEAD)
        for path in (
            "/",
            "/healthz",
            "/metrics",
            "/api/status",
            "/api/downloads?limit=5&offset=0&status=queued",
            "/api/downloads/1",
            "/api/history?limit=2",
            "/api/search?query=emma",
            "/api/openapi.json",
            "/api/localdownload?id=1",
            "/api/queue/order",
            "/api/statistics",
            "/api/requests/list.txt",
        )
    ),
    *(
        _request(f"POST {path}", body)
        for path, body in (
            ("/api/requests?name=list.txt", b"Emma \xe2\x80\x94 Jane Austen\n"),
            ("/api/downloads/batch", b'{"book_ids": ["shelf:x~epub"]}'),
            ("/api/changes", b'{"action": "priority", "ids": [1], "priority": 3}'),
            ("/api/downloads/1/pick", b'{"source": "shelf", "key": "x"}'),
            ("/api/downloads/1/move", b'{"before": null}'),
            ("/api/downloads/1/cancel", b""),
            ("/api/workers", b'{"fetchers": 3}'),
        )
    ),
    _request("PUT /api/downloads/1/priority", b'{"priority": -7}'),
    _request("GET /api/status", head=_HEAD + b"Authorization: Bearer wrong\r\nCookie: a=b; session=x\r\n"),
    _request("GET /api/status", head=_HEAD + b"Authorization: Basic dXNlcjpwYXNz\r\n"),
    _request(
        "GET /api/events",
        head=b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    ),
)


@contextmanager
def _served(*, guarded: bool) -> Iterator[Case]:
    """Send bytes to a real server; `guarded` lets only those in who have a token, which no case has."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        gate = gate_for(ServerSettings(sign_in="token"), home, TOKEN) if guarded else None
        with running_site(home, gate) as site:
            site.queue.add(want(PLANTED))

            def send(data: bytes) -> None:
                try:
                    answer = site.exchange(data, hang_up=True)
                except ConnectionError:  # it hung up while bytes were still coming, as it may
                    answer = b""
                if answer:
                    _judge(answer, guarded=guarded)
                    _read(answer, "HEAD" if data.lstrip().startswith(b"HEAD ") else "GET")

            yield send
            check(site.ask("/healthz").status == 200, "the server does not answer any more")


def _judge(answer: bytes, *, guarded: bool) -> None:
    found = _STATUS.match(answer)
    check(found, f"an answer that begins with {answer[:60]!r}")
    assert found is not None
    status = int(found[1])
    if status >= 500:
        raise AssertionError(f"the server fails: {answer[:300]!r}")
    if status == 101:
        check(not guarded, "a WebSocket is opened for anybody")
        return
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    for line in head:
        check(HEADER.fullmatch(line.decode("latin-1")), f"a header {line!r}")
    names = {line.partition(b":")[0].lower() for line in head}
    check(b"x-injected" not in names, "a header was put in")
    check(not guarded or PLANTED.encode() not in answer, "a title is told to anybody")


def _read(answer: bytes, method: str) -> None:
    """See that an answer is one for every client: its length is right."""
    if answer.startswith(b"HTTP/1.1 101 "):
        return

    class Received:
        def makefile(self, _: str) -> io.BytesIO:
            return io.BytesIO(answer)

    response = http.client.HTTPResponse(Received(), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        response.read()
    except http.client.HTTPException as error:
        raise EscapeError(f"an answer that clients cannot read: {error!r}: {answer[:200]!r}") from error


def _credentials(data: bytes) -> None:
    """Read what a request brings to sign in with, and where it says that it comes from."""
    headers = Headers(
        raw=[(name, data) for name in (b"authorization", b"cookie", b"origin", b"referer", b"host")]
    )
    scheme, rest = authorization(headers)
    check(scheme == scheme.lower(), "a scheme in capitals")
    session_cookie(headers)
    is_foreign(headers)
    host = headers["host"]
    if is_own(host, own_names(())):
        one_line(host, "a host")
        check(not set(host) & set("/\\@?#, "), f"a host {host!r}")
    name_and_password(rest)


TARGETS = (
    Target(
        "http request",
        lambda: _REQUESTS,
        partial(_served, guarded=False),
        refusals=(),
        words=(
            b"%2e%2e/",
            b"%00",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: ",
            b"Host: ",
            b"?",
            b"&",
            b"null",
            b'"ids":',
            b"POST ",
            b"DELETE ",
            b"1e400",
            b'"\\ud800"',
        ),
    ),
    Target(
        "http request of a stranger",
        lambda: _REQUESTS,
        partial(_served, guarded=True),
        refusals=(),
        words=(b"//", b"/./", b"%2f", b";", b"Authorization: Bearer ", b"X-Forwarded-For: 127.0.0.1\r\n"),
    ),
    Target(
        "credentials",
        lambda: [b"Basic dXNlcjpwYXNz", b"Bearer x", b"a=b; bookhopper=1", b"http://localhost:80"],
        simple(_credentials),
        refusals=(WrongCredentialsError,),
    ),
)
