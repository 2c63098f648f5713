"""JSON from strangers, parsed within bounds: size, number of values and depth."""

from __future__ import annotations

import codecs
import json

MAX_BYTES = 8 << 20
"""The largest document that is taken, unless the caller says less."""

MAX_VALUES = 600_000
"""Values in one document, counted by the characters that part them; that many take about 100 MiB."""

_MEANT_OTHERWISE = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"})


class JsonError(ValueError):
    """A document cannot be read, or only at a price; the message continues a sentence about the document."""


def parse_json(document: bytes, *, charset: str = "", max_bytes: int = MAX_BYTES) -> object:
    """Parse a document; what is no UTF is read in `charset`, which the answer's head named.

    Raises JsonError: it is too large, has too many values, is nested too deeply, or is no JSON.
    """
    if len(document) > max_bytes:
        raise JsonError(f"more than {max_bytes >> 20} MiB large")
    # an empty list is made of two characters and takes 56 bytes, so a document's size alone is no bound
    if sum(map(document.count, (b"[", b"{", b",", b":"))) > MAX_VALUES:
        raise JsonError("too many values to be read")
    try:
        parsed: object = json.loads(_text(document, charset))
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except ValueError:
        raise JsonError("no JSON") from None
    return parsed


def _text(document: bytes, charset: str) -> str:
    plain = document.removeprefix(codecs.BOM_UTF8)
    try:
        return plain.decode(json.detect_encoding(plain))
    except UnicodeDecodeError:
        return plain.decode(known_charset(charset), "replace")


def known_charset(name: str) -> str:
    """Give an encoding for what is no UTF-8: the one that is named, else what the old web meant by none."""
    plain = name.strip().strip("\"'").lower()
    return plain if is_charset(plain) and plain not in _MEANT_OTHERWISE else "cp1252"


def is_charset(name: str) -> bool:
    """Whether an encoding of texts is called so."""
    try:
        "".encode(name)  # not every codec that is known makes bytes of a text
    except (LookupError, ValueError, TypeError):
        return False
    return True
