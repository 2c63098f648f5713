"""A configuration that is being put together: what the file says, and what variables and credentials add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from bookhopper import located

Key = tuple[str | int, ...]
"""The way to a value, such as ("download", "workers") or ("sources", 0, "proxy")."""


@dataclass(frozen=True, slots=True)
class Given:
    """What gives a value that does not stand in the file: variables of the environment, or a credential.

    `root` is the document that such a variable holds, where it is one.
    """

    kind: Literal["variable", "credential"]
    names: tuple[str, ...]
    root: yaml.Node | None = field(default=None, compare=False)

    def place(self, location: located.Location) -> str:
        """Name it, and where in its document something stands."""
        shown = ", ".join(self.names)
        return shown if self.root is None else located.place(self.root, location, Path(shown))


def variable(*names: str, root: yaml.Node | None = None) -> Given:
    """Say that variables of the environment give a value."""
    return Given("variable", names, root)


@dataclass(slots=True)
class Draft:
    """The data of a configuration, and where each part of it comes from.

    `root` is the file's document and `path` its name; `given` tells what does not stand in the file.
    `faults` are what is wrong with variables, `warnings` what whoever starts the daemon should read, and
    `idle` the variables that change no setting, each with the reason.
    """

    data: dict[Any, Any]
    root: yaml.Node | None
    path: Path
    given: dict[Key, Given] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    idle: dict[str, str] = field(default_factory=dict)

    def get(self, key: Key) -> Any:
        """Give what stands there; None: nothing."""
        section = self._section(key)
        return None if section is None else section.get(key[-1])

    def is_open(self, key: Key) -> bool:
        """Whether nobody has said a value yet, and one can be put there."""
        section = self._section(key)
        return section is not None and key[-1] not in section

    def can_hold(self, key: Key) -> bool:
        """Whether a value can be put there: what should be a section may be something else in the file."""
        return self._section(key) is not None

    def put(self, key: Key, value: Any, given: Given) -> None:
        """Put a value where one can be, instead of what is there."""
        section: Any = self.data
        for part in key[:-1]:
            if isinstance(section, dict) and section.get(part) is None:
                section[part] = {}
            section = section[part]
        section[key[-1]] = value
        self.given[key] = given

    def drop(self, key: Key) -> None:
        """Take out a value that was put there."""
        section = self._section(key)
        if section is not None and key in self.given:
            del self.given[key], section[key[-1]]

    def place(self, location: located.Location) -> str:
        """Tell where a part of the configuration comes from: file:line:column, or the names of variables.

        Of a whole section of the file the variables that are a part of it are named as well.
        """
        key = tuple(located.within(self.data, location))
        if found := self._giver(key):
            length, given = found
            return given.place(key[length:])
        where = located.place(self.root, key, self.path)
        if not key or key[-1] != location[-1]:
            return where
        inside = [each.place(()) for inner, each in self.given.items() if inner[: len(key)] == key]
        return f"{where} (with {', '.join(dict.fromkeys(inside))})" if inside else where

    def giver(self, key: Key) -> Given | None:
        """Give what has given a value, or the whole that it is a part of; None: the file, or nobody."""
        found = self._giver(key)
        return found and found[1]

    def _giver(self, key: Sequence[str | int]) -> tuple[int, Given] | None:
        for length in range(len(key), 0, -1):
            if given := self.given.get(tuple(key[:length])):
                return length, given
        return None

    def _section(self, key: Key) -> dict[Any, Any] | None:
        """Find the section that a value belongs to, empty where there is none yet."""
        section: Any = self.data
        for part in key[:-1]:
            if isinstance(section, list) and isinstance(part, int) and part < len(section):
                section = section[part]
            elif isinstance(section, dict):
                section = section.get(part)
            else:
                return None
            if section is None:
                return {}
        return section if isinstance(section, dict) else None
