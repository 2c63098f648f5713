"""Every command there is, and whether a call of one that is written down would be understood."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

import click

from bookhopper.cli import main


def every_command() -> Iterator[click.Context]:
    """Give a context of each command and of each below one, in their order."""
    yield from _below(click.Context(main, info_name="bookhopper", **main.context_settings))


def _below(ctx: click.Context) -> Iterator[click.Context]:
    if not isinstance(ctx.command, click.Group):
        return
    for name in ctx.command.list_commands(ctx):
        command = ctx.command.get_command(ctx, name)
        if command is not None:
            below = click.Context(command, ctx, name, **command.context_settings)
            yield below
            yield from _below(below)


def calls(text: str) -> Iterator[list[str]]:
    """Find the calls of bookhopper in shell commands, each as its words without the program."""
    for line in text.splitlines():
        for found in re.finditer(r"(?:^|[\s/(;&|])bookhopper (?=[a-z-])([^|;&>]*)", line):
            yield shlex.split(found[1], comments=True)


def understood(words: Sequence[str]) -> None:
    """Read a command line as the program does, and do nothing; raises click.UsageError."""
    ctx = click.Context(main, info_name="bookhopper", **main.context_settings)
    rest = list(words)
    while True:
        _, rest, _ = ctx.command.make_parser(ctx).parse_args(rest)
        if not isinstance(ctx.command, click.Group) or not rest:
            return
        command = ctx.command.get_command(ctx, rest[0])
        if command is None:
            raise click.UsageError(f"no command is called {rest[0]!r}")
        ctx = click.Context(command, ctx, rest[0], **command.context_settings)
        rest = rest[1:]
