"""YAML as nodes with places, built from the event stream one entry at a time.

Loading a whole document takes twelve times as long and half a gigabyte for 100,000 entries, and expands
aliases before anybody can object.  Here an entry is built when it is asked for, and what nests too deep or
expands too far is refused on the way.  What aliases and defaults repeat is counted over the whole file, since
every repetition is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from bookhopper.intake.base import UnreadableRequestError, shown

_DEEPEST = 8
"""libyaml takes quadratic time over deep nesting, and no want needs more than three levels."""

_MOST_NODES = 10_000
"""Values in one entry, those behind its aliases included."""

_BESIDE = 4
"""Characters counted for each repeated value beside its text: what stores it puts marks around it."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")

_NUMBER = re.compile(r"\s#\d")
_NUMBERED = re.compile(r"\s*(?<=\s)(#\d.*)")
"""A number in a series (`Dune Messiah #2`), behind which YAML has not read on."""

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")
)
_HINTS = {
    "mapping values are not allowed": "put a text that holds a colon and a blank in quotes",
    "cannot start any token": "put the text in quotes, and indent with blanks, not tabs",
    "expected tag URI": "put a text that begins with an exclamation mark in quotes",
    "could not find expected ':'": "put the text in quotes, or begin the line with `- `",
    "expected alphabetic": "put a text that begins with an asterisk or an ampersand in quotes",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar:
    """A single value as its text; `plain` when it stands without quotes, `tag` is empty or `!`-something."""

    place: Place
    text: str
    plain: bool
    tag: str = ""


@dataclass(slots=True)
class Sequence:
    """A list."""

    place: Place
    items: list[Node]


@dataclass(slots=True)
class Mapping:
    """Keys and values in the order of the file; a key may come twice."""

    place: Place
    pairs: list[tuple[Node, Node]]


@dataclass(slots=True)
class Broken:
    """What YAML allows and a request does not; the reason is one line for a person."""

    place: Place
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an alias stands for: the node, the values in it, and the characters that a repetition costs."""

    node: Node
    values: int
    characters: int


Node = Scalar | Sequence | Mapping | Broken


class Events:
    """The events of one document, and the nodes they make; raises UnreadableRequestError throughout.

    `most_repeated` bounds the characters that aliases and defaults may repeat in the whole document.
    """

    def __init__(self, text: str, most_repeated: int) -> None:
        forbidden = _FORBIDDEN.search(text)
        if forbidden:
            start = forbidden.start()
            line_start = text.rfind("\n", 0, start) + 1
            reason = f"YAML allows no control characters (U+{ord(text[start]):04X})"
            raise UnreadableRequestError(text.count("\n", 0, start) + 1, start - line_start + 1, reason)
        self._events = _checked(text)
        lines = enumerate(text.split("\n")) if " #" in text else ()
        self._numbered = {number: line for number, line in lines if _NUMBER.search(line)}
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._characters = 0
        self._most_repeated = most_repeated
        self._repeated = 0

    def begin(self) -> yaml.Event | None:
        """Skip to the document's root event; None when there is no document."""
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                return event
        return None

    def finish(self) -> None:
        """Read what stands behind the root; a second document is refused."""
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                place = place_of(event)
                raise UnreadableRequestError(
                    place.line, place.column, "a request is one YAML document, not several"
                )

    def items(self, most: int) -> Iterator[Node]:
        """Give the items of the list whose start was just read, to its end; more than `most` are refused."""
        for number, event in enumerate(self._events, start=1):
            if isinstance(event, yaml.SequenceEndEvent):
                return
            if number > most:
                place = place_of(event)
                reason = f"more than {most:,} wants; split the list into several files"
                raise UnreadableRequestError(place.line, place.column, reason)
            yield self.node(event)

    def keys(self) -> Iterator[Node]:
        """Give the keys of the mapping whose start was just read; the caller reads each value by `value`."""
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            yield self.node(event)

    def value(self) -> yaml.Event:
        """Give the next event, the first of a value."""
        return next(self._events)

    def skip(self, event: yaml.Event) -> None:
        """Read past the node that begins with this event, building nothing."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                _check_depth(depth, event)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(self._events)

    def node(self, event: yaml.Event) -> Node:
        """Build the whole node that begins with this event."""
        self._nodes = self._characters = 0
        return self._build(event, 1)

    def repeat(self, characters: int, place: Place) -> None:
        """Count characters that stand in the file once and are wanted again at this place."""
        self._repeated += characters
        if self._repeated > self._most_repeated:
            reason = f"aliases and defaults repeat more than {self._most_repeated:,} characters in this file"
            raise UnreadableRequestError(place.line, place.column, reason)

    def _build(self, event: yaml.Event, depth: int) -> Node:
        nodes, characters = self._nodes, self._characters
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.ScalarEvent):
            node = self._cut_short(event) or _scalar(event)
            self._characters += repeat_cost(event.value)
        elif isinstance(event, yaml.CollectionStartEvent):
            node = self._collection(event, depth)
        else:
            raise TypeError(f"{event!r} begins no node")
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, self._nodes - nodes, self._characters - characters)
        return node

    def _cut_short(self, event: yaml.ScalarEvent) -> Broken | None:
        """Tell of a text without quotes that ends before ` #2`, which YAML takes for a comment."""
        end = event.end_mark
        if event.style or end is None or end.line not in self._numbered:
            return None
        comment = _NUMBERED.match(self._numbered[end.line], end.column)
        if comment is None:
            return None
        reason = f"YAML takes {shown(comment[1])!r} for a comment: put the text in quotes"
        return Broken(place_of(event), reason, f"{event.value} {comment[1]}")

    def _collection(self, event: yaml.CollectionStartEvent, depth: int) -> Node:
        _check_depth(depth, event)
        self._characters += _BESIDE
        place = place_of(event)
        children: list[Node] = []
        for child in self._events:
            if isinstance(child, yaml.CollectionEndEvent):
                break
            children.append(self._build(child, depth + 1))
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            return Broken(place, f"the tag {event.tag} means nothing here")
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(place, children)
        return Mapping(place, list(zip(children[::2], children[1::2], strict=True)))

    def _alias(self, event: yaml.AliasEvent) -> Node:
        found = self._anchors.get(event.anchor or "")
        if found is None:
            return Broken(place_of(event), f"there is no anchor &{event.anchor} before this alias")
        self._count(found.values, event)
        self._characters += found.characters
        self.repeat(found.characters, place_of(event))
        return found.node

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            place = place_of(event)
            alias = "too many alias expansions" if isinstance(event, yaml.AliasEvent) else "too many values"
            reason = f"{alias}: one entry may hold {_MOST_NODES:,} values"
            raise UnreadableRequestError(place.line, place.column, reason)


def repeat_cost(*texts: str) -> int:
    """Tell how many characters it counts to repeat these texts."""
    return sum(map(len, texts)) + _BESIDE * len(texts)


def place_of(event: yaml.Event) -> Place:
    """Tell where an event begins."""
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _scalar(event: yaml.ScalarEvent) -> Node:
    place = place_of(event)
    tag = event.tag or ""
    if tag in _PLAIN_TAGS:
        tag = ""
    elif tag not in {"", "!"}:
        reason = f"the tag {tag} means nothing here; put a text that begins with `!` in quotes"
        return Broken(place, reason, f"{tag} {event.value}")
    return Scalar(place, event.value, event.implicit[0] or tag == "!", tag)


def _check_depth(depth: int, event: yaml.Event) -> None:
    if depth > _DEEPEST:
        place = place_of(event)
        raise UnreadableRequestError(place.line, place.column, f"nested more than {_DEEPEST} levels deep")


def _checked(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        problem = fault.problem or fault.context or "not YAML"
        hint = next(
            (hint for part, hint in _HINTS.items() if part in problem), "look for a missing quote or blank"
        )
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise UnreadableRequestError(line, column, f"not YAML, {problem}; {hint}") from fault
    except yaml.YAMLError as fault:
        raise UnreadableRequestError(1, 1, f"not YAML: {' '.join(str(fault).split())}") from fault
