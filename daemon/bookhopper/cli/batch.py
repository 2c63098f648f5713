"""Changes of many jobs at a time, and how the commands tell of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.progress import track

from bookhopper.cli import EXIT_FAULT, show
from bookhopper.client import Client
from bookhopper.intake.base import shown
from bookhopper.model import State
from bookhopper.units import counted

_BATCH = 100
_LARGEST_PAGE = 1000
_NAMED = 10
"""Up to how many jobs an answer names; of more it tells the number."""


def change(
    client: Client, action: str, jobs: Sequence[str], done: str, *, as_json: bool, **fields: int
) -> None:
    """Do the same to many jobs, in batches, and end the command."""
    chosen = list(dict.fromkeys(jobs))
    batches = [chosen[start : start + _BATCH] for start in range(0, len(chosen), _BATCH)]
    results: list[dict[str, Any]] = []
    console = Console(stderr=True)
    shows = console.is_terminal and len(batches) > 1
    for batch in track(batches, f"{action} …", console=console, transient=True, disable=not shows):
        body = {"ids": batch, "action": action, **fields}
        results += client.post("/api/downloads/batch-action", body)["results"]
    end(results, done, as_json=as_json)


def end(results: Sequence[show.Item], done: str, *, as_json: bool) -> None:
    """Tell what became of each job, and end with 1 where something was refused."""
    changed = [str(result["id"]) for result in results if result["ok"]]
    refused = [result for result in results if not result["ok"]]
    if as_json:
        click.echo(json.dumps({"results": results}))
    elif changed or not refused:
        number = len(changed)
        named = ", ".join(map(shown, changed)) if 0 < number <= _NAMED else counted(number, "job")
        click.echo(f"{done}: {named}")
    for result in refused:
        click.echo(f"bookhopper: {shown(str(result['id']))}: {shown(str(result['error']))}", err=True)
    click.get_current_context().exit(EXIT_FAULT if refused else 0)


def all_in(client: Client, states: Sequence[State]) -> list[str]:
    """List all jobs in some states, before any of them is changed and leaves its place."""
    found: list[str] = []
    while True:
        asked = urlencode({"status": ",".join(states), "limit": _LARGEST_PAGE, "offset": len(found)})
        page = client.get(f"/api/downloads?{asked}")
        found += [str(item["id"]) for item in page["items"]]
        if not page["items"] or len(found) >= page["total"]:
            return found


def first_besides(client: Client, jobs: Sequence[str]) -> str | None:
    """Find the job before which the others are first; None where there is no other."""
    head = client.get(f"/api/queue?limit={_LARGEST_PAGE}")["items"]
    others = (
        str(item["id"])
        for item in head
        if item["state"] != State.SEARCHING and not {str(item["id"]), item["book_id"]} & set(jobs)
    )
    return next(others, None)
