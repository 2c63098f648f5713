"""What stands between the braces of a template: its tokens, the tree that they make, and their faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bookhopper.search.definitions.patterns import Pattern, pattern

_ACTION = re.compile(r"{{(-\s)?\s*(.*?)\s*(\s-)?}}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<mark>[()])|(?P<comma>:=|,)"""
    r"""|(?P<variable>\.[\w.]*|\$\w*)|(?P<word>[\w-]+))"""
)
_ARGUMENTS = {
    "and": (2, 9),
    "or": (2, 9),
    "not": (1, 1),
    "eq": (2, 9),
    "ne": (2, 2),
    "join": (2, 2),
    "urlencode": (1, 1),
    "re_replace": (3, 3),
}
_MOST_NESTED = 20
_MAX_TEMPLATE = 4000
_ESCAPES = {"n": "\n", "t": "\t"}


class TemplateError(ValueError):
    """A template cannot be read; the message says where in it."""

    def __init__(self, place: int, what: str) -> None:
        super().__init__(f"character {place + 1} of the template: {what}")


@dataclass(frozen=True, slots=True)
class Literal:
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that a template names, without its dot; `place` counts the characters before it."""

    name: str
    place: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function and what it is given; `pattern` is the expression of a `re_replace`."""

    function: str
    arguments: tuple[Expression, ...]
    pattern: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A value that is written."""

    value: Expression


@dataclass(frozen=True, slots=True)
class If:
    """Nodes for a condition that holds, and for one that does not."""

    condition: Expression
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Nodes for each item of a list (named `.`, and as `names` say), or for an empty list."""

    names: tuple[str, ...]
    items: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Expression = Literal | Reference | Call
Node = str | Output | If | Range


def parse(text: str) -> tuple[tuple[Node, ...], tuple[Reference, ...]]:
    """Read a template into its nodes, and the values that it names; raises TemplateError."""
    if len(text) > _MAX_TEMPLATE:
        raise TemplateError(_MAX_TEMPLATE, f"a template has at most {_MAX_TEMPLATE:,} characters")
    parser = _Parser(text)
    return parser.parse(), tuple(parser.references)


