"""The templates of definitions: `{{ .Keywords }}`, `{{ if … }}`, evaluated without any of Python's own reach.

A subset of what Go's text/template writes: values, `if`/`else if`/`else`/`end`, `range`, the functions `and`,
`or`, `not`, `eq`, `ne`, `join`, `urlencode` and `re_replace`, parentheses, and `-` to trim blanks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote_plus

from bookhopper.search.definitions import template_syntax as syntax
from bookhopper.search.definitions.budget import Budget, BudgetError

Value = str | Sequence[str]
Values = Mapping[str, Value]
"""What a template may name, by dotted name without the leading dot, such as `Query.Title`."""

Quoted = Callable[[str], str]
"""Writes a value so that it is nothing but a value in the language that a template is written in."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values to be filled in; `references` are the values that it names."""

    text: str
    references: tuple[syntax.Reference, ...] = ()
    _nodes: tuple[syntax.Node, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template; raises TemplateError (a ValueError) with the place of the fault."""
        nodes, references = syntax.parse(text)
        return cls(text, references, nodes)

    @property
    def is_static(self) -> bool:
        """Whether it always gives the same text."""
        return all(isinstance(node, str) for node in self._nodes)

    def render(self, values: Values, budget: Budget, quoted: Quoted = str) -> str:
        """Fill in the values, each `quoted`; one that is not there is empty.  Raises BudgetError."""
        written = ""
        for piece in _rendered(self._nodes, dict(values), budget, quoted):
            written = budget.bounded(written + piece)
        return written


def _rendered(
    nodes: Sequence[syntax.Node], values: dict[str, Value], budget: Budget, quoted: Quoted
) -> Iterator[str]:
    for node in nodes:
        budget.step()
        if isinstance(node, str):
            yield node
        elif isinstance(node, syntax.Output):
            text = _text(_value(node.value, values, budget))
            yield text if _is_trusted(node.value) else quoted(text)
        elif isinstance(node, syntax.If):
            chosen = node.then if _value(node.condition, values, budget) else node.otherwise
            yield from _rendered(chosen, values, budget, quoted)
        else:
            yield from _ranged(node, values, budget, quoted)


def _is_trusted(expression: syntax.Expression) -> bool:
    """Whether a value is the definition's or the person's own, and so may be more than a value."""
    if isinstance(expression, syntax.Reference):
        return expression.name.startswith("Config.")
    return isinstance(expression, syntax.Literal)


def _ranged(node: syntax.Range, values: dict[str, Value], budget: Budget, quoted: Quoted) -> Iterator[str]:
    found = _value(node.items, values, budget)
    items = ([found] if found else []) if isinstance(found, str) else list(found)
    if not items:
        yield from _rendered(node.otherwise, values, budget, quoted)
    for number, item in enumerate(items):
        names = dict(zip(node.names[::-1], (item, str(number)), strict=False))
        yield from _rendered(node.body, {**values, ".": item, **names}, budget, quoted)


def _value(expression: syntax.Expression, values: Mapping[str, Value], budget: Budget) -> Value:
    budget.step()
    if isinstance(expression, syntax.Literal):
        return expression.value
    if isinstance(expression, syntax.Reference):
        return values.get(expression.name, "")
    return _called(expression, [_value(each, values, budget) for each in expression.arguments], budget)


def _called(call: syntax.Call, arguments: list[Value], budget: Budget) -> Value:
    first = arguments[0]
    match call.function:
        case "and":
            return next((value for value in arguments if not value), arguments[-1])
        case "or":
            return next((value for value in arguments if value), arguments[-1])
        case "not":
            return "" if first else "true"
        case "eq":
            return "true" if any(_text(first) == _text(other) for other in arguments[1:]) else ""
        case "ne":
            return "" if _text(first) == _text(arguments[1]) else "true"
        case "join":
            items = [first] if isinstance(first, str) else first
            return budget.bounded(_text(arguments[1]).join(items))
        case "urlencode":
            return budget.bounded(quote_plus(_text(first)))
        case "re_replace" if call.pattern is not None:
            return call.pattern.replace(_text(first), _text(arguments[2]), budget)
    raise BudgetError(f"there is no function {call.function}")


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ",".join(value)
