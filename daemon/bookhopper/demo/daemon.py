"""The real daemon as a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import yaml

from bookhopper.errors import BookhopperError

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.1


class Daemon:
    """`bookhopper run` below one folder; stopped when the `with` block ends, however it ends."""

    def __init__(self, folder: Path, catalogue: str) -> None:
        """Lay out the folder: `catalogue` is the address of the OPDS feed that the daemon is to search."""
        self.requests = folder / "requests"
        self.ingest = folder / "ingest"
        self.state = folder / "state"
        self.log = folder / "daemon.log"
        self._config = folder / "bookhopper.yaml"
        self._notices = f"bookhopper-{os.getpid()}-{folder.name}"
        self._process: subprocess.Popen[bytes] | None = None
        for place in (self.requests, self.ingest, self.state):
            place.mkdir()
        self._config.write_text(_config(self, catalogue), encoding="utf-8")

    def __enter__(self) -> Self:
        """Start the daemon and wait until it is ready; raises BookhopperError when it does not come up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices, self.log.open("wb") as log:
            notices.bind(f"\0{self._notices}")  # abstract: a path could be too long (unix(7))
            notices.settimeout(_LOOK_SECONDS)
            self._process = subprocess.Popen(  # noqa: S603 # nosec B603 # this very program, no shell
                [sys.executable, "-m", "bookhopper", "run", "--config", str(self._config)],
                env={**os.environ, "NOTIFY_SOCKET": f"@{self._notices}", "no_proxy": "127.0.0.1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                self._await_ready(notices)
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the daemon if it still runs."""
        self.stop()

    def _await_ready(self, notices: socket.socket) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and not self.ended(0):
            try:
                if b"READY=1" in notices.recv(4096):
                    return
            except TimeoutError:
                continue
        raise BookhopperError(f"the daemon did not start: {self.last_words()}")

    def ended(self, seconds: float) -> bool:
        """Wait so long for the daemon to end by itself, and tell whether it did."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> int:
        """Ask the daemon to stop, in order (SIGTERM); returns its exit status, 0 when all went well."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def last_words(self) -> str:
        """Give the end of the daemon's log, one line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it wrote nothing to its log")


def _config(daemon: Daemon, catalogue: str) -> str:
    settings = {
        "folders": {
            "requests": str(daemon.requests),
            "ingest": str(daemon.ingest),
            "state": str(daemon.state),
        },
        "sources": [{"kind": "opds", "name": "demo", "url": catalogue}],
        "formats": ["epub"],
        "languages": ["en"],
        "intake": {"settle": "0.2 s"},
        "download": {"keep_free": "1 MiB"},
        "server": {"listen": "127.0.0.1:0"},
        "log_format": "human",
    }
    return yaml.safe_dump(settings, sort_keys=False)
