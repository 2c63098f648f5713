"""The values of a want in a YAML list: what each key takes, checked, with the place of what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bookhopper.intake.base import WantError, plain, shown
from bookhopper.intake.collections import feed, read_limit, wanted, whole_series, works_of
from bookhopper.intake.readings import split_authors
from bookhopper.intake.text import read_isbn, read_pick
from bookhopper.intake.yaml_events import Mapping, Node, Place, Scalar, Sequence
from bookhopper.model import DEFAULT_PRIORITY, FORMATS, Collection, Pick, Want
from bookhopper.search.language import language_tag

_MOST_ITEMS = 50
"""Items of one list, such as tags or authors; no book has more, and each is stored with its want."""

_SHORT = 200
_TRUE = frozenset(("true", "yes", "on"))
_FALSE = frozenset(("false", "no", "off"))
_EMPTY = frozenset(("", "~", "null"))
_YEAR = re.compile(r"-?\d{1,4}")
_PRIORITY = re.compile(r"[+-]?\d{1,9}")
_FORMAT = re.compile(r"[a-z0-9]{1,10}")
_WORD = re.compile(r"[^\W_]")

Read = Callable[[Node, str, int], Any]
"""Reads one value; gets its key for the message, and how many characters a text may have."""


class EntryError(Exception):
    """An entry, or a part of it, cannot be taken."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


def is_empty(node: Node) -> bool:
    """Tell whether nothing was given: no text, `~` or `null`."""
    return isinstance(node, Scalar) and node.plain and not node.tag and node.text in _EMPTY


def kind(node: Node) -> str:
    """Name what a node is, for a message."""
    return {Sequence: "list", Mapping: "mapping"}.get(type(node), "value")


def read_text(node: Node, what: str, most: int) -> str:
    """Give a text, plain; raises EntryError when it is empty, too long or none."""
    if not isinstance(node, Scalar):
        raise EntryError(node.place, f"{what} must be a text, not a {kind(node)}")
    if len(node.text) > most:
        raise EntryError(node.place, f"{what} has {len(node.text):,} characters, more than {most:,}")
    text = plain(node.text)
    if not text or is_empty(node):
        raise EntryError(node.place, f"{what} is empty")
    return text


def _read_title(node: Node, key: str, most: int) -> str:
    title = read_text(node, f"`{key}`", most)
    if not _WORD.search(title):
        raise EntryError(node.place, f"`{key}` is only punctuation")
    return title


def _read_short(node: Node, key: str, most: int) -> str:
    return read_text(node, f"`{key}`", min(most, _SHORT))


def _read_texts(node: Node, key: str, most: int) -> tuple[str, ...]:
    if isinstance(node, Sequence):
        _check_items(node, key, len(node.items))
        return tuple(_read_short(item, key, most) for item in node.items)
    parts = tuple(part for piece in _read_short(node, key, most).split(",") if (part := piece.strip()))
    _check_items(node, key, len(parts))
    return parts


def _read_authors(node: Node, key: str, most: int) -> tuple[str, ...]:
    if isinstance(node, Sequence):
        return _read_texts(node, key, most)
    authors = split_authors(_read_short(node, key, most))
    _check_items(node, key, len(authors))
    return authors


def _check_items(node: Node, key: str, items: int) -> None:
    if items > _MOST_ITEMS:
        raise EntryError(node.place, f"`{key}` has {items} items, more than {_MOST_ITEMS}")


def _read_formats(node: Node, key: str, most: int) -> tuple[str, ...]:
    formats = tuple(name.lower().lstrip(".") for name in _read_texts(node, key, most))
    for name in formats:
        if not _FORMAT.fullmatch(name):
            raise EntryError(node.place, f"`{key}` holds {shown(name)!r}; a format is written like epub")
        if name not in FORMATS:
            known = ", ".join(sorted(FORMATS))
            raise EntryError(node.place, f"`{key}`: no format is called {name!r}; known are {known}")
    return formats


def _read_language(node: Node, key: str, most: int) -> str:
    text = _read_short(node, key, most)
    if text and not language_tag(text):
        raise EntryError(node.place, f"`{key}`: no language is called {shown(text)!r}; write en, fr, zh-Hant")
    return text


def _read_isbn(node: Node, key: str, most: int) -> str:
    text = _read_short(node, key, most)
    try:
        return read_isbn(text)
    except WantError as fault:
        raise EntryError(node.place, str(fault)) from fault