class _Parser:
    """Reads one template, piece by piece."""

    def __init__(self, text: str) -> None:
        self.references: list[Reference] = []
        self._text = text
        self._pieces = _pieces(text)
        self._locals: list[str] = []
        self._depth = 0

    def parse(self) -> tuple[Node, ...]:
        nodes, end, place, _ = self._block()
        if end:
            raise TemplateError(place, f"`{end}` ends nothing")
        return nodes

    def _block(self) -> tuple[tuple[Node, ...], str, int, list[_Token]]:
        """Read nodes up to `else` or `end`; gives them, that word, its place, and what stands behind it."""
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise TemplateError(0, f"nested more than {_MOST_NESTED} levels deep")
        nodes: list[Node] = []
        for text, place, tokens in self._pieces:
            nodes.append(text)
            if not tokens:
                continue
            word = tokens[0].text if tokens[0].kind == "word" else ""
            if word in {"else", "end"}:
                self._depth -= 1
                return tuple(filter(None, nodes)), word, place, tokens[1:]
            if word == "if":
                nodes.append(self._if(tokens[1:], place))
            elif word == "range":
                nodes.append(self._range(tokens[1:], place))
            else:
                nodes.append(Output(self._expression(tokens, place)))
        self._depth -= 1
        return tuple(filter(None, nodes)), "", len(self._text), []

    def _if(self, tokens: list[_Token], place: int) -> If:
        condition = self._expression(tokens, place)
        then, end, where, rest = self._block()
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            if rest and rest[0].text == "if":
                return If(condition, then, (self._if(rest[1:], where),))
            otherwise, end, where, rest = self._block()
        self._ended("if", end, place, rest, where)
        return If(condition, then, otherwise)

    def _range(self, tokens: list[_Token], place: int) -> Range:
        names: list[str] = []
        if any(token.text == ":=" for token in tokens):
            while tokens[0].text != ":=":
                name = tokens.pop(0)
                if name.kind == "variable" and name.text.startswith("$"):
                    names.append(name.text)
                elif name.text != ",":
                    raise TemplateError(name.place, "`range $item := .List` is how a loop begins")
            tokens.pop(0)
        items = self._expression(tokens, place)
        self._locals += [*names, "."]
        body, end, where, rest = self._block()
        del self._locals[-len(names) - 1 :]
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            otherwise, end, where, rest = self._block()
        self._ended("range", end, place, rest, where)
        return Range(tuple(names), items, body, otherwise)

    def _ended(self, word: str, end: str, place: int, rest: list[_Token], where: int) -> None:
        if end != "end":
            raise TemplateError(place, f"`{word}` has no `end`")
        if rest:
            raise TemplateError(where, "nothing may stand behind `end`")

    def _expression(self, tokens: list[_Token], place: int) -> Expression:
        left = list(tokens)
        found = self._call(left, place) if left and left[0].kind == "word" else self._operand(left, place)
        if left:
            raise TemplateError(left[0].place, f"`{left[0].text}` is one too many")
        return found

    def _call(self, tokens: list[_Token], place: int) -> Expression:
        name = tokens.pop(0)
        if name.text.isdecimal():
            return Literal(name.text)
        if name.text not in _ARGUMENTS:
            known = ", ".join(_ARGUMENTS)
            raise TemplateError(name.place, f"there is no function `{name.text}`; known are {known}")
        arguments: list[Expression] = []
        while tokens and tokens[0].text != ")":
            arguments.append(self._operand(tokens, place))
        least, most = _ARGUMENTS[name.text]
        if not least <= len(arguments) <= most:
            number = str(least) if least == most else f"{least} to {most}"
            raise TemplateError(name.place, f"`{name.text}` takes {number} values, not {len(arguments)}")
        return Call(name.text, tuple(arguments), _pattern(name, arguments))

    def _operand(self, tokens: list[_Token], place: int) -> Expression:
        if not tokens:
            raise TemplateError(place, "a value is missing here")
        token = tokens.pop(0)
        if token.kind == "text":
            return Literal(_unquoted(token.text))
        if token.kind == "variable":
            return self._variable(token)
        if token.kind == "word" and token.text.isdecimal():
            return Literal(token.text)
        if token.text != "(":
            raise TemplateError(token.place, f"`{token.text}` is no value: write it in quotes, or with a dot")
        inner = (
            self._call(tokens, place) if tokens and tokens[0].kind == "word" else self._operand(tokens, place)
        )
        if not tokens or tokens.pop(0).text != ")":
            raise TemplateError(token.place, "this `(` is not closed")
        return inner

    def _variable(self, token: _Token) -> Reference:
        if token.text.startswith("$") or token.text == ".":
            if token.text not in self._locals:
                raise TemplateError(token.place, f"`{token.text}` means nothing outside of its `range`")
            return Reference(token.text, token.place)
        reference = Reference(token.text[1:], token.place)
        self.references.append(reference)
        return reference


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def _pieces(text: str) -> Iterator[tuple[str, int, list[_Token]]]:
    """Give each text with the action behind it: its place and tokens, none behind the last text."""
    end, trim = 0, False
    for match in _ACTION.finditer(text):
        before = _plain(text, end, match.start())
        before = before.lstrip() if trim else before
        yield before.rstrip() if match[1] else before, match.start(), _tokens(match[2], match.start(2))
        end, trim = match.end(), bool(match[3])
    rest = _plain(text, end, len(text))
    yield rest.lstrip() if trim else rest, len(text), []


def _plain(text: str, start: int, end: int) -> str:
    if (broken := text.find("{{", start, end)) >= 0:
        raise TemplateError(broken, "this `{{` is not closed")
    return text[start:end]


def _tokens(action: str, place: int) -> list[_Token]:
    tokens: list[_Token] = []
    end = 0
    while end < len(action.rstrip()):
        match = _TOKEN.match(action, end)
        if match is None or match.lastgroup is None:
            rest = action[end:].lstrip()
            start = place + len(action) - len(rest)
            raise TemplateError(start, f"`{rest[:20]}` cannot be understood")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], place + match.start(match.lastgroup)))
        end = match.end()
    if not tokens:
        raise TemplateError(place, "there is nothing between the braces")
    return tokens


def _pattern(name: _Token, arguments: Sequence[Expression]) -> Pattern | None:
    if name.text != "re_replace":
        return None
    expression = arguments[1]
    if not isinstance(expression, Literal):
        raise TemplateError(name.place, "the expression of `re_replace` stands in quotes")
    try:
        return pattern(expression.value)
    except ValueError as error:
        raise TemplateError(name.place, str(error)) from error


def _unquoted(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1])
