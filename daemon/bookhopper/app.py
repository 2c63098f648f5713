"""Start and stop of the daemon: first the core, then READY, then the parts that do the work.

READY means that the watcher watches and the store is open; what loads longer than that comes after it.
"""

from __future__ import annotations

import logging
import resource
import signal
import threading
import time
from importlib import import_module
from types import FrameType, ModuleType

from bookhopper import __version__
from bookhopper.clock import Clock
from bookhopper.core import DATABASE, Core
from bookhopper.errors import DamagedError
from bookhopper.observe import logs
from bookhopper.observe.sdnotify import notify
from bookhopper.settings import Settings
from bookhopper.store.damage import damaged

log = logging.getLogger("bookhopper")

CLOCK_SECONDS = 10.0
"""How often it is looked whether somebody has set the clock."""

_MOST_FILES = 65_536
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _load_parts() -> ModuleType:
    """Import what READY must not wait for."""
    return import_module("bookhopper.parts")


def run(settings: Settings) -> None:
    """Run the daemon until a signal stops it.

    Raises BookhopperError when it cannot start, and DamagedError when it stopped because of its database.
    """
    try:
        _run(settings)
    except DamagedError as error:
        raise damaged(settings.folders.state / DATABASE, error) from error


def _run(settings: Settings) -> None:
    logs.configure(settings.log_level)
    stopping = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a handler
        stopping.set()

    for number in _STOP_SIGNALS:
        signal.signal(number, on_signal)
    log.info("bookhopper %s starts", __version__)
    _allow_more_files()
    for warning in settings.warnings:
        log.warning("%s", warning)
    core = Core(settings)
    damage: list[DamagedError] = []

    def on_damage(error: DamagedError) -> None:
        damage.append(error)
        stopping.set()

    core.store.on_damage = on_damage
    try:
        notify("READY=1", f"STATUS=watching {settings.folders.requests}")
        log.info("ready: watching %s, listening on %s", settings.folders.requests, core.url)
        if core.recovered:
            log.info("%d jobs that were cut short are taken up again", core.recovered)
        parts = _load_parts().Parts(core)
        try:
            parts.start()
            clock = Clock()
            while not stopping.wait(CLOCK_SECONDS):
                if moved := clock.moved():
                    parts.clock_was_set(moved)
        finally:
            notify("STOPPING=1", "STATUS=stopping")
            log.info("stopping")
            parts.stop(time.monotonic() + settings.grace)
    finally:
        core.close()
    log.info("stopped")
    if damage:
        raise damage[0]


def _allow_more_files() -> None:
    """Raise the number of files that may be open to what the system allows, connections being files too.

    Many systems set it to 1,024 only, for programs that know no better.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        log.warning("no more than %d files may be open: %s", soft, error)
