"""`bookhopper source`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr
from rich.console import Console

from bookhopper import config
from bookhopper.cli import EXIT_FAULT, EXIT_USAGE, Group, config_option, json_option, table_width, values
from bookhopper.cli import show as tables
from bookhopper.cli.asking import ask_site, ask_source, pages, section_of, show_found
from bookhopper.errors import BookhopperError, ConfigError
from bookhopper.model import Candidate
from bookhopper.net.addresses import safe_url
from bookhopper.search.definitions import places
from bookhopper.search.definitions.fixtures import failures
from bookhopper.search.definitions.load import load
from bookhopper.search.definitions.model import Definition
from bookhopper.search.sources import registry
from bookhopper.search.sources.base import Source
from bookhopper.settings import Settings
from bookhopper.source_settings import HtmlSettings, SourceSettings
from bookhopper.ticket import Ticket
from bookhopper.units import counted

_MASK = "••••"


@click.group(
    cls=Group,
    name="source",
    epilog="""\
A definition describes a catalogue of web pages (kind `html`); it lies in sources.d beside the configuration,
or anywhere.

\b
Examples:
  bookhopper source list
  bookhopper source show oapen
  bookhopper source test my-library.yaml --live "Emma"
""",
)
def command() -> None:
    """Look at the sources, and test definitions of catalogues."""


@command.command(
    "list",
    epilog="""\
\b
Examples:
  bookhopper source list
  bookhopper source list --offline --json | jq -r '.sources[].name'
""",
)
@config_option
@json_option
@click.option("--offline", is_flag=True, help="Do not ask the sources whether they are well.")
def list_(config_path: Path | None, as_json: bool, offline: bool) -> None:
    """List the configured sources, and the definitions that are there to be used."""
    settings = config.load(config_path)
    beside = (config_path or config.default_path()).parent
    rows = [*_configured(settings, offline=offline), *_known(settings, beside)]
    if as_json:
        click.echo(json.dumps({"sources": rows}, ensure_ascii=False))
        return
    words, prose = tables.words, tables.prose
    table = tables.table(
        words("name"), words("kind"), words("language"), words("formats"), words("used"), prose("health")
    )
    for row in rows:
        used = "yes" if row["configured"] else "no"
        formats = " ".join(row["formats"])
        table.add_row(
            row["name"], row["kind"], row["language"], formats, used, tables.paragraph(row["health"])
        )
    Console(highlight=False, width=table_width()).print(table)


@command.command(
    "show",
    epilog="""\
\b
Examples:
  bookhopper source show gutenberg
  bookhopper source show oapen --json
""",
)
@config_option
@json_option
@click.argument("name", type=values.SOURCE)
def show(config_path: Path | None, as_json: bool, name: str) -> None:
    """Show what a source does, and its settings; secrets are masked."""
    settings = config.load(config_path)
    beside = (config_path or config.default_path()).parent
    section = next((each for each in settings.sources if each.name == name), None)
    if section is None or isinstance(section, HtmlSettings):
        path = section.definition if section is not None else _found(name, beside)
        given = section.settings if section is not None else {}
        said = {"name": name, "kind": "html", **_described(load(path), path), **_settings(load(path), given)}
    else:
        said = {"name": name, "kind": section.kind, "does": _purpose(section), "settings": _masked(section)}
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for key, value in said.items():
        if isinstance(value, Mapping):
            click.echo(f"{key}:{'' if value else ' none'}")
            for name_of, inner in value.items():
                click.echo(f"  {name_of}: {_plain(inner)}")
        else:
            click.echo(f"{key}: {_plain(value)}")


@command.command(
    "test",
    epilog="""\
Exit codes: 0 all is well; 1 something was found wrong; 2 a file or the command line is.

\b
Examples:
  bookhopper source test my-library.yaml
  bookhopper source test my-library.yaml --live "Emma" --host books.home.arpa
  bookhopper source test gutenberg --live "Emma"
