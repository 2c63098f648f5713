"""A book's own metadata: the package document (OPF) of an EPUB, or the one that calibre keeps beside a book.

Only for finding a book: whatever cannot be read is left to the file's name, and to the checks after download.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from lxml import etree

from bookhopper.hostile_xml import parse_xml
from bookhopper.search.sources.fields import isbn_in, number_in, one_line, year_in

_NAMESPACES = {"dc": "http://purl.org/dc/elements/1.1/", "opf": "http://www.idpf.org/2007/opf"}
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_SERIES = ".//opf:meta[@name='calibre:{}']"
_MAX_CONTAINER = 64 << 10
_MAX_OPF = 2 << 20
_MAX_VALUES = 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, ValueError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a package document says of its book (`position`: in its series); empty where it says nothing."""

    title: str = ""
    authors: tuple[str, ...] = ()
    language: str = ""
    year: int | None = None
    isbns: tuple[str, ...] = ()
    series: str = ""
    position: float | None = None


def read_epub(path: Path) -> Metadata:
    """Read the metadata of an EPUB; empty when it is damaged or none.  Raises OSError."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            container = _member(archive, "META-INF/container.xml", _MAX_CONTAINER)
            rootfile = parse_xml(container).find(f".//{_ROOTFILE}")
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
    package = parse_xml(document)
    creators = package.iterfind(".//dc:creator", _NAMESPACES)
    role = f"{{{_NAMESPACES['opf']}}}role"
    authors = (_text(creator) for creator in creators if creator.get(role, "aut") == "aut")
    years = (year_in(date) for date in _texts(package, "dc:date"))
    found = (isbn_in(identifier) for identifier in _texts(package, "dc:identifier"))
    series = package.find(_SERIES.format("series"), _NAMESPACES)
    place = package.find(_SERIES.format("series_index"), _NAMESPACES)
    return Metadata(
        title=next(_texts(package, "dc:title"), ""),
        authors=tuple(islice(filter(None, authors), _MAX_VALUES)),
        language=next(_texts(package, "dc:language"), ""),
        year=next(filter(None, years), None),
        isbns=tuple(dict.fromkeys(filter(None, found))),
        series="" if series is None else one_line(series.get("content", "")),
        position=None if place is None else number_in(place.get("content", "")),
    )


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as member:
        return _bounded(member, limit)


def _bounded(file: IO[bytes], limit: int) -> bytes:
    content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"more than {limit} bytes")
    return content


def _texts(package: etree._Element, name: str) -> Iterator[str]:
    found = (_text(element) for element in package.iterfind(f".//{name}", _NAMESPACES))
    return islice(filter(None, found), _MAX_VALUES)


def _text(element: etree._Element) -> str:
    return one_line(element.text or "")
