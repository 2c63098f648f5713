"""`bookhopper demo`."""

from __future__ import annotations

import click
from rich.console import Console

from bookhopper.demo.run import demo


@click.command(
    epilog="""\
\b
Examples:
  bookhopper demo
  bookhopper demo --keep
"""
)
@click.option("--keep", is_flag=True, help="Keep the temporary folder, to look around in.")
@click.pass_context
def command(ctx: click.Context, keep: bool) -> None:
    """See it all work in a few seconds: a catalogue, a want-list and the real daemon, on loopback."""
    ctx.exit(demo(Console(highlight=False), keep))
