"""`bookhopper restore`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bookhopper import config
from bookhopper.cli import config_option
from bookhopper.core import DATABASE, of_the_queue
from bookhopper.restoring import latest, restore
from bookhopper.units import counted


@click.command(
    epilog="""\
The daemon has to be stopped.  What was wished for since the backup is not in it: drop those lists again, from
accepted/ in the requests folder; what is known adds nothing.  Lists at addresses are read anew by themselves.
What was delivered since is taken from the old database, as far as it can be read, so that it does not come
again.  The old database is kept beside it (queue.db.replaced): restore that to have it back.

\b
Examples:
  bookhopper restore
  bookhopper restore /var/lib/bookhopper/backups/queue-0017-2026-01-31.db --yes
"""
)
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("backup", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def command(config_path: Path | None, yes: bool, backup: Path | None) -> None:
    """Put a backup in the place of the queue's database: BACKUP, or the latest."""
    state = config.folders(config_path).state
    chosen = backup or latest(state)
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(chosen.stat().st_mtime))
    if not yes:
        click.confirm(f"Put {chosen} of {made} in the place of {state / DATABASE}?", abort=True)
    done = restore(state / DATABASE, chosen, of_the_queue(state))
    click.echo(f"{chosen.name} is the queue now, as it stood at {made}.")
    if not done.replaced:
        return
    click.echo(f"The database before it lies in {done.replaced}.")
    are = "is" if done.rescued == 1 else "are"
    known = f"{counted(done.rescued, 'book')} delivered since then {are} known from it"
    click.echo(f"{known}; any other may come again.")
