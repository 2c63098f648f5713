"""Comics: CBZ with checksums; CBR and CB7 by what the standard library can see of them.

RAR and 7z need programs of their own, so their pictures are not looked at nor are their checksums compared: a
CBR's blocks are followed to its end, a CB7's start header is held to its checksum and to the file's length.
Facts: RAR 4 and 5 technical notes (rarlab.com), 7zFormat.txt of the LZMA SDK.
"""

from __future__ import annotations

import posixpath
import struct
import zlib
from typing import BinaryIO

from bookhopper.verify.archive import MEMBERS_MAX, Archive
from bookhopper.verify.base import RefusedError, slice_of

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".avif", ".jxl", ".tif", ".tiff")

RAR = b"Rar!\x1a\x07"
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"

_PAGES_OF_TEXT = (".html", ".htm", ".xhtml", ".opf", ".php", ".exe")


def is_picture(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a picture that comic readers show."""
    return (
        head.startswith(
            (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a")
        )
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or head[4:12] in {b"ftypavif", b"ftypavis", b"JXL \r\n\x87\n"}
    )


def looks_like_comic(archive: Archive) -> bool:
    """Tell whether an archive is mostly pictures: a web page saved with its pictures is no comic."""
    names = [name.casefold() for name in archive.members if not _is_clutter(name)]
    pictures = sum(name.endswith(PICTURE_SUFFIXES) for name in names)
    return pictures * 2 > len(names) and not any(name.endswith(_PAGES_OF_TEXT) for name in names)


def check(archive: Archive) -> str:
    """Check a CBZ: every member's checksum, and at least one page that is a picture.

    Raises RefusedError: damaged, or without pictures.
    """
    heads = archive.test(archive.members.values())
    if not any(is_picture(head) for name, head in heads.items() if not _is_clutter(name)):
        raise RefusedError("structure", "a comic without a single picture")
    return "cbz"


def check_rar(file: BinaryIO, size: int) -> str:
    """Follow a RAR archive's blocks to its end.

    Raises RefusedError: cut short, or locked by a password.
    """
    is_new = slice_of(file, 6, 2) == b"\x01\0"
    at, files = (8, 0) if is_new else (7, 0)
    for _ in range(MEMBERS_MAX):
        try:
            kind, length = (_rar5_block if is_new else _rar4_block)(slice_of(file, at, 64))
        except (struct.error, IndexError) as error:
            # Before version 3 nothing marked the end but the last file's last byte.
            if not is_new and files and at == size:
                return "cbr"
            raise RefusedError("container", "a RAR archive that is cut short or damaged") from error
        if kind == "locked":
            raise RefusedError("protection", "a RAR archive locked with a password")
        at += length
        files += kind == "file"
        if at > size:
            raise RefusedError("container", "a RAR archive that is cut short")
        if kind == "end":
            break
    if not files:
        raise RefusedError("structure", "a RAR archive without files")
    return "cbr"


def _rar4_block(head: bytes) -> tuple[str, int]:
    """Read a block header of RAR 1.5 to 4: what it is, and how many bytes it takes with its data."""
    kind, flags, length = struct.unpack_from("<2xBHH", head)
    if length < 7:
        raise struct.error
    if kind == 0x73 and flags & 0x80:
        return "locked", length
    if flags & 0x8000 or kind == 0x74:
        length += struct.unpack_from("<L", head, 7)[0]
    return {0x74: "file", 0x7B: "end"}.get(kind, ""), length


def _rar5_block(head: bytes) -> tuple[str, int]:
    """Read a block header of RAR 5: what it is, and how many bytes it takes with its data."""
    length, at = _variable_integer(head, 4)
    total = at + length
    kind, at = _variable_integer(head, at)
    flags, at = _variable_integer(head, at)
    if not length:
        raise struct.error
    if flags & 1:
        _, at = _variable_integer(head, at)
    if flags & 2:
        data, at = _variable_integer(head, at)
        total += data
    return {2: "file", 4: "locked", 5: "end"}.get(kind, ""), total


def _variable_integer(head: bytes, at: int) -> tuple[int, int]:
    """Read seven bits a byte, least first; gives the number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = head[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    return value, at


def check_seven_zip(file: BinaryIO, size: int) -> str:
    """Check a 7z archive's start header and that the file is as long as it says."""
    head = slice_of(file, 0, 32)
    if len(head) < 32:
        raise RefusedError("container", "a 7z archive that is cut short")
    checksum, offset, length = struct.unpack("<8xIQQ4x", head)
    if zlib.crc32(head[12:32]) != checksum:
        raise RefusedError("checksum", "a 7z archive with a damaged header")
    if not length or 32 + offset + length > size:
        raise RefusedError("container", "a 7z archive that is cut short")
    return "cb7"


def _is_clutter(name: str) -> bool:
    """Leave out what systems and readers put beside the pages."""
    base = posixpath.basename(name.replace("\\", "/")).casefold()
    return (
        name.startswith("__MACOSX/")
        or base.startswith(".")
        or base in {"thumbs.db", "desktop.ini"}
        or base.endswith((".xml", ".json", ".txt", ".nfo", ".sfv", ".md5", ".url"))
    )
