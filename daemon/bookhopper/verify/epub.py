"""EPUB: container, package, spine, protection; every member's checksum.

Facts: EPUB Open Container Format 3.3 and 2.0.1 (container.xml, encryption.xml, font obfuscation), Adobe's
font mangling, Readium LCP (license.lcpl), Apple FairPlay (sinf.xml).

What readers forgive is taken: mimetype missing, misplaced, compressed or misspelt; references that differ
from a name in case, percent-encoding or a leading `./`; undeclared entities; bytes around the archive; a
spine entry that no manifest item answers, or one outside the linear order whose file is not there.  A linear
document that the manifest names and the archive lacks is a hole in the text: refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote
from zipfile import ZipInfo

from lxml import etree

from bookhopper.hostile_xml import local_name
from bookhopper.verify.archive import Archive, parse_member
from bookhopper.verify.base import RefusedError, quoted

CONTAINER = "META-INF/container.xml"

_ENCRYPTION = "META-INF/encryption.xml"
_RIGHTS = {
    "META-INF/rights.xml": "Adobe or Apple DRM (META-INF/rights.xml)",
    "META-INF/sinf.xml": "Apple FairPlay (META-INF/sinf.xml)",
    "META-INF/license.lcpl": "Readium LCP (META-INF/license.lcpl)",
    "license.lcpl": "Readium LCP (license.lcpl)",
}
_FONT_OBFUSCATION = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
_FONT_TYPES = ("font", "opentype", "truetype")
_FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".woff", ".woff2", ".pfb")
_SMALL_XML = 1 << 20
PACKAGE_MAX = 8 << 20
"""The largest package document that is read, in bytes."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A manifest entry: `member` is None where the archive has no such file."""

    href: str
    media_type: str
    member: ZipInfo | None


@dataclass(frozen=True, slots=True)
class _Locked:
    """A file that encryption.xml names, and how it is scrambled."""

    algorithm: str
    path: str


def check(archive: Archive) -> str:
    """Check an EPUB and give its format.

    Raises RefusedError: it is protected, damaged, or has no text that a reader could open.
    """
    for name, scheme in _RIGHTS.items():
        if (member := archive.find(name)) and member.file_size:
            raise RefusedError("protection", f"an EPUB protected by {scheme}")
    locked = list(_locked_files(archive))
    if any(file.algorithm not in _FONT_OBFUSCATION for file in locked):
        raise RefusedError("protection", "an EPUB whose content is encrypted (META-INF/encryption.xml)")
    found = package_member(archive)
    package = parse_member(archive.read(found, PACKAGE_MAX), quoted(found.filename), PACKAGE_MAX)
    manifest = _manifest(archive, package, posixpath.dirname(found.filename))
    _check_fonts(archive, locked, manifest)
    _check_spine(package, manifest)
    archive.test(member for member in archive.members.values() if member is not found)
    return "epub"


def _locked_files(archive: Archive) -> Iterator[_Locked]:
    member = archive.find(_ENCRYPTION)
    if member is None or not member.file_size:
        return
    root = parse_member(archive.read(member, _SMALL_XML), _ENCRYPTION, _SMALL_XML)
    for data in root.iter("{*}EncryptedData"):
        method = data.find("{*}EncryptionMethod")
        algorithm = "" if method is None else method.get("Algorithm", "")
        for reference in data.iter("{*}CipherReference"):
            yield _Locked(algorithm, unquote(reference.get("URI", "")))


def package_member(archive: Archive) -> ZipInfo:
    """Follow container.xml to the package document: the first rootfile that is one.

    Raises RefusedError: there is none.
    """
    member = archive.find(CONTAINER)
    if member is None:
        raise RefusedError("structure", f"an EPUB without {CONTAINER}")
    root = parse_member(archive.read(member, _SMALL_XML), CONTAINER, _SMALL_XML)
    paths = [rootfile.get("full-path", "") for rootfile in root.iter("{*}rootfile")]
    if not paths:
        raise RefusedError("structure", f"{CONTAINER} names no package document")
    # Several renditions are allowed, and the first is the default one; PDF and MusicXML may stand beside it.
    paths.sort(key=lambda path: not path.casefold().endswith(".opf"))
    for path in paths:
        if (package := _resolve(archive, "", path.lstrip("/"))) is not None:
            return package
    raise RefusedError("structure", f"the package document {quoted(paths[0])} is not in the EPUB")


def _manifest(archive: Archive, package: etree._Element, folder: str) -> dict[str, _Item]:
    if local_name(package) != "package":
        raise RefusedError("structure", f"the package document is a <{local_name(package)[:40]}> instead")
    items = {}
    for manifest in package.iterfind("{*}manifest"):
        for item in manifest.iterfind("{*}item"):
            href = item.get("href", "")
            media_type = item.get("media-type", "").casefold()
            items[item.get("id", "")] = _Item(href, media_type, _resolve(archive, folder, href))
    return items


def _check_spine(package: etree._Element, manifest: dict[str, _Item]) -> None:
    references = [
        reference for spine in package.iterfind("{*}spine") for reference in spine.iterfind("{*}itemref")
    ]
    if not references:
        raise RefusedError("structure", "the spine is empty: there is nothing to read")
    whole = False
    for reference in references:
        item = manifest.get(reference.get("idref", ""))
        if item is None:
            continue
        if item.member is None and reference.get("linear", "yes") != "no":
            raise RefusedError("structure", f"{quoted(item.href)} is in the spine, but not in the EPUB")
        whole = whole or (item.member is not None and item.member.file_size > 0)
    if not whole:
        raise RefusedError("structure", "the spine leads to no text: there is nothing to read")


def _check_fonts(archive: Archive, locked: list[_Locked], manifest: dict[str, _Item]) -> None:
    """Obfuscation is made for fonts and harmless there; on anything else it hides content."""
    by_media_type = {
        item.member.filename
        for item in manifest.values()
        if item.member and any(mark in item.media_type for mark in _FONT_TYPES)
    }
    for file in locked:
        member = archive.find(file.path.lstrip("/"))
        if (
            member is None
            or file.path.casefold().endswith(_FONT_SUFFIXES)
            or member.filename in by_media_type
        ):
            continue
        raise RefusedError("protection", f"an EPUB whose {quoted(file.path)} is encrypted")


def _resolve(archive: Archive, folder: str, href: str) -> ZipInfo | None:
    """Find the member that a reference means; some writers encode it, some the name in the archive."""
    plain = href.partition("#")[0]
    for reference in (unquote(plain), plain, plain.partition("?")[0], href):
        path = posixpath.normpath(posixpath.join(folder, reference.replace("\\", "/")))
        if reference and (member := archive.find(path)):
            return member
    return None
