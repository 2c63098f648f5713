"""From a YAML file to validated settings; every fault at once, each with file, line and column."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bookhopper import environment, located
from bookhopper.credentials import with_secrets
from bookhopper.errors import ConfigError
from bookhopper.settings import Folders, Settings
from bookhopper.source_settings import HtmlSettings, OpdsSettings, Origin, SourceSettings

_MAX_BYTES = 1024 * 1024
_NO_HOME = "no home folder is known: set HOME, or name all three folders in a file given by --config"


def default_path() -> Path:
    """Tell where the configuration lies when none is named (XDG base directories); raises ConfigError."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError as error:
        raise ConfigError([_NO_HOME]) from error
    return folder / "bookhopper" / "bookhopper.yaml"


def load(path: Path | None) -> Settings:
    """Read the settings from `path`, or from the default place, or take the defaults where there is no file.

    What the file leaves open, the environment may set.  Raises ConfigError with every fault.
    """
    if path is None:
        path = default_path()
        if not path.exists():
            return _validated({}, None, path)
    return _parsed(located.read(path, _MAX_BYTES, "configuration file"), path)


def folders(path: Path | None) -> Folders:
    """Read the folders alone, whatever is wrong with the rest; raises ConfigError."""
    path = default_path() if path is None else path
    data, _ = located.parse(located.read(path, _MAX_BYTES, "configuration file"), path)
    try:
        return Settings.model_validate({"folders": data.get("folders") or {}}).folders
    except (AttributeError, RuntimeError, ValidationError) as error:
        raise ConfigError([f"{path}: its folders cannot be read"]) from error


def _parsed(text: bytes, path: Path) -> Settings:
    data, root = located.parse(text, path)
    if not isinstance(data, dict):
        raise ConfigError([f"{path}:1:1: a mapping is expected here, such as `folders:`"])
    return _validated({key: value for key, value in data.items() if value is not None}, root, path)


def _validated(data: dict[Any, Any], root: yaml.Node | None, path: Path) -> Settings:
    faults: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        data, strangers = with_secrets(data, os.environ)
        data, warnings = environment.overlay(data, os.environ)
        warnings += strangers
    except ConfigError as error:
        faults += error.faults
    try:
        settings = Settings.model_validate(data, context=Origin(path.parent, warnings))
    except RuntimeError as error:  # pathlib's word for a user without a home
        raise ConfigError([f"{path}: {_NO_HOME}"]) from error
    except ValidationError as error:
        raise ConfigError(located.faults(error, Settings, root, path) + faults) from error
    faults += [
        f"{located.place(root, ('sources', number, key), path)}: {key} {fault}"
        for number, source in enumerate(settings.sources)
        for key, fault in _secret_faults(source)
    ]
    faults += [
        fault
        for number, source in enumerate(settings.sources)
        if isinstance(source, HtmlSettings)
        for fault in _definition_faults(source, number, root, path)
    ]
    if faults:
        raise ConfigError(faults)
    return settings


def _definition_faults(
    source: HtmlSettings, number: int, root: yaml.Node | None, path: Path
) -> Iterator[str]:
    # what reads pages takes 0.1 s and 10 MiB, which only those pay for who have such a source
    from bookhopper.search.definitions.given import faults  # noqa: PLC0415

    for key, fault in faults(source.definition, source.given):
        if key == "definition":
            yield fault  # with its place in the definition's own file
        else:
            yield f"{located.place(root, ('sources', number, *key.split('.')), path)}: {key}: {fault}"


def _secret_faults(source: SourceSettings) -> Iterator[tuple[str, str]]:
    """Tell which of a source's files with secrets are of no use, and why; never what is in them."""
    kept = [("proxy_file", source.proxy_file, source.proxy_address)]
    if isinstance(source, OpdsSettings):
        kept.append(("password_file", source.password_file, source.secret))
    for key, path, read in kept:
        try:
            read()
        except OSError as error:
            yield key, f"{path} cannot be read: {error.strerror}"
        except ValueError as error:
            yield key, f"{path}: {error}"
