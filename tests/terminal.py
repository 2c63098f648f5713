"""A terminal with a shell in it, into which is typed as a person types."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.waiting import until


class Terminal:
    """A program that has a terminal of its own, and what it has written to that so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(theirs)
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def await_text(self, text: str) -> None:
        """Wait until something has been written, and forget what was up to there."""
        sought = text.encode()
        until(lambda: sought in self._written, lambda: f"{text!r} in {self.shown!r}")
        del self._written[: self._written.index(sought) + len(sought)]

    @property
    def shown(self) -> str:
        """What has been written."""
        return self._written.decode(errors="replace")

    def close(self) -> None:
        """Hang up, and see the program end."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                self._written += os.read(self._ours, 4096)
            except OSError:  # how Linux says that nobody holds the other end any more
                return
