"""Where the daemon listens, and the token for it: what it leaves in its state folder for the commands."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from bookhopper.errors import BookhopperError

_FILE = "server.json"


def new_token() -> str:
    """Make a token that cannot be guessed."""
    return secrets.token_urlsafe(32)


def leave_address(state: Path, url: str, token: str) -> None:
    """Write where the daemon listens, and the token for it, where only its user can read it."""
    temporary = state / f"{_FILE}.tmp"
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token}, file)
    temporary.replace(state / _FILE)


def find_address(state: Path) -> tuple[str, str]:
    """Read what `leave_address` wrote: the URL and the token; raises BookhopperError when that fails."""
    path = state / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["url"]), str(data["token"])
    except FileNotFoundError as error:
        raise BookhopperError(
            f"bookhopper is not running (nothing at {path}): start it with `bookhopper run`"
        ) from error
    except OSError as error:
        raise BookhopperError(
            f"{path}: {error.strerror}: run this as bookhopper's own user, or with sudo"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BookhopperError(f"{path} is damaged: restart bookhopper, which writes it anew") from error


def is_there(state: Path) -> bool:
    """Whether a daemon works in a state folder, or was killed there; True where one has no right to look."""
    try:
        (state / _FILE).lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def forget_address(state: Path) -> None:
    """Remove what `leave_address` wrote."""
    (state / _FILE).unlink(missing_ok=True)
