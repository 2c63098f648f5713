"""The end of a program and of all that it has started, wherever that went.

What a program starts is known by its session, by the pipes that it holds, and by the folder for temporary
files that it was told of, which no other run has.  Facts: setsid(2), waitid(2), proc(5).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

SILENT_LOOK_SECONDS = 0.01
"""How often a program is looked at whose end nothing tells of."""

_SESSION_FIELD = 3
_TOLD = b"TMPDIR="
_ROUNDS = 5
"""How often what is left is looked for, since it may have started more meanwhile."""

_IsIts = Callable[[Path], bool]


@contextmanager
def ended(process: subprocess.Popen[bytes], folder: Path, patience: float) -> Iterator[None]:
    """See to it that after the block nothing of a program's session runs any more, nor is waited for.

    Unless the program has ended by itself, what has left its session is ended as well.  `folder` is where its
    temporary files go, `patience` how many seconds it has to end before it is killed.
    """
    in_order = False
    try:
        yield
        in_order = has_ended(process)
    finally:
        pipes = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        if not in_order:
            _signal(process.pid, signal.SIGTERM)
            _await_end(process, patience)
        _signal(process.pid, signal.SIGKILL)  # its leader is not reaped yet, so that the number is still its
        is_its = [_of_session(process.pid)]
        if not in_order:
            is_its += [_writes_to(pipes), _told_of(folder)]
        _kill_all(is_its)
        process.wait()
        for stream in pipes:
            stream.close()


def end_leftovers(folders: Collection[Path]) -> None:
    """End what was told to put its temporary files into one of these folders, or below it."""
    if folders:
        _kill_all([_told_of(*folders)])


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it is not reaped, so that its number goes to nobody else."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _await_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not has_ended(process) and time.monotonic() < deadline:
        time.sleep(SILENT_LOOK_SECONDS)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_all(is_its: Sequence[_IsIts]) -> None:
    for _ in range(_ROUNDS):
        found = list(_running(is_its))
        for number in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        if not found:
            return


def _running(is_its: Sequence[_IsIts]) -> Iterator[int]:
    """Find the processes, as folders of /proc, of which one of these is true."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):  # it is another user's, or has ended meanwhile
                if any(each(process) for each in is_its):
                    yield int(process.name)


def _of_session(leader: int) -> _IsIts:
    def is_its(process: Path) -> bool:
        state, *fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return state != "Z" and fields[_SESSION_FIELD - 1] == str(leader)

    return is_its


def _writes_to(pipes: Sequence[IO[bytes]]) -> _IsIts:
    wanted = {str(Path(f"/proc/self/fd/{pipe.fileno()}").readlink()) for pipe in pipes}

    def is_its(process: Path) -> bool:
        return any(
            entry.lstat().st_mode & 0o200 and str(entry.readlink()) in wanted
            for entry in (process / "fd").iterdir()
        )

    return is_its


def _told_of(*folders: Path) -> _IsIts:
    def is_its(process: Path) -> bool:
        variables = (process / "environ").read_bytes().split(b"\0")
        told = next((each for each in variables if each.startswith(_TOLD)), None)
        return told is not None and any(
            Path(os.fsdecode(told.removeprefix(_TOLD))).is_relative_to(folder) for folder in folders
        )

    return is_its
