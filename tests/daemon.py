"""The real daemon as a process, for end-to-end tests: started, watched, stopped and killed."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import DEADLINE, until

ROOT = Path(__file__).resolve().parents[1]
_LOOK_SECONDS = 0.02
_LOG_SHOWN = 8_000  # characters
_numbers = itertools.count()
_opener = build_opener(ProxyHandler({}))


class Daemon:
    """One set of folders and the daemon that works in them; it may be started again and again.

    `settings` adds sections to the configuration or replaces them; `environment` is added to the process's
    own; it, `under` and `program` may change between two lives.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], *, ingest: Path | None = None, name: str = "daemon"
    ) -> None:
        self.environment: dict[str, str] = {}
        folder.mkdir(exist_ok=True)
        self.requests = folder / "requests"
        self.ingest = ingest or folder / "ingest"
        self.state = folder / "state"
        self.notices: list[str] = []
        self.under: Sequence[str] = ()
        """The command that runs it, with its arguments, where it is to have other limits or mounts."""
        self.program: Sequence[str] = ("-m", "bookhopper")
        """What Python runs; the daemon's own command line follows."""
        self.config = folder / f"{name}.yaml"
        self._log = folder / f"{name}.log"
        self._notify = f"bookhopper-test-{os.getpid()}-{next(_numbers)}"
        self._process: subprocess.Popen[bytes] | None = None
        for place in (self.requests, self.ingest):
            place.mkdir(exist_ok=True)
        self.configure(settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Write the configuration anew; a running daemon does not look at it by itself."""
        folders = {"requests": str(self.requests), "ingest": str(self.ingest), "state": str(self.state)}
        whole = {
            "folders": folders,
            "intake": {"settle": "0.1 s"},
            "download": {"keep_free": 0},
            "server": {"listen": "127.0.0.1:0"},
            "log_level": "debug",
            "log_format": "human",  # which is read as text; `lines` reads that of JSON
            **settings,
        }
        new = self.config.with_suffix(".new")
        new.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        new.replace(self.config)

    # the process

    def start(self) -> None:
        """Start it and wait until it says READY=1 on its NOTIFY_SOCKET."""
        process = self.spawn()
        until(
            lambda: "READY=1" in self.notices or process.poll() is not None,
            f"the daemon's READY=1\n{self.log}",
        )
        assert process.poll() is None, f"the daemon ended instead of starting:\n{self.log}"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it and wait for nothing."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self.notices = []
        self._process = None
        self._listen()
        path = os.pathsep.join(filter(None, (str(ROOT / "daemon"), str(ROOT), os.environ.get("PYTHONPATH"))))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.under, sys.executable, *self.program, "run", "--config", str(self.config)],
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "NOTIFY_SOCKET": f"@{self._notify}",
                    "no_proxy": "127.0.0.1",
                    **self.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self._process

    def _listen(self) -> None:
        """Collect what the process tells its service manager, until it has ended."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.bind(f"\0{self._notify}")  # abstract, for a path could be too long
        channel.settimeout(_LOOK_SECONDS)
        notices = self.notices

        def collect() -> None:
            with channel:
                ended = False
                while not ended:
                    # what it said last still lies in the socket when it is gone
                    ended = self._process is not None and self._process.poll() is not None
                    try:
                        while True:
                            notices.extend(channel.recv(65536).decode().splitlines())
                    except TimeoutError:
                        continue

        self._collector = threading.Thread(target=collect, name="notices", daemon=True)
        self._collector.start()

    @property
    def pid(self) -> int:
        """The number of the process, which may have ended."""
        assert self._process is not None
        return self._process.pid

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call a command with this configuration; another exit code than 0 is the caller's to judge."""
        return subprocess.run(
            [sys.executable, "-m", "bookhopper", *arguments, "--config", str(self.config)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "daemon")},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, within: float = DEADLINE) -> int:
        """Wait until it has ended; returns its exit status, negative for a signal."""
        assert self._process is not None
        try:
            status = self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the daemon did not end:\n{self.log}") from None
        self._collector.join()
        return status

    def stop(self, number: Signals = SIGTERM, within: float = DEADLINE) -> int:
        """Ask it to stop; returns its exit status."""
        self.signal(number)
        return self.wait(within)

    def kill(self) -> None:
        """End it without a word, as a power failure would."""
        self.stop(SIGKILL)

    def close(self) -> None:
        """End it if a test has left it running."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        print(self.log[-_LOG_SHOWN:])  # pytest shows it where a test has failed

    # what it works on

    @property
    def arguments(self) -> str:
        """What the process was called with, as everybody on the machine may read it."""
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/cmdline")
        return path.read_text(encoding="utf-8").replace("\0", " ") if path.exists() else ""

    @property
    def log(self) -> str:
        """What it has logged, over all its lives."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def lines(self, known: int = 0) -> list[dict[str, Any]]:
        """Read its log from a byte on, where it is one of JSON: each line has to be an object."""
        log = self._log.read_bytes()[known:].decode()
        assert log.splitlines() == log.split("\n")[:-1], "something else than a line's end looks like one"
        return [json.loads(line) for line in log.splitlines()]

    def drop(self, name: str, text: str) -> None:
        """Put a request file into its folder, as one rename."""
        hidden = self.requests / f".{name}.tmp"
        hidden.write_text(text, encoding="utf-8")
        hidden.rename(self.requests / name)

    def report(self, name: str) -> str:
        """Read a request file's report; empty while there is none."""
        path = self.requests / "reports" / f"{name}.report.txt"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def delivered(self) -> list[str]:
        """List the names in the ingest folder."""
        return sorted(path.name for path in self.ingest.iterdir())

    def get(self, path: str) -> Any:
        """Ask its HTTP server for JSON."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call its HTTP server, with its own token: JSON there, where `body` is given, and back."""
        return json.loads(self._call(method, path, body))

    def text(self, path: str) -> str:
        """Ask its HTTP server for text."""
        return self._call("GET", path)

    def metric(self, name: str, **labels: str) -> float:
        """Read a metric of its own, summed over what these labels leave open."""
        families = text_string_to_metric_families(self.text("/metrics"))
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"bookhopper_{name}" and labels.items() <= sample.labels.items()
        )

    def _call(self, method: str, path: str, body: Any = None) -> str:
        address = json.loads((self.state / "server.json").read_text(encoding="utf-8"))
        headers = {"Authorization": f"Bearer {address['token']}"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = Request(address["url"] + path, data, headers, method=method)
        with _opener.open(request, timeout=DEADLINE) as answer:
            text: str = answer.read().decode()
            return text

    def counts(self) -> dict[str, int]:
        """Count its jobs by state, those states only that have any."""
        counts: dict[str, int] = self.get("/api/downloads/status")["counts"]
        return {state: number for state, number in counts.items() if number}

    def jobs(self) -> list[dict[str, Any]]:
        """List its jobs."""
        items: list[dict[str, Any]] = self.get("/api/downloads?limit=1000")["items"]
        return items

    def await_counts(self, **expected: int) -> None:
        """Wait until its jobs stand so, and no other ones."""
        last: dict[str, int] = {}

        def reached() -> bool:
            nonlocal last
            last = self.counts()
            return last == expected

        try:
            until(reached, "")
        except AssertionError:
            raise AssertionError(f"expected {expected}, and it stays at {last}:\n{self.log}") from None