def _read_year(node: Node, key: str, most: int) -> int:
    text = _read_short(node, key, most)
    if not _YEAR.fullmatch(text):
        raise EntryError(node.place, f"`{key}` must be a whole number, such as 1925, not {shown(text)!r}")
    return int(text)


def _read_priority(node: Node, key: str, most: int) -> int:
    if (
        isinstance(node, Scalar)
        and (node.tag == "!" or node.text in {"!", "!!"})
        and not node.text.strip("!")
    ):
        return DEFAULT_PRIORITY - (2 if node.text == "!!" else 1)
    text = _read_short(node, key, most)
    if not _PRIORITY.fullmatch(text):
        raise EntryError(
            node.place, f"`{key}` must be a whole number (lower is more urgent), not {shown(text)!r}"
        )
    return int(text)


def _read_force(node: Node, key: str, most: int) -> bool:
    text = _read_short(node, key, most).lower()
    if text not in _TRUE | _FALSE:
        raise EntryError(node.place, f"`{key}` must be true or false, not {shown(text)!r}")
    return text in _TRUE


def _read_pick(node: Node, key: str, most: int) -> Pick:
    text = read_text(node, f"`{key}`", most)
    try:
        return read_pick(f"pick: {text}")
    except WantError as fault:
        raise EntryError(node.place, str(fault)) from fault


def _reading(read: Callable[[str], Any]) -> Read:
    """Make a reader of a function that takes a value's text and raises WantError."""

    def read_node(node: Node, key: str, most: int) -> Any:
        try:
            return read(read_text(node, f"`{key}`", most))
        except WantError as fault:
            raise EntryError(node.place, str(fault)) from fault

    return read_node


WANT_KEYS: dict[str, tuple[str, Read]] = {
    "title": ("title", _read_title),
    "author": ("authors", _read_authors),
    "authors": ("authors", _read_authors),
    "isbn": ("isbn", _read_isbn),
    "year": ("year", _read_year),
    "language": ("language", _read_language),
    "formats": ("formats", _read_formats),
    "series": ("series", _read_short),
    "priority": ("priority", _read_priority),
    "tags": ("tags", _read_texts),
    "force": ("force", _read_force),
    "pick": ("pick", _read_pick),
    "works_of": ("collection", _reading(works_of)),
    "whole_series": ("collection", _reading(whole_series)),
    "feed": ("collection", _reading(feed)),
    "limit": ("limit", _reading(read_limit)),
}
"""Each key with the field of a Want that it sets; `limit` becomes one of its collection."""

COMMON_FIELDS = frozenset(("language", "formats", "priority", "tags", "force"))
"""What the books of a collection can have in common."""

DEFAULT_KEYS: dict[str, tuple[str, Read]] = {
    key: (field, read)
    for key, (field, read) in WANT_KEYS.items()
    if field not in {"title", "isbn", "pick", "collection", "limit"}
}
"""What `defaults` may hold: what several wants can have in common."""


def fit_collection(fields: dict[str, Any], place: Place) -> Want | None:
    """Take what says of a collection out of a want's fields, and make a want of it; None: it asks for none.

    Raises EntryError where the fields contradict one another.
    """
    collection: Collection | None = fields.pop("collection", None)
    limit = fields.pop("limit", None)
    if collection is None:
        if limit is not None:
            raise EntryError(place, "`limit` is for a collection: works_of, whole_series or feed")
        return None
    authors = fields.pop("authors", ()) if collection.kind == "series" else ()
    if strange := sorted(fields.keys() - COMMON_FIELDS):
        named = next(key for key, (name, _) in WANT_KEYS.items() if name == strange[0])
        raise EntryError(place, f"a collection has no `{named}` of its own")
    return wanted(collection if limit is None else replace(collection, limit=limit), authors)


def unknown_key(key: str, keys: Iterable[str]) -> str:
    """Say that a key is unknown, and which one was probably meant."""
    if key == "<<":
        return "merge keys (`<<`) are not read here; use `defaults:`"
    near = difflib.get_close_matches(key.lower(), keys, n=1, cutoff=0.5)
    if near:
        return f"unknown key {shown(key)!r}; did you mean `{near[0]}`?"
    if " " in key or key[:1].isupper():
        return f"unknown key {shown(key)!r}; put a title that holds a colon in quotes"
    return f"unknown key {shown(key)!r}; known are {', '.join(keys)}"
