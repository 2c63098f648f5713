"""Which mount a folder lies on: what tells a share from a disk, and an unmounted folder from itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")

NETWORK_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "glusterfs", "ncpfs", "vboxsf")
)
"""Filesystems whose other side inotify does not see; FUSE ones are told by their prefix."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of the mount table (proc(5), mountinfo)."""

    point: str
    fstype: str
    source: str

    @property
    def is_network(self) -> bool:
        """Whether changes may be made from elsewhere without inotify seeing them."""
        return self.fstype in NETWORK_TYPES or self.fstype.startswith("fuse")

    def __str__(self) -> str:
        return f"{self.source} ({self.fstype}) on {self.point}"


def mount_of(path: Path) -> Mount:
    """Find the mount that a path lies on; one of unknown kind where the system does not tell."""
    place = os.path.realpath(path)
    best = Mount("/", "unknown", "unknown")
    try:
        table = _TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return best
    for line in table.splitlines():
        fields = line.split(" ")
        dash = fields.index("-", 6)
        point = _unescape(fields[4])
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best.point):
            best = Mount(point, fields[dash + 1], _unescape(fields[dash + 2]))
    return best


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
