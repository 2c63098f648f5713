"""Power cuts noticed: whether the machine went down under the last run."""

from __future__ import annotations

from pathlib import Path

from bookhopper.store.base import Store

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_RUNNING = "running since boot"
"""The setting that names the boot in which the daemon runs; empty once it has stopped in order."""


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
