"""PDF: whole from header to end marker, every page there, no password.

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
from typing import BinaryIO

from pypdf import PdfReader
from pypdf.errors import DependencyError
from pypdf.generic import DictionaryObject

from bookhopper.verify.base import PDF_HEADER_WITHIN, RefusedError, hostile_offsets, slice_of

_END_WITHIN = 16 << 10
_LINEARIZED = re.compile(rb"/Linearized\b[^>]*?/L\s+(\d+)")
_START = re.compile(rb"startxref\s+(\d+)\s.{0,64}?%%EOF", re.DOTALL)
_NODES_LOOKED_AT = 50_000

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
    try:
        reader = _open(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError("protection", "a PDF that opens only with a password")
        pages = _count_pages(reader)
    except DependencyError:
        return
    if not pages:
        raise RefusedError("structure", "a PDF without pages")


def _open(file: BinaryIO) -> PdfReader:
    file.seek(0)
    try:
        return PdfReader(file, strict=False)
    except NotImplementedError as error:
        # So pypdf says that the encryption is by another than the standard handler.
        raise RefusedError("protection", "a PDF protected by a DRM system") from error


def _count_pages(reader: PdfReader) -> int:
    """Walk the page tree, up to the first missing node: each would cost a search through the file."""
    pages = 0
    nodes = [reader.root_object["/Pages"]]
    seen: set[int] = set()
    while nodes and len(seen) < _NODES_LOOKED_AT:
        node = nodes.pop().get_object()
        if not isinstance(node, DictionaryObject):
            raise RefusedError("container", "a PDF with pages missing")
        if id(node) in seen:
            continue
        seen.add(id(node))
        kids = node.get("/Kids")
        if kids is None:
            pages += node.get("/Type", "/Page") == "/Page"
        else:
            nodes.extend(kids.get_object())
    return pages


def _number(digits: bytes) -> int:
    return int(digits[:20])
