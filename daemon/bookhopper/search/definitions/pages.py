"""Answers of a site as elements that can be selected: HTML, XML and JSON behind one face.

Everything is bounded before it is parsed: a page is a stranger's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import soupsieve
from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector
from soupsieve.css_match import CSSMatch

from bookhopper.errors import TransientError
from bookhopper.hostile_json import JsonError, parse_json
from bookhopper.search.definitions.paths import json_path, json_text

MAX_BYTES = 2 << 20
"""The largest page that is read."""

MAX_ELEMENTS = 40_000
"""The most elements on one page, counted by what begins them; that many take some 60 MiB for a second."""

MAX_ROWS = 500

_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_DEEPEST = 200
_MOST_STEPS = 2_000_000
_PLAIN = re.compile(r"[\w-]*")
_APART = ["br", "p", "li", "td", "div", "dd", "dt", "tr"]
"""Elements whose texts stand apart, though nothing is written between them."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class PageError(TransientError):
    """An answer cannot be read as a page; the message continues its address."""


@dataclass(slots=True)
class Steps:
    """What is left of the steps that all selectors together may take on one page."""

    left: int = _MOST_STEPS

    def step(self) -> None:
        """Pay for one; raises PageError."""
        self.left -= 1
        if self.left < 0:
            raise PageError(f"its selectors take more than {_MOST_STEPS:,} steps: make them simpler")


