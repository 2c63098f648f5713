"""OPDS 1.2 feeds and OpenSearch descriptions, from bytes to frozen values and nothing else.

Facts: the OPDS Catalog 1.2 specification (Atom with links by relation and media type) and OpenSearch 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxml import etree

from bookhopper.errors import PermanentError, TransientError
from bookhopper.hostile_xml import XmlError, parse_xml
from bookhopper.net.addresses import origin, safe_url
from bookhopper.search.sources.fields import MAX_TEXT, isbn_in, one_line, year_in

ATOM = "http://www.w3.org/2005/Atom"
MAX_ENTRIES = 500
MAX_LINKS = 100
MAX_HREF = 4_096
_MAX_AUTHORS = 20

OPEN_ACCESS = frozenset({"http://opds-spec.org/acquisition", "http://opds-spec.org/acquisition/open-access"})
"""The relations of links that give the book itself; samples, sales and loans have others."""

OPENSEARCH_TYPE = "application/opensearchdescription+xml"
ATOM_TYPE = "application/atom+xml"

FORMATS: Mapping[str, str] = {
    "application/epub+zip": "epub",
    "application/epub": "epub",
    "application/x-mobi8-ebook": "azw3",
    "application/vnd.amazon.mobi8-ebook": "azw3",
    "application/vnd.amazon.ebook": "azw3",
    "application/x-mobipocket-ebook": "mobi",
    "application/x-mobipocket": "mobi",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "application/vnd.comicbook+zip": "cbz",
    "application/x-cbz": "cbz",
    "application/vnd.comicbook-rar": "cbr",
    "application/x-cbr": "cbr",
    "application/fb2+xml": "fb2",
    "application/fb2": "fb2",
    "application/x-fictionbook+xml": "fb2",
    "text/fb2+xml": "fb2",
    "text/plain": "txt",
}
"""Media types of books as catalogues write them, and the extension of each."""

_VAGUE_TYPES = frozenset({"", "application/octet-stream", "application/x-download", "application/zip"})
_EXTENSIONS = frozenset(FORMATS.values()) | {"azw"}
_NAMESPACES = {
    "a": ATOM,
    "dc": "http://purl.org/dc/terms/",
    "dce": "http://purl.org/dc/elements/1.1/",
    "schema": "http://schema.org/",
    "os": "http://a9.com/-/spec/opensearch/1.1/",
}
_CALIBRE_SERIES = re.compile(r"SERIES:\s*([^\n\[]{1,200})")
_PARAMETER = re.compile(r"\{([^{}]{1,64}?)\??\}")


@dataclass(frozen=True, slots=True)
class Link:
    """A link with its address made absolute; `type` is the bare media type, `profile` its parameters."""

    href: str
    rel: str = ""
    type: str = ""
    profile: str = ""
    length: int | None = None

    @property
    def format(self) -> str:
        """The book format that the link gives, by its type or else its address; empty for anything else."""
        if self.type not in _VAGUE_TYPES:
            return FORMATS.get(self.type, "")
        return format_of_path(urlsplit(self.href).path)

    @property
    def is_feed(self) -> bool:
        """Whether the link leads to another feed or to an entry's own document."""
        return self.type == ATOM_TYPE


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: a book, or a way into another feed."""

    id: str
    title: str
    authors: tuple[str, ...] = ()
    language: str = ""
    year: int | None = None
    isbns: tuple[str, ...] = ()
    series: str = ""
    links: tuple[Link, ...] = ()

    @property
    def acquisitions(self) -> tuple[Link, ...]:
        """The links that give the book itself in a format that is known."""
        return tuple(link for link in self.links if link.rel in OPEN_ACCESS and link.format)


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a catalogue; an entry's own document is a feed of one entry without links of its own."""

    title: str = ""
    links: tuple[Link, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def next(self) -> str:
        """The address of the page after this one, or nothing."""
        return next((link.href for link in self.links if link.rel == "next"), "")


def parse_feed(content: bytes, url: str) -> Feed:
    """Read a feed that came from `url`; raises TransientError for what is none."""
    root = _root(content, url)
    if root.tag == f"{{{ATOM}}}entry":
        return Feed(entries=(_entry(root),))
    if root.tag != f"{{{ATOM}}}feed":
        found = etree.QName(root).localname[:20]
        raise TransientError(f"{safe_url(url)} gave no OPDS feed but <{found}>: check the source's url")
    entries = tuple(_entry(element) for element in islice(root.iterchildren(f"{{{ATOM}}}entry"), MAX_ENTRIES))
    return Feed(_text(root, "a:title"), _links(root), entries)


def parse_search_description(content: bytes, url: str) -> str:
    """Give the template for searching in Atom from an OpenSearch description; empty when it has none."""
    root = _root(content, url)
    found: dict[bool, str] = {}
    for element in islice(root.iterfind("os:Url", _NAMESPACES), MAX_LINKS):
        kind = element.get("type", "")
        template = _absolute(element, element.get("template", ""))
        if _bare_type(kind) == ATOM_TYPE and _searches(template):
            found.setdefault("opds-catalog" in kind, template)
    return found.get(True) or found.get(False, "")


def search_links(feed: Feed) -> tuple[str, str]:
    """Give the feed's own search template and the address of its OpenSearch description, empty if absent."""
    links = [link for link in feed.links if link.rel == "search"]
    template = next((link.href for link in links if link.is_feed and _searches(link.href)), "")
    return template, next((link.href for link in links if link.type == OPENSEARCH_TYPE), "")


def fill_template(template: str, title: str, author: str, count: int) -> str:
    """Fill a search template (OpenSearch 1.1): percent-encoded, what is not known left empty.

    A template with parameters of their own for title and author gets them there, any other as one phrase.
    """
    names = {match.lower() for match in _PARAMETER.findall(template)}
    apart = {"atom:title", "atom:author"} <= names and bool(author)
    values = {
        "searchterms": title if apart else f"{title} {author}".strip(),
        "atom:title": title if apart else "",
        "atom:author": author if apart else "",
        "count": str(count),
        "startindex": "1",
        "startpage": "1",
        "language": "*",
        "inputencoding": "UTF-8",
        "outputencoding": "UTF-8",
    }
    return _PARAMETER.sub(lambda match: quote(values.get(match[1].lower(), ""), safe=""), template)


def format_of_path(path: str) -> str:
    """Guess a format from an address's path: `/a/b.epub`, `/get/EPUB/12`, `/download/12/epub/`."""
    parts = [part.lower() for part in unquote(path).split("/") if part]
    if parts and (extension := parts[-1].rpartition(".")[2]) in _EXTENSIONS:
        return extension
    return next((part for part in reversed(parts) if part in _EXTENSIONS), "")


def _root(content: bytes, url: str) -> etree._Element:
    try:
        return parse_xml(content, url)
    except XmlError as error:
        raise TransientError(
            f"{safe_url(url)} gave no OPDS feed ({error}): check the source's url"
        ) from error


def _entry(element: etree._Element) -> Entry:
    identifiers = [
        _text(element, "a:id"),
        *_texts(element, "dc:identifier"),
        *_texts(element, "dce:identifier"),
    ]
    dates = (text for name in ("dc:issued", "dc:date", "dce:date") for text in _texts(element, name))
    return Entry(
        id=identifiers[0],
        title=_text(element, "a:title"),
        authors=tuple(_authors(element)),
        language=_text(element, "dc:language") or _text(element, "dce:language"),
        year=next(filter(None, map(year_in, dates)), None),
        isbns=tuple(dict.fromkeys(filter(None, map(isbn_in, identifiers)))),
        series=_series(element),
        links=_links(element),
    )


def _authors(element: etree._Element) -> Iterator[str]:
    for name in islice(_texts(element, "a:author/a:name"), _MAX_AUTHORS):
        yield from (part for part in name.split(" & ") if part)  # calibre writes several as one


def _series(element: etree._Element) -> str:
    found = element.find("schema:Series", _NAMESPACES)
    if found is not None:
        return one_line(found.get(f"{{{_NAMESPACES['schema']}}}name") or found.get("name") or "")
    content = element.find("a:content", _NAMESPACES)
    if content is None:
        return ""
    match = _CALIBRE_SERIES.search("\n".join(islice(_pieces(content), MAX_LINKS)))
    return one_line(match[1]) if match else ""


def _links(element: etree._Element) -> tuple[Link, ...]:
    found = []
    for link in islice(element.iterchildren(f"{{{ATOM}}}link"), MAX_LINKS):
        if not (href := _absolute(link, link.get("href", ""))):
            continue
        kind, length = link.get("type", ""), link.get("length", "")
        found.append(
            Link(
                href=href,
                rel=link.get("rel", "alternate")[:MAX_TEXT],
                type=_bare_type(kind),
                profile=kind.partition(";")[2].lower().replace(" ", "")[:MAX_TEXT],
                length=int(length) if length.isdecimal() and len(length) <= 12 else None,
            )
        )
    return tuple(found)


def _absolute(element: etree._Element, href: str) -> str:
    """Resolve an address against the feed's (or its xml:base); empty when it cannot be one over HTTP."""
    href = href.strip()
    if not href or len(href) > MAX_HREF:
        return ""
    try:
        address = urljoin(element.base or "", href)
        origin(address)
    except (ValueError, PermanentError):
        return ""
    return address


def _searches(template: str) -> bool:
    return any(name.lower() in {"searchterms", "atom:title"} for name in _PARAMETER.findall(template))


def _bare_type(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()[:MAX_TEXT]


def _text(element: etree._Element, path: str) -> str:
    return next(_texts(element, path), "")


def _texts(element: etree._Element, path: str) -> Iterator[str]:
    for found in element.iterfind(path, _NAMESPACES):
        yield one_line("".join(islice(_pieces(found), MAX_LINKS)))


def _pieces(element: etree._Element) -> Iterator[str]:
    return (str(piece) for piece in element.itertext())
