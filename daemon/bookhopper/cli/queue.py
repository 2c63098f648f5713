"""`bookhopper queue`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from bookhopper.cli import Group, config_option, json_option, listing, values
from bookhopper.cli.batch import all_in, change, end, first_besides
from bookhopper.client import RefusedError, daemon_of
from bookhopper.model import State
from bookhopper.units import counted


@click.group(
    cls=Group,
    epilog="""\
A JOB is a job's number, or the id of a book as the HTTP API gives it (`source:key~format`).  Lower priorities
are more urgent: 1 is the usual one, `!` in a list gives 0.

Exit codes: 0 all was done; 1 something was not (a line each says what and why); 2 the command line is wrong.

\b
Examples:
  bookhopper queue list
  bookhopper queue pause
  bookhopper queue reorder 17 --first
""",
)
def command() -> None:
    """Look at the queue, and change it."""


command.add_command(listing.command)

jobs_argument = click.argument("jobs", metavar="JOB...", nargs=-1, required=True, type=values.JOB)
some_jobs_argument = click.argument("jobs", metavar="[JOB]...", nargs=-1, type=values.JOB)
jobs_aside_argument = click.argument("jobs", metavar="[JOB]...", nargs=-1, type=values.JOB_ASIDE)
paused_jobs_argument = click.argument("jobs", metavar="[JOB]...", nargs=-1, type=values.PAUSED_JOB)


@command.command(
    epilog="""\
With no job named, nothing is downloaded, also after a restart, until the queue is resumed; wishes are still
looked for.  A running download keeps what it has and goes on from there.

\b
Examples:
  bookhopper queue pause
  bookhopper queue pause 17 18
"""
)
@config_option
@json_option
@some_jobs_argument
def pause(config_path: Path | None, as_json: bool, jobs: tuple[str, ...]) -> None:
    """Pause jobs, or the whole queue."""
    if jobs:
        change(daemon_of(config_path), "pause", jobs, "paused", as_json=as_json)
    else:
        status = daemon_of(config_path).post("/api/downloads/pause")
        _tell(status, "the queue is paused: `bookhopper queue resume` lets it go on", as_json=as_json)


@command.command(
    epilog="""\
With no job named, the queue goes on, but for the jobs in it that were paused by themselves.

\b
Examples:
  bookhopper queue resume
  bookhopper queue resume 17 18
"""
)
@config_option
@json_option
@paused_jobs_argument
def resume(config_path: Path | None, as_json: bool, jobs: tuple[str, ...]) -> None:
    """Let paused jobs go on, or the whole queue."""
    if jobs:
        change(daemon_of(config_path), "resume", jobs, "resumed", as_json=as_json)
    else:
        _tell(daemon_of(config_path).post("/api/downloads/resume"), "the queue goes on", as_json=as_json)


@command.command(
    epilog="""\
\b
Examples:
  bookhopper queue cancel 17
  bookhopper queue cancel 17 18 --json
"""
)
@config_option
@json_option
@jobs_argument
def cancel(config_path: Path | None, as_json: bool, jobs: tuple[str, ...]) -> None:
    """Cancel jobs, whether they wait, run or lie aside."""
    change(daemon_of(config_path), "cancel", jobs, "cancelled", as_json=as_json)


@command.command(
    epilog="""\
Jobs that are ambiguous or were cancelled are looked for anew, too, when they are named.

\b
Examples:
  bookhopper queue retry 17
  bookhopper queue retry --failed --missing
"""
)
@config_option
@json_option
@click.option("--failed", is_flag=True, help="All jobs that failed.")
@click.option("--missing", is_flag=True, help="All jobs whose book was not found.")
@jobs_aside_argument
def retry(
    config_path: Path | None, as_json: bool, failed: bool, missing: bool, jobs: tuple[str, ...]
) -> None:
    """Look anew for what failed or was not found."""
    states = [state for state, chosen in ((State.FAILED, failed), (State.MISSING, missing)) if chosen]
    if not jobs and not states:
        raise click.UsageError("name jobs, or give --failed or --missing")
    client = daemon_of(config_path)
    chosen = [*jobs, *(all_in(client, states) if states else ())]
    change(client, "retry", chosen, "looked for anew", as_json=as_json)


@command.command(
    # so that -1 is a priority and no option
    context_settings={"ignore_unknown_options": True},
    epilog="""\
Lower is more urgent: 1 is the usual one, 0 and -1 are those of `!` and `!!` in a list.

\b
Examples:
  bookhopper queue priority 0 17
  bookhopper queue priority -1 17 18
""",
)
@config_option
@json_option
@click.argument("number", metavar="N", type=int)
@jobs_argument
def priority(config_path: Path | None, as_json: bool, number: int, jobs: tuple[str, ...]) -> None:
    """Give jobs the priority N."""
    for job in jobs:
        if job.startswith("-"):
            raise click.NoSuchOption(job)
    change(daemon_of(config_path), "priority", jobs, f"priority {number}", as_json=as_json, priority=number)


@command.command(
    epilog="""\
Several jobs keep the order in which they are named.  A job takes the priority of the one that it is put
before; --last puts it behind all others of its own.

\b
Examples:
  bookhopper queue reorder 17 --first
  bookhopper queue reorder 17 18 19 --before 4
  bookhopper queue reorder 17 --last
"""
)
@config_option
@json_option
@click.option("--before", metavar="JOB", type=values.JOB, help="Put them right before this job.")
@click.option("--first", is_flag=True, help="Put them before all others.")
@click.option("--last", is_flag=True, help="Put them behind all others of their priority.")
@jobs_argument
def reorder(
    config_path: Path | None,
    as_json: bool,
    jobs: tuple[str, ...],
    *,
    before: str | None,
    first: bool,
    last: bool,
) -> None:
    """Move waiting jobs to another place in the queue."""
    if [before is not None, first, last].count(True) != 1:
        raise click.UsageError("say where to: one of --before JOB, --first and --last")
    client = daemon_of(config_path)
    goal = first_besides(client, jobs) if first else before
    results = []
    for job in jobs:
        error = None
        try:
            client.post(f"/api/downloads/{quote(job, safe='')}/move", {"before": goal})
        except RefusedError as refused:
            error = refused.words
        results.append({"id": job, "ok": error is None, "error": error})
    end(results, "moved", as_json=as_json)


@command.command(
    epilog="""\
They stay in `bookhopper history` and in the reports.

\b
Examples:
  bookhopper queue clear
"""
)
@config_option
@json_option
def clear(config_path: Path | None, as_json: bool) -> None:
    """Take what is settled off the lists."""
    answer = daemon_of(config_path).delete("/api/queue/clear")
    _tell(answer, f"cleared: {counted(answer['removed_count'], 'job')}", as_json=as_json)


@command.command(
    epilog="""\
When there are fewer than before, those that run end what they do.

\b
Examples:
  bookhopper queue workers
  bookhopper queue workers 8
"""
)
@config_option
@json_option
@click.argument("number", metavar="[N]", type=click.IntRange(min=1), required=False)
def workers(config_path: Path | None, as_json: bool, number: int | None) -> None:
    """Show how many downloads run at a time, or let it be N."""
    client = daemon_of(config_path)
    answer = client.get("/api/workers") if number is None else client.put("/api/workers", {"workers": number})
    said = f"{counted(answer['workers'], 'worker')}, {answer['busy']} busy, at most {answer['limit']}"
    _tell(answer, said, as_json=as_json)


def _tell(answer: Any, said: str, *, as_json: bool) -> None:
    click.echo(json.dumps(answer) if as_json else said)
