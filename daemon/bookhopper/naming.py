"""File names that every filesystem, every share and the ingest consumer take.

The bounds are those of `reference/calibre-ingest.md`'s facts: Calibre-Web-Automated cuts names beyond 150
characters with a rename that can overwrite a neighbour, and filesystems end at 255 bytes, of which the
`.uploading` that a name wears at first takes ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pathvalidate import sanitize_filename

MAX_CHARACTERS = 150
STAGED_SUFFIX = ".uploading"
MAX_BYTES = 255 - len(STAGED_SUFFIX)

_ROOM_FOR_NUMBER = len("_9999")
_LONGEST_DEVICE = len("CONOUT$")
"""Names that Windows keeps for devices are short; of a longer one `clean` has left nothing to mend."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f:*?"<>|/\\\u2028\u2029\u200b-\u200f\u202a-\u202e\ufeff]+')
_SPACES = re.compile(r"\s+")
_UNDERSCORES = re.compile(r"_{2,}")


def clean(text: str) -> str:
    """Make one part of a name safe: no separators, control characters, or dots and blanks at its ends."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _FORBIDDEN.sub("_", _SPACES.sub(" ", text))
    return _UNDERSCORES.sub("_", text).strip(" ._")


def file_name(title: str, authors: Sequence[str], extension: str, fallback: str) -> str:
    """Name a book `Title - Author.extension`, cut to what every consumer takes, the extension kept.

    `fallback` is the name's stem where neither title nor author leaves anything.
    """
    parts = [part for part in (clean(title), clean(authors[0]) if authors else "") if part]
    suffix = "." + re.sub(r"[^a-z0-9-]", "", extension.lower())
    stem = _cut(" - ".join(parts) or clean(fallback) or "book", suffix)
    if len(stem.partition(".")[0]) > _LONGEST_DEVICE:
        return stem + suffix
    return str(sanitize_filename(stem + suffix, replacement_text="_", platform="universal"))


def _cut(stem: str, suffix: str) -> str:
    stem = stem[: MAX_CHARACTERS - len(suffix) - _ROOM_FOR_NUMBER]
    room = MAX_BYTES - len(suffix) - _ROOM_FOR_NUMBER
    return stem.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(" ._")


def variants(name: str) -> Iterator[str]:
    """Give the name, then `name_1`, `name_2` and so on, for when it is taken."""
    yield name
    stem, dot, extension = name.rpartition(".")
    for number in range(1, 10_000):
        yield f"{stem}_{number}{dot}{extension}"
