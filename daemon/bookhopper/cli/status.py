"""`bookhopper status`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import humanize
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bookhopper import config
from bookhopper.cli import config_option, is_terminal, json_option, table_width
from bookhopper.client import Client

_REFRESH_SECONDS = 0.5
_ROWS = 20
_MOVING = "placed,downloading,searching"


@click.command(
    epilog="""\
\b
Examples:
  bookhopper status
  bookhopper status --json | jq .counts
"""
)
@config_option
@json_option
@click.option("--once", is_flag=True, help="Print the table once, even on a terminal.")
def command(config_path: Path | None, as_json: bool, once: bool) -> None:
    """Show what the daemon is doing: live on a terminal until Ctrl-C, once otherwise."""
    client = Client(config.load(config_path).folders.state)
    if as_json:
        click.echo(json.dumps(client.get("/api/downloads/status") | {"downloads": _moving(client)}))
        return
    console = Console(width=table_width())
    if once or not is_terminal():
        console.print(_picture(client, bars=False))
        return
    with Live(_picture(client, bars=True), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(_REFRESH_SECONDS)
                live.update(_picture(client, bars=True), refresh=True)
        except KeyboardInterrupt:
            return


def _moving(client: Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/api/downloads?status={_MOVING}&limit={_ROWS}")["items"]
    return items


def _picture(client: Client, *, bars: bool) -> Group:
    status = client.get("/api/downloads/status")
    counts = ", ".join(f"{number:,} {state}" for state, number in status["counts"].items() if number)
    parts: list[Text | Table] = [
        Text(counts or "nothing wished for yet: drop a list into the requests folder")
    ]
    parts += [Text(f"waiting: {reason}", style="yellow") for reason in status["held"].values()]
    hosts = status["hosts"].items()
    parts += [
        Text(f"waiting: {name} is left alone for {seconds} s", style="yellow") for name, seconds in hosts
    ]
    moving = _moving(client)
    if moving:
        parts.append(_table(moving, bars=bars))
    return Group(*parts)


def _table(moving: list[dict[str, Any]], *, bars: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("job", "right"),
        ("book", "left"),
        ("", "left"),
        ("done", "right"),
        ("speed", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True, ratio=1 if name == "book" else None)  # type: ignore[arg-type]
    table.add_column("left", justify="right", no_wrap=True)
    for item in moving:
        percent = item["percent"]
        book = escape(" — ".join([item["title"], *item["authors"][:1]]))
        bar = (
            ProgressBar(total=100, completed=percent or 0, width=20, pulse=percent is None) if bars else None
        )
        done = (
            f"{percent:.0f} %" if percent is not None else humanize.naturalsize(item["received"], binary=True)
        )
        speed = f"{humanize.naturalsize(item['speed'], binary=True)}/s" if item["speed"] else ""
        left = humanize.precisedelta(round(item["eta"]), format="%d") if item["eta"] else ""
        table.add_row(str(item["id"]), book, bar or (item["stage"] or item["state"]), done, speed, left)
    return table
