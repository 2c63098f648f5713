"""`bookhopper run`."""

from __future__ import annotations

from pathlib import Path

import click

from bookhopper import app, config
from bookhopper.cli import config_option


@click.command(
    epilog="""\
It runs until SIGTERM or SIGINT and then stops in order: running downloads are cut short and go on where they
were at the next start.

\b
Examples:
  bookhopper run
  bookhopper run --config /etc/bookhopper.yaml
"""
)
@config_option
def command(config_path: Path | None) -> None:
    """Run the daemon."""
    app.run(config.load(config_path))
