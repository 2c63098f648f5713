"""Word processors' documents (DOCX, ODT) and DjVu, as far as a reader needs them whole."""

from __future__ import annotations

import struct
from typing import BinaryIO

from bookhopper.verify.archive import Archive, parse_member
from bookhopper.verify.base import RefusedError, slice_of

DJVU = b"AT&TFORM"
ODT_TYPE = b"application/vnd.oasis.opendocument.text"

_DOCX_BODY = "word/document.xml"
_SMALL_XML = 1 << 20


def is_docx(archive: Archive) -> bool:
    """Tell whether an archive is laid out as a Word document."""
    return archive.find("[Content_Types].xml") is not None and archive.find(_DOCX_BODY) is not None


def is_odt(archive: Archive) -> bool:
    """Tell whether an archive says that it is an OpenDocument text."""
    mimetype = archive.find("mimetype")
    return mimetype is not None and archive.read(mimetype, _SMALL_XML).strip() == ODT_TYPE


def check_docx(archive: Archive) -> str:
    """Check a Word document's checksums; one with a password is no ZIP at all.

    Raises RefusedError: damaged.
    """
    archive.test(archive.members.values())
    return "docx"


def check_odt(archive: Archive) -> str:
    """Check an OpenDocument text: not locked, with content, every checksum.

    Raises RefusedError: locked by a password, damaged, or without content.
    """
    manifest = archive.find("META-INF/manifest.xml")
    if manifest is not None:
        root = parse_member(archive.read(manifest, _SMALL_XML), "META-INF/manifest.xml", _SMALL_XML)
        if next(root.iter("{*}encryption-data"), None) is not None:
            raise RefusedError("protection", "an ODT document locked with a password")
    content = archive.find("content.xml")
    if content is None or not content.file_size:
        raise RefusedError("structure", "an ODT document without content.xml")
    archive.test(archive.members.values())
    return "odt"


def check_djvu(file: BinaryIO, size: int) -> str:
    """Check that a DjVu file is as long as it says, and of a kind that holds pages.

    Raises RefusedError: cut short, or a part of a document only.
    """
    head = slice_of(file, 0, 16)
    if len(head) < 16:
        raise RefusedError("container", "a DjVu document that is cut short")
    length, kind = struct.unpack(">8xL4s", head)
    if kind not in {b"DJVU", b"DJVM"}:
        raise RefusedError("structure", "a part of a DjVu document, without pages of its own")
    if 12 + length > size:
        raise RefusedError("container", "a DjVu document that is cut short")
    return "djvu"
