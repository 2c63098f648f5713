"""Whether everything around the daemon is as it needs it, with a remedy for each fault."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import humanize

from bookhopper.delivery.ingest import rename_without_replacing
from bookhopper.delivery.naming import STAGED_SUFFIX, Names
from bookhopper.errors import BookhopperError
from bookhopper.intake.base import Limits
from bookhopper.intake.lists import preview, web_of
from bookhopper.mounts import mount_of
from bookhopper.naming_settings import NamingSettings
from bookhopper.net.addresses import safe_url
from bookhopper.net.hosts import Hosts
from bookhopper.net.web import Web
from bookhopper.notify.sender import Sender
from bookhopper.owned import CalibreLibrary
from bookhopper.scripts.check import fault_of
from bookhopper.scripts.script import STAGES
from bookhopper.search.sources import registry
from bookhopper.settings import Settings
from bookhopper.source_settings import GutenbergSettings
from bookhopper.ticket import Ticket

_INOTIFY = Path("/proc/sys/fs/inotify")
_FEW_WATCHES = 1024
_FEW_INSTANCES = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `ok` is None where it is worth knowing and no fault."""

    what: str
    ok: bool | None
    detail: str


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything, the cheap things first; changes nothing but a probe file that it removes again."""
    folders = settings.folders
    for name in ("requests", "ingest", "state"):
        yield from _folder(name, getattr(folders, name), settings.download.keep_free)
    yield _way_into_ingest(folders.state, folders.ingest)
    yield from _names(settings.naming)
    yield _watching(folders.requests, settings.intake.polling)
    if settings.intake.polling != "always":
        yield from _inotify()
    yield from _scripts(settings)
    yield from _sources(settings)
    yield from _lists(settings)
    yield from _targets(settings)
    if settings.calibre_library is not None:
        match = settings.match
        library = CalibreLibrary(
            settings.calibre_library,
            accept=match.accept,
            margin=match.margin,
            languages=settings.languages,
        )
        health = library.check(Ticket(0))
        yield Finding("calibre library", health.ok, health.detail)


def _folder(name: str, path: Path, keep_free: int) -> Iterator[Finding]:
    what = f"folder {name}"
    if not path.exists():
        parent = next(parent for parent in path.parents if parent.exists())
        if name == "ingest":
            yield Finding(what, ok=False, detail=f"{path} is not there: create it, or mount it")
        elif os.access(parent, os.W_OK | os.X_OK):
            yield Finding(what, ok=None, detail=f"{path} is not there yet; the daemon makes it")
        else:
            yield Finding(
                what, ok=False, detail=f"{path} cannot be made in {parent}: make it, or give the right"
            )
        return
    fault = _write_fault(path)
    if fault:
        yield Finding(
            what, ok=False, detail=f"{path}: {fault}: give bookhopper's user the right to write there"
        )
        return
    yield Finding(what, ok=True, detail=f"{path}, on {mount_of(path)}")
    free = shutil.disk_usage(path).free
    enough = free > keep_free
    remedy = (
        ""
        if enough
        else f", less than download.keep_free ({humanize.naturalsize(keep_free, binary=True)}): make room"
    )
    yield Finding(
        f"space for {name}", ok=enough, detail=f"{humanize.naturalsize(free, binary=True)} free{remedy}"
    )


def _write_fault(path: Path) -> str:
    """Try what rights alone do not tell: a read-only mount, a share that refuses."""
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".bookhopper-check-", suffix=STAGED_SUFFIX):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _way_into_ingest(state: Path, ingest: Path) -> Finding:
    """Find out whether a book reaches ingest by rename or by copy."""
    what = "way into ingest"
    if not (state.is_dir() and ingest.is_dir()):
        return Finding(what, ok=None, detail="told once both folders are there")
    name = f".bookhopper-check-{os.getpid()}{STAGED_SUFFIX}"
    try:
        (state / name).touch()
        try:
            rename_without_replacing(state / name, ingest / name)
        finally:
            (state / name).unlink(missing_ok=True)
            (ingest / name).unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return Finding(what, ok=True, detail="by copy: state and ingest lie on different mounts")
        return Finding(
            what, ok=False, detail=f"neither rename nor copy: {error.strerror}: check both folders' rights"
        )
    return Finding(what, ok=True, detail="by rename: state and ingest share a mount")


def _names(naming: NamingSettings) -> Iterator[Finding]:
    """Show what a book would be called, and what follows from sub-folders."""
    examples = list(Names(naming).examples())
    for what, name in examples:
        yield Finding(f"names of {what}" if what else "names", ok=True, detail=name)
    if any("/" in name for _, name in examples):
        yield Finding(
            "sub-folders",
            ok=None,
            detail="whoever takes books has to look into them, too; there books wait some seconds for their "
            "names, and Calibre-Web-Automated may take the first folder for one of its users",
        )


def _watching(requests: Path, polling: str) -> Finding:
    mount = mount_of(requests if requests.exists() else requests.parent)
    polled = polling == "always" or (polling == "auto" and mount.is_network)
    if polled:
        return Finding("watching", ok=True, detail=f"by polling ({mount.fstype}, intake.polling: {polling})")
    if mount.is_network:
        remedy = "set intake.polling: auto, since inotify sees nothing of the other side"
        return Finding(
            "watching", ok=False, detail=f"{requests} lies on a network share ({mount.fstype}): {remedy}"
        )
    return Finding("watching", ok=True, detail=f"by inotify ({mount.fstype})")


def _inotify() -> Iterator[Finding]:
    for name, few in (("max_user_watches", _FEW_WATCHES), ("max_user_instances", _FEW_INSTANCES)):
        what = f"inotify {name}"
        try:
            number = int((_INOTIFY / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            yield Finding(what, ok=None, detail="the system does not tell it")
            continue
        remedy = "" if number >= few else f": raise it, sysctl fs.inotify.{name}={few * 8}"
        yield Finding(what, ok=number >= few, detail=f"{number:,}{remedy}")


def _scripts(settings: Settings) -> Iterator[Finding]:
    for stage in STAGES:
        if command := getattr(settings.script, stage):
            fault = fault_of(Path(command[0]), os.environ)
            yield Finding(f"script {stage}", ok=not fault, detail=fault or f"{command[0]} can be run")


def _sources(settings: Settings) -> Iterator[Finding]:
    if not settings.sources:
        yield Finding("sources", ok=False, detail="none is configured: name one under `sources:`")
    try:
        built = registry.build(settings.sources, settings.folders.state)
    except (BookhopperError, OSError) as error:
        yield Finding("sources", ok=False, detail=str(error))
        return
    for each, source in zip(settings.sources, built.sources, strict=True):
        health = source.check(Ticket(0))
        yield Finding(f"source {source.name}", None if health.passing else health.ok, health.detail)
        if isinstance(each, GutenbergSettings):  # an OPDS source has just been asked at its one address
            for url in built.addresses[source.name]:
                yield _reachable(url, built.webs[source.name], settings)
    built.close()


def _lists(settings: Settings) -> Iterator[Finding]:
    intake = settings.intake
    limits = Limits(size=intake.max_size, lines=intake.max_lines, shelves=intake.shelves)
    for each in settings.lists:
        what = f"list {each.name}"
        with closing(web_of(each, Hosts())) as web:
            try:
                yield Finding(what, ok=True, detail=preview(each, web, Ticket(0), limits))
            except BookhopperError as error:
                yield Finding(what, ok=False, detail=str(error))


def _targets(settings: Settings) -> Iterator[Finding]:
    """Look whether those who are told have addresses that apprise takes; nothing is sent."""
    for each in settings.notify:
        what = f"notify {each.name}"
        try:
            service = Sender(each.address()).service
        except (BookhopperError, OSError, ValueError) as error:
            yield Finding(what, ok=False, detail=str(error))
            continue
        told = f"{service}, of {', '.join(each.events)}: `bookhopper notify test {each.name}` sends a message"
        yield Finding(what, ok=True, detail=told)


def _reachable(url: str, web: Web, settings: Settings) -> Finding:
    """Ask an address for its first byte; any answer but a server's own fault will do."""
    what = "address"
    timeout = (settings.download.connect_timeout, settings.download.timeout)
    try:
        with web.stream(url, Ticket(0), timeout=timeout, statuses=range(400, 500)):
            return Finding(what, ok=True, detail=f"{safe_url(url)} answers")
    except BookhopperError as error:
        return Finding(what, ok=False, detail=str(error))
