"""How the commands show jobs: tables that no title can break, sizes and speeds, what the queue waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import humanize
from rich.table import Column, Table
from rich.text import Text

from bookhopper.intake.base import shown

Item = Mapping[str, Any]
"""A download, a status, a delivery: an object as the HTTP API gives it."""


def table(*columns: Column) -> Table:
    """Make a table without lines around it."""
    return Table(*columns, box=None, pad_edge=False, header_style="dim")


def figures(name: str) -> Column:
    """Make a column of numbers, which are never cut."""
    return Column(name, justify="right", no_wrap=True)


def words(name: str) -> Column:
    """Make a column of single words, which are never cut."""
    return Column(name, no_wrap=True)


def prose(name: str) -> Column:
    """Make a column of texts, which give way where the terminal is narrow."""
    return Column(name, overflow="fold")


def line(text: str) -> Text:
    """Show a text from outside on one line, cut where its column ends."""
    return Text(shown(text), no_wrap=True, overflow="ellipsis")


def paragraph(text: str) -> Text:
    """Show a text from outside whole, on as many lines as its column needs."""
    return Text(shown(text))


def book(download: Item) -> Text:
    """Show which book a download is, on one line."""
    return line(" — ".join([download["title"], *download["authors"][:1]]))


def size(number: float | None) -> str:
    """Show a number of bytes in steps of a thousand, as the page does; None gives nothing."""
    return "" if number is None else humanize.naturalsize(number)


def speed(number: float | None) -> str:
    """Show bytes a second; nothing where it is not known or nothing moves."""
    return f"{size(number)}/s" if number else ""


def counts(status: Item, *names: str) -> str:
    """Show how many jobs there are in each state that has any, of all or of these."""
    found: Mapping[str, int] = status["counts"]
    chosen = names or tuple(found)
    return ", ".join(f"{found[name]:,} {name}" for name in chosen if found[name])


def notices(status: Item) -> list[Text]:
    """Show what the whole queue waits for, a line each."""
    said = ["the queue is paused: `bookhopper queue resume` lets it go on"] if status["paused"] else []
    said += [f"waiting: {reason}" for reason in status["held"].values()]
    said += [
        f"the configuration cannot be used, and the old one stays: {fault}"
        for fault in status["configuration"]["faults"]
    ]
    said += [f"waiting: {name} is left alone for {seconds} s" for name, seconds in status["hosts"].items()]
    return [Text(shown(notice), style="yellow") for notice in said]


def rest(page: Item, nothing: str) -> list[Text]:
    """Say what a page of a list does not show: the pages after it, or that there is `nothing` at all."""
    shown_until = page["offset"] + len(page["items"])
    if page["total"] > shown_until:
        return [Text(f"… and {page['total'] - shown_until:,} more: --offset {shown_until}", style="dim")]
    if page["items"]:
        return []
    return [Text(f"there are {page['total']:,} only" if page["total"] else nothing)]
