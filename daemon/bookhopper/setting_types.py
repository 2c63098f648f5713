"""What values in the configuration may look like: durations, sizes, paths, names, and what sections share."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from bookhopper.model import FORMATS
from bookhopper.units import parse_duration, parse_size, written_duration, written_size

_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE | re.ASCII)
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def expanded_path(value: object) -> object:
    """Make a text a path, with `~` and variables of the environment; raises ValueError."""
    if not isinstance(value, str):
        return value
    expanded = os.path.expandvars(value)
    if not expanded or "\0" in expanded:
        raise ValueError("write the path of a folder or file")
    if unknown := _VARIABLE.search(expanded):
        raise ValueError(f"{unknown[0]} is not set in the environment")
    try:
        return Path(expanded).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"the home folder in {expanded} is not known") from error


def is_plain_path(path: Path) -> bool:
    """Whether a path can be written in a file: `$VARIABLE` cannot be there without being replaced."""
    return _VARIABLE.search(str(path)) is None


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", value):
        raise ValueError("write a name of lower-case letters, digits, - and _, at most 32 of them")
    return value


def _mode(value: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError('write a mode such as "0664", in quotes')
    return value


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if len(name) > 253 or not _HOST_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no host name: write one such as books.example.org, without a port")
    return tuple(name.lower() for name in names)


def _format_name(value: str) -> str:
    name = value.lower().lstrip(".")
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(FORMATS))}"
        raise ValueError(f"no format is called `{name}`: {hint}")
    return name


def _format_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_format_name(name) for name in names)


def _listed(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=0)]
Folder = Annotated[Path, BeforeValidator(expanded_path)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Name = Annotated[str, AfterValidator(_name)]
Mode = Annotated[str, AfterValidator(_mode)]
FormatName = Annotated[str, AfterValidator(_format_name)]
Formats = Annotated[Words, AfterValidator(_format_names)]
HostNames = Annotated[Words, AfterValidator(_host_names)]


def written(value: object, field: FieldInfo) -> object:
    """Give a value as it is written in a file: a duration and a size with their units, a path as a text."""
    readers = {each.func for each in field.metadata if isinstance(each, BeforeValidator)}
    if _duration in readers and isinstance(value, int | float):
        return written_duration(value)
    if _size in readers and isinstance(value, int):
        return written_size(value)
    return str(value) if isinstance(value, Path) else value


class Section(BaseModel):
    """What all sections share: they are frozen, and an unknown key is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def read_secret(path: Path) -> str:
    """Read what a file of one line keeps; raises OSError, and ValueError when it is no text."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None  # the error would quote it


def web_address(url: str) -> str:
    """Give an address of the web back; raises ValueError for any other."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        raise ValueError("write an address that begins with http:// or https://")
    return url
