"""What `bookhopper source test` does beside the saved pages: asking a site, or a source, itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import ValidationError

from bookhopper.cli import EXIT_FAULT
from bookhopper.cli import show as tables
from bookhopper.errors import BookhopperError
from bookhopper.model import Candidate, Reading
from bookhopper.search.sources import registry
from bookhopper.search.sources.base import Parser, Query
from bookhopper.settings import Settings
from bookhopper.source_settings import HtmlSettings, SourceSettings
from bookhopper.ticket import Ticket
from bookhopper.units import counted

_MOST_SHOWN = 10
_NAME = "definition"
"""What a source is called that is made of a definition alone, to try it."""


def pages(number: int) -> str:
    """Say how many saved pages read as they should, which all of them do."""
    if not number:
        return "and there are no saved pages to read (`fixtures`)"
    return f"{counted(number, 'saved page')} read as {'it' if number == 1 else 'they'} should"


def show_found(found: Sequence[Candidate]) -> None:
    """Show the first books that were found, a line each."""
    for each in found[:_MOST_SHOWN]:
        authors = "; ".join(each.authors)
        click.echo(tables.line(f"{each.title} — {authors}, {each.format}, {each.key}").plain)


def ask_source(section: SourceSettings, settings: Settings, live: str | None, *, as_json: bool) -> int:
    """Ask a source whether it is well, and for a title if there is one; gives the exit code."""
    faults: list[str] = []
    found: list[Candidate] = []
    dropped = 0
    settings.folders.state.mkdir(parents=True, exist_ok=True)
    with closing(registry.build([section], settings.folders.state)) as built:
        (source,) = built.sources
        health = source.check(Ticket(0))
        if not health.ok:
            faults.append(health.detail)
        elif live is not None:
            try:
                found = list(source.search(Query(readings=(Reading(live),)), Ticket(0)))
            except BookhopperError as error:
                faults.append(str(error))
            dropped = source.take_dropped() if isinstance(source, Parser) else 0
    if as_json:
        said = {"source": section.name, "kind": section.kind, "ok": not faults, "faults": faults}
        said |= {"found": [asdict(each) for each in found], "dropped": dropped}
        click.echo(json.dumps(said, ensure_ascii=False))
        return EXIT_FAULT if faults else 0
    for fault in faults:
        click.echo(f"{section.name} ({section.kind}): {fault}")
    show_found(found)
    if dropped:
        click.echo(f"{counted(dropped, 'entry', 'entries')} of its answers could not be read")
    if not faults:
        asked = (
            f"; {counted(len(found), 'book')} found" if live is not None else "; --live TITLE asks for a book"
        )
        click.echo(
            f"{section.name} ({section.kind}) has no definition to test, and is well: {health.detail}{asked}"
        )
    return EXIT_FAULT if faults else 0


def section_of(path: Path, settings: Settings, hosts: tuple[str, ...]) -> HtmlSettings:
    """Find the source that uses a definition, or make one of it alone; `hosts` may be visited besides."""
    sections = [each for each in settings.sources if isinstance(each, HtmlSettings)]
    found = next((each for each in sections if each.definition.resolve() == path.resolve()), None)
    try:
        section = found or HtmlSettings(kind="html", name=_NAME, definition=path)
        named = HtmlSettings.model_validate({"kind": "html", "definition": path, "hosts": hosts}).hosts
    except ValidationError as error:
        raise click.UsageError(f"--host: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error
    return section.model_copy(update={"hosts": (*section.hosts, *named)})


def ask_site(section: HtmlSettings, settings: Settings, wish: str) -> tuple[list[Candidate], int]:
    """Ask the site itself for a title, and for the first book's files, as the daemon would.

    Gives also how many rows could not be read.
    """
    ticket = Ticket(0)
    with closing(registry.build([section], settings.folders.state, cached=False)) as built:
        (source,) = built.sources
        found = list(source.search(Query(readings=(Reading(wish),)), ticket))
        locator = built.locators[source.name]
        dropped = source.take_dropped() if isinstance(source, Parser) else 0
        return ([locator.locate(found[0], ticket), *found[1:]] if found else []), dropped
