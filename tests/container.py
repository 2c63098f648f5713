"""bookhopper's image, built by podman from a Debian of the test's own, and containers of it that really run.

Everything that podman keeps lies in a filesystem in memory, and in mounts and a network that only its own
processes see, so that nothing of it is left when the test is over.  It takes root, and no daemon.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import ROOT

NAME = "localhost/bookhopper"
BASE = "localhost/debian"
CONTAINERFILE = "config/container/Containerfile"

_NEEDED = ("podman", "crun", "mmdebstrap", "unshare", "nsenter")
_RELEASE = "bookworm"
_PYTHON = "3.11"
_HIDDEN = ("doc", "man", "locale")
"""What a slim image leaves out."""

_STAY = """\
mount --make-rprivate /
umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=0700 storage "$1"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo ready
exec cat
"""
"""Keeps them while its input is open.  crun knows the second kind of control groups only."""

_CONTAINERS = """\
[containers]
cgroups = "disabled"
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


class Podman:
    """A podman of its own."""

    def __init__(self, folder: Path, namespace: int) -> None:
        self._folder = folder
        self._enter = ("nsenter", f"--target={namespace}", "--mount")
        (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder), encoding="utf-8")
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder / "memory"), encoding="utf-8")

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Call podman, and wait until it ends."""
        return self._run(*self._enter, "podman", *words, check=check)

    def within(
        self, *command: str, variables: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in its network, which leads nowhere else; podman, called by it, is this one."""
        return self._run(*self._enter, "--net", *command, variables=variables, check=check)

    def _run(
        self, *command: str, variables: Mapping[str, str] | None = None, check: bool
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command,
            env={
                **os.environ,
                "CONTAINERS_CONF": str(self._folder / "containers.conf"),
                "CONTAINERS_STORAGE_CONF": str(self._folder / "storage.conf"),
                "DISABLE_HC_SYSTEMD": "true",
                "TMPDIR": str(self._folder / "memory"),
                **(variables or {}),
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}"
        return ended


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """Give one, for a block; skips where it cannot be had."""
    if os.geteuid() or not all(map(shutil.which, _NEEDED)):
        pytest.skip(f"building an image takes root and {', '.join(_NEEDED)}")
    (folder / "memory").mkdir()
    stay = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-ec", _STAY, "sh", str(folder / "memory")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert stay.stdout is not None
        if stay.stdout.readline() != b"ready\n":
            _, why = stay.communicate()
            pytest.skip(f"no mounts can be made here: {why.decode(errors='replace')}")
        yield Podman(folder, stay.pid)
    finally:
        stay.communicate()


def build(podman: Podman, folder: Path) -> None:
    """Build the image as the Containerfile says, on a bare Debian, from wheels that lie beside it."""
    base = folder / "base.tar"
    hidden = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _HIDDEN]
    _run("mmdebstrap", "--quiet", "--variant=minbase", *hidden, _RELEASE, str(base))
    podman("import", "--quiet", str(base), BASE)
    base.unlink()
    wheels = folder / "wheels"
    download_wheels(wheels, _PYTHON)
    index = folder / "pip.conf"
    index.write_text("[global]\nno-index = true\nfind-links = /mnt\n", encoding="utf-8")
    podman(
        "build", "--isolation=chroot", "--network=host", "--format=docker", f"--build-arg=BASE={BASE}",
        f"--volume={wheels}:/mnt:ro", f"--volume={index}:/etc/pip.conf:ro",
        f"--tag={NAME}", f"--file={ROOT / CONTAINERFILE}", str(ROOT),
    )  # fmt: skip


def download_wheels(folder: Path, python: str, *platforms: str) -> None:
    """Get the wheels of all that the image takes, as this machine's pip is configured to; none is built."""
    needed = [*requirements(), *_project()["build-system"]["requires"], "wheel"]
    for_others = [f"--platform={platform}" for platform in platforms]
    _run(
        sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
        f"--python-version={python}", *for_others, f"--dest={folder}", *needed,
    )  # fmt: skip


def requirements() -> list[str]:
    """Name what the image is to have, as the project does."""
    project = _project()["project"]
    return [*project["dependencies"], *project["optional-dependencies"].get("notify", ())]


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}"


class Container:
    """A running container of the image, its root only read, without any capability."""

    def __init__(self, podman: Podman, folder: Path, *more: str, user: str = "1000:100") -> None:
        """Start it with folders of its own; `more` are options of `podman run`."""
        self._podman = podman
        self.folder = folder
        self.requests = folder / "requests"
        self.ingest = folder / "cwa-book-ingest"
        self.state = folder / "state"
        self.config = folder / "config"
        uid, gid = map(int, user.split(":"))
        for place in (self.requests, self.ingest, self.state, self.config):
            place.mkdir(exist_ok=True)
            os.chown(place, uid, gid)
        mounts = [f"--volume={place}:/{place.name}" for place in (self.requests, self.ingest, self.state)]
        self.name = podman(
            "run", "--detach", "--network=host", "--read-only", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", f"--user={user}", "--env=FLASK_PORT=0", *mounts,
            f"--volume={self.config}:/config:ro", *more, NAME,
        ).stdout.strip()  # fmt: skip

    def exec(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as its user."""
        return self._podman("exec", self.name, *command, check=check)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._podman("logs", self.name, check=False).stderr

    def inspect(self, form: str) -> str:
        """Read what podman knows of it."""
        return self._podman("inspect", f"--format={form}", self.name).stdout.strip()

    def do(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Have podman do something with it: stop, start, pause …"""
        return self._podman(*words, self.name, check=check)
