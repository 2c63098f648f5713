"""What goes wrong between the daemon and a server, as data: the fault, what is seen of it, what is delivered.

Each fault has a server and a source of its own, so that what is held because of one is not held for another.
`python -m tests.reliability.faults_network` prints the table that the README shows.
"""

from __future__ import annotations

import csv
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.rcode

from tests import books
from tests.fakes.archive_server import File, Item, fake_archive
from tests.fakes.dns_server import Zone, answering_names
from tests.fakes.faulty import (
    Answer,
    Asked,
    chunked,
    cut,
    dripping,
    faulty,
    head,
    partial,
    redirect,
    rest,
    status,
    torn,
    unsized,
    whole,
)
from tests.fakes.server import free_port
from tests.fakes.tls_server import Authority, Certificate, serving_tls

AUTHOR = "Ada Fault"
TAG = '"one"'
_BOOK = "/book.epub"
_MIRRORED = "/cache/epub/1/pg1-images-3.epub"
_HALF = 4000
_FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>Books</title>
<entry><id>urn:1</id><title>{title}</title><author><name>{author}</name></author>
<link rel="http://opds-spec.org/acquisition/open-access" type="application/epub+zip" href="{path}"/></entry>
</feed>"""
HEADINGS = ("what goes wrong", "what is seen", "what is delivered")
_COLUMNS = ("Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves")


@dataclass
class Stage:
    """Where a fault is set up; `mend` is called when it has been seen, `stack` is closed at the end."""

    folder: Path
    stack: ExitStack
    title: str
    content: bytes
    authority: Authority
    mend: Callable[[], object] = lambda: None


SetUp = Callable[[Stage], Mapping[str, Any]]
"""Sets a fault up and gives the section of the source that has the book, without its name."""


@dataclass(frozen=True)
class NetworkFault:
    """A fault; `seen` is said in the log and, while it lasts, the report; `state` is where its want ends."""

    name: str
    set_up: SetUp
    seen: str
    delivered: str
    state: str = "done"

    @property
    def title(self) -> str:
        """The title of the book that it concerns."""
        return self.name.replace("-", " ").capitalize()


def content_of(title: str) -> bytes:
    """Write a book of some 20 KB."""
    return books.epub(title, AUTHOR, files={"OEBPS/plate.jpg": books.jpeg(16_000, len(title))})


# how a fault is set up


def _answers(make: Callable[[bytes], list[Answer]]) -> SetUp:
    """Serve a feed with one book whose file is answered like this, one answer after another."""

    def set_up(stage: Stage) -> Mapping[str, Any]:
        server = stage.stack.enter_context(faulty())
        feed = _FEED.format(title=stage.title, author=AUTHOR, path=_BOOK).encode()
        url = server.at("/opds", whole(feed, Content_Type="application/atom+xml;profile=opds-catalog"))
        server.at(_BOOK, *make(stage.content))
        return {"kind": "opds", "url": url}

    return set_up


def _then_whole(*wrong: Callable[[bytes], Answer]) -> SetUp:
    return _answers(lambda body: [*(make(body) for make in wrong), rest(body, ETag=TAG)])


def _for_good(wrong: Callable[[bytes], Answer]) -> SetUp:
    return _answers(lambda body: [wrong(body)])


def _mirrored(stage: Stage, mirror: str, **more: Any) -> Mapping[str, Any]:
    """Give a source that needs its server for the book only: its catalogue is a file."""
    catalogue = stage.folder / f"{stage.title}.csv"
    with catalogue.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerow([1, "Text", "2000-01-01", stage.title, "en", "Fault, Ada", "", "", ""])
    return {"kind": "gutenberg", "catalogue": str(catalogue), "mirrors": [mirror], **more}


def _tls(certificate: Callable[[Authority], Certificate]) -> SetUp:
    """Serve the book over TLS, with a certificate that is not good for it."""

    def set_up(stage: Stage) -> Mapping[str, Any]:
        serve = serving_tls(certificate(stage.authority), lambda *_: ("text/plain", stage.content))
        return _mirrored(stage, f"https://127.0.0.1:{stage.stack.enter_context(serve)}")

    return set_up


def _refused(stage: Stage) -> Mapping[str, Any]:
    return _mirrored(stage, f"http://127.0.0.1:{free_port()}")


def _names(fail: Callable[[Zone], None], mend: Callable[[Zone], None]) -> SetUp:
    """Serve the book under a name whose server fails until it is mended."""

    def set_up(stage: Stage) -> Mapping[str, Any]:
        server = stage.stack.enter_context(faulty())
        server.at(_MIRRORED, whole(stage.content))
        zone = stage.stack.enter_context(answering_names(Zone({"books.test": [["127.0.0.1"]]})))
        fail(zone)
        stage.mend = lambda: mend(zone)
        port = server.url.rpartition(":")[2]
        return _mirrored(stage, f"http://books.test:{port}", dns=[zone.server])

    return set_up


def _forget(zone: Zone) -> None:
    zone.names.clear()


def _know(zone: Zone) -> None:
    zone.names["books.test"] = [["127.0.0.1"]]


def _fail(zone: Zone) -> None:
    zone.rcode = dns.rcode.SERVFAIL


def _answer(zone: Zone) -> None:
    zone.rcode = dns.rcode.NOERROR


def _lying_checksum(stage: Stage) -> Mapping[str, Any]:
    file = File("tale.epub", "EPUB", stage.content, md5="0" * 32)
    archive = stage.stack.enter_context(fake_archive(Item("tale", stage.title, (AUTHOR,), (file,))))
    return {"kind": "internet_archive", "url": archive.url}


def _reset(connection: socket.socket, _: Asked) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _drip(body: bytes) -> Answer:
    """Send twenty bytes a second for ever."""

    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, {"Content-Length": len(body)}))
        pause = threading.Event()
        for number in range(len(body)):
            connection.sendall(body[number : number + 1])
            pause.wait(0.05)

    return answer


def _too_short(body: bytes) -> Answer:
    def answer(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, {"Content-Length": len(body) - 100}) + body)

    return answer


def _page(_: bytes) -> Answer:
    return whole(books.html(), Content_Type="application/epub+zip")


_WHOLE = "the book"
_ON = "the book, gone on from where it broke off"
_ANEW = "the book, begun anew"
_NO_ATTEMPT = "the book, and no attempt counted"
_NOTHING = "nothing; the report says why"
_LATER = "nothing; the report says why, and when it is tried again"
_WAITS = "nothing yet; it waits, no attempt counted, and the report says why"
_BROKE = "the connection broke off"
_DAMAGED = "a ZIP archive that is cut short or damaged"

FAULTS = (
    NetworkFault("a reset before the answer", _then_whole(lambda _: _reset), _BROKE, _WHOLE),
    NetworkFault("a reset half-way", _then_whole(lambda body: torn(body, _HALF, ETag=TAG)), _BROKE, _ON),
    NetworkFault("a file cut short", _then_whole(lambda body: cut(body, _HALF, ETag=TAG)), _BROKE, _ON),
    NetworkFault(
        "chunks without their end", _then_whole(lambda body: chunked(body, ends=False)), _BROKE, _ANEW
    ),
    NetworkFault(
        "a file of untold length cut short", _then_whole(lambda body: unsized(body[:_HALF])), _DAMAGED, _ANEW
    ),
    NetworkFault(
        "a stall half-way",
        _then_whole(lambda body: dripping(body, iter([threading.Event()]))),
        "the answer stalled",
        _ANEW,
    ),
    NetworkFault("a slow drip", _then_whole(_drip), "slower than 256 bytes a second", _ANEW),
    NetworkFault("a length that is too short", _for_good(_too_short), _DAMAGED, _NOTHING, "failed"),
    NetworkFault(
        "a checksum that does not fit",
        _lying_checksum,
        "its md5 is not the one that the catalogue gives",
        _LATER,
        "failed",
    ),
    NetworkFault(
        "a rest of another version",
        _then_whole(
            lambda body: torn(body, _HALF, ETag='"old"'),
            lambda body: partial(body[_HALF:], f"bytes {_HALF}-{len(body) - 1}/{len(body)}", ETag=TAG),
        ),
        "the file changed while it was fetched",
        _ANEW,
    ),
    NetworkFault(
        "a range beyond the end (416)",
        _then_whole(
            lambda body: torn(body, _HALF, ETag=TAG),
            lambda _: status(416, b"", Content_Range="bytes */10"),
        ),
        _BROKE,
        _ANEW,
    ),
    NetworkFault(
        "a range nobody asked for (416)",
        _then_whole(*[lambda _: status(416)] * 2),
        "the server refuses a range nobody asked for (416)",
        _WHOLE,
    ),
    NetworkFault("a web page for a book", _for_good(_page), "an HTML page, not a book", _NOTHING, "failed"),
    NetworkFault(
        "a redirect loop", _for_good(lambda _: redirect(_BOOK)), "more than 10 redirects", _NOTHING, "failed"
    ),
    NetworkFault(
        "429 with a time",
        _then_whole(lambda _: status(429, Retry_After="2")),
        "it asks for a pause (429)",
        _NO_ATTEMPT,
    ),
    NetworkFault(
        "429 without a time",
        _then_whole(lambda _: status(429)),
        "it asks for a pause (429)",
        _NO_ATTEMPT,
    ),
    NetworkFault(
        "a fault of the server",
        _then_whole(lambda _: status(500)),
        "the server failed (500)",
        _WHOLE,
    ),
    NetworkFault(
        "a storm of 502",
        _then_whole(*[lambda _: status(502)] * 2),
        "the server failed (502)",
        _WHOLE,
    ),
    NetworkFault(
        "503 with a time",
        _then_whole(lambda _: status(503, Retry_After="1")),
        "not now (503), it says: again in 1 s",
        _WHOLE,
    ),
    NetworkFault(
        "nobody listens", _refused, "the connection was refused: check that the server runs", _WAITS, "queued"
    ),
    NetworkFault(
        "a certificate that has expired",
        _tls(lambda authority: authority.certificate("IP:127.0.0.1", days=-1)),
        "certificate has expired: check this machine's clock",
        _WAITS,
        "queued",
    ),
    NetworkFault(
        "a certificate for another host",
        _tls(lambda authority: authority.certificate("DNS:other.example")),
        "use the name that stands in the certificate",
        _WAITS,
        "queued",
    ),
    NetworkFault(
        "a certificate signed by itself",
        _tls(lambda authority: authority.self_signed("IP:127.0.0.1")),
        "add it to what this machine trusts",
        _WAITS,
        "queued",
    ),
    NetworkFault(
        "a name that is not known", _names(_forget, _know), "the name books.test is not known", _NO_ATTEMPT
    ),
    NetworkFault(
        "a name server that fails", _names(_fail, _answer), "no answer about books.test", _NO_ATTEMPT
    ),
)


def table() -> str:
    """Write the faults as the README shows them."""
    rows = [(fault.name, fault.seen, fault.delivered) for fault in FAULTS]
    lines = (f"| {' | '.join(cells)} |" for cells in [HEADINGS, ("---",) * len(HEADINGS), *rows])
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
