"""Web pages on the way to a catalogue or a book: what their links say, and nothing of their text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from bookhopper.hostile_xml import MAX_BYTES, MAX_MARKUP
from bookhopper.search.sources.opds_model import (
    ATOM_TYPE,
    JSON_TYPE,
    Link,
    absolute,
    bare_type,
    parameters,
)

MAX_PAGE_LINKS = 2_000


def catalogue_links(content: bytes, url: str) -> tuple[Link, ...]:
    """Give the links of a page's head that lead to a catalogue (`alternate`) or its search, best first."""
    found = [
        link
        for link in _links(content, url, "link")
        if link.rel == "search" or (link.rel == "alternate" and link.is_feed)
    ]
    return tuple(sorted(found, key=_preference))


def book_address(content: bytes, url: str, wanted: str) -> str:
    """Give the address of the first link on a page that gives a book in a format; empty when none does."""
    return next((link.href for link in _links(content, url, "a") if link.format == wanted), "")


def _preference(link: Link) -> int:
    """Rank feeds: a catalogue of OPDS 1.2, one of 2.0, then any Atom, such as a blog's news."""
    if link.type == ATOM_TYPE:
        return 0 if "opds-catalog" in link.profile else 2
    return 1 if link.type == JSON_TYPE else 3


def _links(content: bytes, url: str, tag: str) -> Iterator[Link]:
    root = _root(content)
    if root is None:
        return
    bases = (element.get("href", "") for element in islice(root.iter("base"), 1))
    base = absolute(url, next(bases, "")) or url
    for element in islice(root.iter(tag), MAX_PAGE_LINKS):
        if not (href := absolute(base, element.get("href", ""))):
            continue
        kind = element.get("type", "")
        rels = element.get("rel", "").lower().split() or [""]
        for rel in rels[:5]:
            yield Link(href, rel, bare_type(kind), parameters(kind))


def _root(content: bytes) -> etree._Element | None:
    if len(content) > MAX_BYTES or sum(map(content.count, (b"<", b"=", b"&"))) > MAX_MARKUP:
        return None
    parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root: etree._Element | None = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return root
