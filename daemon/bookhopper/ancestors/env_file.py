"""Files of variables, as compose reads them: `NAME=value` a line, quotes, comments, `${OTHER:-default}`.

Facts: the compose specification, "Interpolation" and "env_file".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bookhopper.errors import BookhopperError

_DEEPEST = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*
        (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\r\n]*))""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Read a file of variables; `variables` are what else its values may name.  Raises BookhopperError."""
    found: dict[str, str] = {}
    known = {**variables}
    for line in _LINE.finditer(text):
        name, value = line["name"], line["single"]
        if value is None and line["double"] is not None:
            unescaped = re.sub(r"\\([^$])", lambda match: _ESCAPES.get(match[1], match[1]), line["double"])
            value = interpolated(unescaped.replace("\\$", "$$"), known)
        elif value is None:
            value = interpolated(re.sub(r"(^|\s+)#.*", "", line["plain"]).strip(), known)
        found[name] = value
        known.setdefault(name, value)
    return found


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in the places of their names: `$A`, `${A}`, `${A:-default}`; `$$` is a `$`.

    Raises BookhopperError for what compose refuses.
    """
    return _Interpolation(text, variables).whole(0)


class _Interpolation:
    """One text, read from its beginning to its end."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables
        self._at = 0

    def whole(self, depth: int) -> str:
        """Read up to the end, or inside braces up to the one that closes them."""
        if depth > _DEEPEST:
            raise BookhopperError(f"`${{…}}` lies {_DEEPEST} deep in itself: write it plainly")
        return "".join(self._pieces(depth))

    def _pieces(self, depth: int) -> Iterator[str]:
        while self._at < len(self._text):
            character = self._text[self._at]
            if depth and character == "}":
                return
            self._at += 1
            yield self._variable(depth) if character == "$" else character

    def _variable(self, depth: int) -> str:
        """Read what follows a `$`."""
        if self._taken("$"):
            return "$"
        if self._taken("{"):
            return self._in_braces(depth)
        name = _NAME.match(self._text, self._at)
        if name is None:
            return "$"
        self._at = name.end()
        return self._variables.get(name[0], "")

    def _in_braces(self, depth: int) -> str:
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise BookhopperError("`${` is followed by no name: write `$$` for a `$`")
        self._at = name.end()
        operator = next((each for each in (":-", ":+", ":?", "-", "+", "?") if self._taken(each)), "")
        word = self.whole(depth + 1) if operator else ""
        if not self._taken("}"):
            raise BookhopperError(f"`${{{name[0]}` is not closed: a `}}` is missing")
        return self._chosen(name[0], operator, word)

    def _chosen(self, name: str, operator: str, word: str) -> str:
        value = self._variables.get(name)
        is_there = bool(value) if operator.startswith(":") else value is not None
        match operator.removeprefix(":"):
            case "+":
                return word if is_there else ""
            case "-" if not is_there:
                return word
            case "?" if not is_there:
                because = f" ({word})" if word else ""
                raise BookhopperError(f"{name} has to be set in the environment{because}: set it")
        return value or ""

    def _taken(self, text: str) -> bool:
        """Whether this comes next; it is read then."""
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True
