"""What a catalogue of each kind answers with, made up as large and as wrong as a test asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

OPEN = "http://opds-spec.org/acquisition/open-access"
ATOM = "application/atom+xml;profile=opds-catalog"
OPDS_JSON = "application/opds+json"
PAGE = "text/html; charset=utf-8"
EPUB = "application/epub+zip"


@dataclass(frozen=True)
class Dialect:
    """`results` makes an answer that lists so many books, called so, and the next page's address if any."""

    media_type: str
    results: Callable[[int, str, str], bytes]


def _numbers(count: int) -> Iterator[int]:
    yield from range(1, count + 1)


def _atom(count: int, title: str, following: str) -> bytes:
    entries = "".join(
        f"<entry><id>urn:x:{n}</id><title>{escape(title)}</title><author><name>Jane Austen</name></author>"
        f'<link rel="{OPEN}" type="{EPUB}" href="/files/{n}.epub"/></entry>'
        for n in _numbers(count)
    )
    more = f'<link rel="next" type="{ATOM}" href={quoteattr(following)}/>' if following else ""
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>{more}{entries}</feed>'.encode(
        "utf-8", "surrogatepass"
    )


def _opds_json(count: int, title: str, following: str) -> bytes:
    publications = [
        {
            "metadata": {"title": title, "author": "Jane Austen", "identifier": f"urn:x:{n}"},
            "links": [{"rel": OPEN, "type": EPUB, "href": f"/files/{n}.epub"}],
        }
        for n in _numbers(count)
    ]
    links = [{"rel": "next", "type": OPDS_JSON, "href": following}] if following else []
    return _json({"metadata": {"title": "x"}, "links": links, "publications": publications})


def _archive(count: int, title: str, _: str) -> bytes:
    return _json(_archive_answer(count, title))


def _archive_answer(count: int, title: str) -> dict[str, object]:
    """Answer a search and a request for any of its items at once: who reads the one overlooks the other."""
    named = {"title": title, "creator": "Jane Austen", "mediatype": "texts", "collection": "americana"}
    docs = [
        {**named, "identifier": f"emma{n}", "format": ["EPUB"], "language": "eng"} for n in _numbers(count)
    ]
    files = [
        {"name": f"emma{n}.epub", "format": "EPUB", "source": "original", "size": "9"}
        for n in _numbers(count)
    ]
    return {"response": {"numFound": count, "docs": docs}, "metadata": named, "files": files}


def _open_library(count: int, title: str, following: str) -> bytes:
    """Answer a search, a request for an edition, one for an author, and what the archive is asked."""
    docs = [
        {
            "key": f"/works/OL{n}W",
            "title": title,
            "alternative_title": [title] * 3,
            "author_name": ["Jane Austen"] * 3,
            "ia": [f"emma{n}"] * 3,
            "ebook_access": "public",
        }
        for n in _numbers(count)
    ]
    authors = [{"key": f"/authors/OL{n}A"} for n in _numbers(count)]
    record = {"docs": docs, "title": title, "authors": authors, "name": title}
    return _json(_archive_answer(count, title) | record)


def _html(count: int, title: str, following: str) -> bytes:
    rows = "".join(
        f'<tr class="book"><td class="title"><a href="/book/{n}">{escape(title)}</a></td>'
        f'<td class="author">Jane Austen</td><td class="kind">EPUB</td></tr>'
        for n in _numbers(count)
    )
    mirrors = "".join(f'<a class="mirror" href="/files/{n}.epub">x</a>' for n in _numbers(count))
    more = f"<a rel=next href={quoteattr(following)}>more</a>" if following else ""
    head = f"<h1>{escape(title)}</h1><h2>Jane Austen</h2>"
    return f"<!DOCTYPE html><html><body>{head}<table>{rows}</table>{mirrors}{more}</body></html>".encode(
        "utf-8", "surrogatepass"
    )


def _catalogue(count: int, title: str, _: str) -> bytes:
    quoted = title.replace('"', '""')
    rows = [f'{n},Text,1990-01-01,"{quoted}",en,"Austen, Jane, 1775-1817",,,' for n in _numbers(count)]
    columns = "Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves"
    return "\n".join([columns, *rows]).encode("utf-8", "surrogatepass")


def _json(answer: object) -> bytes:
    return json.dumps(answer).encode()


DIALECTS = {
    "opds": Dialect(ATOM, _atom),
    "opds 2.0": Dialect(OPDS_JSON, _opds_json),
    "standard_ebooks": Dialect("application/atom+xml", _atom),
    "internet_archive": Dialect("application/json", _archive),
    "open_library": Dialect("application/json", _open_library),
    "html": Dialect(PAGE, _html),
    "gutenberg": Dialect("text/csv", _catalogue),
}
