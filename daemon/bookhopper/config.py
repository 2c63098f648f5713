"""From a YAML file to validated settings; every fault at once, each with file, line and column."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from bookhopper import environment
from bookhopper.errors import ConfigError
from bookhopper.settings import OpdsSettings, Settings

_MAX_BYTES = 1024 * 1024
_WORDS = {
    "bool_parsing": "true or false is expected here",
    "bool_type": "true or false is expected here",
    "float_parsing": "a number is expected here",
    "float_type": "a number is expected here",
    "int_from_float": "a whole number is expected here",
    "int_parsing": "a whole number is expected here",
    "int_type": "a whole number is expected here",
    "model_attributes_type": "a mapping is expected here",
    "model_type": "a mapping is expected here",
    "path_type": "a path is expected here: put it in quotes",
    "string_type": "a text is expected here: put it in quotes",
    "too_short": "at least one is expected here",
    "tuple_type": "a list is expected here",
}
"""What pydantic's errors mean to somebody who writes YAML; the others read well enough."""

_NO_HOME = "no home folder is known: set HOME, or name all three folders in a file given by --config"

Location = Sequence[str | int]


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
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}: check the name and its rights"]
        ) from error
    if len(text) > _MAX_BYTES:
        raise ConfigError([f"{path}: larger than 1 MiB: this is no configuration file"])
    return _parsed(text, path)


def _parsed(text: bytes, path: Path) -> Settings:
    try:
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
            if doubled := _doubled(root, path):
                raise ConfigError(doubled)
            data = loader.construct_document(root) if root is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError([f"{place}: {error.problem or 'this is no YAML'}: mend it there"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: this is no YAML file in UTF-8: {error}".replace("\n", " ")]) from error
    if not isinstance(data, dict):
        raise ConfigError([f"{path}:1:1: a mapping is expected here, such as `folders:`"])
    return _validated({key: value for key, value in data.items() if value is not None}, root, path)


def _doubled(root: yaml.Node | None, path: Path) -> list[str]:
    """Find the keys that a mapping has twice, of which YAML would silently take the last."""
    faults: list[str] = []
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias, perhaps of what it lies in
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            faults += _doubled_keys(node, path)
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
    return faults


def _doubled_keys(node: yaml.MappingNode, path: Path) -> Iterator[str]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if key.value in lines:
            yield f"{path}:{line}:{column}: `{key.value}` stands here twice, first in line {lines[key.value]}"
        lines.setdefault(key.value, line)


def _validated(data: dict[Any, Any], root: yaml.Node | None, path: Path) -> Settings:
    faults: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        data, warnings = environment.overlay(data, os.environ)
    except ConfigError as error:
        faults += error.faults
    try:
        settings = Settings.model_validate(data, context=warnings)
    except RuntimeError as error:  # pathlib's word for a user without a home
        raise ConfigError([f"{path}: {_NO_HOME}"]) from error
    except ValidationError as error:
        found = [_fault(fault["type"], fault["loc"], fault["msg"], root, path) for fault in error.errors()]
        raise ConfigError(found + faults) from error
    faults += [
        f"{_place(root, ('sources', number, 'password_file'), path)}: {fault}"
        for number, source in enumerate(settings.sources)
        if isinstance(source, OpdsSettings) and (fault := _password_fault(source))
    ]
    if faults:
        raise ConfigError(faults)
    return settings


def _password_fault(source: OpdsSettings) -> str:
    try:
        source.secret()
    except OSError as error:
        return f"password_file {source.password_file} cannot be read: {error.strerror}"
    return ""


def _fault(kind: str, location: Location, message: str, root: yaml.Node | None, path: Path) -> str:
    place = _place(root, location, path)
    names = ".".join(str(part) for part in _in_file(root, location)) or "this file"
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{place}: unknown key `{location[-1]}`: {hint}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return f"{place}: a source needs `kind: gutenberg`, `kind: opds` or `kind: folder`"
    if kind == "missing":
        return f"{place}: `{location[-1]}` is missing"
    words = _WORDS.get(kind, message.removeprefix("Value error, ").replace("Input should be", "it must be"))
    return f"{place}: {names}: {words}"


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Find a key (or the item itself) and its value below a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _in_file(root: yaml.Node | None, location: Location) -> list[str | int]:
    """Leave out what stands in pydantic's location but not in the file: the kind of a source."""
    found: list[str | int] = []
    node = root
    for part in location:
        child = _child(node, part) if node is not None else None
        if child is not None:
            node = child[1]
            found.append(part)
    return found


def _place(root: yaml.Node | None, location: Location, path: Path) -> str:
    """Write file:line:column of the deepest part of a location that stands in the file."""
    if root is None:
        return str(path)
    shown = node = root
    for part in location:
        child = _child(node, part)
        if child is not None:
            shown, node = child
    return f"{path}:{shown.start_mark.line + 1}:{shown.start_mark.column + 1}"


def _known_keys(location: Location) -> list[str]:
    """List the keys that the section at a location takes."""
    kinds: list[type[BaseModel]] = [Settings]
    for part in location:
        if isinstance(part, int):
            continue
        inner = [field for kind in kinds if (field := kind.model_fields.get(part)) is not None]
        if inner:
            kinds = [model for field in inner for model in _models(field.annotation)]
        else:  # the kind of a source, which stands in the location but is no key
            kinds = [kind for kind in kinds if part in get_args(kind.model_fields["kind"].annotation)]
    return sorted({name for kind in kinds for name in kind.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Find the sections inside an annotation such as `tuple[A | B, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple):
        return [model for inner in get_args(annotation) for model in _models(inner)]
    return []
