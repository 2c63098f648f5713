"""Unit files of systemd as texts: a key's lines replaced, words quoted (systemd.syntax(7))."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bookhopper.errors import BookhopperError

_PLAIN = re.compile(r"[^\s\"'\\]+")


def with_key(text: str, section: str, key: str, *values: str) -> str:
    """Give a unit's text with these values for a key, a line for each, and none where there are none.

    They come where the key stood first, or else at the section's end.
    """
    lines: list[str] = []
    place = None
    within = ""
    for line in text.splitlines():
        if line.startswith("["):
            within = line.strip("[]")
        if within == section and line.startswith(f"{key}="):
            place = len(lines) if place is None else place
            continue
        lines.append(line)
    if place is None:
        place = _end_of(lines, section)
    lines[place:place] = [f"{key}={value}" for value in values]
    return "\n".join(lines) + "\n"


def _end_of(lines: Sequence[str], section: str) -> int:
    begin = lines.index(f"[{section}]") + 1
    end = next((at for at in range(begin, len(lines)) if lines[at].startswith("[")), len(lines))
    while not lines[end - 1].strip():
        end -= 1
    return end


def escaped(text: str) -> str:
    """Write a text in which nothing is a specifier; raises BookhopperError for one of two lines."""
    if not text.isprintable():
        raise BookhopperError(f"{text!r} cannot stand in a unit file: give it a plain name")
    return text.replace("%", "%%")


def word(text: object) -> str:
    """Write a path or another word, quoted where that is needed; raises BookhopperError."""
    plain = escaped(str(text))
    if _PLAIN.fullmatch(plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(words: Sequence[object]) -> str:
    """Write a command, in which nothing is a variable; raises BookhopperError."""
    return " ".join(word(each).replace("$", "$$") for each in words)
