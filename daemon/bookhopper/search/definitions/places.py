"""Where definitions lie: at a path, beside the configuration, or with the program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bookhopper.shipped import CONFIG

FOLDER = "sources.d"
PACKAGED = CONFIG / FOLDER
_SUFFIXES = (".yaml", ".yml")


def find(name: str, beside: Path) -> Path:
    """Find a definition by its path or name; `beside` is the configuration's folder.

    Raises ValueError, which says where it was looked for.
    """
    if os.sep in name or name.endswith(_SUFFIXES):
        path = beside / Path(os.path.expandvars(name)).expanduser()
        if not path.is_file():
            raise ValueError(f"{path} is not there: check the path of the definition")
        return path
    for path in (folder / f"{name}{suffix}" for folder in _folders(beside) for suffix in _SUFFIXES):
        if path.is_file():
            return path
    remedy = f"put {name}.yaml into {beside / FOLDER}, or see `bookhopper source list`"
    raise ValueError(f"no definition is called {name}: {remedy}")


def known(beside: Path) -> Mapping[str, Path]:
    """List every definition by its name; one beside the configuration goes before one of the program's."""
    found: dict[str, Path] = {}
    for folder in _folders(beside):
        for path in sorted(folder.glob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                found.setdefault(path.stem, path)
    return found


def _folders(beside: Path) -> tuple[Path, ...]:
    return (beside / FOLDER, PACKAGED)
