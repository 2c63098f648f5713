"""`bookhopper history`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from bookhopper.cli import config_option, json_option, limit_option, offset_option, show, table_width
from bookhopper.client import daemon_of

_WIDE = 100
"""How many columns it takes to show sizes and speeds beside titles that can be read."""


@click.command(
    epilog="""\
\b
Examples:
  bookhopper history
  bookhopper history --limit 10 --offset 10
  bookhopper history --json | jq -r '.items[].delivery.name'
"""
)
@config_option
@json_option
@limit_option
@offset_option
def command(config_path: Path | None, as_json: bool, limit: int, offset: int) -> None:
    """Show what became of the books that are settled, the latest first."""
    client = daemon_of(config_path)
    page = client.get(f"/api/history?limit={limit}&offset={offset}")
    if as_json:
        click.echo(json.dumps(page))
    else:
        console = Console(highlight=False, width=table_width())
        table = _table(page["items"], narrow=console.width < _WIDE)
        console.print(Group(*table, *show.rest(page, "nothing is settled yet")))


def _table(settled: Sequence[show.Item], *, narrow: bool) -> list[RenderableType]:
    if not settled:
        return []
    table = show.table(
        show.words("when"),
        show.prose("book"),
        show.words("outcome"),
        show.prose("file or reason"),
        *(() if narrow else (show.figures("size"), show.figures("speed"))),
    )
    now = datetime.now().astimezone()
    for download in settled:
        when = _when(download["changed"], now)
        what, *figures = _outcome(download)
        table.add_row(when, show.book(download), download["state"], what, *(() if narrow else figures))
    return [table]


def _when(moment: float, now: datetime) -> str:
    """Show a moment in local time; the year stands for the hour where it is another one."""
    then = datetime.fromtimestamp(moment, now.tzinfo)
    return then.strftime("%m-%d %H:%M" if then.year == now.year else "%Y-%m-%d")


def _outcome(download: show.Item) -> tuple[Text, str, str]:
    """Give the file with its size and mean speed, or the reason why there is none."""
    delivery = download["delivery"]
    if delivery is None:
        return show.paragraph(download["error"] or ""), "", ""
    seconds = delivery["seconds"]
    mean = delivery["size"] / seconds if seconds else None
    name = show.line(delivery["name"])
    if download["error"]:
        name = Text("\n").join([name, show.paragraph(download["error"])])
    return name, show.size(delivery["size"]), show.speed(mean)
