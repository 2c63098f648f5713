"""A title and authors for an EPUB that has none: a new file, in which all but the package is as it was.

Facts: EPUB Open Container Format 3.3 (the member `mimetype` comes first and is stored), EPUB Packages 3.3 and
Open Packaging Format 2.0.1 (the Dublin Core elements in `metadata`).  The same file and facts give the same
bytes.  Whatever is odd is left alone: the file was good as it came.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from bookhopper.errors import printable
from bookhopper.hostile_xml import local_name
from bookhopper.verify.archive import Archive, open_archive, parse_member
from bookhopper.verify.base import PIECE, RefusedError, open_book, quoted, size_of
from bookhopper.verify.epub import PACKAGE_MAX, package_member

_DC = "http://purl.org/dc/elements/1.1/"
_DC_FAMILY = "http://purl.org/dc/"
_MIMETYPE = "mimetype"
_MIMETYPE_CONTENT = b"application/epub+zip"
_SIGNATURES = "META-INF/signatures.xml"
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_UTF8_NAME = 0x800
_LONGEST = 1000
_BLANKS = " \t\r\n\u00a0\u200b\ufeff"


class UnfitError(Exception):
    """Nothing can be written into this EPUB; the message says why, and ends a sentence about it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a book, fit to be written: one line each, without what XML cannot hold."""

    title: str = ""
    authors: tuple[str, ...] = ()

    @classmethod
    def of(cls, title: str, authors: Sequence[str]) -> Known:
        """Take a title and authors from anywhere."""
        named = (_one_line(author) for author in authors)
        return cls(_one_line(title), tuple(name for name in named if name))


def fill(path: Path, target: Path, known: Known, go_on: Callable[[], object]) -> bool:
    """Write an EPUB anew with the title and the authors that it lacks; False where it lacks none.

    `go_on` is called now and then, and may raise to end it.  Raises UnfitError for what is better left
    alone, and OSError.
    """
    try:
        with open_book(path) as file:
            archive = open_archive(file, size_of(file))
            member = package_member(archive)
            document = archive.read(member, PACKAGE_MAX)
            lacking = _lacking(document, member, known)
            if lacking == Known():
                return False
            _refuse_odd(archive)
            package = _filled(document, lacking)
            _write(archive, target, member, package, go_on)
    except RefusedError as error:
        raise UnfitError(error.reason) from error
    return True


def _lacking(document: bytes, member: zipfile.ZipInfo, known: Known) -> Known:
    """Tell what of the known the package does not say, read as forgivingly as readers do."""
    package = parse_member(document, quoted(member.filename), PACKAGE_MAX)
    said = {
        _dublin_name(element)
        for metadata in package.iterchildren("{*}metadata")
        for element in metadata.iter(etree.Element)
        if _says_something(element)
    }
    return Known(
        "" if "title" in said else known.title,
        () if "creator" in said else known.authors,
    )


def _dublin_name(element: etree._Element) -> str:
    """Give the name of a Dublin Core element, or nothing; some books forget what `dc:` stands for."""
    namespace = str(element.tag).rpartition("}")[0].removeprefix("{")
    name = local_name(element).rpartition(":")[2].casefold()
    return name if not namespace or namespace.startswith(_DC_FAMILY) else ""


def _says_something(element: etree._Element) -> bool:
    """Whether an element has a text; an entity that is not looked up counts as one."""
    has_entity = next(element.iter(etree.Entity), None) is not None
    return has_entity or bool("".join(map(str, element.itertext())).strip(_BLANKS))


def _refuse_odd(archive: Archive) -> None:
    signatures = archive.find(_SIGNATURES)
    if signatures is not None:
        raise UnfitError("it is signed")
    if any(not (info.filename.isascii() or info.flag_bits & _UTF8_NAME) for info in archive.zip.infolist()):
        raise UnfitError("the names in its archive are in an old encoding")


def _filled(document: bytes, lacking: Known) -> bytes:
    """Write the package's document anew; whatever a strict parser does not take is no good basis."""
    strict = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        package = etree.fromstring(document.lstrip(b" \t\r\n"), strict)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnfitError("its package document is not well-formed") from error
    metadata = package.find("{*}metadata")
    if metadata is None:
        metadata = etree.Element(_beside(package, "metadata"), nsmap={"dc": _DC})
        package.insert(0, metadata)
    if lacking.authors:
        _say(metadata, "creator", lacking.authors)
    if lacking.title:
        _say(metadata, "title", (lacking.title,))  # what has no place yet comes first
    return etree.tostring(package.getroottree(), encoding="utf-8", xml_declaration=True)


def _say(metadata: etree._Element, name: str, values: Sequence[str]) -> None:
    """Let elements say the values: a blank one that is there the first of them, new ones the others."""
    rest = list(values)
    blank = next((element for element in metadata.iter(f"{{{_DC}}}{name}") if not len(element)), None)
    if blank is not None:
        blank.text = rest.pop(0)
    parent, place = (metadata, 0) if blank is None else _place_behind(blank)
    for value in reversed(rest):
        element = etree.Element(f"{{{_DC}}}{name}", nsmap={"dc": _DC})
        element.text = value
        parent.insert(place, element)


def _place_behind(element: etree._Element) -> tuple[etree._Element, int]:
    parent = element.getparent()
    assert parent is not None, "it lies in metadata"
    return parent, parent.index(element) + 1


def _beside(package: etree._Element, name: str) -> str:
    """Name an element of the package's own namespace."""
    namespace, brace, _ = str(package.tag).rpartition("}")
    return f"{namespace}{brace}{name}"


def _write(
    archive: Archive, target: Path, member: zipfile.ZipInfo, package: bytes, go_on: Callable[[], object]
) -> None:
    with zipfile.ZipFile(target, "x") as goal:
        goal.comment = archive.zip.comment
        goal.writestr(_entry(_mimetype(archive), zipfile.ZIP_STORED), _MIMETYPE_CONTENT)
        for info in _members(archive):
            if info.filename == member.filename:
                goal.writestr(_entry(info, zipfile.ZIP_DEFLATED), package)
                continue
            with archive.zip.open(info) as source, goal.open(_entry(info, info.compress_type), "w") as copy:
                while piece := source.read(PIECE):
                    go_on()
                    copy.write(piece)


def _mimetype(archive: Archive) -> zipfile.ZipInfo:
    return archive.members.get(_MIMETYPE) or zipfile.ZipInfo(_MIMETYPE, _FIRST_DATE)


def _members(archive: Archive) -> Iterator[zipfile.ZipInfo]:
    """Give what an archive holds, in its order, each name once, folders too."""
    seen = {_MIMETYPE}
    for info in archive.zip.infolist():
        if info.filename not in seen:
            seen.add(info.filename)
            yield info


def _entry(info: zipfile.ZipInfo, method: int) -> zipfile.ZipInfo:
    """Describe a member as it was, without what only holds for its old place."""
    entry = zipfile.ZipInfo(info.filename, info.date_time)
    entry.compress_type = method
    entry.comment = info.comment
    entry.create_system = info.create_system
    entry.external_attr = info.external_attr
    entry.file_size = info.file_size  # else what needs the large form is noticed too late
    return entry


def _one_line(text: str) -> str:
    """Make a text fit for XML and for one line: no control characters, no halves of characters."""
    whole = text.encode("utf-8", "replace").decode()
    return " ".join(printable(whole.replace("\n", " ").replace("\t", " ")).split())[:_LONGEST].strip(_BLANKS)
