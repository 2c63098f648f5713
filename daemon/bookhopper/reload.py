"""Reading the configuration again while the daemon runs: what is applied, what waits for a restart.

Either all of a file is applied, apart from what cannot change at run time, or nothing is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bookhopper.errors import BookhopperError, ConfigError
from bookhopper.setting_types import Section
from bookhopper.settings import Settings

log = logging.getLogger("bookhopper")

_KEPT = (
    "folders",
    "server",
    "deliver.mode",
    "deliver.require_mount",
    "deliver.keep_copies",
    "deliver.nudge_after",
    "queue",
    "lists",
    "intake.settle",
    "intake.rescan",
    "intake.polling",
    "grace",
)
"""What is built once: folders and sockets are open, and the schedule is set."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reload came to: the keys that were `applied`, those `kept` until a restart, or the `faults`."""

    applied: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the file could be used."""
        return not self.faults


class Configuration:
    """The settings that are in force, and how the last reading of their file went."""

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        """Take the settings, and how they are read again."""
        self.settings = settings
        self.loaded_at = time.time()
        """When settings were last taken from the file, in epoch seconds."""
        self.faults: tuple[str, ...] = ()
        """What is wrong with the file, where its last reading failed."""
        self._read = read

    def reload(self, apply: Callable[[Settings], None]) -> Outcome:
        """Read the file again and have it applied; never raises, and says what came of it."""
        try:
            read = self._read()
            settings = _merged(self.settings, read)
            apply(settings)
        except ConfigError as error:
            return self._failed(error.faults)
        except (BookhopperError, OSError, ValueError) as error:
            return self._failed([str(error)])
        except Exception as error:
            log.exception("the new configuration met a fault of bookhopper's own; please report it")
            return self._failed([f"a fault of bookhopper's own ({type(error).__name__})"])
        applied, kept = _changes(self.settings, settings), _changes(settings, read)
        self.settings, self.loaded_at, self.faults = settings, time.time(), ()
        log.info("the configuration is read again: %s", _listed(applied) or "nothing in it has changed")
        for warning in settings.warnings:
            log.warning("%s", warning)
        for key in kept:
            log.warning("%s has changed, which is heeded at the next start only; it stays as it was", key)
        return Outcome(applied, kept)

    def _failed(self, faults: list[str]) -> Outcome:
        self.faults = tuple(faults)
        for fault in faults:
            log.error("the configuration cannot be used, and the old one stays: %s", fault)
        return Outcome(faults=self.faults)


def _merged(old: Settings, new: Settings) -> Settings:
    """Give the new settings with what is kept from the old ones."""
    whole: dict[str, object] = {}
    parts: dict[str, dict[str, object]] = {}
    for key in _KEPT:
        name, _, inner = key.partition(".")
        if inner:
            parts.setdefault(name, {})[inner] = getattr(getattr(old, name), inner)
        else:
            whole[name] = getattr(old, name)
    whole |= {name: getattr(new, name).model_copy(update=kept) for name, kept in parts.items()}
    return new.model_copy(update=whole)


def _changes(old: Settings, new: Settings) -> tuple[str, ...]:
    return tuple(_differences(_values(old), _values(new), ""))


def _values(section: Section) -> Mapping[str, object]:
    return {name: getattr(section, name) for name in type(section).model_fields}


def _differences(old: Mapping[str, object], new: Mapping[str, object], prefix: str) -> Iterator[str]:
    """Name the keys that differ, as they are written in the file: `download.workers`; lists whole."""
    for name, before in old.items():
        after = new[name]
        if isinstance(before, Section) and isinstance(after, Section):
            yield from _differences(_values(before), _values(after), f"{prefix}{name}.")
        elif before != after:
            yield f"{prefix}{name}"


def _listed(keys: tuple[str, ...]) -> str:
    return ", ".join(keys)
