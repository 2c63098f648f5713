"""What servers do wrong, by mistake or on purpose: each a fault that `hostile_server` commits."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import socket
import struct
import zlib
from collections.abc import Callable

from tests.fakes.hostile_dialects import PAGE
from tests.fakes.hostile_server import TITLE, Asked, Fault

_RST = struct.pack("ii", 1, 0)
_MEBIBYTE = 1 << 20

# slow, cut, lying


def _silent(asked: Asked) -> None:
    asked.connection.recv(1)


def _cut(asked: Asked) -> None:
    body = asked.results()
    asked.head(f"Content-Length: {len(body)}")
    asked.send(body[: len(body) // 2])


def _torn(asked: Asked) -> None:
    _cut(asked)
    asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)


def _cut_chunks(asked: Asked) -> None:
    asked.head("Transfer-Encoding: chunked")
    body = asked.results()
    asked.send(b"%x\r\n%s\r\n" % (len(body), body))


def _bad_chunks(asked: Asked) -> None:
    asked.head("Transfer-Encoding: chunked")
    asked.send(b"zz\r\nwhat\r\n")


def _huge_chunk(asked: Asked) -> None:
    asked.head("Transfer-Encoding: chunked")
    asked.send(b"ffffffffffffffff\r\n" + asked.results())


def _length(value: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.head(value)
        asked.send(asked.results())

    return answer


def _drip_head(asked: Asked) -> None:
    asked.send(b"HTTP/1.1 200 OK\r\nX: ")
    asked.drip(itertools.repeat(b"y"))


def _drip_body(asked: Asked) -> None:
    asked.head()
    asked.send(asked.results())
    asked.drip(itertools.repeat(b" "))


def _continues(asked: Asked) -> None:
    asked.drip(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))


# looping


def _to(target: str, status: str = "302 Found") -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        location = target.format(path=asked.path)
        asked.send(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n".encode())
        asked.send(b"Location: " + location.encode("utf-8", "surrogatepass") + b"\r\n\r\n")

    return answer


def _next_pages(asked: Asked) -> None:
    number = int(asked.path.rpartition("hostile_page=")[2]) if "hostile_page=" in asked.path else 0
    asked.whole(asked.results(1, "Something Else", f"/further?hostile_page={number + 1}"))


def _same_page(asked: Asked) -> None:
    asked.whole(asked.results(1, "Something Else", asked.path))


# large


def _many(asked: Asked) -> None:
    asked.whole(asked.results(10_000))


def _one_gigabyte(asked: Asked) -> None:
    asked.head()
    asked.send(asked.results())
    for _ in range(1024):
        asked.send(b" " * _MEBIBYTE)


def _gzip_blocks(mebibytes: int) -> bytes:
    """Pack so many MiB of blanks into a thousandth of that, without ever having them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(b" " * _MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * _MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (mebibytes - 1)


def _gzip_bomb(asked: Asked) -> None:
    asked.whole(_gzip_blocks(2048), "Content-Encoding: gzip")


def _gzip_gzip_bomb(asked: Asked) -> None:
    asked.whole(gzip.compress(_gzip_blocks(4096)), "Content-Encoding: gzip, gzip")


def _packed_file_bomb(asked: Asked) -> None:
    """Send a bomb as the file itself: a catalogue may be packed."""
    asked.whole(_gzip_blocks(1024), media_type="application/gzip")


def _many_encodings(asked: Asked) -> None:
    body = gzip.compress(asked.results())
    asked.whole(body, f"Content-Encoding: {', '.join(['gzip'] * 200)}")


def _unpacked(encoding: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.whole(asked.results(), f"Content-Encoding: {encoding}")

    return answer


def _long_header(asked: Asked) -> None:
    asked.whole(asked.results(), "X-Long: " + "x" * _MEBIBYTE)


def _many_headers(asked: Asked) -> None:
    asked.whole(asked.results(), *(f"X-{number}: x" for number in range(10_000)))


def _broken_headers(asked: Asked) -> None:
    odd = (
        "no colon here",
        ": no name",
        "ETag: \x00\x01",
        "Content-Disposition: attachment; filename*=zz''%ff",
    )
    asked.whole(asked.results(), *odd, "Set-Cookie: " + "x" * 60_000, "Link: <" * 5_000)


# documents


def _document(body: Callable[[], bytes], media_type: str = "") -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.whole(body(), media_type=media_type)

    return answer


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE f [<!ENTITY l0 "lol">{entities}]><feed xmlns="http://www.w3.org/2005/Atom">&l11;</feed>'.encode()


def _quadratic() -> bytes:
    feed = '<feed xmlns="http://www.w3.org/2005/Atom"><title>'
    return f'<!DOCTYPE f [<!ENTITY a "{"a" * 100_000}">]>{feed}{"&a;" * 100_000}</title></feed>'.encode()


def _external() -> bytes:
    outside = '<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY % y SYSTEM "http://127.0.0.1:1/y.dtd">%y;'
    entry = "<entry><id>1</id><title>Emma &x;</title></entry>"
    return f'<!DOCTYPE f [{outside}]><feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'.encode()


def _deep_xml() -> bytes:
    return b'<feed xmlns="http://www.w3.org/2005/Atom">' + b"<entry>" * 500_000


def _wide_xml() -> bytes:
    return b'<feed xmlns="http://www.w3.org/2005/Atom">' + b"<entry/>" * 900_000 + b"</feed>"


def _attributes() -> bytes:
    attributes = " ".join(f'a{number}=""' for number in range(400_000))
    return f"<feed {attributes}/>".encode()


def _deep_json() -> bytes:
    return b"[" * 1_000_000 + b"]" * 1_000_000


def _wide_json() -> bytes:
    return b"[" + b"[]," * 1_000_000 + b"[]]"


def _long_number() -> bytes:
    return b'{"response": {"numFound": ' + b"9" * 100_000 + b', "docs": []}, "docs": [], "links": []}'


_ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    " ",
    [],
    {},
    [[]],
    [None],
    {"x": None},
    "\ud800",
    "x" * 2_000,
)


def _wrong_types() -> bytes:
    """Make every field that any dialect has something else than it should be, in turn."""
    names = {
        "title",
        "author",
        "creator",
        "identifier",
        "format",
        "language",
        "key",
        "ia",
        "ebook_access",
        "rel",
    }
    names |= {
        "href",
        "type",
        "name",
        "size",
        "collection",
        "isbn",
        "date",
        "files",
        "links",
        "metadata",
        "source",
    }
    odd = [dict.fromkeys(names, value) for value in _ODD_VALUES]
    whole: dict[str, object] = {"response": {"docs": odd}, "docs": odd, "publications": odd, "links": odd}
    whole |= {"groups": odd, "facets": odd, "navigation": odd, "metadata": odd, "files": odd, "authors": odd}
    return json.dumps(whole).encode()


def _named(title: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.whole(asked.results(3, title))

    return answer


def _wrong_encoding(declared: str, actual: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        text = asked.results(3, "Emma Müßiggang — 書").decode()
        if text.startswith("<feed"):
            text = f'<?xml version="1.0" encoding="{declared}"?>{text}'
        plain = asked.dialect.media_type.partition(";")[0]
        asked.whole(text.encode(actual, "replace"), media_type=f"{plain}; charset={declared}")

    return answer


def _invalid_utf8(asked: Asked) -> None:
    asked.whole(asked.results().replace(TITLE.encode(), b"Emma \xff\xfe\xc3\x28 \xed\xa0\x80"))


def _nuls(asked: Asked) -> None:
    asked.whole(asked.results().replace(TITLE.encode(), b"Emma\0\x01\x1b[31m\x7f"))


def _noise() -> bytes:
    return os.urandom(_MEBIBYTE)


def _status(status: str, *headers: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.whole(b"no", *headers, status=status, media_type=PAGE)

    return answer


def _bytes(data: bytes) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        asked.send(data)

    return answer


ENDLESS = (
    Fault("silence", _silent, endless=True),
    Fault("a head that drips", _drip_head, endless=True),
    Fault("a body that drips", _drip_body, endless=True),
    Fault("100 Continue without end", _continues, endless=True),
)
CUT_OR_LYING = (
    Fault("cut", _cut),
    Fault("torn", _torn),
    Fault("chunks that end early", _cut_chunks),
    Fault("chunks without a size", _bad_chunks),
    Fault("a chunk of exabytes", _huge_chunk),
    Fault("a length too short", _length("Content-Length: 10")),
    Fault("a length too long", _length("Content-Length: 99999999")),
    Fault("a negative length", _length("Content-Length: -5")),
    Fault("a length in words", _length("Content-Length: many")),
    Fault("two lengths", _bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n<feed/>")),
    Fault("no HTTP", _bytes(b"SSH-2.0-OpenSSH_9.2\r\n")),
    Fault("nothing at all", _bytes(b"")),
    Fault("half a head", _bytes(b"HTTP/1.1 200 OK\r\nContent-")),
    Fault("a status of five digits", _bytes(b"HTTP/1.1 20000 OK\r\n\r\n")),
    Fault("a version that is none", _bytes(b"HTTP/9.9 200 OK\r\n\r\n<feed/>")),
)
LOOPING = (
    Fault("a redirect to itself", _to("{path}")),
    Fault("a redirect that grows", _to("{path}x")),
    Fault("a permanent redirect with a body asked for again", _to("{path}y", "308 Permanent Redirect")),
    Fault("a redirect to a file", _to("file:///etc/passwd")),
    Fault("a redirect into the private network", _to("http://127.0.0.1:1/")),
    Fault("a redirect to a metadata service", _to("http://169.254.169.254/latest")),
    Fault("a redirect to no address", _to("http://[::bad")),
    Fault("a redirect to another scheme", _to("gopher://127.0.0.1/")),
    Fault("a redirect to nowhere", _to("")),
    Fault("a redirect with control characters", _to("/\x01\x7f\u2028")),
    Fault("next pages without end", _next_pages),
    Fault("a page that is its own next", _same_page),
)
LARGE = (
    Fault("10,000 results", _many),
    Fault("a page of 1 GB", _one_gigabyte),
    Fault("a gzip bomb", _gzip_bomb),
    Fault("a gzip bomb in gzip", _gzip_gzip_bomb),
    Fault("a packed file that is a bomb", _packed_file_bomb),
    Fault("200 encodings", _many_encodings),
    Fault("a header of 1 MB", _long_header),
    Fault("10,000 headers", _many_headers),
    Fault("exponential entities", _document(_laughs, "application/atom+xml")),
    Fault("quadratic entities", _document(_quadratic, "application/atom+xml")),
    Fault("XML nested deeply", _document(_deep_xml, "application/atom+xml")),
    Fault("XML of very many elements", _document(_wide_xml, "application/atom+xml")),
    Fault("XML of very many attributes", _document(_attributes, "application/atom+xml")),
    Fault("HTML nested deeply", _document(lambda: b"<div>" * 500_000, PAGE)),
    Fault(
        "a table nested deeply",
        _document(lambda: b'<table><tr class="book"><td class="title">' * 50_000, PAGE),
    ),
    Fault("JSON nested deeply", _document(_deep_json)),
    Fault("JSON of a million lists", _document(_wide_json)),
    Fault("a number of 100,000 digits", _document(_long_number)),
    Fault("a title of 1 MB", _named("Emma " * 200_000)),
    Fault("one line of 7 MB", _document(lambda: b"x" * (7 * _MEBIBYTE))),
)
WRONG = (
    Fault("external entities", _document(_external, "application/atom+xml")),
    Fault("wrong types", _document(_wrong_types)),
    Fault("a list for an object", _document(lambda: b"[1, 2]")),
    Fault("null", _document(lambda: b"null")),
    Fault("an empty document", _document(lambda: b"")),
    Fault("an empty element", _document(lambda: b"<feed/>")),
    Fault("HTML for a feed", _document(lambda: b"<!DOCTYPE html><title>Sign in</title><p>No", PAGE)),
    Fault("a picture", _document(lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 1000, "image/png")),
    Fault("noise", _document(_noise)),
    Fault(
        "noise as a packed file", _document(lambda: b"\x1f\x8b\x08" + os.urandom(1000), "application/gzip")
    ),
    Fault("no media type", _document(lambda: b"<feed><entry/></feed>", "\x01;;=;charset=\x02")),
    Fault("NULs and escapes", _nuls),
    Fault("invalid UTF-8", _invalid_utf8),
    Fault("lines in a title", _named("Emma\r\n\u2028pick: 1 home:2\u202e\u0085x")),
    Fault("control characters", _named("Emma\x00\x01\x1b[31m\x7f")),
    Fault("a lone surrogate", _named("Emma \ud800")),
    Fault("another encoding than said", _wrong_encoding("utf-8", "utf-16")),
    Fault("UTF-16 as such", _wrong_encoding("utf-16", "utf-16")),
    Fault("UTF-32 called Latin", _wrong_encoding("latin-1", "utf-32")),
    Fault("UTF-7", _wrong_encoding("utf-7", "utf-7")),
    Fault("an encoding that is none", _wrong_encoding("rot13", "utf-8")),
    Fault("an encoding of bytes", _wrong_encoding("base64", "latin-1")),
    Fault("gzip that is none", _unpacked("gzip")),
    Fault("brotli that is none", _unpacked("br")),
    Fault("deflate that is none", _unpacked("deflate")),
    Fault("an encoding of content that is unknown", _unpacked("sdch, x-what")),
    Fault("broken headers", _broken_headers),
)
STATUSES = (
    *(Fault(status, _status(status)) for status in ("204 No Content", "206 Partial", "304 Not Modified")),
    *(Fault(status, _status(status)) for status in ("400 Bad", "401 Who", "403 No", "404 None", "410 Gone")),
    *(
        Fault(status, _status(status))
        for status in ("429 Slow", "500 Oops", "502 Oops", "503 Later", "999 ?")
    ),
    Fault("429 with seconds", _status("429 Slow", "Retry-After: 3600")),
    Fault("429 with a date", _status("429 Slow", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")),
    Fault("429 for ever", _status("429 Slow", f"Retry-After: {'9' * 400}")),
    Fault("429 for nonsense", _status("429 Slow", "Retry-After: soon, -1")),
    Fault("503 with seconds", _status("503 Later", "Retry-After: 120")),
    Fault("503 with a date far away", _status("503 Later", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT")),
    Fault("401 with nonsense", _status("401 Who", "WWW-Authenticate: ,,=")),
)
TLS = (
    Fault("plain HTTP where TLS is expected", _bytes(b"HTTP/1.1 400 Bad\r\n\r\n"), raw=True),
    Fault("noise where TLS is expected", lambda asked: asked.send(_noise()), raw=True),
    Fault("a TLS alert", _bytes(b"\x15\x03\x03\x00\x02\x02\x28"), raw=True),
    Fault("TLS cut short", _bytes(b"\x16\x03\x03\xff\xff\x02"), raw=True),
)
FAULTS = (*ENDLESS, *CUT_OR_LYING, *LOOPING, *LARGE, *WRONG, *STATUSES)
