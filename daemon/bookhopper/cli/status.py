"""`bookhopper status`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import humanize
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bookhopper.cli import config_option, is_terminal, json_option, show, table_width
from bookhopper.client import Client, daemon_of
from bookhopper.errors import BookhopperError

_REFRESH_SECONDS = 0.5
_ROWS = 20
_MOVING = "placed,downloading,searching"
_PERIODS = {"last_24h": "last 24 h", "all_time": "all time"}


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
    client = daemon_of(config_path)
    if as_json:
        more = {"downloads": _moving(client), "statistics": client.get("/api/statistics")}
        click.echo(json.dumps(client.get("/api/downloads/status") | more))
        return
    console = Console(highlight=False, width=table_width())
    if once or not is_terminal():
        console.print(_picture(client, bars=False))
        return
    with Live(_picture(client, bars=True), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(_REFRESH_SECONDS)
                live.update(_picture_or_why_not(client), refresh=True)
        except KeyboardInterrupt:
            return


def _moving(client: Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/api/downloads?status={_MOVING}&limit={_ROWS}")["items"]
    return items


def _picture_or_why_not(client: Client) -> RenderableType:
    """Show the daemon, or that it is away, which a restart is."""
    try:
        return _picture(client, bars=True)
    except BookhopperError as error:
        return Text(f"waiting for the daemon … ({error})", style="yellow")


def _picture(client: Client, *, bars: bool) -> Group:
    status = client.get("/api/downloads/status")
    counts = show.counts(status) or "nothing wished for yet: drop a list into the requests folder"
    parts: list[RenderableType] = [Text(counts), *show.notices(status)]
    if moving := _moving(client):
        parts.append(_table(moving, bars=bars))
    statistics = client.get("/api/statistics")
    parts += [_achieved(name, statistics[period]) for period, name in _PERIODS.items()]
    return Group(*parts)


def _achieved(period: str, achieved: show.Item) -> Text:
    """Show what was achieved in a time, on one line."""
    said = [f"{achieved['completed']:,} delivered"]
    if achieved["failed"]:
        said.append(f"{achieved['failed']:,} failed (success {100 * achieved['success_rate']:.1f} %)")
    if achieved["completed"]:
        mean = show.speed(achieved["mean_speed"])
        said.append(show.size(achieved["bytes"]) + (f" at {mean}" if mean else ""))
    return Text(f"{period}: {', '.join(said)}", style="dim")


def _table(moving: list[dict[str, Any]], *, bars: bool) -> Table:
    table = show.table(
        show.figures("job"),
        show.prose("book"),
        show.words(""),
        show.figures("done"),
        show.figures("speed"),
        show.figures("left"),
    )
    for item in moving:
        percent = item["percent"]
        bar = (
            ProgressBar(total=100, completed=percent or 0, width=20, pulse=percent is None) if bars else None
        )
        done = f"{percent:.0f} %" if percent is not None else show.size(item["received"])
        left = humanize.precisedelta(round(item["eta"]), format="%d") if item["eta"] else ""
        stage = show.line(item["stage"] or item["state"])
        table.add_row(str(item["id"]), show.book(item), bar or stage, done, show.speed(item["speed"]), left)
    return table
