"""Which files make bookhopper a service of systemd, with what in them, for one configuration."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from bookhopper.errors import BookhopperError
from bookhopper.service.unit import command_line, escaped, with_key, word
from bookhopper.settings import Settings
from bookhopper.shipped import SYSTEMD
from bookhopper.source_settings import FolderSettings, GutenbergSettings, HtmlSettings, OpdsSettings

ACCOUNT = "bookhopper"
"""The account that the service runs as; `bookhopper.sysusers` makes it."""

MARK = "# Written by `bookhopper service install`, which may write it anew; mend it with a drop-in\n"
"""The first line of every file that is ours to write and to remove."""

NOTIFY_RELOAD_SINCE = 253
"""The version of systemd that knows `Type=notify-reload`."""

_PACKAGES = Path(__file__).parents[2]
_STATE_DIRECTORIES = Path("/var/lib")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_HIDDEN = (*_HOMES, Path("/tmp"), Path("/var/tmp"))  # noqa: S108 # nosec B108
"""Where a unit with PrivateTmp and ProtectHome does not see what others have."""

_STOP_SECONDS = 25
_TASKS, _TASKS_OF_A_SOURCE = 256, 64

_SYSTEM_ONLY = frozenset((
    "Wants", "After",
    "User", "Group", "UMask", "StateDirectory", "StateDirectoryMode", "CacheDirectory", "RuntimeDirectory",
    "ReadWritePaths", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "DevicePolicy",
    "PrivateIPC", "PrivateMounts", "RemoveIPC", "ProtectProc", "ProtectKernelTunables",
    "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectClock", "ProtectHostname",
    "KeyringMode", "CapabilityBoundingSet", "AmbientCapabilities",
))  # fmt: skip
"""What a user's own service manager has no right to do, or what would shut off the user's own folders."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be installed: the command, the configuration it reads, the account, the bound in bytes.

    `own` makes it a service of the calling user, under that user's manager; `config` None leaves the file
    to its default place.
    """

    program: Sequence[str]
    config: Path | None
    account: str = ACCOUNT
    memory: int = 1024**3
    own: bool = False


def this_program() -> tuple[str, ...]:
    """Give the command by which this installation is started."""
    script = Path(sysconfig.get_path("scripts")) / "bookhopper"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "bookhopper")


def systemd_version() -> int:
    """Tell which systemd there is; 0 where there is none."""
    try:
        ended = subprocess.run(  # nosec B603 B607 # systemd's own, wherever it lies
            ["systemctl", "--version"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return 0
    found = re.match(r"systemd (\d+)", ended.stdout)
    return int(found[1]) if found else 0


def files(settings: Settings, service: Service, systemd: int) -> Mapping[Path, str]:
    """Give the files by where they belong, below / or, of one's own service, below the XDG folder."""
    units = Path("systemd/user" if service.own else "etc/systemd/system")
    unit = unit_text(settings, service)
    found = {units / "bookhopper.service": unit}
    if systemd >= NOTIFY_RELOAD_SINCE:
        found[units / "bookhopper.service.d/10-notify-reload.conf"] = _shipped("notify-reload.conf")
    if not service.own:
        if service.account == ACCOUNT:
            found[Path("etc/sysusers.d/bookhopper.conf")] = _shipped("bookhopper.sysusers")
        found[Path("etc/tmpfiles.d/bookhopper.conf")] = _tmpfiles(settings, service)
    return {path: MARK + text for path, text in found.items()}


def places(*, own: bool) -> tuple[Path, ...]:
    """Name every file that `files` may give."""
    if own:
        units = Path("systemd/user")
        return units / "bookhopper.service", units / "bookhopper.service.d/10-notify-reload.conf"
    units = Path("etc/systemd/system")
    return (
        units / "bookhopper.service",
        units / "bookhopper.service.d/10-notify-reload.conf",
        Path("etc/sysusers.d/bookhopper.conf"),
        Path("etc/tmpfiles.d/bookhopper.conf"),
    )


def unit_text(settings: Settings, service: Service) -> str:
    """Write the unit; raises BookhopperError for a path that cannot stand in one."""
    folders = (settings.folders.requests, settings.folders.ingest, settings.folders.state)
    run = [*service.program, "run", *(("--config", service.config) if service.config else ())]
    changes: list[tuple[str, str, Sequence[str]]] = [
        ("Unit", "RequiresMountsFor", [" ".join(map(word, folders))]),
        ("Service", "ExecStart", [command_line(run)]),
        ("Service", "TimeoutStopSec", [str(round(settings.grace) + _STOP_SECONDS)]),
        ("Service", "MemoryMax", [str(service.memory)]),
        ("Service", "TasksMax", [str(_TASKS + _TASKS_OF_A_SOURCE * max(4, len(settings.sources)))]),
    ]
    changes += _for_the_user() if service.own else _for_the_system(settings, service)
    text = _shipped("bookhopper.service")
    return reduce(lambda unit, change: with_key(unit, change[0], change[1], *change[2]), changes, text)


