"""What a shell asks at a Tab: it has to be there at once, so no command's module is imported for it.

How the commands are called stands in `commands.json`, which is written from them (`table`); here commands are
made of it that do nothing but complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

from bookhopper.cli import COMMANDS
from bookhopper.cli.values import KINDS, Value

TABLE = Path(__file__).with_name("commands.json")

Table = Mapping[str, Any]


@add_completion_class
class Line(ShellComplete):
    """Completes the last word of COMP_LINE; answers in lines of type, value and help, tabs between them."""

    name = "line"
    source_template = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Give the words after the program's name, and what is typed of the one that is wanted."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)
        begun = words.pop() if words and not line[-1].isspace() else ""
        return words[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        """Write one answer, in which neither a tab nor a line's end is left."""
        return "\t".join(" ".join(str(part or "").split()) for part in (item.type, item.value, item.help))


def table(command: click.Command, ctx: click.Context) -> dict[str, Any]:
    """Say how a command is called, and the commands below it; of what does not matter for a Tab, nothing."""
    said: dict[str, Any] = {"help": command.get_short_help_str(1_000)}
    if command.context_settings:
        said["settings"] = dict(command.context_settings)
    if isinstance(command, click.Group):
        below = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)}
        said["commands"] = {name: table(each, ctx) for name, each in below.items() if each}
    said["params"] = [_told(param) for param in command.params]
    return said


def _told(param: click.Parameter) -> dict[str, Any]:
    said: dict[str, Any] = {"name": param.name, "nargs": param.nargs}
    if isinstance(param, click.Option):
        said |= {"opts": param.opts, "flag": param.is_flag, "multiple": param.multiple, "help": param.help}
    if isinstance(param.type, Value):
        said["value"] = param.type.name
    elif isinstance(param.type, click.Choice):
        said["choices"] = list(param.type.choices)
    elif isinstance(param.type, click.Path):
        said["path"] = {"file_okay": param.type.file_okay, "dir_okay": param.type.dir_okay}
    return said


def known(name: str) -> click.Command | None:
    """Give a command of the table, fit for completing alone."""
    said = _table()["commands"].get(name)
    return _command(name, {**said, "help": COMMANDS[name]}) if said else None


@cache
def _table() -> Table:
    found: Table = json.loads(TABLE.read_text(encoding="utf-8"))
    return found


def _command(name: str, said: Table) -> click.Command:
    params = [_param(each) for each in said["params"]]
    settings = said.get("settings", {})
    if "commands" not in said:
        return click.Command(name, settings, params=params, short_help=said["help"])
    below = {each: _command(each, of_it) for each, of_it in said["commands"].items()}
    return click.Group(name, below, context_settings=settings, params=params, short_help=said["help"])


def _param(said: Table) -> click.Parameter:
    if "opts" not in said:
        return click.Argument([said["name"]], type=_type(said), nargs=said["nargs"], required=False)
    return click.Option(
        [*said["opts"], said["name"]],
        type=None if said["flag"] else _type(said),
        is_flag=said["flag"],
        multiple=said["multiple"],
        nargs=said["nargs"],
        help=said["help"],
    )


def _type(said: Table) -> click.ParamType[Any, Any]:
    if "value" in said:
        return KINDS[said["value"]]
    if "choices" in said:
        return click.Choice(said["choices"])
    return click.Path(**said["path"]) if "path" in said else click.STRING
