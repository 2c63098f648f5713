"""A program of somebody's own, run on a book: bounded in time and output, and told nothing of our secrets.

It gets the file as its last argument and what is known as JSON on standard input, works in a folder of its
own, and is ended with all that it has started when its time is over or its job is to stop.  Facts:
sysexits.h (EX_TEMPFAIL), setsid(2).
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

from bookhopper.errors import printable
from bookhopper.scripts.ending import SILENT_LOOK_SECONDS, ended, has_ended
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.script")

Stage = Literal["after_verify", "after_delivery"]
Outcome = Literal["passed", "refused", "later", "timeout", "killed", "not_started"]
"""What a run came to: exit code 0, another one, 75; its time was over, a signal did, it cannot be run."""

STAGES: tuple[Stage, ...] = get_args(Stage)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

TEMPORARY_FAILURE = 75
"""The exit code by which a program asks to be run again later (EX_TEMPFAIL)."""

_LOOK_SECONDS = 0.1
_KEPT_BYTES = 4096
_READ_BYTES = 65536
_LAST_READS = 64
_SAID_MOST = 300

_HANDED_ON = frozenset(("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL"))
"""What a program learns of our own environment, beside the locale; it may hold secrets, and our manager's."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `said` is the last line of its standard error, `output` the end of all it wrote."""

    stage: Stage
    outcome: Outcome
    seconds: float
    code: int = 0
    said: str = ""
    output: str = ""

    @property
    def reason(self) -> str:
        """Say in a few words why it did not pass."""
        told = f": {self.said}" if self.said else ""
        return {
            "passed": "it passed",
            "refused": f"it ended with {self.code}{told}",
            "later": f"it asks to be run again later ({self.code}){told}",
            "timeout": f"it took longer than script.timeout allows{told}",
            "killed": f"it was ended by {_signal_name(self.code)}{told}",
            "not_started": f"it cannot be run{told}: `bookhopper check` tells more",
        }[self.outcome]

    def say(self, job: int) -> None:
        """Log what came of it, in a line."""
        told = f": {self.output}" if self.output else ""
        words = "job %d: script.%s %s in %.1f s%s"
        log.log(self._level, words, job, self.stage, self.outcome, self.seconds, told)

    @property
    def _level(self) -> int:
        """How loudly it is told: what somebody else says as well is for who develops."""
        if self.outcome == "passed":
            return logging.INFO if self.output else logging.DEBUG
        if self.outcome in {"later", "not_started"}:
            return logging.DEBUG  # whoever waits for it says so
        if self.stage == "after_delivery":
            return logging.WARNING
        return logging.INFO if self.output != self.said else logging.DEBUG  # its job fails for what it said


@dataclass(frozen=True, slots=True)
class Script:
    """A program with its arguments, and how many seconds it may take.

    `patience` is how long it has to end by itself once it is asked to, before it is killed.
    """

    stage: Stage
    command: Sequence[str]
    timeout: float
    patience: float

    def run(self, file: Path, facts: Mapping[str, object], folder: Path, ticket: Ticket) -> Ended:
        """Run it on a file, in a folder; raises Interrupted, and OSError when the folder cannot be used."""
        began = time.monotonic()
        with tempfile.TemporaryFile(dir=folder) as told:
            told.write(json.dumps(facts).encode())
            told.seek(0)
            try:
                process = self._start(file, folder, told)
            except (OSError, ValueError) as error:
                return Ended(self.stage, "not_started", 0.0, said=_why_not(self.command[0], error))
        with ended(process, folder, self.patience), _Output(process) as output:
            in_time = self._attend(process, output, began + self.timeout, ticket)
            if in_time:
                output.read_rest()
        seconds = time.monotonic() - began
        outcome = _outcome(process.returncode) if in_time else "timeout"
        return Ended(
            self.stage, outcome, seconds, process.returncode, output.last_error(), output.in_a_line()
        )

    def _start(self, file: Path, folder: Path, told: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it as the leader of a session; no descriptor but these three is handed on."""
        return subprocess.Popen(  # noqa: S603 # nosec B603 # it is run because its owner says so
            [*self.command, str(file)],
            stdin=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment(os.environ, folder),
            start_new_session=True,
        )

    def _attend(
        self, process: subprocess.Popen[bytes], output: _Output, deadline: float, ticket: Ticket
    ) -> bool:
        """Read along until it has ended; False when its time is over, its output's readers never waiting."""
        while not has_ended(process):
            ticket.check()
            if time.monotonic() >= deadline:
                return False
            output.read(_LOOK_SECONDS)
        return True


def environment(own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Choose what a program learns of our environment; its temporary files go into its folder."""
    chosen = {name: value for name, value in own.items() if name in _HANDED_ON or name.startswith("LC_")}
    return {"PATH": os.defpath, **chosen, "TMPDIR": str(folder)}


class _Output:
    """What a program writes, read as it comes; only the end of each stream is kept."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._streams = (process.stdout, process.stderr)
        self._tails = dict.fromkeys(self._streams, b"")
        self._selector = selectors.DefaultSelector()
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def read(self, seconds: float) -> bool:
        """Wait so long for output and take it; False when none came."""
        if not self._selector.get_map():  # it has closed both, and still runs
            seconds = min(seconds, SILENT_LOOK_SECONDS)
        ready = self._selector.select(seconds)
        for key, _ in ready:
            stream = key.fileobj
            assert not isinstance(stream, int)
            try:
                data = os.read(key.fd, _READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                self._selector.unregister(stream)
            self._tails[stream] = (self._tails[stream] + data)[-_KEPT_BYTES:]  # type: ignore[index]
        return bool(ready)

    def read_rest(self) -> None:
        """Take what lies in the pipes; somebody who goes on writing is not waited for."""
        for _ in range(_LAST_READS):
            if not self._selector.get_map() or not self.read(0):
                return

    def last_error(self) -> str:
        """Give the last line of standard error that says something."""
        return next(reversed(list(self._lines(self._streams[1]))), "")

    def in_a_line(self) -> str:
        """Give the end of both streams in one line."""
        whole = " / ".join(line for stream in self._streams for line in self._lines(stream))
        return whole if len(whole) <= _SAID_MOST else f"…{whole[-_SAID_MOST:]}"

    def _lines(self, stream: IO[bytes]) -> Iterator[str]:
        for line in self._tails[stream].decode("utf-8", "replace").splitlines():
            if shown := printable(" ".join(line.split()))[:_SAID_MOST]:
                yield shown


def _outcome(code: int) -> Outcome:
    if code < 0:
        return "killed"
    return {0: "passed", TEMPORARY_FAILURE: "later"}.get(code, "refused")  # type: ignore[return-value]


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _why_not(program: str, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{program}: {error.strerror or error}"
    return f"{program}: {error}"
