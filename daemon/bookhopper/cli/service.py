"""`bookhopper service`."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from bookhopper import config
from bookhopper.cli import Group, config_option
from bookhopper.errors import BookhopperError
from bookhopper.service import install as units
from bookhopper.settings import Folders, Settings
from bookhopper.units import parse_size

_CONFIG = config.SYSTEM_PATH
_FOLDERS = {"requests": "/srv/bookhopper/requests", "ingest": "/srv/bookhopper/ingest",
            "state": "/var/lib/bookhopper"}  # fmt: skip

user_option = click.option("--user", "own", is_flag=True, help="For your own account, without root's rights.")
root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/"),
    help="A folder to take for /, as of a package or a container.",
)


@click.group(
    cls=Group,
    name="service",
    epilog="""\
\b
Examples:
  bookhopper service install --dry-run
  sudo bookhopper service install --config /etc/bookhopper/bookhopper.yaml
  bookhopper service install --user
""",
)
def command() -> None:
    """Make bookhopper a service of systemd."""


def _memory(ctx: click.Context, parameter: click.Parameter, value: str) -> int:  # noqa: ARG001 - click's form
    try:
        return parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@command.command(
    "install",
    epilog="""\
\b
Examples:
  bookhopper service install --dry-run
  sudo bookhopper service install --config /etc/bookhopper/bookhopper.yaml
  bookhopper service install --user
""",
)
@config_option
@user_option
@root_option
@click.option(
    "--account", metavar="NAME", default=units.ACCOUNT, show_default=True, help="Whom the service runs as."
)
@click.option("--memory", metavar="SIZE", default="1 GiB", show_default=True, callback=_memory,
              help="The memory that it may use.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the files and write nothing.")
def install(
    *, config_path: Path | None, own: bool, root: Path, account: str, memory: int, dry_run: bool
) -> None:
    """Write the unit, and what belongs to it.

    The paths in it are those of this installation and of its configuration.  Done again, it changes what
    has changed.  What is to stay as you write it belongs into a drop-in
    (`systemctl edit bookhopper`).
    """
    settings, path, written = _own(config_path) if own else _system(config_path, root)
    service = units.Service(units.this_program(), path, account, memory, own)
    base = _base(root, own=own)
    found = {
        base / place: text for place, text in units.files(settings, service, units.systemd_version()).items()
    }
    if dry_run:
        for place, text in {**written, **found}.items():
            click.echo(f"# {place}\n{text}")
        return
    for place, text in written.items():
        _write(place, text)
    for place in found:
        _refuse_strangers(place)
    for place, text in found.items():
        _write(place, text)
    if own:
        click.echo("Next: systemctl --user daemon-reload && systemctl --user enable --now bookhopper")
        click.echo('It runs while you are signed in; always: sudo loginctl enable-linger "$USER"')
        return
    if written and (yours := _of_caller()):
        click.echo(
            f"Mind: {yours} is for you alone; the service reads {path}, which has its own folders and is to "
            "get your sources. With your file as it is, `bookhopper service install --user` makes it yours"
        )
    sysusers = ("systemd-sysusers",) if account == units.ACCOUNT else ()
    _next(*sysusers, "systemd-tmpfiles --create", "systemctl daemon-reload")
    _next("systemctl enable --now bookhopper", word="Then")


@command.command(
    "uninstall",
    epilog="""\
\b
Examples:
  sudo bookhopper service uninstall --dry-run
  bookhopper service uninstall --user
""",
)
@user_option
@root_option
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
def uninstall(*, own: bool, root: Path, dry_run: bool) -> None:
    """Remove what `install` wrote.

    Configuration, queue, lists and books stay.
    """
    base = _base(root, own=own)
    ours = [base / place for place in units.places(own=own) if (base / place).exists()]
    for place in ours:
        _refuse_strangers(place)
    for place in ours:
        if not dry_run:
            try:
                place.unlink()
                if place.parent.name == "bookhopper.service.d" and not any(place.parent.iterdir()):
                    place.parent.rmdir()
            except OSError as error:
                raise _unwritable(place, error) from error
        click.echo(f"removed {place}" if not dry_run else f"would remove {place}")
    if not ours:
        click.echo("There is nothing of bookhopper's to remove.")
        return
    if own:
        click.echo("Next: systemctl --user disable --now bookhopper; systemctl --user daemon-reload")
    else:
        _next("systemctl disable --now bookhopper", "systemctl daemon-reload")
    click.echo("Your configuration, queue, lists and books are where they were.")


def _own(config_path: Path | None) -> tuple[Settings, Path | None, Mapping[Path, str]]:
    return config.load(config_path), config_path and config_path.absolute(), {}


def _system(config_path: Path | None, root: Path) -> tuple[Settings, Path, Mapping[Path, str]]:
    """Read the configuration of a service for everybody; where there is none yet, give one to begin with."""
    path = root / _CONFIG.relative_to("/") if config_path is None else config_path
    if config_path is None and not path.exists():
        begun = "".join(f"  {name}: {folder}\n" for name, folder in _FOLDERS.items())
        return Settings(folders=Folders.model_validate(_FOLDERS)), _CONFIG, {path: f"folders:\n{begun}"}
    settings = config.load(path)
    if missing := [name for name in _FOLDERS if name not in settings.folders.model_fields_set]:
        raise BookhopperError(
            f"{path}: folders: the service has no home of yours: name {', '.join(missing)} there as well "
            "(or make it your own service: --user)"
        )
    return settings, _CONFIG if config_path is None else config_path.absolute(), {}


def _next(*commands: str, word: str = "Next") -> None:
    """Print what is to be typed, as whoever came here by sudo has to."""
    sudo = "sudo " if "SUDO_USER" in os.environ else ""
    click.echo(f"{word}: {' && '.join(sudo + each for each in commands)}")


def _of_caller() -> Path | None:
    """Find the configuration that whoever called sudo has at home; None where there is none."""
    with suppress(KeyError, OSError):
        home = Path(pwd.getpwnam(os.environ["SUDO_USER"]).pw_dir)
        path = home / ".config" / "bookhopper" / "bookhopper.yaml"
        return path if path.is_file() else None
    return None


def _base(root: Path, *, own: bool) -> Path:
    if not own:
        return root
    place = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(place) if place.startswith("/") else Path.home() / ".config"
    return root / home.relative_to("/") if root != Path("/") else home


def _refuse_strangers(place: Path) -> None:
    """Raise BookhopperError for a file that somebody else wrote."""
    try:
        if place.exists() and not place.read_text(encoding="utf-8", errors="replace").startswith(units.MARK):
            raise BookhopperError(
                f"{place} was not written by `bookhopper service install`: move it away first"
            )
    except OSError as error:
        raise _unwritable(place, error) from error


def _write(place: Path, text: str) -> None:
    """Put a file into its place in one step, and say whether it is another than before."""
    try:
        if place.exists() and place.read_text(encoding="utf-8", errors="replace") == text:
            click.echo(f"unchanged {place}")
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}.new")
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(place)
    except OSError as error:
        raise _unwritable(place, error) from error
    click.echo(f"wrote {place}")


def _unwritable(place: Path, error: OSError) -> BookhopperError:
    return BookhopperError(
        f"{place} cannot be written: {error.strerror}: run it as root (sudo), or with --user for yourself"
    )
