"""`bookhopper token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from bookhopper import config
from bookhopper.api.sign_in.tokens import TokenFile
from bookhopper.cli import Group, config_option, json_option, show, table_width, values


@click.group(
    cls=Group,
    name="token",
    epilog="""\
Whoever has a token may do everything over the HTTP API.  The daemon need not run; a running one heeds at once
what is changed here.

\b
Examples:
  bookhopper token new telephone
  bookhopper token list --json
  bookhopper token remove telephone
""",
)
def command() -> None:
    """Make and remove API tokens, for scripts, apps and the page."""


@command.command(
    "new",
    epilog="""\
\b
Examples:
  bookhopper token new telephone
  bookhopper token new script --json | jq -r .token
""",
)
@config_option
@json_option
@click.argument("name")
def new(config_path: Path | None, as_json: bool, name: str) -> None:
    """Make a token; it is shown this once."""
    settings = config.load(config_path)
    token = TokenFile(settings.folders.state).add(name)
    if as_json:
        click.echo(json.dumps({"name": name, "token": token}))
        return
    click.echo(token)
    click.echo(
        "Keep it now: it is not shown again.  Send it as the header `Authorization: Bearer TOKEN`, or give\n"
        "it to the page where that asks for it.",
        err=True,
    )
    if settings.server.sign_in == "none":
        click.echo("It is not needed yet: `sign_in: none` lets everybody in (server.sign_in).", err=True)


@command.command(
    "list",
    epilog="""\
\b
Examples:
  bookhopper token list
  bookhopper token list --json
""",
)
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """List the tokens by name; what they are is kept nowhere."""
    tokens = TokenFile(config.load(config_path).folders.state).tokens()
    if as_json:
        rows = [{"name": token.name, "created": token.created} for token in tokens]
        click.echo(json.dumps({"tokens": rows}, ensure_ascii=False))
        return
    table = show.table(show.words("name"), show.words("made"))
    for token in tokens:
        made = datetime.fromtimestamp(token.created, UTC).astimezone()
        table.add_row(escape(token.name), made.strftime("%Y-%m-%d %H:%M"))
    if tokens:
        Console(highlight=False, width=table_width()).print(table)
    else:
        click.echo("There are no tokens: `bookhopper token new NAME` makes one.")


@command.command(
    "remove",
    epilog="""\
\b
Examples:
  bookhopper token remove telephone
""",
)
@config_option
@click.argument("name", type=values.TOKEN)
def remove(config_path: Path | None, name: str) -> None:
    """Remove a token.

    It is good for nothing from now on, and who signed in with it is signed out.
    """
    TokenFile(config.load(config_path).folders.state).remove(name)
    click.echo(f"The token {name} is removed.")
