"""`bookhopper schedule`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import humanize
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bookhopper.cli import EXIT_FAULT, config_option, json_option, show, table_width
from bookhopper.client import Client, daemon_of
from bookhopper.errors import BookhopperError
from bookhopper.units import written_duration

_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 600.0
_WIDE = 110
"""How many columns it takes to say what each chore does, too."""


@click.group(
    invoke_without_command=True,
    epilog="""\
Exit codes: 0 all went well; 1 the daemon is not there, or what was run failed.

\b
Examples:
  bookhopper schedule
  bookhopper schedule --json | jq '.chores[] | select(.last.ok == false)'
  bookhopper schedule run backup
""",
)
@config_option
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: Path | None, as_json: bool) -> None:
    """Show what the daemon does by the clock: when it was done last, what came of it, when it is next."""
    ctx.obj = config_path
    if ctx.invoked_subcommand is not None:
        return
    schedule = daemon_of(config_path).get("/api/schedule")
    if as_json:
        click.echo(json.dumps(schedule))
    else:
        console = Console(highlight=False, width=table_width())
        console.print(_table(schedule["chores"], narrow=console.width < _WIDE))


@command.command(
    "run",
    epilog="""
\b
Examples:
  bookhopper schedule run rescan
  bookhopper schedule run backup --json | jq .last
""",
)
@click.argument("name")
@config_option
@json_option
@click.pass_context
def run(ctx: click.Context, name: str, config_path: Path | None, as_json: bool) -> None:
    """Have NAME done now, and wait for what comes of it."""
    client = daemon_of(config_path or ctx.obj)
    before = client.post(f"/api/schedule/{quote(name, safe='')}/run")
    chore = _ended(client, before)
    if as_json:
        click.echo(json.dumps(chore))
    elif not chore["last"]["ok"]:
        click.echo(f"bookhopper: {name} failed: {show.line(chore['last']['said']).plain}", err=True)
    else:
        click.echo(show.line(chore["last"]["said"] or "Nothing was to be done.").plain)
    if not chore["last"]["ok"]:
        ctx.exit(EXIT_FAULT)


def _ended(client: Client, before: show.Item) -> show.Item:
    """Wait for the end of a run; raises BookhopperError when that takes longer than anybody waits."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for chore in client.get("/api/schedule")["chores"]:
            if chore["name"] == before["name"] and chore["runs"] != before["runs"] and chore["last"]:
                found: dict[str, Any] = chore
                return found
        time.sleep(_LOOK_SECONDS)
    raise BookhopperError("it still runs: `bookhopper schedule` tells what comes of it")


def _table(chores: Sequence[show.Item], *, narrow: bool) -> Table:
    table = show.table(
        show.words("name"),
        *(() if narrow else (show.prose("what it does"),)),
        show.figures("every"),
        show.words("last run"),
        show.figures("took"),
        show.prose("outcome"),
        show.words("next run"),
    )
    now = time.time()
    for chore in chores:
        last = chore["last"]
        table.add_row(
            chore["name"],
            *(() if narrow else (show.line(chore["does"]),)),
            written_duration(chore["every"]),
            "runs now" if chore["running"] else _moment(last["started"], now) if last else "not yet",
            _took(last["seconds"]) if last else "",
            _outcome(last) if last else "",
            _moment(chore["next"], now) if chore["next"] else "",
        )
    return table


def _outcome(last: show.Item) -> Text:
    if last["ok"]:
        return show.paragraph(last["said"] or "ok")
    return Text("failed: ", style="red") + show.paragraph(last["said"])


def _moment(moment: float, now: float) -> str:
    """Say how long ago, or from now, something is."""
    return humanize.naturaltime(timedelta(seconds=round(now - moment)))


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else humanize.naturaldelta(seconds)
