"""A book's own metadata: the package document (OPF) of an EPUB, or the one that calibre keeps beside a book.

Only for finding a book: whatever cannot be read is left to the file's name, and to the checks after download.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from lxml import etree
from stdnum import isbn as isbn_number

_NAMESPACES = {"dc": "http://purl.org/dc/elements/1.1/", "opf": "http://www.idpf.org/2007/opf"}
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_MAX_CONTAINER = 64 << 10
_MAX_OPF = 2 << 20
_MAX_VALUES = 20
_MAX_TEXT = 1_000
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, RuntimeError)
_YEAR = re.compile(r"\s*(\d{4})(?!\d)")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a package document says of its book; empty where it says nothing."""

    title: str = ""
    authors: tuple[str, ...] = ()
    language: str = ""
    year: int | None = None
    isbns: tuple[str, ...] = ()
    series: str = ""


def read_epub(path: Path) -> Metadata:
    """Read the metadata of an EPUB; empty when it is damaged or none.  Raises OSError when it cannot be read."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            container = _member(archive, "META-INF/container.xml", _MAX_CONTAINER)
            rootfile = _parse(container).find(f".//{_ROOTFILE}")
            name = "" if rootfile is None else rootfile.get("full-path", "")
            return parse_opf(_member(archive, name, _MAX_OPF))
    except _DAMAGE:
        return Metadata()


def read_opf(path: Path) -> Metadata:
    """Read a package document that lies beside its book; empty when it is none.  Raises OSError."""
    try:
        with path.open("rb") as file:
            return parse_opf(_bounded(file, _MAX_OPF))
    except ValueError:
        return Metadata()


def parse_opf(document: bytes) -> Metadata:
    """Read a package document; raises ValueError when it is no XML."""
    package = _parse(document)
    creators = package.iterfind(".//dc:creator", _NAMESPACES)
    role = f"{{{_NAMESPACES['opf']}}}role"
    authors = (_text(creator) for creator in creators if creator.get(role, "aut") == "aut")
    years = (_YEAR.match(date) for date in _texts(package, "dc:date"))
    found = (_isbn(identifier) for identifier in _texts(package, "dc:identifier"))
    series = package.find(".//opf:meta[@name='calibre:series']", _NAMESPACES)
    return Metadata(
        title=next(_texts(package, "dc:title"), ""),
        authors=tuple(islice(filter(None, authors), _MAX_VALUES)),
        language=next(_texts(package, "dc:language"), ""),
        year=next((int(match[1]) for match in years if match), None) or None,
        isbns=tuple(dict.fromkeys(filter(None, found))),
        series="" if series is None else _one_line(series.get("content", "")),
    )


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as member:
        return _bounded(member, limit)


def _bounded(file: BinaryIO | zipfile.ZipExtFile, limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"more than {limit} bytes")
    return content


def _parse(document: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True
    )
    root: etree._Element | None
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    if root is None:
        raise ValueError("no XML")
    return root


def _texts(package: etree._Element, name: str) -> Iterator[str]:
    found = (_text(element) for element in package.iterfind(f".//{name}", _NAMESPACES))
    return islice(filter(None, found), _MAX_VALUES)


def _text(element: etree._Element) -> str:
    return _one_line(element.text or "")


def _one_line(text: str) -> str:
    line = " ".join(text[: 4 * _MAX_TEXT].split())
    return "".join(character for character in line if character.isprintable())[:_MAX_TEXT]


def _isbn(text: str) -> str:
    plain = text.lower().removeprefix("urn:").removeprefix("isbn:").strip()
    if len(plain) > 20 or not isbn_number.is_valid(plain):
        return ""
    return str(isbn_number.to_isbn13(plain)).replace("-", "")
