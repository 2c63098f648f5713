"""From exec to READY, beside what importing the seven packages that the project builds on takes alone."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 11
PEER = (
    "import watchdog.observers, watchdog.events, requests, bs4, yaml, "
    "apscheduler.schedulers.background, prometheus_client, pytest"
)
_READY_SECONDS = 30.0


def run(data: Path) -> int | None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        config = idle_config(Path(folder))
        ours, theirs = [], []
        for number in range(ROUNDS + 1):
            ready, imported = _until_ready(config, Path(folder)), _until_imported()
            if number:  # the first round warms the caches
                ours.append(ready)
                theirs.append(imported)
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"exec to READY: {mine * 1000:.0f} ms (budget: 300)")
    print(f"importing the seven packages: {peer * 1000:.0f} ms")
    print(f"ratio {mine / peer:.2f} (budget: at most 1.2)")
    return None


def idle_config(folder: Path) -> Path:
    """Write a configuration with folders of its own and no source."""
    for name in ("requests", "ingest", "state"):
        (folder / name).mkdir(exist_ok=True)
    config = folder / "bookhopper.yaml"
    config.write_text(
        f"folders: {{requests: {folder}/requests, ingest: {folder}/ingest, state: {folder}/state}}\n"
        'sources: []\nserver: {listen: "127.0.0.1:0"}\n'
    )
    return config


def start(config: Path, folder: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start the daemon and wait for READY; returns it and the seconds that took."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(_READY_SECONDS)
        begun = time.perf_counter()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "bookhopper", "run", "--config", str(config)],
            env=os.environ | {"NOTIFY_SOCKET": str(address)},
            stderr=subprocess.DEVNULL,
        )
        while b"READY=1" not in channel.recv(4096):
            pass
        return daemon, time.perf_counter() - begun


def _until_ready(config: Path, folder: Path) -> float:
    daemon, seconds = start(config, folder)
    daemon.terminate()
    daemon.wait()
    return seconds


def _until_imported() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", PEER], check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(run(Path()))
