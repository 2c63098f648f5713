"""The settings that hold, key by key, with where each comes from; no secret is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bookhopper import located
from bookhopper.config import Loaded
from bookhopper.draft import Draft, Key
from bookhopper.net.addresses import safe_url
from bookhopper.setting_types import Section, written

MASK = "••••"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: `where` is file:line, or the names of variables or of a credential."""

    kind: Literal["default", "file", "variable", "credential"]
    where: str = ""

    def __str__(self) -> str:
        """Say it in few words, beside a heading that names the whole path."""
        if self.kind == "file":
            return Path(self.where).name
        several = "s" if ", " in self.where else ""
        return f"{self.kind}{several} {self.where}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A key with its value as it would be written in a file; secrets are masked."""

    key: str
    value: object
    origin: Origin


def rows(loaded: Loaded) -> Iterator[Row]:
    """List every key; those of a source or a list below its name."""
    yield from _leaves(loaded.settings, "", (), loaded.draft)


def _leaves(section: Section, above: str, key: Key, draft: Draft) -> Iterator[Row]:
    for attribute, field in type(section).model_fields.items():
        name = field.alias or attribute
        yield from _below(getattr(section, attribute), f"{above}{name}", (*key, name), field, draft)


def _below(value: Any, name: str, key: Key, field: FieldInfo, draft: Draft) -> Iterator[Row]:
    if isinstance(value, Section):
        yield from _leaves(value, f"{name}.", key, draft)
    elif isinstance(value, tuple) and any(isinstance(each, Section) for each in value):
        for number, each in enumerate(value):
            yield from _below(each, f"{name}.{getattr(each, 'name', number)}", (*key, number), field, draft)
    elif isinstance(value, Mapping) and value:
        # what is a key here may stand in another spelling there: the order is the same
        told = draft.get(key)
        spelt = list(told) if isinstance(told, dict) and len(told) == len(value) else list(value)
        for as_spelt, (inner, each) in zip(spelt, value.items(), strict=True):
            yield from _below(each, f"{name}.{inner}", (*key, as_spelt), field, draft)
    else:
        yield Row(name, _shown(written(value, field)), _origin(draft, key))


def _shown(value: object) -> object:
    """Give a value for all eyes: addresses without what in them may be a secret."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, str):
        return safe_url(value) if "://" in value else str(value)
    if isinstance(value, tuple | list | frozenset):
        return [_shown(each) for each in value]
    return value


def _origin(draft: Draft, key: Key) -> Origin:
    if tuple(located.within(draft.data, key)) != key:
        return Origin("default")
    if (given := draft.giver(key)) is not None:
        return Origin(given.kind, ", ".join(given.names))
    line = located.line_of(draft.root, key)
    return Origin("default") if line is None else Origin("file", f"{draft.path}:{line}")