class _Match(CSSMatch):
    """Matches as soupsieve does, in bounded time.

    It tries every way in which an element's ancestors may fit a selector, in `b div p` on nested `div` a
    number that grows with their square; how many those are on a page only counting tells.
    """

    def __init__(self, css: soupsieve.SoupSieve, tag: Tag, steps: Steps) -> None:
        self._steps = steps  # which looking for the root already takes
        super().__init__(css.selectors, tag, css.namespaces, css.flags)

    def match_selectors(self, *arguments: Any) -> bool:
        self._steps.step()
        return super().match_selectors(*arguments)

    def get_children(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        return self._paid(super().get_children(*arguments, **options))

    def get_descendants(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        return self._paid(super().get_descendants(*arguments, **options))

    def _paid(self, found: Iterator[Any]) -> Iterator[Any]:
        for each in found:
            self._steps.step()
            yield each


@dataclass(frozen=True, slots=True)
class Markup:
    """An element of an HTML or XML document; all elements of a page share its `steps`."""

    tag: Tag
    steps: Steps = field(default_factory=Steps, compare=False, repr=False)

    def all(self, selector: str) -> list[Markup]:
        """Give what a CSS selector finds below it, in the order of the document; raises PageError."""
        return [Markup(tag, self.steps) for tag in self._selected(selector, self.tag, MAX_ROWS)]

    def first(self, selector: str) -> Markup | None:
        """Give the first element that a CSS selector finds, or this one when it is that itself."""
        for tag in self._selected(selector, self.tag, 1):
            return Markup(tag, self.steps)
        with _too_nested(selector):
            return self if _Match(_css(selector), self.tag, self.steps).match(self.tag) else None

    def without(self, selector: str) -> Markup:
        """Give a copy without what a selector finds in it; raises PageError."""
        rest = copy(self.tag)
        for tag in self._selected(selector, rest):
            tag.decompose()
        return Markup(rest, self.steps)

    def _selected(self, selector: str, tag: Tag, limit: int = 0) -> list[Tag]:
        with _too_nested(selector):
            return list(_Match(_css(selector), tag, self.steps).select(limit))

    @staticmethod
    def quoted(text: str) -> str:
        """Write a value so that it is only a value in a selector, in quotes or as a name."""
        return text if _PLAIN.fullmatch(text) else soupsieve.escape(text)

    def joined(self, others: Sequence[Markup]) -> Markup:
        """Give a copy that holds the contents of others, too."""
        whole = copy(self.tag)
        for other in others:
            whole.append(copy(other.tag))
        return Markup(whole, self.steps)

    def attribute(self, name: str) -> str | None:
        """Give an attribute's value."""
        value = self.tag.get(name)
        return " ".join(value) if isinstance(value, list) else value

    def text(self) -> str:
        """Give its text, each run of blanks as one."""
        return " ".join(self.tag.get_text(" " if self.tag.find(_APART) else "").split())


@dataclass(frozen=True, slots=True)
class Json:
    """A value of a JSON document; `whole` is what the document itself is."""

    value: object
    whole: object

    def all(self, selector: str) -> list[Json]:
        """Give what a path finds; raises PageError."""
        try:
            path = json_path(selector)
        except ValueError as error:
            raise PageError(str(error)) from error
        return [Json(value, self.whole) for value in path.find(self.whole if path.of_all else self.value)]

    def first(self, selector: str) -> Json | None:
        """Give the first value that a path finds."""
        return next(iter(self.all(selector)), None)

    @staticmethod
    def quoted(text: str) -> str:
        """Give a value as it is: what is no path is refused."""
        return text

    def without(self, selector: str) -> Json:  # noqa: ARG002 - as for markup
        """Give it as it is: nothing needs to be taken out of JSON."""
        return self

    def joined(self, others: Sequence[Json]) -> Json:
        """Give a list of it and others."""
        return Json([self.value, *(other.value for other in others)], self.whole)

    def attribute(self, name: str) -> str | None:
        """Give a value of an object."""
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return None if value is None else json_text(value)

    def text(self) -> str:
        """Give it as text."""
        return " ".join(json_text(self.value).split())


Element = Markup | Json


def parse(content: bytes, kind: str, encoding: str = "") -> Element:
    """Read an answer of a kind (html, json or xml); `encoding` is what the definition or the answer says.

    Raises PageError: it is too large, nested too deeply, or is none of that kind.
    """
    if len(content) > MAX_BYTES:
        raise PageError(f"more than {MAX_BYTES >> 20} MiB large")
    if kind == "json":
        try:
            value = parse_json(content, charset=encoding, max_bytes=MAX_BYTES)
        except JsonError as error:
            raise PageError(str(error)) from error
        return Json(value, value)
    text = decoded(content, encoding)
    if text.count("<") > 2 * MAX_ELEMENTS or text.count("=") > 4 * MAX_ELEMENTS:
        raise PageError("too many elements to be read")
    soup = _xml(text) if kind == "xml" else BeautifulSoup(text, "lxml")
    if _is_too_deep(soup):
        raise PageError("nested too deeply")
    return Markup(soup)


def _xml(text: str) -> BeautifulSoup:
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise PageError("declares a document type, which an answer to a search never needs")
    plain = _XML_DECLARATION.sub("", text)
    soup = BeautifulSoup(plain.encode(), "lxml-xml", from_encoding="utf-8")
    if soup.find() is None:
        raise PageError("no XML")
    return soup


def _is_too_deep(soup: BeautifulSoup) -> bool:
    """Tell whether elements are nested so deeply that a copy of one takes quadratic time."""
    depths = {id(soup): 0}
    for tag in soup.find_all(True):
        depth = depths[id(tag)] = depths[id(tag.parent)] + 1
        if depth > _DEEPEST:
            return True
    return False


def decoded(content: bytes, encoding: str = "") -> str:
    """Decode a page: by its mark, by what is said of it, by what it says itself, else as the old web did."""
    for mark, name in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    declared = EncodingDetector.find_declared_encoding(
        content[:4096], is_html=True, search_entire_document=True
    )
    for name in filter(None, (encoding, declared, "utf-8")):
        try:
            return content.decode(name)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


@contextmanager
def _too_nested(selector: str) -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise PageError(f"the selector `{selector[:100]}` goes too deep") from error


def _css(selector: str) -> soupsieve.SoupSieve:
    try:
        return _compiled(selector)
    except (soupsieve.SelectorSyntaxError, ValueError) as error:
        what = str(error).partition("\n")[0].rstrip(".:")
        raise PageError(f"`{selector[:100]}` is no CSS selector: {what}") from error


@lru_cache(maxsize=512)
def _compiled(selector: str) -> soupsieve.SoupSieve:
    return soupsieve.compile(selector)
