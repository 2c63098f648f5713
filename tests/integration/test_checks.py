"""What `check` finds around the daemon, each fault with its remedy."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bookhopper import checks
from bookhopper.checks import Finding, findings
from bookhopper.errors import PermanentError
from bookhopper.mounts import Mount
from bookhopper.search.sources import registry
from bookhopper.settings import Settings
from tests.books import epub
from tests.fakes.faulty import faulty, status, whole
from tests.fakes.server import free_port
from tests.scripts import shell

FOLDERS = ("requests", "ingest", "state")


def settings(base: Path, **sections: Any) -> Settings:
    plain: dict[str, Any] = {
        "folders": {name: str(base / name) for name in FOLDERS},
        "sources": [{"kind": "folder", "name": "shelf", "path": str(base / "books")}],
        "download": {"keep_free": 0, "connect_timeout": 5, "timeout": 5},
    }
    return Settings.model_validate(plain | sections)


def found(base: Path, **sections: Any) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings(settings(base, **sections))}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in (*FOLDERS, "books"):
        (tmp_path / name).mkdir()
    (tmp_path / "books" / "Emma.epub").write_bytes(epub("Emma"))
    return tmp_path


@pytest.fixture
def elsewhere(base: Path) -> Iterator[Path]:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == base.stat().st_dev:
        pytest.skip("/dev/shm is no other device here")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def test_the_names_that_books_would_get(base: Path) -> None:
    plain = found(base)
    assert plain["names"].detail == "Guards! Guards!_ A Discworld Novel - Terry Pratchett.epub"
    naming = {"file": "{title}", "formats": {"cbz": {"folder": "Comics/{series}"}}, "tags": {"kids": {}}}
    all_ = found(base, naming=naming)
    assert {what: all_[what].detail for what in ("names", "names of cbz", "names of tag kids")} == {
        "names": "Guards! Guards!_ A Discworld Novel.epub",
        "names of cbz": "Comics/Discworld/Guards! Guards!_ A Discworld Novel.cbz",
        "names of tag kids": "Guards! Guards!_ A Discworld Novel.epub",
    }
    assert all_["sub-folders"].ok is None
    assert "for one of its users" in all_["sub-folders"].detail


def test_all_is_well_and_nothing_is_left_behind(base: Path) -> None:
    all_ = found(base)
    assert [what for what, finding in all_.items() if finding.ok is not True] == []
    assert list(all_) == [
        "folder requests",
        "space for requests",
        "folder ingest",
        "space for ingest",
        "folder state",
        "space for state",
        "way into ingest",
        "names",
        "watching",
        "inotify max_user_watches",
        "inotify max_user_instances",
        "source shelf",
    ]
    assert all_["folder ingest"].detail.startswith(f"{base}/ingest, on ")
    assert all_["way into ingest"].detail == "by rename: state and ingest share a mount"
    for name in FOLDERS:
        assert not [path for path in (base / name).iterdir() if path.name.startswith(".bookhopper")]


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    all_ = found(tmp_path)
    assert all_["folder requests"] == Finding(
        "folder requests", ok=None, detail=f"{tmp_path}/requests is not there yet; the daemon makes it"
    )
    assert all_["folder ingest"] == Finding(
        "folder ingest", ok=False, detail=f"{tmp_path}/ingest is not there: create it, or mount it"
    )
    assert all_["way into ingest"] == Finding(
        "way into ingest", ok=None, detail="told once both folders are there"
    )


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    detail = f"{tmp_path}/state cannot be made in {tmp_path}: make it, or give the right"
    assert found(tmp_path)["folder state"] == Finding("folder state", ok=False, detail=detail)


def test_a_folder_that_cannot_be_written(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tempfile.NamedTemporaryFile

    def refusing(dir: Path, **named: Any) -> Any:  # noqa: A002 - tempfile's own name for it
        if dir.name == "ingest":
            raise OSError(errno.EROFS, "Read-only file system")
        return real(dir=dir, **named)

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refusing)
    all_ = found(base)
    remedy = "give bookhopper's user the right to write there"
    assert all_["folder ingest"].detail == f"{base}/ingest: Read-only file system: {remedy}"
    assert all_["folder ingest"].ok is False
    assert "space for ingest" not in all_


def test_too_little_room(base: Path) -> None:
    space = found(base, download={"keep_free": "900 TB"})["space for state"]
    assert space.ok is False
    assert space.detail.endswith("free, less than download.keep_free (900.0 TiB): make room")


def test_the_way_between_two_devices(base: Path, elsewhere: Path) -> None:
    folders = {name: str(base / name) for name in FOLDERS} | {"ingest": str(elsewhere)}
    way = found(base, folders=folders)["way into ingest"]
    assert (way.ok, way.detail) == (True, "by copy: state and ingest lie on different mounts")
    assert list(elsewhere.iterdir()) == list((base / "state").iterdir()) == []


def test_no_way_at_all(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Path) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(checks, "rename_without_replacing", refusing)
    way = found(base)["way into ingest"]
    assert way.detail == "neither rename nor copy: Permission denied: check both folders' rights"
    assert way.ok is False


@pytest.mark.parametrize(
    ("fstype", "polling", "detail"),
    [
        ("ext4", "auto", "by inotify (ext4)"),
        ("ext4", "always", "by polling (ext4, intake.polling: always)"),
        ("nfs4", "auto", "by polling (nfs4, intake.polling: auto)"),
        ("nfs4", "never", "lies on a network share (nfs4): set intake.polling: auto"),
    ],
)
def test_how_requests_are_watched(
    base: Path, monkeypatch: pytest.MonkeyPatch, fstype: str, polling: str, detail: str
) -> None:
    monkeypatch.setattr(checks, "mount_of", lambda _: Mount("/", fstype, "x"))
    all_ = found(base, intake={"polling": polling})
    assert all_["watching"].ok is ((fstype, polling) != ("nfs4", "never"))
    assert detail in all_["watching"].detail
    assert ("inotify max_user_watches" in all_) == (polling != "always")


def test_inotify_limits(base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limits = tmp_path / "inotify"
    limits.mkdir()
    (limits / "max_user_watches").write_text("100\n")
    monkeypatch.setattr(checks, "_INOTIFY", limits)
    all_ = found(base)
    assert all_["inotify max_user_watches"] == Finding(
        "inotify max_user_watches",
        ok=False,
        detail="100: raise it, sysctl fs.inotify.max_user_watches=8192",
    )
    assert all_["inotify max_user_instances"].ok is None


def test_no_sources_is_a_fault(base: Path) -> None:
    assert found(base, sources=[])["sources"] == Finding(
        "sources", ok=False, detail="none is configured: name one under `sources:`"
    )


def test_a_source_that_cannot_be_built(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise PermanentError("no such address")

    monkeypatch.setattr(registry, "build", failing)
    assert found(base)["sources"] == Finding("sources", ok=False, detail="no such address")


def test_a_folder_of_books_that_is_away(base: Path) -> None:
    (base / "books" / "Emma.epub").unlink()
    (base / "books").rmdir()
    shelf = found(base)["source shelf"]
    assert shelf.ok is False
    assert str(base / "books") in shelf.detail


def test_addresses_are_asked(base: Path) -> None:
    with faulty() as server:
        mirrors = [server.at("/good", whole(b"hello")), server.at("/gone", status(404))]
        mirrors += [server.at("/bad", status(500)), f"http://127.0.0.1:{free_port()}/down"]
        source = {"kind": "gutenberg", "catalogue": str(base / "pg_catalog.csv"), "mirrors": mirrors}
        answers = [each for each in findings(settings(base, sources=[source])) if each.what == "address"]
        assert [each.ok for each in answers] == [True, True, False, False]
        assert answers[0].detail == f"{server.url}/good answers"
        assert "the server failed (500)" in answers[2].detail
        assert "the connection was refused" in answers[3].detail


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda path: path.unlink(), "{path}: No such file or directory: put it there, or correct the path"),
        (lambda path: path.write_text("echo x"), "{path} has no first line such as #!/bin/sh: write one"),
        (lambda path: path.write_text("#!\n"), "{path} has no first line such as #!/bin/sh: write one"),
        (lambda path: path.write_bytes(b"#!/bin/sh\r\n"), "{path} has Windows line ends"),
        (
            lambda path: path.write_text("#!/usr/bin/env nopython\n"),
            "{path}: its interpreter nopython is not",
        ),
        (lambda path: path.write_text("#! /nowhere/sh -e\n"), "{path}: its interpreter /nowhere/sh is not"),
        (lambda path: path.chmod(0o757), "{path} may be changed by anybody: chmod o-w"),
        (lambda path: path.parent.chmod(0o777), "{folder} may be changed by anybody: chmod o-w"),
        (lambda path: path.chmod(0o644), "{path} cannot be run by this user: chmod +x"),
        (lambda path: (path.unlink(), path.mkdir()), "{path} is no file: name the program itself"),
    ],
)
def test_a_script_that_cannot_be_run_safely_is_named(
    base: Path, make: Callable[[Path], object], fault: str
) -> None:
    (base / "bin").mkdir()
    path = shell(base / "bin", "exit 0")
    make(path)
    finding = found(base, script={"after_delivery": [str(path), "-q"]})["script after_delivery"]
    assert finding.ok is False
    assert finding.detail.startswith(fault.format(path=path, folder=path.parent))


def test_a_shell_s_line_is_told_from_a_program(base: Path) -> None:
    finding = found(base, script={"after_delivery": "/bin/sh -c true"})["script after_delivery"]
    assert finding.detail.endswith(": write a program and its arguments as a list: [PATH, ARGUMENT]")


@pytest.mark.parametrize("line", ["#!/bin/sh -e", "#!/usr/bin/env sh", "#!/usr/bin/env -S sh -e", "\x7fELF"])
def test_a_script_that_can_be_run_is_well(base: Path, line: str) -> None:
    (base / "bin").mkdir()
    path = shell(base / "bin", "exit 0")
    path.write_text(f"{line}\n")
    finding = found(base, script={"after_verify": str(path)})["script after_verify"]
    assert (finding.ok, finding.detail) == (True, f"{path} can be run")
