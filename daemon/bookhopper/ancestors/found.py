"""Where an ancestor's environment is found: in a file of variables, a compose file or a unit of systemd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bookhopper import located
from bookhopper.ancestors import compose, env_file, unit
from bookhopper.ancestors.overlay import SETTING
from bookhopper.errors import BookhopperError

_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Found:
    """Variables, and what they were found in; `note` is what whoever goes on with them should know."""

    where: str
    variables: Mapping[str, str]
    note: str = ""


def in_file(path: Path, variables: Mapping[str, str], service: str | None = None) -> Found:
    """Read an ancestor's environment from a file; `variables` are this process's, which it may name.

    `service` is the one that is meant of a compose file.  Raises BookhopperError.
    """
    content = located.read(path, compose.MAX_BYTES, "compose file, unit or file of variables")
    text = content.decode("utf-8-sig", "replace")
    if path.suffix == ".service" or unit.is_unit(text):
        return Found(str(path), unit.environment(text, variables))
    if path.suffix in _YAML:
        services = compose.services(content, path)
        if services is None:
            raise BookhopperError(f"{path}: this is no compose file: it has no `services:`")
        return _of_compose(services, path, variables, service)
    if service is not None:
        raise BookhopperError(f"{path}: --service is for compose files, which end in .yml or .yaml")
    return Found(str(path), env_file.read(text, variables))


def _of_compose(
    services: Mapping[str, object], path: Path, variables: Mapping[str, str], chosen: str | None
) -> Found:
    if chosen is not None and chosen not in services:
        raise BookhopperError(f"{path}: there is no service {chosen}: there are {', '.join(services)}")
    names = [chosen] if chosen is not None else list(services)
    environments = {name: compose.environment(services[name], path, variables) for name in names}
    fitting = [name for name, found in environments.items() if chosen or not SETTING.isdisjoint(found)]
    if len(fitting) > 1:
        raise BookhopperError(f"{path}: {', '.join(fitting)} could be meant: choose one with --service")
    if not fitting:
        raise BookhopperError(f"{path}: no service sets a variable of the ancestors")
    note = "Its paths are those inside the container, which bookhopper needs as well if it runs outside."
    return Found(f"{path}, service {fitting[0]}", environments[fitting[0]], note)
