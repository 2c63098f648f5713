"""YAML whose every fault has a place: file:line:column, as the configuration and source definitions need."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bookhopper.errors import ConfigError

Location = Sequence[str | int]

_Form = Any
"""A section (a model), or the annotation of a mapping to sections."""

_WORDS = {
    "bool_parsing": "true or false is expected here",
    "bool_type": "true or false is expected here",
    "dict_type": "a mapping is expected here",
    "float_parsing": "a number is expected here",
    "float_type": "a number is expected here",
    "int_from_float": "a whole number is expected here",
    "int_parsing": "a whole number is expected here",
    "int_type": "a whole number is expected here",
    "invalid_key": "a key here is no text: to YAML a number is none, nor are on, off, yes and no",
    "is_instance_of": "a text is expected here",
    "model_attributes_type": "a mapping is expected here",
    "model_type": "a mapping is expected here",
    "path_type": "a path is expected here: put it in quotes",
    "string_type": "a text is expected here: put it in quotes",
    "too_short": "at least one is expected here",
    "tuple_type": "a list is expected here",
}
"""What pydantic's errors mean to somebody who writes YAML; the others read well enough."""


def read(path: Path, max_bytes: int, what: str) -> bytes:
    """Read a file whole; raises ConfigError when it cannot be read or is larger than `what` ever is."""
    try:
        with path.open("rb") as file:
            text = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}: check the name and its rights"]
        ) from error
    if len(text) > max_bytes:
        most = f"{max_bytes >> 20} MiB" if max_bytes >= 1 << 20 else f"{max_bytes >> 10} KiB"
        raise ConfigError([f"{path}: larger than {most}: this is no {what}"])
    return text


def parse(
    text: bytes, path: Path, loading: type[yaml.CSafeLoader] = yaml.CSafeLoader
) -> tuple[Any, yaml.Node | None]:
    """Give the document's data and its nodes, which know their places; raises ConfigError.

    A key that stands twice in a mapping is a fault: YAML would silently take the last.
    """
    try:
        loader = loading(text)
        try:
            root = loader.get_single_node()
            if doubled := _doubled(root, path):
                raise ConfigError(doubled)
            data = loader.construct_document(root) if root is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError([f"{where}: {error.problem or 'this is no YAML'}: mend it there"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: this is no YAML file in UTF-8: {error}".replace("\n", " ")]) from error
    return data, root


def place(root: yaml.Node | None, location: Location, path: Path) -> str:
    """Write file:line:column of the deepest part of a location that stands in the file."""
    if root is None:
        return str(path)
    shown = node = root
    for part in location:
        child = _child(node, part)
        if child is not None:
            shown, node = child
    return f"{path}:{shown.start_mark.line + 1}:{shown.start_mark.column + 1}"


def line_of(root: yaml.Node | None, location: Location) -> int | None:
    """Give the line in which something stands; None: it stands nowhere in the document."""
    shown = root
    for part in location:
        child = None if root is None else _child(root, part)
        if child is None:
            return None
        shown, root = child
    return None if shown is None else shown.start_mark.line + 1


def in_a_line(value: object) -> str:
    """Write a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("\n...\n").rstrip("\n")


def faults(
    error: ValidationError, model: type[BaseModel], data: object, where_is: Callable[[Location], str]
) -> list[str]:
    """Write what pydantic found wrong with data of this model, a line each; `where_is` tells its place."""
    return [_fault(fault, model, data, where_is(fault["loc"])) for fault in error.errors()]


def within(data: object, location: Location) -> list[str | int]:
    """Leave out what stands in pydantic's location but not in the data, such as the kind of a source."""
    found: list[str | int] = []
    for part in location:
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            found.append(part)
            data = data[part]
        elif isinstance(data, dict) and str(part) in {str(key) for key in data}:
            found.append(part)
            data = next(value for key, value in data.items() if str(key) == str(part))
    return found


def _fault(error: ErrorDetails, model: type[BaseModel], data: object, where: str) -> str:
    kind, location, message = error["type"], error["loc"], error["msg"]
    names = ".".join(str(part) for part in within(data, location)) or "this file"
    if kind == "extra_forbidden":
        key, colon, _ = str(location[-1]).partition(":")
        if colon:  # in braces YAML takes `password:secret` for a key, which is not to be shown
            return f"{where}: `{key}:` needs a blank after its colon"
        known = _known_keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{where}: unknown key `{location[-1]}`: {hint}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return f"{where}: a source needs {_kinds(model, location)}"
    if kind == "missing":
        return f"{where}: `{location[-1]}` is missing"
    words = _WORDS.get(kind, message.removeprefix("Value error, ").replace("Input should be", "it must be"))
    return f"{where}: {names}: {words}"


def _doubled(root: yaml.Node | None, path: Path) -> list[str]:
    """Find the keys that a mapping has twice."""
    found: list[str] = []
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias, perhaps of what it lies in
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            found += _doubled_keys(node, path)
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
    return found


def _doubled_keys(node: yaml.MappingNode, path: Path) -> Iterator[str]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if key.value in lines:
            yield f"{path}:{line}:{column}: `{key.value}` stands here twice, first in line {lines[key.value]}"
        lines.setdefault(key.value, line)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Find a key (or the item itself) and its value below a node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """List the keys that the section at a location takes."""
    return sorted({key for kind in _at(model, location) for key in _keys(kind)})


def _kinds(model: type[BaseModel], location: Location) -> str:
    """List what `kind` may be in the section at a location."""
    words = [f"`kind: {word}`" for kind in _at(model, location) for word in _kind_words(kind)]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _at(model: type[BaseModel], location: Location) -> list[_Form]:
    """Give the sections, one a kind, that may stand at a location."""
    kinds: list[_Form] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        inner = [annotation for kind in kinds for annotation in _below(kind, part)]
        if inner:
            kinds = [model for annotation in inner for model in _models(annotation)]
        else:  # the kind of a source, which stands in the location but is no key
            kinds = [kind for kind in kinds if part in _kind_words(kind)]
    return kinds


def _keys(kind: _Form) -> dict[str, Any]:
    if not _is_section(kind):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _below(kind: _Form, part: str) -> list[Any]:
    """Give what may stand below a key: of a section by its name, of a mapping any of its values."""
    if _is_section(kind):
        return [annotation for key, annotation in _keys(kind).items() if key == part]
    return [get_args(kind)[1]]


def _kind_words(kind: _Form) -> tuple[Any, ...]:
    return get_args(kind.model_fields["kind"].annotation) if "kind" in _keys(kind) else ()


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _models(annotation: Any) -> list[_Form]:
    """Find the sections, and mappings to sections, inside an annotation such as `tuple[A | B, ...]`."""
    if _is_section(annotation):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, tuple):
        return [model for inner in get_args(annotation) for model in _models(inner)]
    if get_origin(annotation) in (dict, Mapping):
        return [annotation]
    return []
