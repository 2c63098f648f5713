"""`bookhopper man`."""

from __future__ import annotations

import shutil
import subprocess

import click

from bookhopper import shipped
from bookhopper.cli import is_terminal


@click.command(
    epilog="""\
`man bookhopper` finds it after an installation below /usr/local, by pipx 1.3 or newer, or in a venv whose bin
is in your PATH.

\b
Examples:
  bookhopper man
  bookhopper man > ~/.local/share/man/man1/bookhopper.1
"""
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the manual page; into a file or a pipe it goes as man pages are written (troff)."""
    page = shipped.MANUAL.read_bytes()
    reader = shutil.which("man") if is_terminal() else None
    if reader is None:
        click.echo(page, nl=False)
        return
    shown = subprocess.run([reader, "-l", "-"], input=page, check=False)  # noqa: S603 # nosec B603
    ctx.exit(shown.returncode)
