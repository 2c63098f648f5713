"""Where an ancestor's environment is found: in a file of variables, a compose file or a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bookhopper import located
from bookhopper.ancestors import compose, env_file, unit
from bookhopper.ancestors.overlay import SETTING
from bookhopper.errors import BookhopperError

_YAML = (".yaml", ".yml")
_EVERYWHERE = "0.0.0.0"  # noqa: S104 # nosec B104 - what the ancestor listens on; nothing does here
_OF_ITS_IMAGE = {"INGEST_DIR": "/cwa-book-ingest", "FLASK_HOST": _EVERYWHERE}
"""What the ancestor's container goes by where nothing is said of it, as in most compose files."""

_OF_MANY = frozenset(("LOG_LEVEL",))
"""What the services beside it have as well, such as a solver; alone it does not tell which one is meant."""

_NOTES = (
    "Its paths are those inside the container, which bookhopper needs as well if it runs outside.",
    "INGEST_DIR and FLASK_HOST are those of the ancestor's image where the file does not set them.",
    "In bookhopper's own image the variable BOOKHOPPER_SERVER_OPEN goes before server.open.",
)


@dataclass(frozen=True, slots=True)
class Found:
    """Variables, and what they were found in; `notes` are what whoever goes on with them should know.

    Those of a file are an ancestor's, all of them; those of a process are for anybody.
    """

    where: str
    variables: Mapping[str, str]
    notes: tuple[str, ...] = ()
    in_file: bool = True


def in_file(path: Path, variables: Mapping[str, str], service: str | None = None) -> Found:
    """Read an ancestor's environment from a file; `variables` are this process's, which it may name.

    `service` is the one that is meant of a compose file.  Raises BookhopperError.
    """
    content = located.read(path, compose.MAX_BYTES, "compose file, unit or file of variables")
    text = content.decode("utf-8-sig", "replace")
    if path.suffix == ".service" or unit.is_unit(text):
        told = unit.environment(text, variables)
        return _of_container(str(path), told) if unit.is_quadlet(text) else Found(str(path), told)
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
    told = {name: SETTING.intersection(environment) for name, environment in environments.items()}
    fitting = [name for name in names if chosen or told[name] - _OF_MANY]
    fitting = fitting or [name for name in names if told[name]]
    if len(fitting) > 1:
        raise BookhopperError(f"{path}: {', '.join(fitting)} could be meant: choose one with --service")
    if not fitting:
        raise BookhopperError(
            f"{path}: no service sets a variable of the ancestors: choose it with --service"
        )
    (name,) = fitting
    return _of_container(f"{path}, service {name}", environments[name])


def _of_container(where: str, environment: Mapping[str, str]) -> Found:
    return Found(where, {**_OF_ITS_IMAGE, **environment}, _NOTES)
