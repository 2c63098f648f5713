"""What a definition may say: Cardigann's words where they fit, and a few of our own.

Every key is checked when the file is loaded; `load` tells each fault with its place.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from bookhopper.model import FORMATS
from bookhopper.search.definitions.block import Block, Filter, Part, Selecting, Selector, Text, Texts
from bookhopper.search.language import language_tag
from bookhopper.setting_types import Name

FIELDS = (
    "title",
    "author",
    "details",
    "download",
    "mirrors",
    "format",
    "language",
    "isbn",
    "year",
    "series",
    "size",
    "checksum",
    "license",
)
"""What a row may tell of a book, beside temporaries, whose names begin with `_`."""

LISTS = frozenset({"author", "isbn", "mirrors"})
"""The fields that may hold several values: each element that their selector finds is one."""

MAX_PAGES = 20
ANSWER_FIELDS = frozenset(
    {"title", "author", "format", "language", "isbn", "year", "series", "size", "checksum"}
)


class Setting(Part):
    """What the person may set under `settings:`; an `info` is only shown."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: Literal["text", "password", "checkbox", "select", "info"] = "text"
    label: str = ""
    default: str | bool | int | float = ""
    options: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _default_is_an_option(self) -> Self:
        if self.type == "select" and str(self.default) not in self.options:
            raise ValueError(
                f"its default must be one of its options, {', '.join(self.options) or 'none yet'}"
            )
        return self


class AndMatch(Part):
    """Drops the rows that lack a word that is looked for."""

    name: Literal["andmatch"]


class Rows(Part):
    """Which elements of a page are its rows; `after`: each takes in so many elements behind it."""

    selector: Selecting
    after: Annotated[int, Field(ge=0, le=20)] = 0
    remove: Selecting | None = None
    filters: tuple[AndMatch, ...] = ()


class Response(Part):
    """How an answer is read."""

    type: Literal["html", "json", "xml"] = "html"


class SearchPath(Part):
    """Where to ask; `inputs` come on top of those of the whole search."""

    path: Text
    method: Literal["get", "post"] = "get"
    inputs: Mapping[str, Text] = {}
    response: Response = Response()


class Fault(Part):
    """What on a page says that it is none of what was asked for, and its message."""

    selector: Selecting
    message: Block | None = None


class Pagination(Part):
    """How to get on: by a link to the next page, or by a number in an input; at most `pages` are read."""

    pages: Annotated[int, Field(ge=1, le=MAX_PAGES)] = 3
    next: Block | None = None
    input: str = ""
    first: Annotated[int, Field(ge=0)] = 1
    step: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.next is None) == (not self.input):
            raise ValueError("give either `next`, a link, or `input`, the name of the page's number")
        return self


class Search(Part):
    """What is asked, and how the answer is read."""

    paths: Annotated[tuple[SearchPath, ...], Field(min_length=1, max_length=5)]
    inputs: Mapping[str, Text] = {}
    headers: Mapping[str, Text] = {}
    keywordsfilters: tuple[Filter, ...] = ()
    error: tuple[Fault, ...] = ()
    rows: Rows
    fields: Mapping[str, Block]
    pagination: Pagination | None = None

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: Mapping[str, Block]) -> Mapping[str, Block]:
        for name in fields:
            if name not in FIELDS and not name.startswith("_"):
                raise ValueError(
                    f"no field is called `{name}`: known are {', '.join(FIELDS)}, and names with _ in front"
                )
        if "title" not in fields:
            raise ValueError("`title` is missing")
        if not {"download", "details"} & fields.keys():
            raise ValueError("`download`, the link to the file, is missing (or `details`, that to its page)")
        return fields

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if len({path.response.type for path in self.paths}) > 1:
            raise ValueError("all paths must answer in one type, since their rows are read in one way")
        return self

    @property
    def type(self) -> str:
        """How its answers are read."""
        return self.paths[0].response.type


class LoginTest(Part):
    """A page that only who is signed in sees whole."""

    path: Text
    selector: Selecting | None = None


