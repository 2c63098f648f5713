"""From the bytes of a request file to its entries, whatever its format."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from bookhopper.intake.base import Entry, Limits, Parser, UnreadableRequestError
from bookhopper.intake.text import parse_text
from bookhopper.intake.yaml_list import parse_yaml

PARSERS: Mapping[str, Parser] = {
    ".txt": parse_text,
    ".list": parse_text,
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
}
"""What is taken, by suffix; another format is one more file and one more line here."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def suffixes() -> str:
    """Name the suffixes that are taken, for a message."""
    return " ".join(sorted(PARSERS))


def is_request(name: str) -> bool:
    """Tell by its suffix whether a file is a request."""
    return PurePath(name).suffix.lower() in PARSERS


def parse(name: str, data: bytes, limits: Limits | None = None) -> Iterator[Entry]:
    """Read a request file, entry by entry; every want and every bad line of it comes out.

    Raises UnreadableRequestError, at once or on the way, when the file as a whole cannot be read.
    """
    limits = limits or Limits()
    parser = PARSERS.get(PurePath(name).suffix.lower())
    if parser is None:
        raise UnreadableRequestError(1, 1, f"no list by its name; the names of lists end in {suffixes()}")
    return _all_or_nothing(parser(_decode(data, limits), limits))


def _all_or_nothing(entries: Iterator[Entry]) -> Iterator[Entry]:
    first = next(entries, None)
    if first is None:
        raise UnreadableRequestError(1, 1, "there is no want in it; write one book a line")
    yield first
    yield from entries


def _decode(data: bytes, limits: Limits) -> str:
    if len(data) > limits.size:
        raise UnreadableRequestError(1, 1, too_large(len(data), limits))
    if data.startswith(_UTF16):
        raise UnreadableRequestError(1, 1, "this is UTF-16 text; save it as UTF-8 (byte offset 0)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        offset = fault.start + (len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0)
        reason = f"not UTF-8 text (byte 0x{data[offset]:02x} at byte offset {offset}); save it as UTF-8"
        raise UnreadableRequestError(*_place(data, offset), reason) from fault
    nul = data.find(0)
    if nul >= 0:
        reason = f"not a text file (a NUL at byte offset {nul}); save the list as plain text"
        raise UnreadableRequestError(*_place(data, nul), reason)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def too_large(size: int, limits: Limits) -> str:
    """Say that a file is over the limit, and what to do."""
    return f"{size:,} bytes, more than {limits.size:,}; split the list into several files"


def _place(data: bytes, offset: int) -> tuple[int, int]:
    """Give line and column, from 1, of a byte."""
    before = data[:offset]
    line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
    lines = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    column = len(before[line_start:].decode("utf-8-sig", "replace"))
    return lines + 1, column + 1
