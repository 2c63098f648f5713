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
from bookhopper.core import Core
from bookhopper.observe import logs
from bookhopper.observe.sdnotify import notify
from bookhopper.settings import Settings

log = logging.getLogger("bookhopper")

_MOST_FILES = 65_536
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _load_parts() -> ModuleType:
    """Import what READY must not wait for."""
    return import_module("bookhopper.parts")


def run(settings: Settings) -> None:
    """Run the daemon until a signal stops it; raises BookhopperError when it cannot start."""
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
    try:
        notify("READY=1", f"STATUS=watching {settings.folders.requests}")
        log.info("ready: watching %s, listening on %s", settings.folders.requests, core.url)
        if core.recovered:
            log.info("%d jobs that were cut short are taken up again", core.recovered)
        parts = _load_parts().Parts(core)
        try:
            parts.start()
            stopping.wait()
        finally:
            notify("STOPPING=1", "STATUS=stopping")
            log.info("stopping")
            parts.stop(time.monotonic() + settings.grace)
    finally:
        core.close()
    log.info("stopped")


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
