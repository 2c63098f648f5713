"""From a YAML file to validated settings; every fault at once, each with file, line and column."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bookhopper import credentials, environment, located
from bookhopper.ancestors import overlay as ancestors
from bookhopper.draft import Draft
from bookhopper.errors import ConfigError
from bookhopper.notify_settings import NotifySettings
from bookhopper.settings import DEFAULT_SOURCES, Folders, Settings
from bookhopper.source_settings import HtmlSettings, OpdsSettings, Origin, SourceSettings

SYSTEM_PATH = Path("/etc/bookhopper/bookhopper.yaml")
"""The configuration of the machine's service, for whoever may read it and has none of their own."""

_MAX_BYTES = 1024 * 1024
_NO_HOME = "no home folder is known: set HOME, or name all three folders in a file given by --config"


def default_path() -> Path:
    """Tell where the configuration lies when no option names one: as $BOOKHOPPER_CONFIG says, or by XDG.

    Who has none of their own means the service's, if there is one.  Raises ConfigError.
    """
    if named := os.environ.get(environment.CONFIG, ""):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError as error:
        if os.access(SYSTEM_PATH, os.R_OK):
            return SYSTEM_PATH
        raise ConfigError([_NO_HOME]) from error
    own = folder / "bookhopper" / "bookhopper.yaml"
    return SYSTEM_PATH if os.access(SYSTEM_PATH, os.R_OK) and not os.path.lexists(own) else own


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and of what they were put together."""

    settings: Settings
    draft: Draft


def load(path: Path | None) -> Settings:
    """Read the settings from `path`, or from the default place, or take the defaults where there is no file.

    What the file leaves open, the ancestors' variables may set; what a variable of ours says goes before the
    file.  Raises ConfigError with every fault.
    """
    return load_with_origins(path).settings


def load_with_origins(path: Path | None) -> Loaded:
    """Read the settings as `load` does, and tell where each comes from; raises ConfigError."""
    draft = _of_file(path)
    _overlay(draft)
    return Loaded(validated(draft), draft)


def folders(path: Path | None) -> Folders:
    """Read the folders alone, whatever is wrong with the rest; raises ConfigError."""
    draft = _of_file(path)
    _overlay(draft)
    try:
        return Settings.model_validate({"folders": draft.data.get("folders") or {}}).folders
    except (AttributeError, RuntimeError, ValidationError) as error:
        raise ConfigError([f"{draft.path}: its folders cannot be read"]) from error


def _of_file(path: Path | None) -> Draft:
    """Begin with what the file says; raises ConfigError."""
    if path is None:
        path = default_path()
        if not path.exists():
            return Draft({}, None, path)
    data, root = located.parse(located.read(path, _MAX_BYTES, "configuration file"), path)
    if not isinstance(data, dict):
        raise ConfigError([f"{path}:1:1: a mapping is expected here, such as `folders:`"])
    return Draft({key: value for key, value in data.items() if value is not None}, root, path)


def _overlay(draft: Draft) -> None:
    """Add what the environment says, from the one that goes before all to the one that fills the gaps."""
    environment.override(draft, os.environ)
    draft.data.setdefault("sources", [{"kind": each.kind} for each in DEFAULT_SOURCES])
    secrets = credentials.complete(draft, os.environ, environment.settings())
    environment.miss(draft, os.environ, secrets)
    ancestors.fill(draft, os.environ)


def validated(draft: Draft) -> Settings:
    """Make the settings of a draft; raises ConfigError with every fault."""
    path, context = draft.path, Origin(draft.path.parent, tuple(draft.warnings))
    try:
        settings = Settings.model_validate(draft.data, context=context)
    except RuntimeError as error:  # pathlib's word for a user without a home
        raise ConfigError([f"{path}: {_NO_HOME}"]) from error
    except ValidationError as error:
        faults = located.faults(error, Settings, draft.data, draft.place)
        raise ConfigError(faults + draft.faults) from error
    faults = draft.faults + [
        f"{draft.place(('sources', number, key))}: {key} {fault}"
        for number, source in enumerate(settings.sources)
        for key, fault in _secret_faults(source)
    ]
    faults += [
        f"{draft.place(('notify', number, 'url_file'))}: url_file {each.url_file}: {fault}"
        for number, each in enumerate(settings.notify)
        for fault in _address_faults(each)
    ]
    faults += [
        fault
        for number, source in enumerate(settings.sources)
        if isinstance(source, HtmlSettings)
        for fault in _definition_faults(source, number, draft)
    ]
    if faults:
        raise ConfigError(faults)
    return settings


def _definition_faults(source: HtmlSettings, number: int, draft: Draft) -> Iterator[str]:
    # what reads pages takes 0.1 s and 10 MiB, which only those pay for who have such a source
    from bookhopper.search.definitions.given import faults  # noqa: PLC0415

    for key, fault in faults(source.definition, source.given):
        if key == "definition":
            yield fault  # with its place in the definition's own file
        else:
            yield f"{draft.place(('sources', number, *key.split('.')))}: {key}: {fault}"


def _address_faults(target: NotifySettings) -> Iterator[str]:
    """Tell why a file with an address is of no use; never what is in it."""
    try:
        target.address()
    except OSError as error:
        yield f"it cannot be read: {_refused(error)}"
    except ValueError as error:
        yield str(error)


def _refused(error: OSError) -> str:
    if error.errno != errno.EACCES:
        return str(error.strerror)
    return f"{error.strerror}: a service gets it by `bookhopper service install`, done again once it is named"


def _secret_faults(source: SourceSettings) -> Iterator[tuple[str, str]]:
    """Tell which of a source's files with secrets are of no use, and why; never what is in them."""
    kept = [("proxy_file", source.proxy_file, source.proxy_address)]
    if isinstance(source, OpdsSettings):
        kept.append(("password_file", source.password_file, source.secret))
    for key, path, read in kept:
        try:
            read()
        except OSError as error:
            yield key, f"{path} cannot be read: {_refused(error)}"
        except ValueError as error:
            yield key, f"{path}: {error}"
