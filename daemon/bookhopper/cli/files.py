"""`bookhopper files`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import click

from bookhopper import shipped
from bookhopper.cli import Group, json_option, values
from bookhopper.errors import BookhopperError


@click.group(
    cls=Group,
    name="files",
    epilog="""\
They are those of this very version.  A NAME is a file's, as `bookhopper files list` shows it, or a folder's.

\b
Examples:
  bookhopper files list
  bookhopper files show bookhopper.example.yaml > ~/.config/bookhopper/bookhopper.yaml
  bookhopper files copy grafana prometheus --to ~/monitoring
""",
)
def command() -> None:
    """Get the files that come with bookhopper: example, dashboard, alerts, units."""


names_argument = click.argument("names", metavar="NAME...", nargs=-1, required=True, type=values.SHIPPED)


@command.command(
    "list",
    epilog="""\
\b
Examples:
  bookhopper files list
  bookhopper files list --json | jq -r '.files[].path'
""",
)
@json_option
def list_(as_json: bool) -> None:
    """List the files, and what they are for."""
    files = shipped.named()
    if as_json:
        rows = [
            {"name": name, "path": str(path), "size": path.stat().st_size, "purpose": shipped.purpose(name)}
            for name, path in files.items()
        ]
        click.echo(json.dumps({"files": rows}, ensure_ascii=False))
        return
    for top, names in groupby(files, lambda name: name.partition("/")[0]):
        click.echo(f"{top}: {shipped.purpose(top)}")
        for name in names:
            if name != top:
                click.echo(f"  {name}")


@command.command(
    "show",
    epilog="""\
\b
Examples:
  bookhopper files show bookhopper.example.yaml > ~/.config/bookhopper/bookhopper.yaml
  bookhopper files show prometheus/bookhopper.rules.yml
""",
)
@click.argument("name", type=values.SHIPPED_FILE)
def show(name: str) -> None:
    """Print a file as it is."""
    files = shipped.named()
    if name not in files:
        raise click.UsageError(_unknown(name, files))
    click.echo(files[name].read_bytes(), nl=False)


@command.command(
    "copy",
    epilog="""\
A folder is copied with all that is in it.  Nothing is copied where one of the files is there already and is
another one: --force lets it be replaced.

\b
Examples:
  bookhopper files copy sources.d/oapen.yaml --to ~/.config/bookhopper/sources.d
  bookhopper files copy grafana prometheus --to ~/monitoring
  sudo bookhopper files copy prometheus/bookhopper.rules.yml --to /etc/prometheus --force
""",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to put them into; it is made where it is not there.",
)
@click.option("--force", is_flag=True, help="Replace files that are there and are others.")
@names_argument
def copy(folder: Path, *, force: bool, names: Sequence[str]) -> None:
    """Copy files, or whole folders of them."""
    wanted = {folder / place: path for name in names for place, path in _below(name).items()}
    for place in (changed := _copied(wanted, folder, force=force)):
        click.echo(f"wrote {place}")
    for place in sorted(wanted.keys() - changed):
        click.echo(f"unchanged {place}")


def _copied(wanted: Mapping[Path, Path], folder: Path, *, force: bool) -> Sequence[Path]:
    """Copy what is not there yet, all of it or, where something is in its way, nothing; tells what it was."""
    try:
        changed = [place for place, path in wanted.items() if not _is_same(place, path)]
        there = [place for place in changed if place.exists() or place.is_symlink()]
        in_the_way = [place for place in there if not force or place.is_dir()]
        if in_the_way:
            raise BookhopperError(
                f"{in_the_way[0]} is there already, and is something else: nothing is copied; "
                "choose another folder, or let files be replaced (--force)"
            )
        for place in changed:
            _put(place, wanted[place])
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise BookhopperError(
            f"{where}: {error.strerror}: name a folder that is there to be written (--to)"
        ) from error
    return changed


def _below(name: str) -> Mapping[Path, Path]:
    """Give the files of a name by where they go below the folder that they are copied to."""
    files = shipped.named()
    whole = Path(name)
    found = {
        Path(each).relative_to(whole.parent): path
        for each, path in files.items()
        if Path(each).is_relative_to(whole) and whole.parts
    }
    if not found:
        raise click.UsageError(_unknown(name, files))
    return found


def _is_same(place: Path, path: Path) -> bool:
    return place.is_file() and not place.is_symlink() and place.read_bytes() == path.read_bytes()


def _put(place: Path, path: Path) -> None:
    """Write a file in one step, so that whoever reads it never sees a part."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    shutil.copy(path, new)
    new.replace(place)


def _unknown(name: str, files: Mapping[str, Path]) -> str:
    near = [each for each in files if each.endswith(f"/{name}")]
    remedy = f"did you mean {near[0]}?" if near else "see `bookhopper files list`"
    return f"no file is called {name!r}: {remedy}"
