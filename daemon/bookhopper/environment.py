"""A variable for every key: `BOOKHOPPER_`, then its name in capitals, as in BOOKHOPPER_DOWNLOAD_WORKERS.

What such a variable says goes before the file, since it can be meant for nobody else.  A list or mapping is
written as YAML (`BOOKHOPPER_SOURCES='[{kind: gutenberg}]'`), one of words also with commas; any other value
as in the file.  A variable that is empty counts as not set.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from bookhopper import located
from bookhopper.draft import Draft, Key, variable
from bookhopper.errors import ConfigError
from bookhopper.settings import Settings

PREFIX = "BOOKHOPPER_"

CONFIG = "BOOKHOPPER_CONFIG"
"""Names the configuration file that is looked for where no other is named, as the container image does."""

_NEAR = 0.8
"""From which likeness a variable passes for a misspelt one.  Other programs have some with our prefix."""

_COMPOUND = (dict, frozenset, list, set, tuple, Mapping, Sequence, Set)
_DOCUMENT = ("[", "{", "- ")


@dataclass(frozen=True, slots=True)
class _Setting:
    key: Key
    is_compound: bool


@cache
def settings() -> Mapping[str, _Setting]:
    """Give the variable of every key."""
    return {
        PREFIX + "_".join(map(str, key)).upper(): _Setting(key, _is_compound(annotation))
        for key, annotation in _keys(Settings, ())
    }


def override(draft: Draft, variables: Mapping[str, str]) -> None:
    """Put what the variables say in the place of what the file says."""
    for name, setting in settings().items():
        text = variables.get(name, "").strip()
        if not text or not draft.can_hold(setting.key):
            continue
        value, root = text, None
        if setting.is_compound and text.startswith(_DOCUMENT):
            try:
                value, root = _document(name, text)
            except ConfigError as error:
                draft.faults += error.faults
                continue
        draft.put(setting.key, value, variable(name, root=root))


def miss(draft: Draft, variables: Mapping[str, str], secrets: Collection[str]) -> None:
    """Note the variables that are no setting and no source's secret, and warn of those that look like one."""
    known = (*settings(), *secrets)
    for name in sorted(variables):
        if not name.startswith(PREFIX) or name in known or name == CONFIG:
            continue
        draft.idle[name] = "bookhopper has no such variable"
        if near := _near(name, known):
            draft.warnings.append(f"{name} is no variable of bookhopper's: did you mean {near}?")


def _document(name: str, text: str) -> tuple[Any, yaml.Node | None]:
    try:
        return located.parse(text.encode(), Path(name))
    except UnicodeEncodeError:
        raise ConfigError([f"{name}: it is no text in UTF-8"]) from None


def _near(name: str, known: Collection[str]) -> str:
    """Find the variable that is meant by another, if one can tell."""
    stems = {each.removeprefix(PREFIX): each for each in known}
    stem = name.removeprefix(PREFIX)
    near = difflib.get_close_matches(stem, stems, n=1, cutoff=_NEAR)
    near += [each for each in stems if each.endswith(f"_{stem}")]
    sections = {str(setting.key[0]).upper() for setting in settings().values() if len(setting.key) > 1}
    for section in sections:
        if not near and stem.startswith(f"{section}_"):
            inside = [each for each in stems if each.startswith(f"{section}_")]
            near = difflib.get_close_matches(stem, inside, n=1, cutoff=0.0)
    return stems[near[0]] if near else ""


def _keys(section: type[BaseModel], above: Key) -> Iterator[tuple[Key, Any]]:
    for name, field in section.model_fields.items():
        key = (*above, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, key)
        else:
            yield key, field.annotation


def _is_compound(annotation: Any) -> bool:
    """Whether a list or a mapping may be written there."""
    origin = get_origin(annotation) or annotation
    if origin is Annotated:
        return _is_compound(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return any(map(_is_compound, get_args(annotation)))
    is_text = origin in (str, bytes)
    return isinstance(origin, type) and not is_text and issubclass(origin, (*_COMPOUND, BaseModel))
