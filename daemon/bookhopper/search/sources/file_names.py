"""What the name of a book's file says: `Title - Author`, `Author, Given - Title`, or where it lies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bookhopper.search.normalise import fold

_DASH = re.compile(r"\s+[-–—]+\s+|_-_")
_ORDERED = re.compile(r"^[A-Z][\w'’-]+, [A-Z][\w'’.-]*(?: [A-Z][\w'’.-]*){0,3}$")
_CALIBRE_ID = re.compile(r"\s*\(\d+\)$")


def read_file_name(stem: str, folders: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Give title and authors from a file's name without its extension and the folders it lies in.

    Two parts are title and author unless the first is `Author, Given` or the name of one of the folders;
    a single part below `Author/Title (12)/`, calibre's way, takes its author from there.
    """
    parts = [part.strip() for part in _DASH.split(stem.replace("_", " ") if " " not in stem else stem)]
    parts = [part for part in parts if part]
    above = [fold(folder) for folder in folders]
    if len(parts) >= 2:
        first, last = parts[0], parts[-1]
        if _ORDERED.match(first) or (fold(first) in above and fold(last) not in above):
            return " - ".join(parts[1:]), _people(first)
        return " - ".join(parts[:-1]), _people(last)
    title = parts[0] if parts else stem.strip()
    if len(folders) >= 2 and fold(_CALIBRE_ID.sub("", folders[-1])) == fold(title):
        return title, _people(folders[-2])
    return title, ()


def _people(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in re.split(r"\s+&\s+|;", text) if name.strip())
