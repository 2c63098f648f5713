"""Limits that the running process reaches: open files, the size of a file; and a disk that fails."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.reliability.faults_home import BOOK_BYTES, Home
from tests.waiting import until


@contextmanager
def limited(daemon: Daemon, kind: int, soft: int) -> Iterator[None]:
    """Lower one of the running daemon's limits for the block."""
    before, hard = resource.prlimit(daemon.pid, kind)
    resource.prlimit(daemon.pid, kind, (soft, hard))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, kind, (before, hard))


@pytest.mark.parametrize("spare", [0, 1, 2, 4, 6])
def test_too_many_open_files(spare: int, tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    known = len(home.daemon.log)
    with limited(home.daemon, resource.RLIMIT_NOFILE, _lowest_free(home.daemon) + spare):
        home.wish(2)
        home.await_trouble(known)
    home.await_all()
    home.end()


def test_memory_that_is_short(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    known = len(home.daemon.log)
    with limited(home.daemon, resource.RLIMIT_AS, _address_space(home.daemon)):
        home.wish(2)
        home.await_trouble(known)
    home.await_all()
    home.end()


def _address_space(daemon: Daemon) -> int:
    """Give the bytes that the process has mapped, which it cannot go beyond."""
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _lowest_free(daemon: Daemon) -> int:
    """Give the number that the next file would get; the limit counts numbers, not files."""
    used = {int(each.name) for each in Path(f"/proc/{daemon.pid}/fd").iterdir()}
    return next(number for number in range(len(used) + 1) if number not in used)


@pytest.mark.parametrize("size", [20_000, BOOK_BYTES // 2])
def test_files_that_may_not_grow(size: int, tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    known = len(home.daemon.log)
    with limited(home.daemon, resource.RLIMIT_FSIZE, size):
        home.wish(2)
        home.await_trouble(known)
    assert len(home.daemon.delivered()) == 1
    home.await_all()
    home.end()


@contextmanager
def failing(daemon: Daemon, injection: str) -> Iterator[None]:
    """Let system calls of the running daemon fail for the block, by strace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    call = injection.partition(":")[0]
    command = [
        "strace",
        "-f",
        "-q",
        "-p",
        str(daemon.pid),
        "-e",
        f"trace={call}",
        "-e",
        f"inject={injection}",
    ]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _traced_by(daemon) == tracer.pid or tracer.poll() is not None, "strace to attach")
        if tracer.poll() is not None:
            pytest.skip("strace may not attach to a process here")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()


def _traced_by(daemon: Daemon) -> int:
    """Tell who traces the process, once each of its threads is."""
    tracers = set()
    for task in Path(f"/proc/{daemon.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        tracers.add(next(int(line.split()[1]) for line in lines if line.startswith("TracerPid:")))
    return tracers.pop() if len(tracers) == 1 else 0


@pytest.mark.parametrize(
    "injection",
    [
        "fsync,fdatasync:error=EIO",
        "pwrite64:error=EIO",
        "renameat2:error=EIO",
        "fsync,fdatasync:error=EIO:when=1..1000+2",
    ],
)
def test_a_disk_that_fails(injection: str, tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    known = len(home.daemon.log)
    with failing(home.daemon, injection):
        home.wish(2)
        home.await_trouble(known)
    home.await_all()
    home.end()
