"""Which mount a folder lies on: what tells a share from a disk, and an unmounted folder from itself."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")

_AT_FDCWD = -100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_BORN_AT = 80
"""Where a `struct statx` has its `stx_btime`: seconds and nanoseconds (statx(2), linux/stat.h)."""

_libc = ctypes.CDLL(None, use_errno=True)

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


def birth_mark(folder: Path) -> str:
    """Name a folder itself, which another one at the same path is not; empty where that is not known.

    By its inode and its time of birth, since a new folder often gets the inode of the old one, and the root
    of each disk has the same.  Neither changes with the machine's restart, as numbers of devices may.
    Raises OSError.
    """
    number = folder.stat().st_ino
    seconds, nanoseconds = _born(folder)
    return f"inode {number} of {seconds}.{nanoseconds:09}" if seconds or nanoseconds else ""


def _born(folder: Path) -> tuple[int, int]:
    """Give the time of birth in seconds and nanoseconds; zeros where the system does not tell."""
    found = ctypes.create_string_buffer(_STATX_BYTES)
    statx = getattr(_libc, "statx", None)
    if statx is None or statx(_AT_FDCWD, os.fsencode(folder), 0, _STATX_BTIME, found):
        return 0, 0
    (known,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = struct.unpack_from("=qI", found, _BORN_AT)
    return (seconds, nanoseconds) if known & _STATX_BTIME else (0, 0)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
