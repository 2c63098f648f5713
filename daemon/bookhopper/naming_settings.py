"""The settings of the names that books get in the ingest folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, field_validator

from bookhopper import name_template
from bookhopper.setting_types import FormatName, Section


def _template(text: str) -> str:
    name_template.parse(text)
    return text


def _file_template(text: str) -> str:
    if not name_template.parse(text).fields:
        raise ValueError('all books would have one name: write a field in braces such as "{title}"')
    return text


def tag_key(text: str) -> str:
    """Write a tag as rules are looked up by it."""
    return text.strip().casefold()


NameTemplate = Annotated[str, AfterValidator(_template)]
FileTemplate = Annotated[str, AfterValidator(_file_template)]
Tag = Annotated[str, AfterValidator(tag_key)]


class NameRule(Section):
    """Names of some books; what is not set here is as for the others."""

    file: FileTemplate | None = None
    folder: NameTemplate | None = None


class NamingSettings(Section):
    """Templates of file names, without their extension, and of the folders in ingest that they lie in.

    What stands under a tag of the want goes before what stands under the book's format.
    """

    file: FileTemplate = "{title}{ - author}"
    folder: NameTemplate = ""
    formats: Mapping[FormatName, NameRule] = {}
    tags: Mapping[Tag, NameRule] = {}

    @field_validator("formats", "tags", mode="before")
    @classmethod
    def _keys_once(cls, rules: object) -> object:
        """Refuse keys that differ in case only, of which one would go unheeded."""
        seen: set[str] = set()
        for key in map(str, rules if isinstance(rules, Mapping) else ()):
            if tag_key(key) in seen:
                raise ValueError(f"`{key}` stands here twice, case apart")
            seen.add(tag_key(key))
        return rules
