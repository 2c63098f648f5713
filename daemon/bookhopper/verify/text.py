"""Text: TXT, HTML and RTF, and what else begins with letters but is no book.

Plain text has no mark of its own, and an error message is text, too; so it counts as a book only where text
was promised, or nothing was.
"""

from __future__ import annotations

import codecs
import html
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from bookhopper.verify.base import RefusedError, pieces, quoted, slice_of

UNKNOWN = "no known book format: neither a book's signature nor readable text"

HEAD = 64 << 10
"""Bytes that are enough to tell what a text is."""

_BOMS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b")) + b"\x7f"
_CONTROLS_MAX = 0.01
_SHORTEST = 64
"""Characters that even the shortest text has; `404 Not Found` has fewer."""

# No part may match what another one matches, or a page of spaces would cost quadratic time.
_PROLOGUE = re.compile(r"(?:\s+|<\?[^>]*>|<!--(?:[^-]|-(?!->))*-->|<!(?!--)[^>\[]*(?:\[[^\]]*\]\s*)?>)*+")
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z][\w.-]*)")
_TITLE = re.compile(r"<title[^>]*>([^<]{0,500})", re.IGNORECASE)
_HTML = {"html", "head", "body", "title", "meta", "script", "style", "div", "p", "br", "center", "h1", "font"}


def encoding_of(head: bytes) -> str:
    """Guess a text's encoding by its mark or its zero bytes; `utf-8` stands for any 8-bit set, too."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 > len(head) and min(even, odd) * 20 < len(head):
        return "utf-16-be" if even > odd else "utf-16-le"
    return "utf-8"


def root_of(text: str) -> str:
    """Give the name of the first element, without prefix, of what may be XML or HTML; empty: neither."""
    prologue = _PROLOGUE.match(text)
    found = _ROOT.match(text, prologue.end() if prologue else 0)
    if found:
        return found[1]
    return "html" if text.lstrip()[:14].casefold() == "<!doctype html" else ""


def refuse_stranger(root: str, text: str) -> None:
    """Refuse the markup that servers send in place of a book, and say what it is.

    Raises RefusedError: the text is a page, a message or a token.
    """
    if root == "fulfillmentToken":
        raise RefusedError("protection", "an Adobe fulfilment token (ACSM), not the book: it is under DRM")
    if root.casefold() in _HTML:
        title = _TITLE.search(text)
        named = f": {quoted(html.unescape(title[1]))}" if title and title[1].strip() else ""
        raise RefusedError("type", f"an HTML page, not a book{named}")
    if root:
        raise RefusedError("type", f"an XML document (<{root[:40]}>), not a book")
    if text.lstrip()[:1] in {"{", "["} and _is_json(text.strip()):
        if "readium.org/lcp" in text:
            raise RefusedError("protection", "a Readium licence (LCP), not the book: it is under DRM")
        raise RefusedError("type", f"a JSON answer, not a book: {quoted(text)}")


def is_printable(text: str) -> bool:
    """Tell text from other bytes that were read as such."""
    content = text.encode("utf-8", "replace")
    return _controls(content) <= _CONTROLS_MAX * len(content)


def check(file: BinaryIO, _size: int) -> str:
    """Check a plain text: of whatever encoding, but printable throughout, and longer than a message.

    Raises RefusedError: binary, with a hole, or too short.
    """
    encoding = encoding_of(slice_of(file, 0, HEAD))
    file.seek(0)
    total = controls = visible = 0
    for piece in _as_bytes(file, encoding):
        if b"\0\0\0\0" in piece.rstrip(b"\0"):
            raise RefusedError("container", "a text with a hole of zero bytes")
        total += len(piece)
        controls += _controls(piece)
        if visible < _SHORTEST:
            visible += len(b"".join(piece.split()))
    if controls > _CONTROLS_MAX * total:
        raise RefusedError("type", UNKNOWN)
    if visible < _SHORTEST:
        raise RefusedError("size", f"a text of {visible} characters, too short for a book")
    return "txt"


def check_html(file: BinaryIO, size: int) -> str:
    """Check an HTML book as far as a text can be checked.

    Raises RefusedError: binary, with a hole, or too short.
    """
    check(file, size)
    return "html"


def check_rtf(file: BinaryIO, size: int) -> str:
    """Check that an RTF document's outermost brace is closed.

    Raises RefusedError: cut short.
    """
    if not slice_of(file, max(0, size - 4096), 4096).rstrip(b"\0 \t\r\n\x1a").endswith(b"}"):
        raise RefusedError("container", "an RTF document that is cut short")
    return "rtf"


def _controls(content: bytes) -> int:
    return len(content) - len(content.translate(None, _CONTROLS))


def _as_bytes(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Give the text in an encoding whose control characters are single bytes."""
    if encoding == "utf-8":
        yield from pieces(file)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces(file):
            yield decoder.decode(piece).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
    except UnicodeDecodeError as error:
        raise RefusedError(
            "container", f"a text that is damaged or cut short: it is no {encoding}"
        ) from error


def _is_json(text: str) -> bool:
    """Tell JSON from a text that begins with a bracket; a long answer is cut, and so never parsed whole."""
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return re.match(r'[\[{]\s*(?:\{\s*)?"[^"]*"\s*[:,]', text) is not None
    return True
