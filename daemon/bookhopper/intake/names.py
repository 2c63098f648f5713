"""File names in the requests folder: which are left alone, which are ours, which variant is free."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

from bookhopper.intake.base import plain

ACCEPTED = "accepted"
REJECTED = "rejected"
REPORTS = "reports"
OURS = frozenset((ACCEPTED, REJECTED, REPORTS))

ERROR_SUFFIX = ".error.txt"
REPORT_SUFFIX = ".report.txt"

_PRIVATE = re.compile(r"\.bookhopper-(?P<token>[0-9a-f]{16})-(?P<name>.+)", re.DOTALL)
_LONGEST = 255
_ROOM = len(".bookhopper--") + 16
"""What is put before or behind a name takes at most this many bytes."""

_IGNORED = re.compile(
    r"""
    \. .* | .*~ | ~\$.* | \#.*\# | 4913                  # hidden, backups, locks and probes of editors
    | .* \. (?: swp | swx | tmp | part | partial | filepart | crdownload | download | uploading )
    | thumbs\.db | desktop\.ini | @eadir | __macosx               # what systems and shares leave about
    | .* \. (?: error | report ) \.txt                            # our own answers
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def is_ignored(name: str) -> bool:
    """Tell whether a name in the requests folder is none of our business."""
    return name in OURS or _IGNORED.fullmatch(name) is not None


class Private(NamedTuple):
    """What a private name is made of: a token unique to this taking, and the name before."""

    token: str
    name: str


def private_name(name: str) -> str:
    """Make a name that nobody else uses and that watchers ignore."""
    return f".bookhopper-{os.urandom(8).hex()}-{fitting(name)}"


def from_private(name: str) -> Private | None:
    """Take a private name apart; None for any other name."""
    match = _PRIVATE.fullmatch(name)
    return Private(match["token"], match["name"]) if match else None


def _split(name: str) -> tuple[str, str]:
    path = PurePath(name)
    return path.stem, path.suffix


def fitting(name: str) -> str:
    """Shorten a name, not its suffix, so that there is room for what we put around it."""
    stem, suffix = _split(name)
    if len(suffix) > 20:
        stem, suffix = name, ""
    room = _LONGEST - _ROOM - len(os.fsencode(suffix))
    encoded = os.fsencode(stem)
    if len(encoded) <= room:
        return name
    # Not through a character: it would be another name on a share that minds.
    begun = next((place for place in range(room, room - 4, -1) if encoded[place] & 0xC0 != 0x80), room)
    return os.fsdecode(encoded[:begun]) + suffix


def numbered(name: str) -> Iterator[str]:
    """Give `list.txt`, then `list (2).txt`, `list (3).txt` and so on."""
    name = fitting(name)
    yield name
    stem, suffix = _split(name)
    for number in range(2, 10_000):
        yield f"{stem} ({number}){suffix}"


def display(name: str) -> str:
    """Give a file name as text that may be stored and shown, whatever bytes it is made of."""
    return plain(os.fsencode(name).decode("utf-8", "replace")) or "unnamed"