""",
)
@config_option
@json_option
@click.option("--live", metavar="WISH", help="Also ask the site itself for a title.")
@click.option(
    "--host",
    "hosts",
    metavar="HOST",
    multiple=True,
    help="A host of your own network that it may visit, as `hosts` of its source (may be repeated).",
)
@click.argument("definition", type=values.DEFINITION)
@click.pass_context
def test(
    ctx: click.Context,
    definition: str,
    *,
    config_path: Path | None,
    as_json: bool,
    live: str | None,
    hosts: tuple[str, ...],
) -> None:
    """Tell what is wrong with a definition or a source.

    A definition is checked, and its saved pages are read with it.  The name of a configured source of
    another kind asks that source whether it is well, and with --live for a title.
    """
    beside = (config_path or config.default_path()).parent
    if (section := _other_kind(definition, config_path)) is not None:
        ctx.exit(ask_source(section, config.load(config_path), live, as_json=as_json))
    path = _found(definition, Path.cwd() if Path(definition).exists() else beside)
    try:
        loaded = load(path)
    except ConfigError as error:
        if as_json:
            click.echo(json.dumps({"definition": str(path), "ok": False, "faults": error.faults}))
            ctx.exit(EXIT_USAGE)
        raise
    faults = list(failures(loaded, path))
    found: list[Candidate] = []
    dropped = 0
    if live is not None:
        try:
            settings = config.load(config_path)
            found, dropped = ask_site(section_of(path, settings, hosts), settings, live)
        except BookhopperError as error:
            faults.append(str(error))
    if as_json:
        said = {"definition": str(path), "ok": not faults, "fixtures": len(loaded.fixtures), "faults": faults}
        said |= {"found": [asdict(each) for each in found], "dropped": dropped}
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        for fault in faults:
            click.echo(fault)
        show_found(found)
        if dropped:
            click.echo(f"{counted(dropped, 'row')} of the site could not be read")
        if not faults:
            asked = f"; {counted(len(found), 'book')} found at the site" if live is not None else ""
            click.echo(f"{path}: all is well, {pages(len(loaded.fixtures))}{asked}")
    ctx.exit(EXIT_FAULT if faults else 0)


def _other_kind(name: str, config_path: Path | None) -> SourceSettings | None:
    """Find the configured source of that name which has no definition; a file that is there comes first."""
    if Path(name).exists():
        return None
    try:
        sections = config.load(config_path).sources
    except BookhopperError:
        return None  # a definition can be tested without any configuration
    found = next((each for each in sections if each.name == name), None)
    return None if isinstance(found, HtmlSettings) else found


def _found(name: str, beside: Path) -> Path:
    try:
        return places.find(name, beside)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _configured(settings: Settings, *, offline: bool) -> Iterator[dict[str, Any]]:
    settings.folders.state.mkdir(parents=True, exist_ok=True)
    built = registry.build(settings.sources, settings.folders.state)
    try:
        for section, source in zip(settings.sources, built.sources, strict=True):
            definition = load(section.definition) if isinstance(section, HtmlSettings) else None
            yield {
                "name": section.name,
                "kind": section.kind,
                "language": definition.language if definition else "",
                "formats": list(definition.formats) if definition else [],
                "configured": True,
                "health": "not asked" if offline else _health(source),
            }
    finally:
        built.close()


def _health(source: Source) -> str:
    health = source.check(Ticket(0))
    if health.ok or health.passing:
        return health.detail
    return f"fault: {health.detail}"


def _known(settings: Settings, beside: Path) -> Iterator[dict[str, Any]]:
    """Give the definitions that no source uses yet."""
    used = {each.definition.resolve() for each in settings.sources if isinstance(each, HtmlSettings)}
    for name, path in places.known(beside).items():
        if path.resolve() in used:
            continue
        row = {"name": name, "kind": "html", "language": "", "formats": [], "configured": False}
        try:
            definition = load(path)
        except ConfigError as error:
            yield {**row, "health": f"fault: {error.faults[0]}"}
            continue
        formats = list(definition.formats)
        yield {**row, "language": definition.language, "formats": formats, "health": definition.description}


def _described(definition: Definition, path: Path) -> dict[str, Any]:
    paths = ", ".join(dict.fromkeys(each.path.text for each in definition.search.paths))
    way = f"asks {definition.site} at {paths} and reads the {definition.search.type} that comes"
    if definition.login is not None:
        way = f"signs in ({definition.login.method}), {way}"
    if definition.download is not None:
        way += "; of a book that was chosen it visits the page, where the links to its files are"
    return {
        "title": definition.name,
        "description": definition.description,
        "does": way,
        "definition": str(path),
        "language": definition.language,
        "formats": list(definition.formats),
        "license": definition.license,
        "links": list(definition.links),
        "fields": [name for name in definition.search.fields if not name.startswith("_")],
    }


def _settings(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for setting in definition.settings:
        value = _clear(given.get(setting.name, setting.default))
        shown[setting.name] = _MASK if setting.type == "password" and value else value
    files = {name: _clear(value) for name, value in given.items() if name not in shown}
    return {"settings": shown | files}


def _clear(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _masked(section: SourceSettings) -> dict[str, Any]:
    values = section.model_dump(mode="json")
    secrets = {name for name, value in section if isinstance(value, SecretStr) and value.get_secret_value()}
    said = ((name, value) for name, value in values.items() if name not in {"name", "kind"})
    return {
        name: _MASK if name in secrets else _shown(value)
        for name, value in said
        if value not in (None, "", [], {})
    }


def _shown(value: Any) -> Any:
    """Show an address as everywhere else: without what in it may be a key."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return safe_url(value) if isinstance(value, str) and value.startswith(("http://", "https://")) else value


def _purpose(section: SourceSettings) -> str:
    """Give what the section's kind is for, which its class says."""
    return " ".join((type(section).__doc__ or "").partition("\n\n")[0].split())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_plain(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]" if value else "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "—"
