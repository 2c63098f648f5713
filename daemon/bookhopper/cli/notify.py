"""`bookhopper notify`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bookhopper import config
from bookhopper.cli import EXIT_FAULT, config_option, json_option
from bookhopper.errors import BookhopperError
from bookhopper.notify.messages import Message
from bookhopper.notify.sender import Sender
from bookhopper.notify_settings import NotifySettings

_MESSAGE = Message("bookhopper: a test", "This is how bookhopper tells you what happens.")


@click.group(
    name="notify",
    epilog="""\
Whom the daemon tells, and of what, stands under `notify:` in the configuration.

\b
Examples:
  bookhopper notify test
  bookhopper notify test phone
""",
)
def command() -> None:
    """Look whether those who are told what happens are reached."""


@command.command(
    "test",
    epilog="""
Exit codes: 0 every message was taken; 1 one was not; 2 the configuration, or NAME, is wrong.

\b
Examples:
  bookhopper notify test
  bookhopper notify test phone
""",
)
@config_option
@json_option
@click.argument("name", required=False)
@click.pass_context
def test(ctx: click.Context, name: str | None, *, config_path: Path | None, as_json: bool) -> None:
    """Send a test message to all who are told, or to NAME alone, and say how that went."""
    targets = config.load(config_path).notify
    chosen = [each for each in targets if name in {None, each.name}]
    if not chosen:
        known = ", ".join(each.name for each in targets) or "nobody: name somebody under `notify:`"
        raise click.UsageError(f"nobody is told by that name; known: {known}" if name else f"told is {known}")
    good = True
    for each in chosen:
        fault = _fault(each)
        good = good and not fault
        if as_json:
            click.echo(json.dumps({"name": each.name, "ok": not fault, "fault": fault or None}))
        else:
            click.echo(f"{each.name}: {fault or 'the message was taken'}")
    ctx.exit(0 if good else EXIT_FAULT)


def _fault(target: NotifySettings) -> str:
    """Send somebody the test message; say what kept it from being taken, or nothing."""
    try:
        Sender(target.address()).send(_MESSAGE)
    except (BookhopperError, OSError, ValueError) as error:
        return str(error)
    return ""
