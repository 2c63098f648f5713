"""From the bytes of a request file to its entries, whatever its format."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath

from bookhopper.intake.base import EmptyRequestError, Entry, Limits, Parser, UnreadableRequestError
from bookhopper.intake.csv_list import parse_csv
from bookhopper.intake.references import parse_bib, parse_ris
from bookhopper.intake.text import parse_text
from bookhopper.intake.yaml_list import parse_yaml
from bookhopper.model import LeftOut

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Read = Callable[[bytes, Limits], Iterator[Entry | LeftOut]]


def _text(parser: Parser, *, utf16: bool = False) -> Read:
    """Make a reader of bytes of a parser of text; `utf16` takes that as well, which Excel writes."""
    return lambda data, limits: parser(_decode(data, limits, utf16=utf16), limits)


def _feed(data: bytes, limits: Limits) -> Iterator[Entry | LeftOut]:
    # lxml takes 20 ms and 5 MiB, which a start without a feed should not pay for.
    from bookhopper.intake.feed_list import parse_feed_list  # noqa: PLC0415

    if len(data) > limits.size:
        raise UnreadableRequestError(1, 1, too_large(len(data), limits))
    return parse_feed_list(data, limits)


_READERS: Mapping[str, Read] = {
    ".txt": _text(parse_text),
    ".list": _text(parse_text),
    ".yaml": _text(parse_yaml),
    ".yml": _text(parse_yaml),
    ".csv": _text(parse_csv, utf16=True),
    ".tsv": _text(parse_csv, utf16=True),
    ".bib": _text(parse_bib),
    ".ris": _text(parse_ris),
    **dict.fromkeys((".atom", ".opml", ".rss", ".xml"), _feed),
}
"""What is taken, by suffix; another format is one more file and one more line here."""


def feeds_named(data: bytes, limits: Limits) -> tuple[str, ...]:
    """Give the addresses of the feeds that an outline names; raises UnreadableRequestError."""
    from bookhopper.intake import feed_list  # noqa: PLC0415 - as `_feed`

    return feed_list.feeds_named(data, limits)


def suffixes() -> str:
    """Name the suffixes that are taken, for a message."""
    return " ".join(sorted(_READERS))


def is_request(name: str) -> bool:
    """Tell by its suffix whether a file is a request."""
    return PurePath(name).suffix.lower() in _READERS


def parse(
    name: str, data: bytes, limits: Limits | None = None, left_out: Callable[[LeftOut], None] = lambda _: None
) -> Iterator[Entry]:
    """Read a request file, entry by entry; every want and every bad line of it comes out.

    `left_out` hears at the end why entries were passed over that are no fault, such as what is on another
    shelf.  Raises UnreadableRequestError, at once or on the way, when the file as a whole cannot be read.
    """
    limits = limits or Limits()
    read = _READERS.get(PurePath(name).suffix.lower())
    if read is None:
        raise UnreadableRequestError(1, 1, f"no list by its name; the names of lists end in {suffixes()}")
    return _all_or_nothing(read(data, limits), left_out)


def _all_or_nothing(
    entries: Iterator[Entry | LeftOut], left_out: Callable[[LeftOut], None]
) -> Iterator[Entry]:
    reason = "there is no want in it; write one book a line"
    empty = True
    for entry in entries:
        if isinstance(entry, LeftOut):
            reason = f"{entry.raw} left out: {entry.reason}"
            left_out(entry)
        else:
            empty = False
            yield entry
    if empty:
        raise EmptyRequestError(1, 1, reason)


def _decode(data: bytes, limits: Limits, *, utf16: bool) -> str:
    if len(data) > limits.size:
        raise UnreadableRequestError(1, 1, too_large(len(data), limits))
    if data.startswith(_UTF16):
        if not utf16:
            raise UnreadableRequestError(1, 1, "this is UTF-16 text; save it as UTF-8 (byte offset 0)")
        text = data.decode("utf-16", "replace")
        if (nul := text.find("\0")) >= 0:
            reason = "not a text file; save the list as plain text"
            raise UnreadableRequestError(text.count("\n", 0, nul) + 1, 1, reason)
    else:
        text = _decode_utf8(data)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode_utf8(data: bytes) -> str:
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
    return text


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
