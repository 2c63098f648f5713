"""`bookhopper verify`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import click

from bookhopper.cli import EXIT_FAULT, json_option
from bookhopper.verify import Verdict, verify


@click.command(
    epilog="""\
Exit codes: 0 every file would be taken; 1 at least one would not.

\b
Examples:
  bookhopper verify *.epub
  bookhopper verify --json ~/Downloads/book.pdf
"""
)
@json_option
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False)
)
@click.pass_context
def command(ctx: click.Context, as_json: bool, files: tuple[Path, ...]) -> None:
    """Tell whether files are whole, readable, unprotected books: would the daemon take them."""
    good = True
    for file in files:
        try:
            verdict = _verdict(file)
            ok, format_, reason = verdict.ok, verdict.format, verdict.reason
        except OSError as error:
            ok, format_, reason = False, "", f"cannot be read: {error.strerror}"
        good = good and ok
        if as_json:
            click.echo(
                json.dumps({"file": str(file), "ok": ok, "format": format_ or None, "reason": reason or None})
            )
        elif ok:
            click.echo(f"{file}: good ({format_})")
        else:
            click.echo(f"{file}: refused: {reason}")
    ctx.exit(0 if good else EXIT_FAULT)


def _verdict(file: Path) -> Verdict:
    # Asked before it is opened: opening a pipe would wait for somebody who writes to it.
    if not stat.S_ISREG(file.stat().st_mode):
        return Verdict(ok=False, format="", reason="not a regular file", permanent=True, check="type")
    return verify(file, file.suffix.lstrip(".").lower())
