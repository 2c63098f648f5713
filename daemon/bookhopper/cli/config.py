"""`bookhopper config`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from bookhopper import config
from bookhopper.ancestors import migration
from bookhopper.ancestors.found import Found, in_file
from bookhopper.cli import Group, config_option, json_option
from bookhopper.durable import write_file
from bookhopper.effective import Row, rows
from bookhopper.errors import BookhopperError, printable
from bookhopper.located import in_a_line

_WIDTH = 54
"""From which column on origins stand, where the values leave room."""


@click.group(
    name="config",
    cls=Group,
    epilog="""\
A variable BOOKHOPPER_… goes before the file, the file before the variables of the ancestors
(calibre-web-automated-book-downloader), and those before the defaults.

Exit codes: 0 all went well; 1 it cannot be read or written; 2 the configuration is wrong.

\b
Examples:
  bookhopper config show
  bookhopper config migrate docker-compose.yml --output bookhopper.yaml
""",
)
def command() -> None:
    """Show the settings that hold, or make a file of an ancestor's environment."""


@command.command(
    "show",
    epilog="""\
\b
Examples:
  bookhopper config show
  bookhopper config show --json | jq -r '.settings[] | select(.origin.kind != "default") | .key'
""",
)
@config_option
@json_option
def show(config_path: Path | None, as_json: bool) -> None:
    """Show every setting that holds, and where it comes from; secrets are masked.

    The environment is that of this command: a service's own is what its unit or compose file says.
    """
    loaded = config.load_with_origins(config_path)
    draft = loaded.draft
    if as_json:
        said = {
            "file": str(draft.path) if draft.path.exists() else None,
            "settings": [_as_json(row) for row in rows(loaded)],
            "idle": [{"variable": name, "why": why} for name, why in sorted(draft.idle.items())],
            "warnings": loaded.settings.warnings,
        }
        click.echo(json.dumps(said))  # in ASCII, since paths may be no text in UTF-8
        return
    click.echo(f"# {draft.path}" if draft.path.exists() else f"# {draft.path} is not there")
    for row in rows(loaded):
        said_of = f"{row.key} = {in_a_line(row.value)}"
        click.echo(printable(f"{said_of:<{_WIDTH}}  # {row.origin}"))
    _comment("Variables that change no setting:", draft.idle)
    for warning in loaded.settings.warnings:
        click.echo(printable(f"# Mind: {warning}"))


@command.command(
    "migrate",
    epilog="""\
\b
Examples:
  bookhopper config migrate docker-compose.yml --output bookhopper.yaml
  bookhopper config migrate docker-compose.yml --service downloader
  bookhopper config migrate > bookhopper.yaml
""",
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--service", metavar="NAME", help="Which service of a compose file is meant.")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write there instead of to standard output.",
)
@click.option("--force", is_flag=True, help="Replace the output where it is there already.")
def migrate(file: Path | None, service: str | None, output: Path | None, *, force: bool) -> None:
    """Make a configuration of an ancestor's environment, and say what could not be carried over.

    FILE is a file of variables, a compose file, or a unit of systemd's or podman's; without one it is the
    environment of this command.
    """
    here = Found("the environment", os.environ, in_file=False)
    found = here if file is None else in_file(file, os.environ, service)
    text = migration.configuration(found, config.validated)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists() and not force:
        raise BookhopperError(f"{output} is there already: name another, or replace it with --force")
    write_file(output, text)
    click.echo(f"Next: bookhopper check --config {output}", err=True)


def _as_json(row: Row) -> dict[str, object]:
    origin = {"kind": row.origin.kind, "where": row.origin.where}
    return {"key": row.key, "value": row.value, "origin": origin}


def _comment(heading: str, reasons: Mapping[str, str]) -> None:
    if reasons:
        click.echo(f"\n# {heading}")
    for name, why in sorted(reasons.items()):
        click.echo(printable(f"#   {name}: {why}"))
