"""What is to outlive a power cut: folders' entries and small files put on the disk, and cuts noticed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bookhopper.store.base import Store

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_RUNNING = "running since boot"
"""The setting that names the boot in which the daemon runs; empty once it has stopped in order."""

UNSUPPORTED = frozenset((errno.EINVAL, errno.ENOSYS, errno.ENOTSUP))
"""What a filesystem answers that cannot do what it is asked."""


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk; some network filesystems know no such thing (EINVAL)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, each of which is on the disk when this returns; raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_file(path: Path, text: str) -> None:
    """Write a small file that is, after a crash at any moment, the old one or the new one; raises OSError."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


class PowerCut:
    """Tells whether the machine went down under the last run: then what was not synced may be gone, or torn.

    A killed process is no such thing, since what it wrote is in the hands of the kernel.
    """

    def __init__(self, store: Store) -> None:
        """Look how the last run ended; raises BookhopperError."""
        self._store = store
        self._begun = False
        self._boot = _boot()
        self.noticed = (store.setting(_RUNNING) or self._boot) != self._boot

    def begun(self) -> None:
        """Note that what the last run left is taken up and this one works; raises BookhopperError."""
        self._store.set_setting(_RUNNING, self._boot)
        self._begun = True

    def ended(self) -> None:
        """Note that all has stopped in order, where it had begun; raises BookhopperError."""
        if self._begun:
            self._store.set_setting(_RUNNING, "")


def _boot() -> str:
    """Name the running kernel's start (random(4)); nothing where the system does not tell."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
