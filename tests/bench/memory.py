"""What the idle daemon keeps resident, with an empty queue and with a hundred thousand jobs queued.

The peer is an interpreter that has only imported the seven packages that the project builds on.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bookhopper.model import State
from bookhopper.store.sqlite import SqliteStore
from tests.bench.queue import filled
from tests.bench.startup import PEER, idle_config, start

ROUNDS = 5
QUEUED = 100_000
_SETTLE_SECONDS = 3.0
_MIB = 1024 * 1024


def run(data: Path) -> int | None:
    """Print the figures."""
    peer = statistics.median(_peer() for _ in range(ROUNDS))
    with tempfile.TemporaryDirectory() as folder:
        idle = statistics.median(_idle(Path(folder)) for _ in range(ROUNDS))
        store = filled(Path(folder) / "state" / "queue.db", QUEUED)
        _hold_all(store)
        queued = statistics.median(_idle(Path(folder)) for _ in range(ROUNDS))
    print(f"idle: {idle / _MIB:.1f} MiB resident (budget: 60)")
    print(f"with {QUEUED:,} queued: {queued / _MIB:.1f} MiB (budget: 80)")
    print(f"an interpreter with the seven packages: {peer / _MIB:.1f} MiB; ratio {idle / peer:.2f}")
    return None


def _hold_all(store: SqliteStore) -> None:
    """Let every job wait, so that the daemon is idle although its queue is long."""

    store.writer.call(
        "hold", lambda transaction: transaction.execute("UPDATE jobs SET not_before = 9e9").rowcount
    )
    assert store.counts()[State.WANTED] == QUEUED
    store.close()


def _idle(folder: Path) -> int:
    daemon, _ = start(idle_config(folder), folder)
    try:
        last = 0
        deadline = time.monotonic() + 10 * _SETTLE_SECONDS
        while time.monotonic() < deadline:  # until it has loaded what it loads after READY
            time.sleep(_SETTLE_SECONDS)
            found = resident(daemon.pid)
            if found == last:
                break
            last = found
        return found
    finally:
        daemon.terminate()
        daemon.wait()


def _peer() -> int:
    with subprocess.Popen(
        [sys.executable, "-c", f"{PEER}; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = resident(process.pid)
        process.kill()
    return found


def resident(process: int) -> int:
    """Give the resident bytes of a process."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell VmRSS")


if __name__ == "__main__":
    sys.exit(run(Path()))
