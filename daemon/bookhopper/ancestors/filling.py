"""How the ancestors' variables fill in what nobody else has said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bookhopper.draft import Draft, Key, variable

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Filling:
    """A draft, and the variables that may add to it; one that is empty counts as not set."""

    draft: Draft
    variables: Mapping[str, str]

    def text(self, name: str) -> str:
        """Give what a variable says, empty where it is not set."""
        return self.variables.get(name, "").strip()

    def read(self, name: str, reader: Callable[[str], Value]) -> Value | None:
        """Read a variable; None where it is not set, or is no good, which is noted."""
        text = self.text(name)
        if not text:
            return None
        try:
            return reader(text)
        except ValueError as error:
            self.draft.faults.append(f"{name}={text!r} in the environment: {error}")
            return None

    def fill(self, key: Key, name: str, reader: Callable[[str], Any]) -> None:
        """Put what a variable says where nobody has said anything; else it is not even looked at."""
        if self.wants(key, name) and (value := self.read(name, reader)) is not None:
            self.put(key, value, name)

    def wants(self, key: Key, *names: str) -> bool:
        """Whether one of these variables is set and may say this value; else it is noted as idle."""
        told = [name for name in names if self.text(name)]
        if not told:
            return False
        if self.draft.is_open(key):
            return True
        self.idle(f"{'.'.join(map(str, key))} is said elsewhere, which goes before it", *told)
        return False

    def put(self, key: Key, value: Any, *names: str) -> None:
        """Put a value that these variables say."""
        self.draft.put(key, value, variable(*names))

    def idle(self, why: str, *names: str) -> None:
        """Note that variables, where they are set, change no setting, and why."""
        for name in names:
            if self.text(name):
                self.draft.idle.setdefault(name, why)

    def warn(self, warning: str) -> None:
        """Tell whoever starts the daemon."""
        self.draft.warnings.append(warning)
