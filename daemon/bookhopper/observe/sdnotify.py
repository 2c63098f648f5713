"""What the service manager is told, in the protocol of sd_notify(3): a datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time


def notify(*lines: str) -> bool:
    """Send `KEY=value` lines; False where nobody listens, which is no fault."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall("\n".join(lines).encode())
    except OSError:
        return False
    return True


def notify_reloading() -> bool:
    """Say that the configuration is being read again; READY=1 is to follow, whatever comes of it."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Tell within how many seconds the service manager wants each ping; None where it wants none."""
    period, owner = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not period.isdecimal() or not int(period) or owner not in {"", str(os.getpid())}:
        return None
    return int(period) / 1e6
