"""PDF: whole from header to end marker, its objects where the table says, at least one page, no password.

pypdf reads the structure, and repairs what browsers repair (shifted offsets, a lost table); since a repaired
file may be half a file, the ends are looked at separately.  Facts: ISO 32000-1, 7.5 (file structure), 7.6
(encryption) and annex F (linearised files).

A file that may be opened without a password but not printed or copied is a book like any other.  For AES-256
(PDF 2.0) pypdf needs the package `cryptography` to try the empty password; without it such a file is taken,
since a catalogue for everyone seldom holds what nobody can open.
"""

from __future__ import annotations

import logging
import re
from itertools import islice
from typing import BinaryIO

from pypdf import PdfReader
from pypdf.errors import DependencyError
from pypdf.generic import DictionaryObject

from bookhopper.verify.base import PDF_HEADER_WITHIN, RefusedError, hostile_offsets, slice_of

_END_WITHIN = 16 << 10
_LINEARIZED = re.compile(rb"/Linearized\b[^>]*?/L\s+(\d+)")
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF")
_OBJECTS_LOOKED_AT = 100_000
_NODES_LOOKED_AT = 1_000

# What pypdf tolerates it also logs, a line a fault, for files that nobody here can mend.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def check(file: BinaryIO, size: int) -> str:
    """Check a PDF and give its format.

    Raises RefusedError: cut short, damaged, without pages, or locked by a password or a DRM system.
    """
    _check_ends(file, size)
    with hostile_offsets("a PDF whose offsets lead nowhere"):
        try:
            _check_content(file)
        except (RefusedError, OSError):
            raise
        except Exception as error:
            # No narrower: pypdf lets out whatever broken bytes cause, from KeyError on.
            raise RefusedError("structure", "a PDF that cannot be read: its structure is damaged") from error
    return "pdf"


def _check_ends(file: BinaryIO, size: int) -> None:
    head = slice_of(file, 0, PDF_HEADER_WITHIN)
    shift = head.find(b"%PDF-")
    tail = slice_of(file, max(0, size - _END_WITHIN), _END_WITHIN)
    starts = _START.findall(tail)
    if not starts:
        raise RefusedError("container", "a PDF that is cut short: its end marker is missing")
    # A linearised file has an end marker near its beginning, too, but also says how long it is.
    linearized = _LINEARIZED.search(head)
    if linearized and shift + _number(linearized[1]) > size:
        raise RefusedError("container", "a PDF that is cut short: it says that it is longer")
    if _number(starts[-1]) >= size:
        raise RefusedError("container", "a PDF with bytes missing: its table lies behind its end")


def _check_content(file: BinaryIO) -> None:
    file.seek(0)
    try:
        reader = PdfReader(file, strict=False)
    except NotImplementedError as error:
        raise RefusedError("protection", "a PDF protected by a DRM system") from error
    except DependencyError:
        return
    _check_holes(file, reader)
    if reader.is_encrypted and not reader.decrypt(""):
        raise RefusedError("protection", "a PDF that opens only with a password")
    try:
        has_page = _has_page(reader)
    except DependencyError:
        return
    if not has_page:
        raise RefusedError("structure", "a PDF without pages")


def _check_holes(file: BinaryIO, reader: PdfReader) -> None:
    """See whether objects lie where the table says, or in zeros that a broken download left."""
    offsets = (
        at for objects in reader.xref.values() for at in objects.values() if isinstance(at, int) and at > 0
    )
    for offset in islice(offsets, _OBJECTS_LOOKED_AT):
        place = slice_of(file, offset, 16)
        if len(place) == 16 and not place.strip(b"\0"):
            raise RefusedError("container", "a PDF with a hole of zero bytes")


def _has_page(reader: PdfReader) -> bool:
    """Walk down the page tree to the first leaf; to flatten a big one would take a second."""
    nodes = [reader.root_object["/Pages"]]
    for _ in range(_NODES_LOOKED_AT):
        if not nodes:
            return False
        node = nodes.pop().get_object()
        if not isinstance(node, DictionaryObject):
            continue
        kids = node.get("/Kids")
        if kids is None and node.get("/Type", "/Page") == "/Page":
            return True
        if kids is not None:
            nodes.extend(reversed(kids.get_object()[:_NODES_LOOKED_AT]))
    return False


def _number(digits: bytes) -> int:
    return int(digits[:20])
