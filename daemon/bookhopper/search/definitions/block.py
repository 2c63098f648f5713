"""How one value is got from a page: selected or written from a template, then filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BeforeValidator, InstanceOf, field_validator, model_validator

from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.filters import check_arguments, kind_of
from bookhopper.search.definitions.pages import PageError
from bookhopper.search.definitions.templates import Template, Values
from bookhopper.setting_types import Section


def _template(value: object) -> object:
    if isinstance(value, bool):
        return Template.parse("true" if value else "false")
    return Template.parse(str(value)) if isinstance(value, str | int | float) else value


def _templates(value: object) -> object:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return (_template(value),)
    return tuple(map(_template, value)) if isinstance(value, list) else value


Text = Annotated[InstanceOf[Template], BeforeValidator(_template)]
Texts = Annotated[tuple[InstanceOf[Template], ...], BeforeValidator(_templates)]


class Selector(Template):
    """A CSS selector, or a path into JSON; `load` checks it once it is known which."""


Selecting = Annotated[
    InstanceOf[Selector],
    BeforeValidator(lambda value: Selector.parse(value) if isinstance(value, str) else value),
]


class Part(Section):
    """What all parts of a definition share: an unknown key is a fault."""


class Filter(Part):
    """One step that a value goes through."""

    name: str
    args: Texts = ()

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        kind_of(name)
        return name

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        are_static = all(argument.is_static for argument in self.args)
        check_arguments(self.name, [argument.text for argument in self.args], are_static=are_static)
        return self

    def apply(self, text: str, values: Values, budget: Budget) -> str:
        """Give the filtered value; raises BudgetError, and PageError for impossible arguments."""
        arguments = [argument.render(values, budget) for argument in self.args]
        try:
            return budget.bounded(kind_of(self.name).apply(text, arguments, budget))
        except ValueError as error:
            raise PageError(f"the filter `{self.name}` cannot be applied: {error}") from error


class Block(Part):
    """How a value is got: from the element that a selector finds, or from a template; then filtered."""

    selector: Selecting | None = None
    text: Text | None = None
    attribute: str = ""
    remove: Selecting | None = None
    case: Mapping[str, Text] = {}
    optional: bool = False
    default: Text | None = None
    filters: tuple[Filter, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.text is not None and (self.selector is not None or self.case or self.attribute):
            raise ValueError("`text` stands alone: take either a selector or a text")
        return self
