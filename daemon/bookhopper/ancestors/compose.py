"""The environment that a compose file gives one of its services.

Facts: the compose specification, "environment", "env_file" and "Interpolation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from bookhopper import located
from bookhopper.ancestors import env_file
from bookhopper.errors import BookhopperError

MAX_BYTES = 1024 * 1024
_BOM = "utf-8-sig"
_KEPT_TAGS = frozenset(("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"))


class _Texts(yaml.CSafeLoader):
    """Reads every value as the text that it is written as: `true` and 0100 would not come back so."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT_TAGS]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def services(text: bytes, path: Path) -> Mapping[str, Any] | None:
    """Give the services of a compose file, None where it is none; raises ConfigError for bad YAML."""
    data, _ = located.parse(text, path, _Texts)
    found = data.get("services") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else None


def environment(service: object, path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Give a service's environment; `variables` are what the file may name.  Raises BookhopperError.

    A `.env` beside the file may say more of those.
    """
    if not isinstance(service, dict):
        return {}
    beside = path.parent / ".env"
    known = {**(_of_file(beside, variables) if beside.is_file() else {}), **variables}
    found: dict[str, str] = {}
    for name, is_required in _files(service.get("env_file")):
        file = path.parent / env_file.interpolated(name, known)
        if is_required or file.is_file():
            found |= _of_file(file, known)
    for name, value in _pairs(service.get("environment")):
        if value is not None:
            found[name] = env_file.interpolated(value, known)
        elif name in known:  # handed on as it is
            found[name] = known[name]
        else:
            found.pop(name, None)
    return found


def _of_file(path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    text = located.read(path, MAX_BYTES, "file of variables").decode(_BOM, "replace")
    return env_file.read(text, variables)


def _files(told: object) -> Iterator[tuple[str, bool]]:
    """Give the names under `env_file`, and whether each has to be there."""
    for each in told if isinstance(told, list) else [told]:
        if isinstance(each, str):
            yield each, True
        elif isinstance(each, dict) and isinstance(each.get("path"), str):
            yield each["path"], str(each.get("required", "true")).lower() != "false"


def _pairs(told: object) -> Iterator[tuple[str, str | None]]:
    """Give the names and values under `environment`; None: as it is around."""
    if isinstance(told, dict):
        for name, value in told.items():
            if not (value is None or isinstance(value, str)):
                raise BookhopperError(f"the compose file's environment: {name} is no text: put it in quotes")
            yield str(name), value
    for each in told if isinstance(told, list) else ():
        name, equals, value = str(each).partition("=")
        yield name, value if equals else None
