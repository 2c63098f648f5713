"""Regular expressions out of definitions, which a page can never make run for long.

Python's own engine cannot be stopped once it backtracks, and holds up every other thread meanwhile; `regex`
takes the same expressions and a time limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from bookhopper.search.definitions.budget import Budget, BudgetError, Timed

if TYPE_CHECKING:
    import regex

_MAX_PATTERN = 1000
_GROUP = re.compile(r"\$(?:\$|(\d{1,2})|\{(\w+)\})")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression; in its replacements, `$1` and `${name}` stand for groups."""

    text: str
    _compiled: regex.Pattern[str] = field(repr=False, compare=False)

    def find(self, text: str, budget: Budget) -> str | None:
        """Give the first group of the first match, or the whole match where there are no groups."""
        with Timed(budget) as seconds:
            try:
                match = self._compiled.search(text, timeout=seconds, concurrent=True)
            except TimeoutError as error:
                raise self._late() from error
        if match is None:
            return None
        return (match[1] or "") if self._compiled.groups else match[0]

    def replace(self, text: str, replacement: str, budget: Budget) -> str:
        """Replace every match; raises BudgetError when it takes too long or grows too large."""
        try:
            self.check_replacement(replacement)
        except ValueError as error:
            raise BudgetError(str(error)) from error
        written: list[str] = []
        length = 0
        with Timed(budget) as seconds:
            try:
                for piece in self._replaced(text, replacement, seconds):
                    length += len(piece)
                    budget.fits(length)
                    written.append(piece)
            except TimeoutError as error:
                raise self._late() from error
        return "".join(written)

    def check_replacement(self, replacement: str) -> None:
        """Raise ValueError when a replacement names a group that the expression has not."""
        for match in _GROUP.finditer(replacement):
            number, name = match[1], match[2]
            known = self._compiled.groupindex.keys() | set(map(str, range(self._compiled.groups + 1)))
            wanted = number or name
            if wanted and wanted not in known:
                raise ValueError(f"`{self.text}` has no group {wanted}")

    def _replaced(self, text: str, replacement: str, seconds: float) -> Iterator[str]:
        """Give what a replacement makes of a text, in pieces: the whole may be too long to be built."""
        parts = tuple(_parts(replacement))
        end = 0
        for match in self._compiled.finditer(text, timeout=seconds, concurrent=True):
            yield text[end : match.start()]
            for literal, group in parts:
                yield literal
                if group is not None:
                    yield match[group] or ""
            end = match.end()
        yield text[end:]

    def _late(self) -> BudgetError:
        return BudgetError(f"the regular expression `{self.text}` takes too long on this page")


def _parts(replacement: str) -> Iterator[tuple[str, int | str | None]]:
    """Take a replacement apart: texts, each with the group that comes behind it."""
    end = 0
    for match in _GROUP.finditer(replacement):
        group = match[1] or match[2]
        literal = replacement[end : match.start()]
        if group is None:
            yield f"{literal}$", None
        else:
            yield literal, int(group) if group.isdecimal() else group
        end = match.end()
    yield replacement[end:], None


@lru_cache(maxsize=512)
def pattern(text: str) -> Pattern:
    """Check an expression and make it ready; raises ValueError with what is wrong with it."""
    import regex  # noqa: PLC0415 - 12 MiB that a definition without regular expressions need not pay for

    if len(text) > _MAX_PATTERN:
        raise ValueError(f"a regular expression has at most {_MAX_PATTERN} characters")
    try:
        return Pattern(text, regex.compile(text))
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(f"`{text}` is no regular expression: {error}") from error