def _for_the_user() -> list[tuple[str, str, Sequence[str]]]:
    gone = [(section, key, ()) for section in ("Unit", "Service") for key in _SYSTEM_ONLY]
    return [*gone, ("Install", "WantedBy", ["default.target"])]


def _for_the_system(settings: Settings, service: Service) -> list[tuple[str, str, Sequence[str]]]:
    folders = settings.folders
    managed = folders.state.is_relative_to(_STATE_DIRECTORIES) and folders.state != _STATE_DIRECTORIES
    state = escaped(str(folders.state.relative_to(_STATE_DIRECTORIES))) if managed else ""
    writable = [folders.requests, folders.ingest, *(() if managed else (folders.state,))]
    readable = [path for path in _read(settings, service) if path not in writable]
    hidden = [path for path in (*writable, *readable) if _is_below(path, _HIDDEN)]
    homely = any(_is_below(path, _HOMES) for path in hidden)
    plain = [word(path) for path in writable if path not in hidden]
    return [
        ("Service", "User", [escaped(service.account)]),
        ("Service", "Group", [] if service.account != ACCOUNT else [ACCOUNT]),  # else the account's own
        ("Service", "StateDirectory", [state] if managed else []),
        ("Service", "StateDirectoryMode", ["0750"] if managed else []),
        ("Service", "ReadWritePaths", [" ".join(plain)] if plain else []),
        ("Service", "ProtectHome", ["tmpfs" if homely else "yes"]),
        ("Service", "BindPaths", [_bound(path) for path in writable if path in hidden]),
        ("Service", "BindReadOnlyPaths", [_bound(path) for path in readable if path in hidden]),
        ("Service", "LoadCredential", list(_credentials(settings))),
    ]


def _read(settings: Settings, service: Service) -> Sequence[Path]:
    """Name what the daemon reads, each once: its own program, and what the configuration names."""
    program = (Path(service.program[0]).parent, Path(sys.prefix), Path(sys.base_prefix), _PACKAGES)
    return list(dict.fromkeys((*program, *_named(settings, service))))


def _named(settings: Settings, service: Service) -> Iterator[Path]:
    """Name what the configuration has the daemon read; a file by its folder, since it may be replaced."""
    if service.config is not None:
        yield service.config.parent
    if settings.calibre_library is not None:
        yield settings.calibre_library
    if settings.server.app_db is not None:
        yield settings.server.app_db.parent
    for command in (settings.script.after_verify, settings.script.after_delivery):
        if command:
            yield Path(command[0]).parent
    for source in settings.sources:
        if isinstance(source, FolderSettings):
            yield source.path
        elif isinstance(source, HtmlSettings):
            yield source.definition.parent
        elif isinstance(source, GutenbergSettings) and source.catalogue.startswith("/"):
            yield Path(source.catalogue).parent


def _credentials(settings: Settings) -> Iterator[str]:
    """Hand over the secrets that the configuration names by their files, under the names it looks for.

    So their files may belong to root alone.  Facts: `bookhopper.credentials`; systemd.exec(5).
    """
    for source in settings.sources:
        kept = {"proxy": source.proxy_file}
        if isinstance(source, OpdsSettings):
            kept["password"] = source.password_file
        if isinstance(source, HtmlSettings):
            kept |= {
                key.removesuffix("_file"): Path(str(path)).expanduser()
                for key, path in source.given.items()
                if key.endswith("_file")
            }
        for key, path in kept.items():
            if path is not None:
                yield f"{source.name}.{key}:{escaped(str(path))}"
    for target in settings.notify:
        if target.url_file is not None:
            yield f"{target.name}.url:{escaped(str(target.url_file))}"


def _bound(path: Path) -> str:
    if ":" in str(path):
        raise BookhopperError(f"{path} cannot stand in a unit file: give it a name without a colon")
    return word(path)


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _tmpfiles(settings: Settings, service: Service) -> str:
    """Write the folders that are to be made; the colons leave those alone that are there."""
    comment = "".join(f"{line}\n" for line in _shipped("bookhopper.tmpfiles").splitlines() if line[:1] == "#")
    account, group = service.account, ACCOUNT if service.account == ACCOUNT else "-"
    folders = settings.folders
    modes = {folders.requests: "2775", folders.ingest: "2775", folders.state: "0750"}
    owner = f":{account} {f':{group}' if group != '-' else group}"
    return comment + "".join(f"d {word(path)} :{mode} {owner}\n" for path, mode in modes.items())


def _shipped(name: str) -> str:
    return (SYSTEMD / name).read_text(encoding="utf-8")
