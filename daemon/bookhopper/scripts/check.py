"""Whether a script can be run, and by nobody else's will: what is wrong with it, and what to do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

_HEAD = 256
_PROGRAM = b"\x7fELF"


def fault_of(path: Path, environment: Mapping[str, str]) -> str:
    """Say what keeps a program from being run safely; nothing where all is well."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return f"{path} is no file: name the program itself"
        if not os.access(path, os.R_OK | os.X_OK):
            return f"{path} cannot be run by this user: chmod +x, and not on a disk that is mounted noexec"
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        if shutil.which(str(path).partition(" ")[0]):
            return f"{path}: {error.strerror}: write a program and its arguments as a list: [PATH, ARGUMENT]"
        return f"{path}: {error.strerror}: put it there, or correct the path"
    if writable := next((each for each in (path, path.parent) if _is_anybodys(each)), None):
        return f"{writable} may be changed by anybody: chmod o-w"
    return _fault_of_first_line(path, head, environment)


def _is_anybodys(path: Path) -> bool:
    """Whether anybody may write there; what lies in a sticky folder is its owner's to replace."""
    mode = path.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _fault_of_first_line(path: Path, head: bytes, environment: Mapping[str, str]) -> str:
    """Look after the interpreter that a script names in its first line (execve(2))."""
    if head.startswith(_PROGRAM):
        return ""
    line = head.partition(b"\n")[0]
    words = line.removeprefix(b"#!").decode("utf-8", "replace").split(maxsplit=2)
    if not line.startswith(b"#!") or not words:
        return f"{path} has no first line such as #!/bin/sh: write one, naming its interpreter"
    if line.endswith(b"\r"):
        return f"{path} has Windows line ends, so that its interpreter is not found: sed -i 's/\\r$//' it"
    interpreter = words[1] if words[0].endswith("/env") and len(words) > 1 else words[0]
    if interpreter.startswith("-") or shutil.which(interpreter, path=environment.get("PATH", os.defpath)):
        return ""
    return f"{path}: its interpreter {interpreter} is not there: install it, or correct its first line"
