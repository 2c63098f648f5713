"""From a YAML file to a definition in which every key, name, template and selector has been checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import soupsieve
import yaml
from pydantic import BaseModel, ValidationError

from bookhopper import located
from bookhopper.errors import ConfigError
from bookhopper.search.definitions.block import Selector
from bookhopper.search.definitions.model import Definition
from bookhopper.search.definitions.paths import json_path
from bookhopper.search.definitions.templates import Template

MAX_BYTES = 256 * 1024
_MOST_NODES = 20_000
_DEEPEST = 20
_VALUES = frozenset(
    {"Keywords", "Query.Title", "Query.Author", "Query.Isbn", "Query.Year", "Config.sitelink"}
)
_PAGE_VALUES = frozenset({"DownloadUri.AbsoluteUri", "DownloadUri.AbsolutePath"})
_PAGE_QUERY = "DownloadUri.Query."

_Place = tuple[str | int, ...]


def load(path: Path) -> Definition:
    """Read a definition; raises ConfigError with every fault, each with file:line:column."""
    text = located.read(path, MAX_BYTES, "definition of a source")
    _refuse_tricks(text, path)
    data, root = located.parse(text, path)
    if not isinstance(data, dict):
        raise ConfigError([f"{path}:1:1: a mapping is expected here, such as `id:`"])

    def where_is(location: located.Location) -> str:
        return located.place(root, location, path)

    try:
        definition = Definition.model_validate(data)
    except ValidationError as error:
        raise ConfigError(located.faults(error, Definition, data, where_is)) from error
    faults = [
        f"{where_is(place)}: {'.'.join(map(str, place))}: {fault}"
        for place, template in _templates(definition, ())
        for fault in _template_faults(template, place, definition)
    ]
    if faults:
        raise ConfigError(faults)
    return definition


def _refuse_tricks(text: bytes, path: Path) -> None:
    """Refuse, before anything is built, what grows out of proportion: aliases, depth, endless lists."""
    depth = nodes = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            nodes += isinstance(event, yaml.NodeEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            what = ""
            if isinstance(event, yaml.AliasEvent):
                what = "an alias means nothing here: write it out"
            elif depth > _DEEPEST:
                what = f"nested more than {_DEEPEST} levels deep"
            elif nodes > _MOST_NODES:
                what = f"more than {_MOST_NODES:,} values: this is no definition of a source"
            if what:
                mark = event.start_mark
                where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
                raise ConfigError([f"{where}: {what}"])
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # what is wrong with it is told, with its place, when it is read


def _templates(value: object, place: _Place) -> Iterator[tuple[_Place, Template]]:
    """Give every template of a definition and where it stands."""
    if isinstance(value, Template):
        yield place, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _templates(getattr(value, name), (*place, field.alias or name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _templates(inner, (*place, str(key)))
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _templates(inner, (*place, number))


def _template_faults(template: Template, place: _Place, definition: Definition) -> Iterator[str]:
    known = _known_at(place, definition)
    for reference in template.references:
        is_query = place[:2] == ("download", "before") and reference.name.startswith(_PAGE_QUERY)
        if reference.name not in known and not is_query:
            names = ", ".join(sorted(f".{name}" for name in known))
            where = f"character {reference.place + 1} of the template"
            yield f"{where}: nothing is called `.{reference.name}` here: known are {names}"
    if isinstance(template, Selector) and template.is_static:
        try:
            check_selector(template.text, definition.search.type if place[0] == "search" else "html")
        except ValueError as error:
            yield str(error)


def check_selector(text: str, kind: str) -> None:
    """Raise ValueError when a selector cannot be one for an answer of this kind."""
    if kind == "json":
        json_path(text)
        return
    try:
        soupsieve.compile(text)
    except (soupsieve.SelectorSyntaxError, RecursionError) as error:
        what = str(error).partition("\n")[0].rstrip(".:")
        raise ValueError(f"`{text}` is no CSS selector: {what}") from error


def _known_at(place: _Place, definition: Definition) -> frozenset[str]:
    """Tell which values there are at a place: a field knows those that stand above it."""
    known = _VALUES | {f"Config.{setting.name}" for setting in definition.settings}
    fields = list(definition.search.fields)
    if place[0] == "download":
        return known | _PAGE_VALUES | {f"Result.{name}" for name in (*fields, *_own_fields(definition))}
    if place[:2] == ("search", "fields"):
        return known | {f"Result.{name}" for name in fields[: fields.index(str(place[2]))]}
    return known


def _own_fields(definition: Definition) -> Iterator[str]:
    if definition.download is not None:
        yield from definition.download.fields
