"""The section `script:`: programs of one's own that look at a book, or hear of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from bookhopper.setting_types import Duration, Section, expanded_path


def _command(value: object) -> object:
    """Take the path of a program, or a list of it and its arguments; nothing is handed to a shell."""
    if value is None:
        return ()
    if isinstance(value, Path):  # as the ancestors' variable says it, in which nothing is to be expanded
        return (str(value.absolute()),)
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError("write the path of a program, or a list of texts: it and its arguments")
    if any("\0" in word for word in words):
        raise ValueError("an argument cannot hold a zero byte")
    return tuple(str(expanded_path(word)) if not place else word for place, word in enumerate(words))


Command = Annotated[tuple[str, ...], BeforeValidator(_command)]
"""A program by its absolute path and its arguments; empty where none is to be run."""


class ScriptSettings(Section):
    """Which programs are run on a book, once it is verified and once it is delivered, and for how long."""

    after_verify: Command = ()
    after_delivery: Command = ()
    timeout: Annotated[Duration, Field(gt=0)] = 60.0
