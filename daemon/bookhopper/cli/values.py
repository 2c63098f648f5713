"""What words of a command line stand for, so that a shell can complete them.

The commands name these types; a Tab in the place of such a word asks for its values.  What cannot be found
then is not said: nothing may be written between a person and their command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from bookhopper import shipped
from bookhopper.errors import BookhopperError
from bookhopper.search.definitions import places

if TYPE_CHECKING:
    from bookhopper.settings import Settings

Found = Iterable[tuple[str, str]]
"""Values, each with a word about it or none."""

_JOBS = 200
_PATIENCE = 2.0  # seconds


class Value(click.types.StringParamType):
    """A text that is one of those that `find` gives for the configuration file in use (None: the usual)."""

    def __init__(self, name: str, find: Callable[[Path | None], Found], *, files: bool = False) -> None:
        """`files`: it may as well be the path of a file."""
        self.name = name
        self._find = find
        self._files = files

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's form
        incomplete: str,
    ) -> list[CompletionItem]:
        """Give the values that begin like what is typed."""
        given = ctx.params.get("config_path")
        try:
            found = list(self._find(Path(given).expanduser() if given else None))
        except (BookhopperError, OSError, RuntimeError):
            found = []
        items = [CompletionItem(value, help=said) for value, said in found if value.startswith(incomplete)]
        return items if items or not self._files else [CompletionItem(incomplete, type="file")]


def _settings(config_path: Path | None) -> Settings:
    # pydantic is slow to import, and a command's name is completed without it
    from bookhopper import config  # noqa: PLC0415

    return config.load(config_path)


def _jobs(states: str) -> Callable[[Path | None], Found]:
    def find(config_path: Path | None) -> Found:
        from bookhopper.client import Client  # noqa: PLC0415 - as above

        client = Client(_settings(config_path).folders.state, patience=_PATIENCE)
        for item in client.get(f"/api/downloads?status={states}&limit={_JOBS}")["items"]:
            yield str(item["id"]), _book(item)

    return find


def _book(item: Mapping[str, Any]) -> str:
    return " — ".join((item["title"], *item["authors"][:1], item["state"]))


def _sources(config_path: Path | None) -> Found:
    return ((source.name, source.kind) for source in _settings(config_path).sources)


def _definitions(config_path: Path | None) -> Found:
    from bookhopper import config  # noqa: PLC0415 - as above

    named = dict(_sources(config_path))
    for name in places.known((config_path or config.default_path()).parent):
        named.setdefault(name, "definition")
    return named.items()


def _tokens(config_path: Path | None) -> Found:
    from bookhopper.api.sign_in.tokens import TokenFile  # noqa: PLC0415 - as above

    return ((token.name, "") for token in TokenFile(_settings(config_path).folders.state).tokens())


def _files(_: Path | None) -> Found:
    return ((name, shipped.purpose(name)) for name in shipped.named())


def _files_and_folders(_: Path | None) -> Found:
    names = (Path(name) for name in shipped.named())
    known = {str(each): shipped.purpose(str(each)) for name in names for each in (*name.parents, name)}
    return ((name, purpose) for name, purpose in known.items() if name != ".")


JOB = Value("job", _jobs("placed,downloading,searching,queued,wanted,failed,missing,ambiguous"))
PAUSED_JOB = Value("paused job", _jobs("paused"))
JOB_ASIDE = Value("job aside", _jobs("failed,missing,ambiguous,cancelled"))
SOURCE = Value("source", _definitions)
DEFINITION = Value("definition", _definitions, files=True)
TOKEN = Value("token", _tokens)
SHIPPED_FILE = Value("shipped file", _files)
SHIPPED = Value("shipped file or folder", _files_and_folders)

KINDS = {
    value.name: value
    for value in (JOB, PAUSED_JOB, JOB_ASIDE, SOURCE, DEFINITION, TOKEN, SHIPPED_FILE, SHIPPED)
}
