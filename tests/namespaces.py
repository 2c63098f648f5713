"""Processes with mounts and limits of their own, without changing the machine's (user_namespaces(7))."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_NEW = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")
_SAME = ("nsenter", "--user", "--mount", "--preserve-credentials")


def in_namespace(script: str) -> tuple[str, ...]:
    """Give the command that runs a script, then what is put behind it, where the two alone see its effects.

    The process that is started becomes the one that was put behind.
    """
    if subprocess.run([*_NEW, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("there are no user namespaces here")
    return (*_NEW, f'{script}\nexec "$@"', "sh")


def run_in_namespace(process: int, script: str) -> None:
    """Run a script where such a process is."""
    subprocess.run([*_SAME, f"--target={process}", "sh", "-ec", script], check=True)


def seen_by(process: int, path: Path) -> Path:
    """Give the path at which its mounts can be seen from without."""
    return Path(f"/proc/{process}/root") / path.relative_to("/")
