"""What the person sets of a definition's settings, checked against what the definition asks for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bookhopper.errors import ConfigError
from bookhopper.search.definitions.load import load
from bookhopper.search.definitions.model import Definition, Setting
from bookhopper.setting_types import read_secret

Scalar = str | bool | int | float
Given = Mapping[str, Scalar]

_FILE = "_file"


def faults(path: Path, given: Given) -> Iterator[tuple[str, str]]:
    """Give what is wrong with a source's definition and settings: the key in its section, and the fault."""
    try:
        definition = load(path)
    except ConfigError as error:
        for fault in error.faults:
            yield "definition", fault
        return
    known = {setting.name: setting for setting in definition.settings if setting.type != "info"}
    for name, value in given.items():
        setting = known.get(name) or known.get(name.removesuffix(_FILE))
        if setting is None:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known) or 'none'}"
            yield f"settings.{name}", f"{definition.id} has no setting `{name}`: {hint}"
        elif fault := _fault(setting, value) if name in known else _file_fault(str(value)):
            yield f"settings.{name}", fault


def values(definition: Definition, given: Given) -> Given:
    """Give the values by the names of the settings, reading those that lie in files; raises OSError."""
    known = {setting.name for setting in definition.settings}
    return {
        name if name in known else name.removesuffix(_FILE): value
        if name in known
        else read_secret(Path(str(value)).expanduser())
        for name, value in given.items()
    }


def _fault(setting: Setting, value: Scalar) -> str:
    if setting.type == "checkbox" and not isinstance(value, bool):
        return "true or false is expected here"
    if setting.type == "select" and str(value) not in setting.options:
        return f"it is one of {', '.join(setting.options)}"
    if setting.type in {"text", "password"} and isinstance(value, bool):
        return "a text is expected here: put it in quotes"
    return ""


def _file_fault(name: str) -> str:
    path = Path(name).expanduser()
    try:
        read_secret(path)
    except (OSError, ValueError) as error:
        return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
    return ""
