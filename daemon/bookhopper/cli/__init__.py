"""The command line: a thin group that loads a command's module only when it is called."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from bookhopper import __version__
from bookhopper.errors import BookhopperError, ConfigError, DamagedError

SECTIONS = {
    "Running": {
        "demo": "See it all work, without network or configuration.",
        "run": "Run the daemon.",
        "reload": "Have the daemon read its configuration again.",
        "status": "Show what the daemon is doing.",
        "healthcheck": "Tell whether the daemon runs and is well.",
        "restore": "Put a backup of the queue in its place.",
        "schedule": "Show what the daemon does by the clock, or have it done now.",
    },
    "The queue": {
        "add": "Wish for a book from the command line.",
        "queue": "Look at the queue, and change it.",
        "history": "Show what became of the books that are settled.",
    },
    "Looking into things": {
        "search": "Show what a wish would find, and why.",
        "source": "Look at the sources, and test definitions of catalogues.",
        "verify": "Tell whether files are whole, readable books.",
    },
    "Setting up": {
        "check": "Look at configuration, folders, rights, space and sources.",
        "config": "Show the settings that hold, or make a file of an ancestor's environment.",
        "notify": "Send a test message to those who are told.",
        "service": "Make bookhopper a service of systemd.",
        "token": "Make and remove API tokens.",
        "files": "Get the files that come with it: example, dashboard, alerts, units.",
        "completion": "Have a shell complete the commands.",
        "man": "Show the manual page.",
    },
}
COMMANDS = {name: said for section in SECTIONS.values() for name, said in section.items()}
"""Every command, with what `bookhopper --help` says of it, in that order."""

EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_DAMAGED = 3
"""No restart helps: a service manager is to leave it alone (`RestartPreventExitStatus=2 3`)."""

_COMPLETE = "_BOOKHOPPER_COMPLETE"
_WHOLE = 1_000  # characters, which is more than any sentence has

_EPILOG = """\
Exit codes: 0 all went well; 1 something was found wrong (one line says what and what to do); 2 the command
line or the configuration is wrong; 3 the queue's database is damaged (a restart does not help).

\b
Examples:
  bookhopper demo
  bookhopper run --config /etc/bookhopper.yaml
  bookhopper add "Jane Eyre — Charlotte Brontë"
"""


class Group(click.Group):
    """A command with commands of its own, of each of which the help shows the first sentence whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of its commands; click would cut a sentence short."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in found if each])


class _Commands(click.Group):
    """Loads `bookhopper.cli.NAME` for the command NAME, and ends every error in one line."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        if _COMPLETE in os.environ:
            import_module("bookhopper.cli.completing")  # tells click how a shell is answered
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's form
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing:  # a shell completes, which is to be quick
            completing = import_module("bookhopper.cli.completing")
            return cast("click.Command | None", completing.known(cmd_name))
        command: click.Command = import_module(f"bookhopper.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), said) for name, said in commands.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BookhopperError as error:
            for fault in error.faults if isinstance(error, ConfigError) else [error]:
                click.echo(f"bookhopper: {fault}", err=True)
            ctx.exit(exit_status(error))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read the output has gone: click ends that without a word
            where = error.filename or ("standard output" if _drop_output() else "")
            reason = error.strerror or error
            click.echo(f"bookhopper: {where}: {reason}" if where else f"bookhopper: {reason}", err=True)
            ctx.exit(EXIT_FAULT)


def exit_status(error: BookhopperError) -> int:
    """Give the exit status of a command that an error has ended."""
    if isinstance(error, ConfigError):
        return EXIT_USAGE
    return EXIT_DAMAGED if isinstance(error, DamagedError) else EXIT_FAULT


def _drop_output() -> bool:
    """Drop what standard output does not take, or the interpreter tries again at its end and complains.

    Tells whether there was anything of that kind.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return True
    return False


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bookhopper")
def main() -> None:
    """Drop a want-list into a folder; verified books come out in the Calibre ingest folder."""


config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (default: bookhopper.yaml in ~/.config/bookhopper, else /etc/bookhopper).",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")

limit_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Show N at most.",
)

offset_option = click.option(
    "--offset", metavar="N", type=click.IntRange(min=0), default=0, help="Leave out the first N."
)


PIPED_WIDTH = 200
"""How wide tables are where no terminal says it: nothing that somebody may want to copy is broken."""


def table_width() -> int | None:
    """Give the width for tables; None leaves it to the terminal."""
    return None if is_terminal() else PIPED_WIDTH


def is_terminal() -> bool:
    """Whether a person watches standard output."""
    return sys.stdout.isatty()
