"""A systemd of a test's own: booted in namespaces of its own over a copy of this machine's files.

What it writes goes into memory; it sees neither this machine's processes nor its network, and cannot set its
kernel.  It takes root, overlayfs and cgroup2, as a virtual machine or a privileged container has them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon import ROOT
from tests.waiting import until

_SYSTEMD = Path("/lib/systemd/systemd")
_NEW = ("--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child")
_MASKED = (
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "dev-hugepages.mount",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-tmpfiles-setup.service",
)
"""What has nothing to do there, or would take long."""

_BOOT = """\
echo $$ > "$1/cgroup.procs"
exec unshare {new} sh -euc '
mount --make-rprivate /
mount -t tmpfs tree "$2"
mkdir "$2/upper" "$2/work" "$2/new"
mount -t overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" tree "$2/new"
for needed in "$3" "$4"; do
    if [ ! -e "$2/new$needed" ]; then mkdir -p "$2/new$needed"; mount --bind "$needed" "$2/new$needed"; fi
done
cd "$2/new"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
rm -rf etc/fstab etc/systemd/system etc/machine-id
mkdir -p etc/systemd/system old
for unit in {masked}; do
    ln -s /dev/null "etc/systemd/system/$unit"
done
printf "[Unit]\\nDescription=a test\\n" > etc/systemd/system/test.target
pivot_root . old
cd /
umount -l /old
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin {systemd} --unit=test.target --show-status=0
' sh "$@"
""".format(new=" ".join(_NEW), masked=" ".join(_MASKED), systemd=_SYSTEMD)


class Booted:
    """A running systemd; `process` is its number here."""

    def __init__(self, process: int) -> None:
        self._process = process

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as root."""
        ended = subprocess.run(
            ["nsenter", f"--target={self._process}", "--all", "--wd=/", *command],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "daemon"), "HOME": "/root"},
        )
        if check:
            assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def path(self, place: str) -> Path:
        """Give the path at which a place in its tree is seen from here."""
        return Path(f"/proc/{self._process}/root") / place.lstrip("/")

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Read what systemd knows of a unit."""
        shown = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def log(self, unit: str) -> str:
        """Read a unit's journal."""
        return self.run("journalctl", "--no-pager", "--unit", unit, check=False).stdout


@contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """Boot one, for a block; skips where that cannot be done."""
    if os.geteuid() or not _SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter"))):
        pytest.skip("booting a systemd takes root, util-linux and Debian's systemd")
    group = _own_cgroup()
    process = subprocess.Popen(
        ["sh", "-eu", "-c", _BOOT, "sh", str(group), str(folder), str(ROOT), sys.prefix],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        machine = Booted(_child_of(process))
        until(lambda: _is_up(machine) or process.poll() is not None, "systemd's start")
        if process.poll() is not None:
            assert process.stdout is not None
            pytest.skip(f"no systemd can be booted here: {process.stdout.read().decode(errors='replace')}")
        yield machine
    finally:
        process.kill()
        process.communicate()
        until(lambda: _removed(group), f"the end of everything in {group}")


def _own_cgroup() -> Path:
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    root = next((Path(fields[4]) for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"), None)
    if root is None:
        pytest.skip("there is no cgroup2 here")
    group = root / f"bookhopper-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    return group


def _child_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process that `unshare` starts, which becomes systemd."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def child() -> str:
        with suppress(OSError):
            return children.read_text().strip()
        return ""

    until(lambda: child() or process.poll() is not None, "a process in the new namespaces")
    return int(child() or process.pid)


def _is_up(machine: Booted) -> bool:
    with suppress(OSError):
        name = machine.path("/proc/1/comm").read_text().strip()
        return (
            name == "systemd"
            and "running" in machine.run("systemctl", "is-system-running", check=False).stdout
        )
    return False


def _removed(group: Path) -> bool:
    try:
        for inner in sorted(group.rglob("*"), reverse=True):
            if inner.is_dir():
                inner.rmdir()
        group.rmdir()
    except OSError:
        return not group.exists()
    return True
