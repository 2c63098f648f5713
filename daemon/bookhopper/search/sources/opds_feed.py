"""OPDS 1.2 feeds and OpenSearch descriptions, from bytes to frozen values and nothing else.

Facts: the OPDS Catalog 1.2 specification (Atom with links by relation and media type) and OpenSearch 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from lxml import etree

from bookhopper.errors import TransientError
from bookhopper.hostile_json import is_charset, known_charset
from bookhopper.hostile_xml import XmlError, local_name, parse_xml
from bookhopper.net.addresses import safe_url
from bookhopper.search.sources.fields import MAX_TEXT, isbn_in, number_in, one_line, year_in
from bookhopper.search.sources.opds_model import (
    ATOM_TYPE,
    FEED_TYPES,
    MAX_AUTHORS,
    MAX_CHAIN,
    MAX_ENTRIES,
    MAX_LINKS,
    Entry,
    Feed,
    Link,
    absolute,
    bare_type,
    parameters,
)
from bookhopper.search.sources.opds_templates import can_search

ATOM = "http://www.w3.org/2005/Atom"
_OPDS = "http://opds-spec.org/2010/catalog"
_FACET = "http://opds-spec.org/facet"
_NAMESPACES = {
    "a": ATOM,
    "dc": "http://purl.org/dc/terms/",
    "dce": "http://purl.org/dc/elements/1.1/",
    "schema": "http://schema.org/",
    "os": "http://a9.com/-/spec/opensearch/1.1/",
}
_SERIES = ("name", "position")
_CALIBRE_SERIES = re.compile(r"SERIES:\s*([^\n\[]{1,200})(?:\[([\d.]{1,10})\])?")
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})""")
_UTF_8 = "utf-8"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")


def parse_feed(content: bytes, url: str, charset: str = "") -> Feed:
    """Read a feed that came from `url`; raises TransientError for what is none.

    `charset` is what the answer's head said, which counts where the document's own word is wrong.
    """
    root = _root(content, url, charset)
    if root.tag == f"{{{ATOM}}}entry":
        return Feed(entries=(_entry(root),))
    if root.tag != f"{{{ATOM}}}feed":
        found = local_name(root)[:20]
        raise TransientError(f"{safe_url(url)} gave no OPDS feed but <{found}>: check the source's url")
    entries = tuple(_entry(element) for element in islice(root.iterchildren(f"{{{ATOM}}}entry"), MAX_ENTRIES))
    links = _links(root)
    return Feed(
        _text(root, "a:title"),
        tuple(link for link in links if link.rel != _FACET),
        entries,
        tuple(link for link in links if link.rel == _FACET and link.group),
    )


def parse_search_description(content: bytes, url: str) -> str:
    """Give the template for searching in a feed from an OpenSearch description; empty when it has none."""
    root = _root(content, url)
    found: dict[int, str] = {}
    for element in islice(root.iterfind("os:Url", _NAMESPACES), MAX_LINKS):
        kind = element.get("type", "")
        template = absolute(element.base or url, element.get("template", ""))
        if bare_type(kind) in FEED_TYPES and can_search(template):
            found.setdefault(_preference(kind), template)
    return found[min(found)] if found else ""


def _preference(kind: str) -> int:
    """Rank what a search may answer in: a catalogue's own Atom, any Atom, JSON."""
    if bare_type(kind) != ATOM_TYPE:
        return 2
    return 0 if "opds-catalog" in kind else 1


def _root(content: bytes, url: str, charset: str = "") -> etree._Element:
    try:
        return parse_xml(_as_utf8(content, charset), url)
    except XmlError as error:
        raise TransientError(
            f"{safe_url(url)} gave no OPDS feed ({error}): check the source's url"
        ) from error


def _as_utf8(content: bytes, charset: str) -> bytes:
    """Mend a document whose encoding is another than it says, which the parser would garble or break off."""
    if content.startswith(_UTF_16):
        return content
    declared = _DECLARED.match(content)
    named = declared[1].decode().lower() if declared else _UTF_8
    try:
        content.decode()
    except UnicodeDecodeError:
        if named != _UTF_8 and is_charset(named):
            return content
        content = content.decode(known_charset(charset), "replace").encode()
    return content if declared is None else content.replace(declared[1], b"utf-8", 1)


def _entry(element: etree._Element) -> Entry:
    identifiers = [
        _text(element, "a:id"),
        *_texts(element, "dc:identifier"),
        *_texts(element, "dce:identifier"),
    ]
    dates = (text for name in ("dc:issued", "dc:date", "dce:date") for text in _texts(element, name))
    series, position = _series(element)
    return Entry(
        id=identifiers[0],
        title=_text(element, "a:title"),
        authors=tuple(_authors(element)),
        language=_text(element, "dc:language") or _text(element, "dce:language"),
        year=next(filter(None, map(year_in, dates)), None),
        isbns=tuple(dict.fromkeys(filter(None, map(isbn_in, identifiers)))),
        series=series,
        position=position,
        links=_links(element),
    )


def _authors(element: etree._Element) -> Iterator[str]:
    for name in islice(_texts(element, "a:author/a:name"), MAX_AUTHORS):
        yield from (part for part in name.split(" & ") if part)  # calibre writes several as one


def _series(element: etree._Element) -> tuple[str, float | None]:
    """Give the name of a book's series and its place in it."""
    found = element.find("schema:Series", _NAMESPACES)
    if found is not None:
        name, place = (
            found.get(f"{{{_NAMESPACES['schema']}}}{key}") or found.get(key) or "" for key in _SERIES
        )
        return one_line(name), number_in(place)
    content = element.find("a:content", _NAMESPACES)
    if content is None:
        return "", None
    match = _CALIBRE_SERIES.search("\n".join(islice(_pieces(content), MAX_LINKS)))
    return (one_line(match[1]), number_in(match[2] or "")) if match else ("", None)


def _links(element: etree._Element) -> tuple[Link, ...]:
    found = []
    for link in islice(element.iterchildren(f"{{{ATOM}}}link"), MAX_LINKS):
        if not (href := absolute(link.base or "", link.get("href", ""))):
            continue
        kind, length = link.get("type", ""), link.get("length", "")
        found.append(
            Link(
                href=href,
                rel=link.get("rel", "alternate")[:MAX_TEXT],
                type=bare_type(kind),
                profile=parameters(kind),
                length=int(length) if length.isdecimal() and len(length) <= 12 else None,
                title=one_line(link.get("title", "")),
                group=one_line(link.get(f"{{{_OPDS}}}facetGroup", "")),
                active=link.get(f"{{{_OPDS}}}activeFacet") == "true",
                indirect=tuple(islice(_chains(link), MAX_LINKS)),
            )
        )
    return tuple(found)


def _chains(element: etree._Element, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the media types that an acquisition goes through, one chain for each way to its end."""
    for step in islice(element.iterchildren(f"{{{_OPDS}}}indirectAcquisition"), MAX_LINKS):
        chain = (*above, bare_type(step.get("type", "")))
        further = tuple(_chains(step, chain)) if len(chain) < MAX_CHAIN else ()
        yield from further or (chain,)


def _text(element: etree._Element, path: str) -> str:
    return next(_texts(element, path), "")


def _texts(element: etree._Element, path: str) -> Iterator[str]:
    for found in element.iterfind(path, _NAMESPACES):
        yield one_line("".join(islice(_pieces(found), MAX_LINKS)))


def _pieces(element: etree._Element) -> Iterator[str]:
    return (str(piece) for piece in element.itertext())
