"""Start and stop of the daemon: first the core, then READY, then the parts that do the work.

READY means that the watcher watches and the store is open; what loads longer than that comes after it.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType, ModuleType
from typing import TYPE_CHECKING

from bookhopper import __version__
from bookhopper.clock import Clock
from bookhopper.core import DATABASE, Core
from bookhopper.errors import DamagedError
from bookhopper.inbox import Inbox
from bookhopper.observe import logs
from bookhopper.observe.sdnotify import notify, notify_reloading, watchdog_seconds
from bookhopper.reload import Configuration
from bookhopper.settings import Settings
from bookhopper.store.damage import damaged
from bookhopper.units import counted
from bookhopper.watchdog import Watchdog

if TYPE_CHECKING:
    from bookhopper.parts import Parts

log = logging.getLogger("bookhopper")

CLOCK_SECONDS = 10.0
"""How often it is looked whether somebody has set the clock."""

_MOST_FILES = 65_536
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _load_parts() -> ModuleType:
    """Import what READY must not wait for."""
    return import_module("bookhopper.parts")


def run(settings: Settings, read: Callable[[], Settings] | None = None) -> None:
    """Run the daemon until a signal stops it; on SIGHUP, or when asked, it has its settings `read` again.

    Raises BookhopperError when it cannot start, and DamagedError when it stopped because of its database.
    """
    try:
        _run(settings, Configuration(settings, read or (lambda: settings)))
    except DamagedError as error:
        raise damaged(settings.folders.state / DATABASE, error) from error


def _run(settings: Settings, configuration: Configuration) -> None:
    logs.configure(settings.log_level, settings.log_format)
    inbox = Inbox()
    _heed_signals(inbox)
    log.info("bookhopper %s starts", __version__)
    _allow_more_files()
    for warning in settings.warnings:
        log.warning("%s", warning)
    core = Core(settings)
    damage: list[DamagedError] = []

    def on_damage(error: DamagedError) -> None:
        damage.append(error)
        inbox.stop()

    core.store.on_damage = on_damage
    try:
        notify("READY=1", _status(configuration))
        told = "ready: watching %s, listening on %s (server.listen: %s)"
        log.info(told, settings.folders.requests, core.url, settings.server.listen)
        if core.recovered:
            log.info("%s of the last run taken up again, cut short before", counted(core.recovered, "job"))
        parts = _load_parts().Parts(core, configuration, inbox.reload)
        try:
            parts.start()
            _attend(parts, inbox, configuration)
        finally:
            notify("STOPPING=1", "STATUS=stopping")
            log.info("stopping")
            inbox.stop()
            inbox.refuse()
            parts.stop(time.monotonic() + settings.grace)
    finally:
        core.close()
    log.info("stopped")
    if damage:
        raise damage[0]


def _heed_signals(inbox: Inbox) -> None:
    """Stop on SIGTERM and SIGINT, and reload on SIGHUP, unless that says that our terminal is gone."""
    in_terminal = _has_terminal()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the form of a handler
        if number == signal.SIGHUP and not (in_terminal and not _has_terminal()):
            inbox.hang_up()
        else:
            inbox.stop()

    for number in _SIGNALS:
        signal.signal(number, on_signal)


def _has_terminal() -> bool:
    """Whether the process belongs to a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _attend(parts: Parts, inbox: Inbox, configuration: Configuration) -> None:
    """Do what is asked until that is to stop, and look after clock and watchdog meanwhile."""
    period = watchdog_seconds()
    watchdog = Watchdog(parts.beats) if period else None
    seconds = min(CLOCK_SECONDS, period / 3) if period else CLOCK_SECONDS
    clock = Clock()
    while (asked := inbox.next(seconds)) is not None:
        if moved := clock.moved():
            parts.clock_was_set(moved)
        if asked:
            notify_reloading()
            outcome = parts.reload()
            logs.configure(configuration.settings.log_level, configuration.settings.log_format)
            notify("READY=1", _status(configuration))
            for answer in asked:
                answer.set_result(outcome)
        if watchdog:
            watchdog.look()


def _status(configuration: Configuration) -> str:
    """Say in the service manager's one line how it is."""
    status = f"STATUS=watching {configuration.settings.folders.requests}"
    if configuration.faults:
        status += f"; the configuration cannot be used, and the old one stays: {configuration.faults[0]}"
    return status


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
