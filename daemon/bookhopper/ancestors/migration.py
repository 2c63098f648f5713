"""From an ancestor's environment to a configuration file that says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bookhopper import located
from bookhopper.ancestors.found import Found
from bookhopper.ancestors.overlay import ELSEWHERE, SETTING, fill
from bookhopper.draft import Draft, Key
from bookhopper.errors import BookhopperError, printable
from bookhopper.setting_types import is_plain_path
from bookhopper.settings import DEFAULT_SOURCES, Settings
from bookhopper.units import written_duration

_OWN = "BOOKHOPPER_"
_COLUMN = 40
"""From which column on the comments stand, where the values leave room."""


def configuration(found: Found, validate: Callable[[Draft], object]) -> str:
    """Write the file: every key with the variable that it comes from, and what could not be carried over.

    No secret is in it.  Raises BookhopperError where no ancestor's variable is set, and ConfigError with each
    that is no good, as `validate` has it.
    """
    if not any(found.variables.get(name, "").strip() for name in SETTING):
        raise BookhopperError(f"{found.where} sets no variable of the ancestors: name the file that does")
    draft = draft_of(found.variables)
    draft.path = Path(found.where)
    validate(draft)
    left = _left_behind(draft, found)
    return "\n".join(printable(line) for line in _lines(draft, found, left)) + "\n"


def draft_of(variables: Mapping[str, str]) -> Draft:
    """Make a draft of nothing but an ancestor's environment."""
    draft = Draft({"sources": [{"kind": each.kind} for each in DEFAULT_SOURCES]}, None, Path())
    fill(draft, variables)
    return draft


def _left_behind(draft: Draft, found: Found) -> Mapping[str, str]:
    """Tell of what cannot stand in a file, and take it out of the draft."""
    left = dict(draft.idle)
    unfit = {name for key, given in draft.given.items() if not _fits(draft.get(key)) for name in given.names}
    for key, given in list(draft.given.items()):
        if not unfit.isdisjoint(given.names):
            left |= dict.fromkeys(given.names, "what it says cannot be written in a file: keep the variable")
            draft.drop(key)
    own = {name for name in found.variables if name.startswith(_OWN)}
    left |= dict.fromkeys(own, "it holds as it is, and goes before this file")
    if found.in_file:
        unknown = found.variables.keys() - SETTING - ELSEWHERE.keys() - own
        left |= dict.fromkeys(unknown, "bookhopper has no such variable")
    return left


def _lines(draft: Draft, found: Found, left: Mapping[str, str]) -> Iterator[str]:
    yield f"# bookhopper's configuration, made of {found.where} by `bookhopper config migrate`."
    yield "# What does not stand here keeps its default; `bookhopper config show` tells what holds."
    yield from (f"# {note}" for note in found.notes)
    for warning in draft.warnings:
        yield f"# Mind: {warning}."
    for name in Settings.model_fields:
        if any(key[0] == name for key in draft.given):
            yield ""
            yield from _entry(draft, (name,), draft.data[name], "")
    if left:
        yield ""
        yield "# Not carried over:"
        yield from (f"#   {name}: {why}" for name, why in sorted(left.items()))


def _entry(draft: Draft, key: Key, value: Any, indent: str, first: str = "") -> Iterator[str]:
    """Write a key with its value; `first` stands before it instead of the indentation."""
    begun = f"{first or indent}{key[-1]}:"
    if isinstance(value, dict):
        yield begun
        for inner, each in value.items():
            yield from _entry(draft, (*key, inner), each, f"{indent}  ")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield begun
        for number, each in enumerate(value):
            for place, (inner, below) in enumerate(each.items()):
                dash = "" if place else f"{indent}  - "
                yield from _entry(draft, (*key, number, inner), below, f"{indent}    ", dash)
    else:
        line = f"{begun} {_written(value)}"
        given = draft.given.get(key)
        yield f"{line:<{_COLUMN}}  # {', '.join(given.names)}" if given else line


def _written(value: Any) -> str:
    """Write a value as YAML on one line; what is a float is a duration."""
    if isinstance(value, float):
        return written_duration(value)
    return located.in_a_line(str(value) if isinstance(value, Path) else value)


def _fits(value: Any) -> bool:
    """Whether a file can hold a value: a path with `$` would be another there."""
    if isinstance(value, Path) and not is_plain_path(value):
        return False
    return not isinstance(value, str | Path) or str(value).isprintable()
