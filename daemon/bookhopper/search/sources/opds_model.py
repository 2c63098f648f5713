"""What an OPDS catalogue says, of whichever version: links, entries, pages of a feed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from bookhopper.errors import PermanentError
from bookhopper.net.addresses import origin
from bookhopper.search.sources.fields import MAX_TEXT

MAX_ENTRIES = 500
MAX_LINKS = 100
MAX_HREF = 4_096
MAX_AUTHORS = 20
MAX_CHAIN = 5
"""The longest chain of indirect acquisition that is read; real ones have two or three links."""

ACQUISITION: Final = "http://opds-spec.org/acquisition"
OPEN_ACCESS = frozenset({ACQUISITION, f"{ACQUISITION}/open-access"})
"""The relations of links that give the book itself; samples, sales and loans have others."""

_GIVEN = OPEN_ACCESS | {"enclosure"}
"""Those of links that may: in Atom feeds that are no catalogues, a file belongs to its entry (RFC 4287)."""

_CONTROL = re.compile(r"[\0-\x1f\x7f]")
"""What no address has; line ends inside of one are dropped before, as browsers do."""

OPENSEARCH_TYPE = "application/opensearchdescription+xml"
ATOM_TYPE = "application/atom+xml"
JSON_TYPE = "application/opds+json"
PUBLICATION_TYPE = "application/opds-publication+json"
FEED_TYPES = frozenset({ATOM_TYPE, JSON_TYPE, PUBLICATION_TYPE})
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

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
    "application/x-fictionbook": "fb2",
    "text/fb2+xml": "fb2",
    "application/fb2+zip": "fbz",
    "text/plain": "txt",
}
"""Media types of books as catalogues write them, and the extension of each."""

MEDIA_TYPES: Mapping[str, str] = {extension: kind for kind, extension in reversed(tuple(FORMATS.items()))}
"""The first media type of each."""

PROTECTED: Mapping[str, str] = {
    "application/vnd.adobe.adept+xml": "Adobe's copy protection (ACSM)",
    "application/vnd.readium.lcp.license.v1.0+json": "Readium LCP",
    "application/vnd.readium.lcp.license-1.0+json": "Readium LCP",
    "application/pdf+lcp": "Readium LCP",
    "application/vnd.librarysimplified.axisnow+json": "AxisNow's copy protection",
}
"""Media types of licences to protected files, and what protects them."""

_VAGUE_TYPES = frozenset({"", "application/octet-stream", "application/x-download", "application/zip"})
_EXTENSIONS = frozenset(FORMATS.values()) | {"azw"}


@dataclass(frozen=True, slots=True)
class Link:
    """A link with its address made absolute; `type` is the bare media type, `profile` its parameters.

    `indirect` holds the chains of media types that acquiring through it leads to; `group` and `title` name a
    facet, and `active` says that it is the one that shows.
    """

    href: str
    rel: str = ""
    type: str = ""
    profile: str = ""
    length: int | None = None
    title: str = ""
    group: str = ""
    active: bool = False
    indirect: tuple[tuple[str, ...], ...] = ()

    @property
    def format(self) -> str:
        """The book format that the link gives, by its type or else its address; empty for anything else."""
        if self.type in _VAGUE_TYPES:
            return "" if self.indirect else format_of_path(urlsplit(self.href).path)
        named = FORMATS.get(self.type, "")
        if named == "mobi" and urlsplit(self.href).path.lower().endswith(".azw3"):
            return "azw3"  # both of Amazon's formats go by the older one's type
        return named

    @property
    def page_format(self) -> str:
        """The book format that is found on the page or document that the link leads to, if it gives one."""
        if self.type in HTML_TYPES or self.type in FEED_TYPES:
            return next(
                (FORMATS[chain[0]] for chain in self.indirect if len(chain) == 1 and chain[0] in FORMATS), ""
            )
        return ""

    @property
    def protection(self) -> str:
        """What protects the file that the link leads to, when every way there ends in a protected one."""
        if self.type in PROTECTED:
            return PROTECTED[self.type]
        found = [next((kind for kind in chain if kind in PROTECTED), "") for chain in self.indirect]
        return PROTECTED[found[0]] if found and all(found) else ""

    @property
    def is_feed(self) -> bool:
        """Whether the link leads to another feed or to an entry's own document."""
        return self.type in FEED_TYPES

    @property
    def is_document(self) -> bool:
        """Whether the link leads to an entry's own document."""
        return self.type == PUBLICATION_TYPE or (self.is_feed and "type=entry" in self.profile)


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
    position: float | None = None
    links: tuple[Link, ...] = ()

    @property
    def acquisitions(self) -> tuple[Link, ...]:
        """The links that give the book itself in a format that is known."""
        return tuple(link for link in self.links if link.rel in _GIVEN and link.format)

    @property
    def pages(self) -> tuple[Link, ...]:
        """The links to pages on which the book itself is offered."""
        return tuple(link for link in self.links if link.rel in OPEN_ACCESS and link.page_format)

    @property
    def is_partial(self) -> bool:
        """Whether the book's files are offered by a document or page of its own, and not here."""
        return not self.acquisitions and (bool(self.pages) or any(link.is_document for link in self.links))

    @property
    def refused(self) -> tuple[Link, ...]:
        """The links to protected files of the book, when it has no others."""
        if self.acquisitions or self.pages:
            return ()
        offered = (link for link in self.links if link.rel.startswith(ACQUISITION))
        return tuple(link for link in offered if link.protection)


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a catalogue; an entry's own document is a feed of one entry without links of its own."""

    title: str = ""
    links: tuple[Link, ...] = ()
    entries: tuple[Entry, ...] = ()
    facets: tuple[Link, ...] = ()

    @property
    def next(self) -> str:
        """The address of the page after this one, or nothing."""
        return self.first("next")

    @property
    def start(self) -> str:
        """The address of the catalogue's root, or nothing."""
        return self.first("start")

    def first(self, rel: str) -> str:
        """Give the address of the first link with a relation, or nothing."""
        return next((link.href for link in self.links if link.rel == rel), "")


def absolute(base: str, href: str) -> str:
    """Resolve an address or a template; empty when it cannot be one over HTTP."""
    href = href.strip()
    if not href or len(href) > MAX_HREF:
        return ""
    try:
        href.encode()
        if href.startswith("{"):  # the expansion of a template without a path stays on the base's
            href = urlsplit(base).path + href
        address = urljoin(base, href)
        origin(address)
    except (ValueError, PermanentError):
        return ""
    return "" if _CONTROL.search(address) else address


def bare_type(kind: str) -> str:
    """Give a media type without its parameters."""
    return kind.partition(";")[0].strip().lower()[:MAX_TEXT]


def parameters(kind: str) -> str:
    """Give a media type's parameters alone, without blanks."""
    return kind.partition(";")[2].lower().replace(" ", "")[:MAX_TEXT]


def format_of_path(path: str) -> str:
    """Guess a format from an address's path: `/a/b.epub`, `/get/EPUB/12`, `/download/12/epub/`."""
    parts = [part.lower() for part in unquote(path).split("/") if part]
    if parts and (extension := parts[-1].rpartition(".")[2]) in _EXTENSIONS:
        return extension
    return next((part for part in reversed(parts) if part in _EXTENSIONS), "")
