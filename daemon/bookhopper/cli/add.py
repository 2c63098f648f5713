"""`bookhopper add`."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path

import click

from bookhopper import config
from bookhopper.api.address import is_there
from bookhopper.cli import config_option, json_option
from bookhopper.errors import BookhopperError, ConfigError
from bookhopper.intake.drop import drop
from bookhopper.settings import Folders


@click.command(
    epilog="""\
A wish is written as in a text list: `Title — Author`, an ISBN, `pick: source:key`; a leading `!` makes it
urgent.  The daemon need not run; it takes the file when it does.

\b
Examples:
  bookhopper add "Jane Eyre — Charlotte Brontë"
  bookhopper add "! 9780141441146" "Dracula by Bram Stoker"
  bookhopper add --json "Emma — Jane Austen" | jq -r .file
"""
)
@config_option
@json_option
@click.argument("wishes", metavar="WISH...", nargs=-1, required=True)
def command(config_path: Path | None, as_json: bool, wishes: tuple[str, ...]) -> None:
    """Wish for a book: drops a list with these lines into the requests folder."""
    folders = _folders(config_path)
    folder = folders.requests
    lines = [" ".join(wish.splitlines()) for wish in wishes]
    for line in lines:
        if line.lstrip().startswith("#") or not line.strip(" !\t"):
            raise click.UsageError(f"there is nothing to wish for in {line!r}")
    text = "".join(f"{line}\n" for line in lines)
    name = f"added-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drop(folder, name, text)
    except OSError as error:
        raise BookhopperError(
            f"{folder}: {error.strerror}: check folders.requests and your right to write there"
        ) from error
    if as_json:
        click.echo(json.dumps({"file": str(folder / name), "wishes": len(wishes)}, ensure_ascii=False))
        return
    click.echo(f"{folder / name}: {len(wishes)} {'wish' if len(wishes) == 1 else 'wishes'}")
    if not is_there(folders.state):
        click.echo("The daemon of this configuration does not run; it takes the list when it does.", err=True)


def _folders(config_path: Path | None) -> Folders:
    """Name the folders; those of a daemon that runs, also where only that may read all that is configured."""
    try:
        return config.load(config_path).folders
    except ConfigError:
        with suppress(BookhopperError):
            folders = config.folders(config_path)
            if is_there(folders.state):
                return folders
        raise