class Login(Part):
    """How to sign in; `form` finds the form on the page at `path`, whose hidden inputs go along."""

    method: Literal["form", "post", "get", "cookie"] = "form"
    path: Text | None = None
    form: Selecting = Field(default_factory=lambda: Selector.parse("form"))
    inputs: Mapping[str, Text] = {}
    cookies: Texts = ()
    headers: Mapping[str, Text] = {}
    error: tuple[Fault, ...] = ()
    test: LoginTest | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.method == "cookie" and "cookie" not in self.inputs:
            raise ValueError("`method: cookie` needs `inputs: {cookie: …}`")
        if self.method != "cookie" and self.path is None:
            raise ValueError("`path` is missing: where the sign-in goes")
        return self


class Link(Block):
    """Where a page has the links to a file; all that it finds are mirrors of one file in one format."""

    format: str = ""

    @field_validator("format")
    @classmethod
    def _known_format(cls, format_: str) -> str:
        return _known_format(format_) if format_ else ""


class Before(Part):
    """What has to be asked before a download page gives its links."""

    path: Text
    method: Literal["get", "post"] = "get"
    inputs: Mapping[str, Text] = {}


class Download(Part):
    """How a row's page leads to the file; of the selectors of a format, the first that finds anything counts.

    `fields` are read from that page: for a book that is asked for by its key, and for what only it tells.
    """

    selectors: Annotated[tuple[Link, ...], Field(min_length=1)]
    before: Before | None = None
    method: Literal["get", "post"] = "get"
    headers: Mapping[str, Text] = {}
    fields: Mapping[str, Block] = {}

    @field_validator("fields")
    @classmethod
    def _known_fields(cls, fields: Mapping[str, Block]) -> Mapping[str, Block]:
        for name in fields:
            if name not in ANSWER_FIELDS and not name.startswith("_"):
                raise ValueError(
                    f"no field of a page is called `{name}`: known are {', '.join(sorted(ANSWER_FIELDS))}"
                )
        return fields


class Caps(Part):
    """What the site's search understands; without `book-search`, a text of title and author is all."""

    modes: Mapping[
        Literal["search", "book-search"], tuple[Literal["q", "title", "author", "isbn", "year"], ...]
    ] = {"search": ("q",)}

    @property
    def by_isbn(self) -> bool:
        """Whether it can be asked for an ISBN."""
        return any("isbn" in words for words in self.modes.values())


class Fixture(Part):
    """A saved page beside the definition, and the rows expected of it, each with the fields that count."""

    page: str
    keywords: str = ""
    rows: tuple[Mapping[str, str | tuple[str, ...]], ...] | None = None
    links: Mapping[str, tuple[str, ...]] | None = None
    settings: Mapping[str, str | bool | int | float] = {}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.rows is None) == (self.links is None):
            raise ValueError(
                "give either the `rows` of a search, or the `links`, by format, of a download page"
            )
        return self


class Definition(Part):
    """One catalogue."""

    id: Name
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    language: str = ""
    type: Literal["public", "semi-private", "private"] = "public"
    links: Annotated[tuple[str, ...], Field(min_length=1)]
    encoding: str = ""
    request_delay: Annotated[float | None, Field(alias="requestDelay", ge=0, le=3600)] = None
    followredirect: bool = False
    formats: tuple[str, ...] = ()
    license: str = ""
    settings: tuple[Setting, ...] = ()
    caps: Caps = Caps()
    login: Login | None = None
    search: Search
    download: Download | None = None
    fixtures: tuple[Fixture, ...] = ()

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            if encoding:
                "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(f"no encoding is called `{encoding}`") from error
        return codecs.lookup(encoding).name if encoding else ""

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str) -> str:
        if language and not language_tag(language):
            raise ValueError(f"no language is called `{language}`: write a tag such as en, fr or zh-Hant")
        return language_tag(language)

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_known_format, formats))

    @field_validator("links")
    @classmethod
    def _web_addresses(cls, links: tuple[str, ...]) -> tuple[str, ...]:
        for link in links:
            if not link.startswith(("http://", "https://")) or len(link.split()) != 1:
                raise ValueError(f"`{link}` is no address that begins with http:// or https://")
        return links

    @property
    def site(self) -> str:
        """The address that its paths are relative to."""
        return self.links[0]


def _known_format(name: str) -> str:
    plain = name.lower().lstrip(".")
    if plain not in FORMATS:
        raise ValueError(f"no format is called `{name}`: known are {', '.join(sorted(FORMATS))}")
    return plain
