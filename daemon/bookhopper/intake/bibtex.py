"""BibTeX and BibLaTeX files as entries with places; a broken entry costs only itself.

What BibTeX ignores is ignored here: all text between entries, `@comment` and `@preamble`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_START = re.compile(r"^[^\S\n]*@[^\S\n]*\w+[^\S\n]*[{(]", re.MULTILINE)
"""A line like this begins an entry even where the one before is not closed, which so takes no other along."""

_ENTRY = re.compile(r"@\s*(?P<kind>\w+)\s*(?P<open>[{(])")
_KEY = re.compile(r"\s*(?P<key>[^\s,{}()=\"#%]*)\s*(?:,|(?=[})]))")
_NAME = re.compile(r"\s*(?P<name>[^\s,{}()=\"#%]+)\s*=\s*")
_MARK = re.compile(r"[{}\"\\]")
_NUMBER = re.compile(r"\d+")
_MACRO = re.compile(r"[^\s,{}()=\"#%\d][^\s,{}()=\"#%]*")
_JOINT = re.compile(r"\s*#\s*")
_BLANKS = re.compile(r"\s*")
_NEXT = re.compile(r"\s*(?P<sign>[,})])\s*")
_CLOSING = {"{": "}", "(": ")"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MOST_MACROS = 10_000
_LONGEST_VALUE = 100_000


@dataclass(frozen=True, slots=True)
class BibEntry:
    """An entry by its kind and field names in lower case; `fault` says why it cannot be read, if it cannot.

    `line` and `column`, from 1, tell where it begins or where its fault is.
    """

    kind: str
    line: int
    column: int
    fields: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    raw: str = ""


class _FaultError(Exception):
    """Something is wrong at a place of the text."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


def read_bibtex(text: str) -> Iterator[BibEntry]:
    """Give the entries, broken ones included."""
    macros = {month: month for month in _MONTHS}
    begin, line = 0, 1
    while begin < len(text):
        following = _START.search(text, text.find("\n", begin) + 1 or len(text))
        end = following.start() if following else len(text)
        for entry in _Block(text[begin:end], macros).entries():
            yield BibEntry(
                entry.kind, entry.line + line - 1, entry.column, entry.fields, entry.fault, entry.raw
            )
        line += text.count("\n", begin, end)
        begin = end


class _Block:
    """A piece of the file that holds an entry or, on shared lines, several; `macros` are the file's."""

    def __init__(self, text: str, macros: dict[str, str]) -> None:
        self._text = text
        self._macros = macros
        self._counted = 0
        self._line = 1

    def entries(self) -> Iterator[BibEntry]:
        """Give the entries of the block; after a fault the rest of it is not looked at."""
        at = 0
        while found := _ENTRY.search(self._text, at):
            kind = found["kind"].lower()
            try:
                at, fields = self._entry(kind, found)
            except _FaultError as fault:
                yield self._made(kind, fault.at, fault=fault.reason, begin=found.start())
                return
            if fields is not None:
                yield self._made(kind, found.start(), fields)

    def _made(
        self, kind: str, at: int, fields: Mapping[str, str] | None = None, fault: str = "", begin: int = 0
    ) -> BibEntry:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        column = at - self._text.rfind("\n", 0, at)
        raw = self._text[begin : begin + 300].split("\n", 1)[0] if fault else ""
        return BibEntry(kind, self._line, column, fields or {}, fault, raw)

    def _entry(self, kind: str, found: re.Match[str]) -> tuple[int, dict[str, str] | None]:
        """Read what stands between the braces; gives where it ends, and the fields of an entry."""
        at, closing = found.end(), _CLOSING[found["open"]]
        if kind == "comment":
            return (self._braced(at) if closing == "}" else at), None
        if kind == "preamble":
            at, _ = self._value(self._skip(at))
            return self._close(at, closing), None
        if kind != "string":
            key = _KEY.match(self._text, at)
            if key is None:
                raise _FaultError(at, "the entry must begin with its key and a comma, such as `austen1815,`")
            at = key.end()
        at, fields = self._fields(at, closing)
        if kind == "string":
            for name, value in fields.items():
                if len(self._macros) < _MOST_MACROS:
                    self._macros[name] = value
            return at, None
        return at, fields

    def _fields(self, at: int, closing: str) -> tuple[int, dict[str, str]]:
        """Read `name = value, …` to the end of the entry; the first of two fields with one name counts."""
        fields: dict[str, str] = {}
        while name := _NAME.match(self._text, at):
            at, value = self._value(name.end())
            fields.setdefault(name["name"].lower(), value)
            follows = _NEXT.match(self._text, at)
            if follows is None:
                raise self._unexpected(at, "a comma or the closing brace is missing behind this value")
            if follows["sign"] != ",":
                break
            at = follows.end()
        return self._close(at, closing), fields

    def _close(self, at: int, closing: str) -> int:
        at = self._skip(at)
        if not self._text.startswith(closing, at):
            raise self._unexpected(
                at, f"a field is written `name = {{value}},`, and an entry ends in {closing}"
            )
        return at + 1

    def _skip(self, at: int) -> int:
        """Pass over blanks and line ends."""
        blanks = _BLANKS.match(self._text, at)
        return blanks.end() if blanks else at

    def _unexpected(self, at: int, reason: str) -> _FaultError:
        return _FaultError(at, reason if self._skip(at) < len(self._text) else "the entry is not closed")

    def _value(self, at: int) -> tuple[int, str]:
        """Read a value, joined of pieces by `#`; gives where it ends."""
        pieces: list[str] = []
        size = 0
        while True:
            at, piece = self._piece(at)
            size += len(piece)
            if size > _LONGEST_VALUE:
                raise _FaultError(at, f"the value has more than {_LONGEST_VALUE:,} characters")
            pieces.append(piece)
            joint = _JOINT.match(self._text, at)
            if joint is None:
                return at, "".join(pieces)
            at = joint.end()

    def _piece(self, at: int) -> tuple[int, str]:
        sign = self._text[at : at + 1]
        if sign == "{":
            end = self._braced(at + 1)
            return end, self._text[at + 1 : end - 1]
        if sign == '"':
            end = self._braced(at + 1, '"')
            return end, self._text[at + 1 : end - 1]
        if number := _NUMBER.match(self._text, at):
            return number.end(), number[0]
        if macro := _MACRO.match(self._text, at):
            known = self._macros.get(macro[0].lower())
            if known is None:
                raise _FaultError(at, f"no @string is called {macro[0][:50]!r}; put a text in braces")
            return macro.end(), known
        raise self._unexpected(at, "a value is missing; put a text in braces")

    def _braced(self, at: int, closing: str = "}") -> int:
        """Find the end of what the brace or quotation mark before `at` opens: behind its closing one."""
        begin, depth = at - 1, 0
        while mark := _MARK.search(self._text, at):
            at = mark.end()
            if mark[0] == "\\":
                at += 1
            elif mark[0] == closing and depth == 0:
                return at
            elif mark[0] == "{":
                depth += 1
            elif mark[0] == "}":
                depth -= 1
        what = "brace" if closing == "}" else "quotation mark"
        raise _FaultError(begin, f"this {what} is not closed")
