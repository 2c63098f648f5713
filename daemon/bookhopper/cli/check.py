"""`bookhopper check`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bookhopper import config
from bookhopper.checks import Finding, findings
from bookhopper.cli import EXIT_FAULT, config_option, is_terminal, json_option, table_width

_MARKS = {True: "[green]ok[/]", False: "[red]fault[/]", None: "[yellow]note[/]"}


@click.command(
    epilog="""\
Exit codes: 0 no fault; 1 at least one, each with its remedy; 2 the configuration cannot be used.

\b
Examples:
  bookhopper check
  bookhopper check --config /etc/bookhopper.yaml --json
"""
)
@config_option
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: Path | None, as_json: bool) -> None:
    """Look at configuration, folders, rights, free space, inotify limits and sources."""
    settings = config.load(config_path)
    shown = config_path or config.default_path()
    origin = str(shown) if shown.exists() else f"none ({shown} is not there): the defaults hold"
    console = Console(stderr=True)
    found = [Finding("configuration", ok=True, detail=origin)]
    if is_terminal():
        with console.status("asking the sources …"):
            found += findings(settings)
    else:
        found += findings(settings)
    if as_json:
        for finding in found:
            click.echo(json.dumps({"what": finding.what, "ok": finding.ok, "detail": finding.detail}))
    else:
        _print(found)
    ctx.exit(EXIT_FAULT if any(finding.ok is False for finding in found) else 0)


def _print(found: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in found:
        table.add_row(_MARKS[finding.ok], escape(finding.what), escape(finding.detail))
    Console(highlight=False, width=table_width()).print(table)
