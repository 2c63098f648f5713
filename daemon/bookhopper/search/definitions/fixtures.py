"""Whether a definition still reads the pages that were saved with it as it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bookhopper.errors import BookhopperError
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.model import Definition, Fixture
from bookhopper.search.definitions.pages import MAX_BYTES, Element, parse
from bookhopper.search.definitions.rows import Fields, links_on, read_rows, settings_values
from bookhopper.search.definitions.templates import Value, Values
from bookhopper.units import counted


def failures(definition: Definition, path: Path) -> Iterator[str]:
    """Run the fixtures of a definition that lies at `path`; gives a line for each difference."""
    for fixture in definition.fixtures:
        values = {
            **settings_values(definition.settings, fixture.settings),
            "Config.sitelink": definition.site,
            "Keywords": fixture.keywords,
            "Query.Title": fixture.keywords,
        }
        try:
            page = _page(definition, fixture, path.parent)
            for difference in _differences(definition, fixture, page, values):
                yield f"{fixture.page}: {difference}"
        except (BookhopperError, OSError) as error:
            yield f"{fixture.page}: {getattr(error, 'strerror', None) or error}"


def _page(definition: Definition, fixture: Fixture, folder: Path) -> Element:
    with (folder / fixture.page).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return parse(content, definition.search.type if fixture.rows is not None else "html", definition.encoding)


def _differences(definition: Definition, fixture: Fixture, page: Element, values: Values) -> Iterator[str]:
    if fixture.rows is not None:
        found = read_rows(page, definition, values, Budget()).rows
        if len(found) != len(fixture.rows):
            yield f"{counted(len(found), 'row')} instead of {len(fixture.rows)}"
        for number, (row, expected) in enumerate(zip(found, fixture.rows, strict=False), start=1):
            yield from (f"row {number}: {fault}" for fault in _row_differences(row, expected))
    for kind, expected_links in (fixture.links or {}).items():
        links = links_on(page, definition, kind, values)
        if links != expected_links:
            yield f"links to {kind}: {_shown(links)} instead of {_shown(expected_links)}"


def _row_differences(row: Fields, expected: Fields) -> Iterator[str]:
    for name, value in expected.items():
        found = row.get(name, "")
        if found != value:
            yield f"{name} is {_shown(found)} instead of {_shown(value)}"


def _shown(value: Value | Sequence[str]) -> str:
    return repr(value) if isinstance(value, str) else ", ".join(map(repr, value)) or "nothing"
