"""Scripts as people write them, for tests that run them."""

from __future__ import annotations

import sys
from pathlib import Path

_TELLING = """\
import json, os, sys
told = {
    "arguments": sys.argv[1:],
    "input": sys.stdin.read(),
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "descriptors": [number for number in range(1024) if os.path.exists(f"/proc/self/fd/{number}")],
    "process": os.getpid(),
    "session": os.getsid(0),
}
open(sys.argv[0] + ".tmp", "w").write(json.dumps(told))
os.rename(sys.argv[0] + ".tmp", os.path.join(os.path.dirname(sys.argv[0]), "told.json"))
"""


def shell(folder: Path, text: str, name: str = "script.sh") -> Path:
    """Write a shell script that may be run."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def told_of(folder: Path) -> str:
    """Give a script's text that writes all it is told into `told.json` in a folder."""
    program = folder / "telling.py"
    program.write_text(_TELLING, encoding="utf-8")
    return f'exec {sys.executable} -I {program} "$@"'
