"""The rows of a search's answer, and the fields of each, as a definition reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bookhopper.search.definitions.block import Block
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.model import LISTS, Definition, Fault, Rows, Setting
from bookhopper.search.definitions.pages import MAX_ROWS, Element, Json, Markup
from bookhopper.search.definitions.templates import Value, Values

Fields = Mapping[str, Value]
"""What a row says, by field; fields that may hold several values hold a tuple."""

_WORD = re.compile(r"\w+")


class UnreadableError(ValueError):
    """A field that a row must have is not there; the message names it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that could be read, and why each of the others could not."""

    rows: tuple[Fields, ...]
    dropped: tuple[str, ...] = ()


def settings_values(settings: Sequence[Setting], given: Mapping[str, str | bool | int | float]) -> Values:
    """Give the settings as templates know them: a box that is not ticked is empty."""
    values: dict[str, Value] = {"Today.Year": str(datetime.now(UTC).year)}
    for setting in settings:
        value = given.get(setting.name, setting.default)
        if setting.type == "select":
            value = str(value)
        values[f"Config.{setting.name}"] = (
            ("true" if value else "") if isinstance(value, bool) else str(value)
        )
    return values


def read_rows(page: Element, definition: Definition, values: Values, budget: Budget) -> Answer:
    """Read the rows of a search's answer; raises BudgetError."""
    search = definition.search
    rows: list[Fields] = []
    dropped: list[str] = []
    words = frozenset(_WORD.findall(str(values.get("Keywords", "")).casefold()))
    for row in _elements(page, search.rows, values, budget)[:MAX_ROWS]:
        if search.rows.filters and not words <= set(_WORD.findall(row.text().casefold())):
            continue
        try:
            rows.append(read_fields(row, search.fields, values, budget))
        except UnreadableError as error:
            dropped.append(str(error))
    return Answer(tuple(rows), tuple(dropped))


def read_fields(element: Element, fields: Mapping[str, Block], values: Values, budget: Budget) -> Fields:
    """Read fields in their order, each knowing those before it; raises UnreadableError and BudgetError."""
    found: dict[str, Value] = {}
    known = dict(values)
    for name, block in fields.items():
        value: Value
        if name in LISTS:
            several = tuple(_several(element, block, known, budget))
            value, is_there = several, bool(several)
        else:
            single = read_value(element, block, known, budget)
            value, is_there = single or "", bool(single) or (block.text is not None and name != "title")
        if not is_there and not block.optional and block.default is None:
            raise UnreadableError(f"`{name}` is not there")
        if not value and block.default is not None:
            value = block.default.render(known, budget)
            value = (value,) if name in LISTS and value else value
        found[name] = known[f"Result.{name}"] = value
    return found


def read_value(element: Element, block: Block, values: Values, budget: Budget) -> str | None:
    """Read one value, None when its selector finds nothing."""
    return next(_read(element, block, values, budget, most=1), None)


def read_all(element: Element, block: Block, values: Values, budget: Budget) -> list[str]:
    """Read a value from every element that the selector finds, each once."""
    return list(dict.fromkeys(filter(None, _read(element, block, values, budget, most=MAX_ROWS))))


def links_on(page: Element, definition: Definition, kind: str, values: Values) -> tuple[str, ...]:
    """Give the links that a download page has for a format, of the first selector that finds any."""
    download = definition.download
    budget = Budget()
    for each in download.selectors if download is not None else ():
        if each.format in {"", kind} and (found := read_all(page, each, values, budget)):
            return tuple(found)
    return ()


def fault_on(page: Element, faults: Sequence[Fault], values: Values, budget: Budget) -> str:
    """Give the message of the first fault that is on a page, empty when there is none."""
    for fault in faults:
        found = page.first(fault.selector.render(values, budget, page.quoted))
        if found is not None:
            message = read_value(page, fault.message, values, budget) if fault.message else found.text()
            return (message or "it says no more")[:200]
    return ""


def _elements(page: Element, rows: Rows, values: Values, budget: Budget) -> Sequence[Element]:
    found: Sequence[Element] = page.all(rows.selector.render(values, budget, page.quoted))
    if rows.after:
        size = rows.after + 1
        found = [_joined(found[start : start + size]) for start in range(0, len(found), size)]
    if rows.remove is not None:
        unwanted = rows.remove.render(values, budget, page.quoted)
        found = [row.without(unwanted) for row in found]
    return found


def _joined(rows: Sequence[Element]) -> Element:
    first = rows[0]
    if isinstance(first, Markup):
        return first.joined([row for row in rows[1:] if isinstance(row, Markup)])
    return first.joined([row for row in rows[1:] if isinstance(row, Json)])


def _several(element: Element, block: Block, values: Values, budget: Budget) -> Iterator[str]:
    """Give the values of a field that may hold several; `;` parts names that stand in one element."""
    for value in read_all(element, block, values, budget):
        yield from filter(None, (part.strip() for part in value.split("; ")))


def _read(element: Element, block: Block, values: Values, budget: Budget, most: int) -> Iterator[str]:
    for raw in _raw(element, block, values, budget, most):
        text = raw
        for step in block.filters:
            text = step.apply(text, values, budget)
        yield text.strip()


def _raw(element: Element, block: Block, values: Values, budget: Budget, most: int) -> Iterator[str]:
    if block.text is not None:
        yield block.text.render(values, budget)
        return
    found: Sequence[Element] = [element]
    if block.selector is not None:
        selector = block.selector.render(values, budget, element.quoted)
        if most == 1:
            first = element.first(selector)
            found = [first] if first is not None else []
        else:
            found = element.all(selector)
    for each in found:
        if (text := _content(each, block, values, budget)) is not None:
            yield budget.bounded(text)


def _content(element: Element, block: Block, values: Values, budget: Budget) -> str | None:
    if block.case:
        return _case(element, block, values, budget)
    if block.remove is not None:
        element = element.without(block.remove.render(values, budget, element.quoted))
    return element.attribute(block.attribute) if block.attribute else element.text()


def _case(element: Element, block: Block, values: Values, budget: Budget) -> str | None:
    """Give the text of the first case that fits: a selector that finds, or in JSON the value; `*` always."""
    for case, text in block.case.items():
        if isinstance(element, Markup):
            fits = case == "*" or element.first(case) is not None
        else:
            fits = case in {"*", element.text()}
        if fits:
            return text.render(values, budget)
    return None
