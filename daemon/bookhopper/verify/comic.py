"""Comics: CBZ with checksums; CBR and CB7 by what the standard library can see of them.

RAR and 7z need programs of their own, so their pictures are not looked at: of a CBR the signature and the end
marker are checked, of a CB7 the header's own checksum and the length it claims.
Facts: RAR 4 and 5 technical notes (rarlab.com), 7zFormat.txt of the LZMA SDK.
"""

from __future__ import annotations

import posixpath
import struct
import zlib
from typing import BinaryIO

from bookhopper.verify.archive import Archive
from bookhopper.verify.base import RefusedError, slice_of

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".avif", ".jxl", ".tif", ".tiff")

RAR = b"Rar!\x1a\x07"
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"

_RAR4_END = b"\xc4\x3d\x7b\x00\x40\x07\x00"
_RAR5_END = b"\x1d\x77\x56\x51\x03\x05\x04\x00"
_PAGES_OF_TEXT = (".html", ".htm", ".xhtml", ".opf", ".php", ".exe")


def is_picture(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a picture that comic readers show."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a"))
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

    Raises:
        RefusedError: damaged, or without pictures.
    """
    heads = archive.test(archive.members.values())
    if not any(is_picture(head) for name, head in heads.items() if not _is_clutter(name)):
        raise RefusedError("structure", "a comic without a single picture")
    return "cbz"


def check_rar(file: BinaryIO, size: int) -> str:
    """Check what a RAR archive shows without being unpacked: a header, and the marker that ends it."""
    head = slice_of(file, 0, 32)
    if head[6:8] == b"\x01\0":
        is_encrypted, end = head[12:13] == b"\x04", _RAR5_END
    else:
        # RAR 4: the archive header's flags stand behind its checksum and type.
        is_encrypted, end = len(head) > 11 and bool(head[10] & 0x80), _RAR4_END
    if is_encrypted:
        raise RefusedError("protection", "a RAR archive locked with a password")
    # Before version 3 nothing marked the end, and later the marker may carry more; zeros mark a lost one.
    tail = slice_of(file, max(0, size - 4096), 4096)
    if size < 64 or not tail.strip(b"\0") or (end not in tail and tail.endswith(b"\0" * 64)):
        raise RefusedError("container", "a RAR archive that is cut short")
    return "cbr"


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
