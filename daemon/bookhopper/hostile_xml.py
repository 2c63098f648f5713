"""XML from strangers, parsed within bounds: nothing is loaded, no entity expanded, memory bounded."""

from __future__ import annotations

import re

from lxml import etree

MAX_BYTES = 8 << 20
"""The largest document that is taken, unless the caller says less."""

MAX_MARKUP = 600_000
"""Elements, attributes and entities in one document, counted by the characters that make them; a package
document of 10,000 files has 70,000.  That many take about 150 MiB."""

_HALVES = re.compile(
    rb"&#(?:x0*d[89a-f][0-9a-f]{2}|0*(?:5529[6-9]|55[3-9]\d\d|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]));",
    re.IGNORECASE,
)
"""References to halves of characters, U+D800 to U+DFFF: libxml2 makes bytes of them that are no UTF-8."""


class XmlError(ValueError):
    """A document cannot be read, or only at a price; the message continues a sentence about the document."""


def parser(*, target: object = None) -> etree.XMLParser:
    """Make a forgiving XML parser that loads nothing, expands no entity and builds no huge tree."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=True,  # control characters, a stray `&` and HTML's entities do occur, and readers take them
        target=target,  # type: ignore[arg-type]  # the stubs know none of lxml's own parser targets
    )


def parse_xml(document: bytes, url: str = "", *, max_bytes: int = MAX_BYTES) -> etree._Element:
    """Parse a document that came from `url` and give its root, as forgivingly as readers do.

    Raises XmlError: it is too large, has too much markup, or no root element.
    """
    if len(document) > max_bytes:
        raise XmlError(f"more than {max_bytes >> 20} MiB large")
    # libxml2 makes a node of a hundred bytes from three or four, so a document's size alone is no bound.
    if sum(map(document.count, (b"<", b"=", b"&"))) > MAX_MARKUP:
        raise XmlError("too many elements to be read")
    whole = _HALVES.sub(b"&#xFFFD;", document.lstrip(b" \t\r\n"))
    try:
        root: etree._Element | None = etree.fromstring(whole, parser(), base_url=url)
        if root is not None:
            etree.tostring(root, encoding="utf-8").decode()  # in UTF-16 halves may still be left
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise XmlError("no XML")
    return root


def local_name(element: etree._Element) -> str:
    """Give an element's name without its namespace; empty for an entity, whose tag is a function."""
    # etree.QName refuses some names that the parser lets pass, such as `a:b` without a namespace for `a`
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
