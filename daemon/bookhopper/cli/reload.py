"""`bookhopper reload`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bookhopper.cli import EXIT_USAGE, config_option, json_option
from bookhopper.client import daemon_of


@click.command(
    epilog="""\
What runs goes on as it began; folders, the server, lists and delivery change at a restart only.  A file that
cannot be used leaves the daemon as it is.

Exit codes: 0 it is applied; 1 the daemon is not there; 2 the file is wrong.

\b
Examples:
  bookhopper reload
  bookhopper reload --config /etc/bookhopper/bookhopper.yaml
"""
)
@config_option
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: Path | None, as_json: bool) -> None:
    """Have the daemon read its configuration again, and say what comes of it."""
    outcome = daemon_of(config_path).post("/api/reload")
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        for fault in outcome["faults"]:
            click.echo(f"bookhopper: {fault}", err=True)
        for key in outcome["kept"]:
            click.echo(f"{key} has changed, which is heeded at the next start only", err=True)
        if outcome["ok"]:
            click.echo(", ".join(outcome["applied"]) or "Nothing that could be applied has changed.")
    if not outcome["ok"]:
        ctx.exit(EXIT_USAGE)
