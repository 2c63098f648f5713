"""FictionBook: XML with a body that has text, plain or alone in a ZIP archive.

Read as forgivingly as FB2 readers do (undeclared entities, a stray `&`), and in pieces, since pictures stand
in it as base64.  Because such reading forgives a missing end as well, the end is looked for separately.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from lxml import etree

from bookhopper.hostile_xml import parser
from bookhopper.verify.archive import Archive
from bookhopper.verify.base import PIECE, RefusedError, pieces

_TAIL = 4096
_END = re.compile(rb"</(?:[\w.-]+:)?FictionBook\s*>")


class _Outline:
    """Follows the parser and remembers only what the check asks for."""

    def __init__(self) -> None:
        self.root = ""
        self.has_text = False
        self._bodies = 0

    def start(self, tag: str, _attributes: object) -> None:
        name = tag.rpartition("}")[2]
        self.root = self.root or name
        self._bodies += name == "body"

    def end(self, tag: str) -> None:
        self._bodies -= tag.rpartition("}")[2] == "body"

    def data(self, text: str) -> None:
        self.has_text = self.has_text or (self._bodies > 0 and not text.isspace())

    def close(self) -> None:
        """Give nothing: the parser asks every target for a result."""


def check(file: BinaryIO, _size: int) -> str:
    """Check a plain FictionBook.

    Raises RefusedError: cut short, with a hole, or without text.
    """
    file.seek(0)
    _check_xml(pieces(file))
    return "fb2"


def check_zipped(archive: Archive) -> str:
    """Check a zipped FictionBook: the archive's checksums, then the book.

    Raises RefusedError: damaged, or the book inside is.
    """
    archive.test(archive.members.values())
    name = next(name for name in archive.members if name.casefold().endswith(".fb2"))
    with archive.zip.open(name) as stream:
        _check_xml(iter(lambda: stream.read(PIECE), b""))
    return "fbz"


def _check_xml(document: Iterable[bytes]) -> None:
    outline = _Outline()
    reader = parser(target=outline)
    tail = b""
    try:
        for piece in _without_wide_zeros(document):
            reader.feed(piece)
            tail = (tail + piece)[-_TAIL:]
        reader.close()
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RefusedError("structure", "a FictionBook whose XML cannot be read") from error
    if outline.root != "FictionBook":
        raise RefusedError("type", "an XML document, but no FictionBook")
    if not _END.search(tail.replace(b"\0", b"")):
        raise RefusedError("container", "a FictionBook that is cut short")
    if not outline.has_text:
        raise RefusedError("structure", "a FictionBook without text")


def _without_wide_zeros(document: Iterable[bytes]) -> Iterator[bytes]:
    """Refuse a run of zero bytes, which only a broken download leaves; UTF-16 has single ones."""
    for piece in document:
        if b"\0\0\0\0" in piece.rstrip(b"\0"):
            raise RefusedError("container", "a FictionBook with a hole of zero bytes")
        yield piece
