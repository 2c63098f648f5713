"""`bookhopper queue list`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import click
import humanize
from rich.console import Console, Group, RenderableType
from rich.text import Text

from bookhopper.cli import config_option, json_option, limit_option, offset_option, show, table_width
from bookhopper.client import daemon_of
from bookhopper.model import State
from bookhopper.units import counted

_AT_WORK = (State.PLACED, State.DOWNLOADING)
_IN_LINE = (State.WANTED, State.SEARCHING, State.QUEUED)
_ASIDE = (State.AMBIGUOUS, State.MISSING, State.FAILED)
_STATES = (*(state.value for state in State), "pending", "completed", "paused")
_THERE = (State.DONE, State.OWNED, State.DUPLICATE)
_ASKED = {"cancel": "will be cancelled", "pause": "will be paused"}


@click.command(
    "list",
    epilog="""\
\b
Examples:
  bookhopper queue list --limit 10
  bookhopper queue list --state missing --state ambiguous
  bookhopper queue list --json | jq '.items[].title'
""",
)
@config_option
@json_option
@limit_option
@offset_option
@click.option(
    "--state",
    "states",
    metavar="STATE",
    multiple=True,
    type=click.Choice(_STATES),
    help=f"Show the jobs in this state instead (may be repeated): {', '.join(_STATES)}.",
)
def command(
    config_path: Path | None, as_json: bool, limit: int, offset: int, states: tuple[str, ...]
) -> None:
    """Show what runs, the queue in its order, and how many lie aside."""
    client = daemon_of(config_path)
    if states:
        asked = urlencode({"status": ",".join(states), "limit": limit, "offset": offset})
        page = client.get(f"/api/downloads?{asked}")
        parts = [*_table(page["items"]), *show.rest(page, "there is no such job")]
    else:
        status = client.get("/api/downloads/status")
        running = client.get(f"/api/downloads?status={','.join(_AT_WORK)}")["items"]
        page = client.get(f"/api/queue?limit={limit}&offset={offset}")
        rest = show.rest(page, "nothing waits")
        parts = [*show.notices(status), *_table([*running, *page["items"]]), *rest, *_aside(status)]
        page |= {"running": running, "status": status}
    if as_json:
        click.echo(json.dumps(page))
    else:
        Console(highlight=False, width=table_width()).print(Group(*parts))


def _table(items: Sequence[show.Item]) -> list[RenderableType]:
    if not items:
        return []
    table = show.table(
        show.figures("job"),
        show.prose("book"),
        show.words("state"),
        show.figures("priority"),
        show.prose("what it does"),
    )
    now = time.time()
    for item in items:
        table.add_row(
            str(item["id"]), show.book(item), item["state"], str(item["priority"]), reason(item, now)
        )
    return [table]


def _aside(status: show.Item) -> list[RenderableType]:
    found = show.counts(status, *_ASIDE)
    return [Text(f"aside: {found} (--state shows them)", style="dim")] if found else []


def _books(children: Mapping[str, int] | None) -> str:
    """Say how far a collection is, where the job asks for one and its books are known."""
    if not children:
        return ""
    there = sum(children.get(state.value, 0) for state in _THERE)
    return f"{there} of {counted(sum(children.values()), 'book')} there"


def reason(item: show.Item, now: float) -> Text:
    """Say what a job does, or why it waits."""
    said = [_ASKED.get(item["asked"] or "", "")]
    if item["stage"]:
        said.append(item["stage"] + (f" {item['percent']:.0f} %" if item["percent"] is not None else ""))
    said += ["paused" if item["paused"] else "", _books(item["children"]), item["error"] or ""]
    said.append(f"of the collection {item['parent']}" if item["parent"] is not None else "")
    if item["not_before"] is not None and item["not_before"] > now:
        said.append(f"again in {humanize.naturaldelta(item['not_before'] - now)}")
    return show.paragraph("; ".join(filter(None, said)))
