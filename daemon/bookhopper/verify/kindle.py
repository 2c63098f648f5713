"""Kindle: MOBI, AZW and AZW3 in their PalmDB container, and KFX.

Facts: the MobileRead wiki on PDB, MOBI and KF8 headers.  A PalmDB holds no checksums, so what can be seen is
whether the record table is sound, whether every text record is there and is not a hole of zeros, and whether
the end marker is whole.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from bookhopper.verify.base import RefusedError, slice_of

PALM_TYPES = {b"BOOKMOBI", b"TEXtREAd"}
KFX = (b"CONT\x01\0", b"CONT\x02\0")
"""With the version, or every text that begins with CONTENTS were one."""

KFX_LOCKED = b"\xeaDRMION\xee"
TOPAZ = b"TPZ"

_HEADER = 78
_ENTRY = 8
_COMPRESSIONS = {1, 2, 17480}
_END = b"\xe9\x8e\r\n"
_KF8_BOUNDARY = 121
_NONE = 0xFFFFFFFF
_RECORD_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class _Book:
    """What the first record says: how much text follows, and where a joint file's second book is."""

    encryption: int
    text: int
    version: int
    boundary: int


def check(file: BinaryIO, size: int) -> str:
    """Check a PalmDB book; gives `azw3` where a KF8 book is in it, else `mobi`.

    Raises RefusedError: protected, cut short, or damaged.
    """
    offsets = _record_offsets(file, size)
    book = _book(_record(file, offsets, 0))
    _check_encryption(book)
    _check_text(file, offsets, 1, book)
    tail = _record(file, offsets, len(offsets) - 2)
    if len(tail) < len(_END) and _END.startswith(tail):
        raise RefusedError("container", "a Kindle book that is cut short in its last bytes")
    if book.boundary in {0, _NONE}:
        return "azw3" if book.version == 8 else "mobi"
    # A joint file: the old book, a boundary record, and the KF8 book behind it.
    if book.boundary >= len(offsets) - 1:
        raise RefusedError("structure", "a Kindle book whose second part is not there")
    second = _book(_record(file, offsets, book.boundary))
    _check_encryption(second)
    _check_text(file, offsets, book.boundary + 1, second)
    return "azw3"


def check_kfx(file: BinaryIO, size: int) -> str:
    """Check a KFX container's header; what is inside is Amazon's own and not looked at.

    Raises RefusedError: cut short.
    """
    head = slice_of(file, 0, 18)
    if len(head) < 18:
        raise RefusedError("container", "a KFX book that is cut short")
    length, offset, info = struct.unpack_from("<6xLLL", head)
    if not 18 <= length <= size or offset + info > size:
        raise RefusedError("container", "a KFX book that is cut short or damaged")
    return "kfx"


def _record_offsets(file: BinaryIO, size: int) -> list[int]:
    """Give where each record begins, and where the last one ends."""
    header = slice_of(file, 0, _HEADER)
    if len(header) < _HEADER:
        raise RefusedError("container", "a Kindle book that is cut short in its header")
    (count,) = struct.unpack_from(">H", header, 76)
    table = file.read(count * _ENTRY)
    if count < 2 or len(table) < count * _ENTRY:
        raise RefusedError("container", "a Kindle book without its table of records")
    offsets = [offset for offset, _ in struct.iter_unpack(">LL", table)]
    if offsets[0] < _HEADER + len(table) or any(a > b for a, b in pairwise(offsets)):
        raise RefusedError("structure", "a Kindle book whose table of records is damaged")
    if offsets[-1] >= size:
        raise RefusedError("container", "a Kindle book that is cut short: its last records are missing")
    return [*offsets, size]


def _record(file: BinaryIO, offsets: list[int], index: int) -> bytes:
    length = offsets[index + 1] - offsets[index]
    return slice_of(file, offsets[index], min(length, _RECORD_MAX))


def _book(record: bytes) -> _Book:
    if len(record) < 16:
        raise RefusedError("structure", "a Kindle book whose first record is too short")
    compression, text, encryption = struct.unpack_from(">H6xH2xH", record)
    if compression not in _COMPRESSIONS:
        raise RefusedError("structure", f"a Kindle book in an unknown compression ({compression})")
    if record[16:20] != b"MOBI" or len(record) < 132:
        return _Book(encryption, text, 0, _NONE)
    length, version = struct.unpack_from(">L12xL", record, 20)
    (flags,) = struct.unpack_from(">L", record, 128)
    boundary = _exth(record, 16 + length, _KF8_BOUNDARY) if flags & 0x40 else _NONE
    return _Book(encryption, text, version, boundary)


def _exth(record: bytes, at: int, wanted: int) -> int:
    """Give a number out of the EXTH metadata, or the value that means none."""
    if record[at : at + 4] != b"EXTH" or len(record) < at + 12:
        return _NONE
    (count,) = struct.unpack_from(">L", record, at + 8)
    at += 12
    for _ in range(count):
        if at + 12 > len(record):
            break
        kind, length = struct.unpack_from(">LL", record, at)
        if kind == wanted and length == 12:
            return int(struct.unpack_from(">L", record, at + 8)[0])
        at += max(length, 8)
    return _NONE


def _check_encryption(book: _Book) -> None:
    if book.encryption:
        raise RefusedError("protection", "a Kindle book protected by Amazon's or Mobipocket's DRM")


def _check_text(file: BinaryIO, offsets: list[int], first: int, book: _Book) -> None:
    if not book.text or first + book.text >= len(offsets):
        raise RefusedError(
            "structure", f"a Kindle book that claims {book.text} records of text and has fewer"
        )
    for index in range(first, first + book.text):
        if not _record(file, offsets, index).strip(b"\0"):
            raise RefusedError("structure", "a Kindle book with a hole in its text")
