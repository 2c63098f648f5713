"""XML from strangers, and the fields of a book as feeds and package documents write them."""

from __future__ import annotations

import re

from lxml import etree
from stdnum import isbn

MAX_TEXT = 1_000
_MAX_MARKUP = 600_000
_YEAR = re.compile(r"\s*(\d{4})(?!\d)")


def parse_xml(document: bytes, url: str = "") -> etree._Element:
    """Parse a document that came from `url`, forgiving what catalogues get wrong; raises ValueError.

    Nothing is loaded and no entity expanded, and the tree's memory is bounded.
    """
    # libxml2 makes a node of a hundred bytes from four, so a document's size alone is no bound
    if document.count(b"<") + document.count(b"=") > _MAX_MARKUP:
        raise ValueError("too many elements to be read")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=True,  # control characters and HTML's entities do occur
    )
    try:
        root: etree._Element | None = etree.fromstring(document, parser, base_url=url)
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        raise ValueError("no XML")
    return root


def one_line(text: str) -> str:
    """Make one line of a text: blanks folded, control characters gone, cut to a bound."""
    line = " ".join(text[: 4 * MAX_TEXT].split())
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable())
    return line[:MAX_TEXT].strip()


def isbn_in(identifier: str) -> str:
    """Give the ISBN-13 in an identifier such as `urn:isbn:…`; empty when it is of another kind or wrong."""
    plain = identifier.lower().removeprefix("urn:").removeprefix("isbn:").strip()
    if len(plain) > 20 or not isbn.is_valid(plain):
        return ""
    return isbn.compact(isbn.to_isbn13(plain))


def year_in(date: str) -> int | None:
    """Give the year that a date begins with, if it begins with one."""
    match = _YEAR.match(date)
    return int(match[1]) or None if match else None
