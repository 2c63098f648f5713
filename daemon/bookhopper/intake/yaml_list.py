"""YAML lists: a list of wants, or a mapping with `defaults:` and `wants:`.

A want is a text, read like a line of a text list, or a mapping.  A bad entry is one bad line with its place;
the good ones are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NoReturn

import yaml

from bookhopper.intake.base import Entry, Limits, UnreadableRequestError, WantError, shown
from bookhopper.intake.collections import as_line
from bookhopper.intake.text import read_line
from bookhopper.intake.yaml_events import Broken, Events, Mapping, Node, Scalar, place_of, repeat_cost
from bookhopper.intake.yaml_fields import (
    COMMON_FIELDS,
    DEFAULT_KEYS,
    WANT_KEYS,
    EntryError,
    Read,
    fit_collection,
    is_empty,
    kind,
    read_text,
    unknown_key,
)
from bookhopper.model import DEFAULT_PRIORITY, BadLine, Want

Fields = dict[str, Any]
"""The fields of a Want that a mapping gives."""

_NOTHING_SAID = Want()
_MOST_SHOWN = 12
_TOP_KEYS = ("defaults", "wants")


def parse_yaml(text: str, limits: Limits) -> Iterator[Entry]:
    """Read a YAML list, entry by entry."""
    events = Events(text, limits.size)
    root = events.begin()
    if root is None:
        return
    reader = _Reader(limits, events)
    if isinstance(root, yaml.SequenceStartEvent):
        yield from reader.entries(events.items(reader.limits.lines))
    elif isinstance(root, yaml.MappingStartEvent):
        yield from _of_mapping(events, reader)
    else:
        place = place_of(root)
        raise UnreadableRequestError(
            place.line, place.column, "a YAML request is a list: begin each want with `- `"
        )
    events.finish()


def _of_mapping(events: Events, reader: _Reader) -> Iterator[Entry]:
    """Read `defaults:` and `wants:`; wants that stand before the defaults are kept until those are known."""
    bad: list[BadLine] = []
    early: list[Node] = []
    seen: set[str] = set()
    for key in events.keys():  # noqa: SIM118 - no dict
        event = events.value()
        name = key.text if isinstance(key, Scalar) else ""
        if name in seen:
            bad.append(BadLine(key.place.line, key.place.column, name, f"the key {name} comes twice"))
            events.skip(event)
        elif name == "defaults":
            bad += reader.set_defaults(events.node(event))
        elif name == "wants":
            if not isinstance(event, yaml.SequenceStartEvent):
                place = place_of(event)
                raise UnreadableRequestError(place.line, place.column, "`wants` must be a list")
            if "defaults" in seen:
                yield from reader.entries(events.items(reader.limits.lines))
            else:
                early = list(events.items(reader.limits.lines))
        else:
            bad.append(BadLine(key.place.line, key.place.column, shown(name), unknown_key(name, _TOP_KEYS)))
            events.skip(event)
        seen.add(name)
    if "wants" not in seen:
        _refuse_without_wants(bad)
    yield from reader.entries(early)
    yield from bad


def _refuse_without_wants(bad: list[BadLine]) -> NoReturn:
    line, column = (bad[0].line, bad[0].column) if bad else (1, 1)
    reason = "a YAML request is a list, or a mapping with `wants:`"
    raise UnreadableRequestError(line, column, f"{reason}: {bad[0].reason}" if bad else reason)


class _Reader:
    """Turns nodes into entries, with the file's defaults."""

    def __init__(self, limits: Limits, events: Events) -> None:
        self.limits = limits
        self._events = events
        self._defaults: Fields = {}
        self._defaults_cost = 0

    def set_defaults(self, node: Node) -> list[BadLine]:
        """Take the defaults that can be read; give a bad line for each that cannot."""
        bad: list[BadLine] = []
        if not isinstance(node, Mapping):
            return [BadLine(node.place.line, node.place.column, "defaults", "`defaults` must be a mapping")]
        for key, value in node.pairs:
            try:
                self._set(self._defaults, key, value, DEFAULT_KEYS)
            except EntryError as fault:
                raw = shown(f"defaults: {key.text if isinstance(key, Scalar) else '?'}")
                bad.append(BadLine(fault.place.line, fault.place.column, raw, fault.reason))
        values = (value if isinstance(value, tuple) else (str(value),) for value in self._defaults.values())
        self._defaults_cost = sum(repeat_cost(*texts) for texts in values)
        return bad

    def entries(self, nodes: Iterable[Node]) -> Iterator[Entry]:
        """Give an entry for each node."""
        for node in nodes:
            self._events.repeat(self._defaults_cost, node.place)
            try:
                yield self._want(node)
            except EntryError as fault:
                yield BadLine(fault.place.line, fault.place.column, _summary(node), fault.reason)

    def _want(self, node: Node) -> Want:
        if isinstance(node, Scalar):
            return self._from_text(node)
        if isinstance(node, Mapping):
            return self._from_mapping(node)
        if isinstance(node, Broken):
            raise EntryError(node.place, node.reason)
        raise EntryError(node.place, "a want is a text or a mapping, not a list")

    def _from_text(self, node: Scalar) -> Want:
        line = read_text(node, "a want", self.limits.line)
        try:
            want = read_line(line, node.place.line)
        except WantError as fault:
            raise EntryError(node.place, str(fault)) from fault
        if node.tag:  # YAML takes the `!` of an unquoted `! Dune` for a tag
            want = replace(want, priority=min(want.priority, DEFAULT_PRIORITY - 1), raw=f"! {line}")
        return self._with_defaults(want)

    def _with_defaults(self, want: Want) -> Want:
        """Give a want what the file's defaults say and it does not; of a collection, what its books share."""
        said = {name for name in self._defaults if getattr(want, name) != getattr(_NOTHING_SAID, name)}
        if want.collection is not None:
            said |= self._defaults.keys() - COMMON_FIELDS
        rest = {name: value for name, value in self._defaults.items() if name not in said}
        return replace(want, **rest) if rest else want

    def _from_mapping(self, node: Mapping) -> Want:
        fields = self._defaults.copy()
        given: Fields = {}
        for key, value in node.pairs:
            self._set(given, key, value, WANT_KEYS)
        collection = fit_collection(given, node.place)
        if collection is not None:
            raw = as_line(collection)
            return self._with_defaults(replace(collection, line=node.place.line, raw=raw, **given))
        if not (given.get("title") or given.get("isbn") or given.get("pick")):
            reason = "a want needs a title, an isbn, a pick or a collection"
            if given.get("series"):
                reason = (
                    f"{reason}; all books of a series are asked for by `whole_series` instead of `series`"
                )
            raise EntryError(node.place, reason)
        fields.update(given)
        return Want(line=node.place.line, raw=_title_line(given), **fields)

    def _set(self, fields: Fields, key: Node, value: Node, keys: dict[str, tuple[str, Read]]) -> None:
        if not isinstance(key, Scalar):
            raise EntryError(key.place, "a key must be a plain word")
        if isinstance(value, Broken):
            raise EntryError(value.place, value.reason)
        known = keys.get(key.text)
        if known is None:
            raise EntryError(key.place, unknown_key(key.text, keys))
        name, read = known
        if name in fields:
            raise EntryError(key.place, f"`{key.text}` is given twice")
        if is_empty(value):
            return
        fields[name] = read(value, key.text, self.limits.line)


def _title_line(fields: Fields) -> str:
    """Show a mapping the way a text list would say it."""
    if pick := fields.get("pick"):
        return f"pick: {f'{pick.job} ' if pick.job else ''}{pick.source}:{pick.key}"
    parts = [fields.get("title", ""), ", ".join(fields.get("authors", ()))]
    return " — ".join(part for part in parts if part) or f"ISBN {fields['isbn']}"


def _summary(node: Node) -> str:
    """Show an entry that could not be read."""
    if isinstance(node, Mapping):
        # One level only: behind aliases a small file may hold a huge tree.
        pairs = (f"{_scalar(key)}: {_scalar(value)}" for key, value in node.pairs[:_MOST_SHOWN])
        return shown(", ".join(pairs))
    return _scalar(node)


def _scalar(node: Node) -> str:
    return shown(node.text) if isinstance(node, Scalar | Broken) and node.text else f"({kind(node)})"
