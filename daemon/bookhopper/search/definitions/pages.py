"""Answers of a site as elements that can be selected: HTML, XML and JSON behind one face.

Everything is bounded before it is parsed: a page is a stranger's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache

import soupsieve
from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector

from bookhopper.errors import TransientError
from bookhopper.hostile_json import JsonError, parse_json
from bookhopper.search.definitions.paths import json_path, json_text

MAX_BYTES = 2 << 20
"""The largest page that is read."""

MAX_ELEMENTS = 40_000
"""The most elements on one page, counted by what begins them; that many take some 60 MiB for a second."""

MAX_ROWS = 500

_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_DEEPEST = 500
_APART = ["br", "p", "li", "td", "div", "dd", "dt", "tr"]
"""Elements whose texts stand apart, though nothing is written between them."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class PageError(TransientError):
    """An answer cannot be read as a page; the message continues its address."""


@dataclass(frozen=True, slots=True)
class Markup:
    """An element of an HTML or XML document."""

    tag: Tag

    def all(self, selector: str) -> list[Markup]:
        """Give what a CSS selector finds below it, in the order of the document."""
        return [Markup(tag) for tag in _css(selector).select(self.tag, limit=MAX_ROWS)]

    def first(self, selector: str) -> Markup | None:
        """Give the first element that a CSS selector finds, or this one when it is that itself."""
        css = _css(selector)
        found = css.select_one(self.tag)
        if found is not None:
            return Markup(found)
        return self if css.match(self.tag) else None

    def without(self, selector: str) -> Markup:
        """Give a copy without what a selector finds in it."""
        rest = copy(self.tag)
        for tag in _css(selector).select(rest):
            tag.decompose()
        return Markup(rest)

    def joined(self, others: Sequence[Markup]) -> Markup:
        """Give a copy that holds the contents of others, too."""
        whole = copy(self.tag)
        for other in others:
            whole.append(copy(other.tag))
        return Markup(whole)

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
        """Give what a path finds."""
        path = json_path(selector)
        return [Json(value, self.whole) for value in path.find(self.whole if path.of_all else self.value)]

    def first(self, selector: str) -> Json | None:
        """Give the first value that a path finds."""
        return next(iter(self.all(selector)), None)

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


@lru_cache(maxsize=512)
def _css(selector: str) -> soupsieve.SoupSieve:
    return soupsieve.compile(selector)
