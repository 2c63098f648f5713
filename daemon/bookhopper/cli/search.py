"""`bookhopper search`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from bookhopper import config
from bookhopper.cli import config_option, json_option, show, table_width
from bookhopper.errors import BookhopperError
from bookhopper.intake.base import Limits
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Candidate, Want
from bookhopper.search.collections import Books, Collector
from bookhopper.search.resolve import Decision, Resolution, Resolver
from bookhopper.search.sources import registry
from bookhopper.settings import Settings
from bookhopper.ticket import Ticket

_THREADS = 4
_STANDARD_INPUT = Path("-")
_BAD = Resolution(Decision.MISSING, (), (), "")


@click.command(
    epilog="""\
It asks the configured sources itself; the daemon need not run.  The first time it indexes the catalogue,
which takes some seconds.

\b
Examples:
  bookhopper search "Jane Eyre — Charlotte Brontë"
  bookhopper search --from to-read.txt --json
"""
)
@config_option
@json_option
@click.option(
    "--from",
    "list_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="Look for every wish of a list; - reads it from standard input.",
)
@click.argument("wish", required=False)
def command(config_path: Path | None, as_json: bool, list_path: Path | None, wish: str | None) -> None:
    """Show what a wish would find: candidates, the decision, and each field's part in the score."""
    if (wish is None) == (list_path is None):
        raise click.UsageError("give either a wish or --from LIST")
    settings = config.load(config_path)
    if list_path is not None:
        entries = list(_entries(list_path, settings))
    else:
        entries = list(parse("wish.txt", str(wish).encode("utf-8", "replace"), Limits()))
    console = Console(highlight=False, width=table_width())
    with _searching(settings) as search, ThreadPoolExecutor(_THREADS) as threads:
        for entry, resolution in zip(entries, threads.map(search, entries), strict=True):
            if as_json:
                click.echo(json.dumps(_as_json(entry, resolution), ensure_ascii=False))
            else:
                _show(console, entry, resolution)


def _entries(path: Path, settings: Settings) -> Iterator[Want | BadLine]:
    intake = settings.intake
    limits = Limits(size=intake.max_size, lines=intake.max_lines, shelves=intake.shelves)
    with click.open_file(str(path), "rb") as file:
        data = file.read(limits.size + 1)
    typed = path == _STANDARD_INPUT
    try:
        yield from parse("list.txt" if typed else path.name, data, limits)
    except BookhopperError as error:
        raise BookhopperError(f"{'standard input' if typed else path}: {error}") from error


@contextmanager
def _searching(settings: Settings) -> Iterator[Callable[[Want | BadLine], Resolution]]:
    """Give what decides about an entry, with sources that can answer: what is not indexed yet is."""
    settings.folders.state.mkdir(parents=True, exist_ok=True)
    sources = registry.build(settings.sources, settings.folders.state)
    ticket = Ticket(0)
    with Console(stderr=True).status("bringing the catalogue up to date …"):
        for source in sources.sources:
            if not source.check(ticket).ok:
                source.refresh(ticket)
    resolver = Resolver(
        sources.sources,
        accept=settings.match.accept,
        margin=settings.match.margin,
        languages=settings.languages,
        formats=settings.formats,
        deadlines={each.name: each.deadline for each in settings.sources},
        identifiers=sources.identifiers,
    )
    collector = Collector(
        sources.sources,
        languages=settings.languages,
        formats=settings.formats,
        deadlines={each.name: each.deadline for each in settings.sources},
    )

    def resolve(entry: Want | BadLine) -> Resolution:
        if isinstance(entry, BadLine):
            return _BAD
        if entry.collection is not None:
            return _listed(collector.books(entry, Ticket(0)))
        return resolver.resolve(entry, Ticket(0))

    try:
        yield resolve
    finally:
        resolver.close()
        collector.close()
        sources.close()


def _listed(books: Books) -> Resolution:
    """Show a collection's books as candidates, none of them preferred to another."""
    decision = Decision.AMBIGUOUS if books.unclear else Decision.ACCEPT if books.wants else Decision.MISSING
    found = (
        Candidate(want.pick.source, want.pick.key, want.title, want.authors, series=want.series)
        for want in books.wants
        if want.pick is not None
    )
    return Resolution(decision, (), tuple(found), books.reason, books.silent)


def _as_json(entry: Want | BadLine, resolution: Resolution) -> dict[str, Any]:
    reason = entry.reason if isinstance(entry, BadLine) else resolution.reason
    return {
        "number": entry.line,
        "line": entry.raw,
        "decision": resolution.decision.value,
        "pick": _candidate(resolution.chosen[0]) if resolution.chosen else None,
        "candidates": [
            _candidate(candidate)
            | {"parts": {name: round(part, 3) for name, part in candidate.parts.items()}}
            for candidate in resolution.near
        ],
        "reason": reason or None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "source": candidate.source,
        "key": candidate.key,
        "score": round(candidate.score, 3),
        "title": candidate.title,
        "authors": list(candidate.authors),
        "language": candidate.language,
        "format": candidate.format,
    }


def _show(console: Console, entry: Want | BadLine, resolution: Resolution) -> None:
    if isinstance(entry, BadLine):
        console.print(f"[bold]{escape(entry.raw)}[/]  [red]not understood[/]: {escape(entry.reason)}")
        return
    colour = {"accept": "green", "ambiguous": "yellow", "missing": "red"}[resolution.decision]
    reason = f": {escape(resolution.reason)}" if resolution.reason else ""
    console.print(f"[bold]{escape(entry.raw)}[/]  [{colour}]{resolution.decision}[/]{reason}")
    if not resolution.near:
        return
    table = show.table()
    for name in ("", "score", "title", "authors", "", "source:key", "parts"):
        whole = name not in {"title", "authors"}
        table.add_column(name, no_wrap=whole, overflow="ellipsis" if name == "parts" else "fold")
    chosen = {(candidate.source, candidate.key, candidate.format) for candidate in resolution.chosen[:1]}
    for candidate in resolution.near:
        picked = (candidate.source, candidate.key, candidate.format) in chosen
        table.add_row(
            "[green]→[/]" if picked else "",
            f"{candidate.score:.2f}" if candidate.parts else "",  # a pick by hand has none
            escape(candidate.title),
            escape("; ".join(candidate.authors)),
            f"{candidate.language} {candidate.format}".strip(),
            escape(f"{candidate.source}:{candidate.key}"),
            " ".join(f"{name} {part:.2f}" for name, part in candidate.parts.items()),
        )
    console.print(table)
