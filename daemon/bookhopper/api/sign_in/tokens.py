"""API tokens: kept as hashes in a file of the state folder, made and removed while the daemon runs or not."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bookhopper.errors import BookhopperError
from bookhopper.ownership import give_to_owner_of

_FILE = "tokens.json"
_RANDOM_BYTES = 32
_NAME = re.compile(r"[^\W_][\w.@-]{0,63}")
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token by its name; `sha256` is all that is kept of it, `created` is seconds since the epoch."""

    name: str
    sha256: str
    created: float


class TokenFile:
    """The API tokens of one state folder; what it reads it reads again when the file has changed."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._path = state / _FILE
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[ApiToken, ...] = ()

    def tokens(self) -> tuple[ApiToken, ...]:
        """List the tokens; raises BookhopperError when the file cannot be read."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                seen = (state.st_mtime_ns, state.st_size, state.st_ino)
                if seen != self._seen:
                    self._tokens = _parsed(file.read(_MOST_BYTES))
                    self._seen = seen
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
        except OSError as error:
            raise BookhopperError(
                f"{self._path} cannot be read: {error.strerror}: give it to bookhopper's own user"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise BookhopperError(
                f"{self._path} is damaged: remove it and make the tokens anew (`bookhopper token new`)"
            ) from error
        return self._tokens

    def find(self, token: str) -> ApiToken | None:
        """Find the token that this is; raises BookhopperError as `tokens` does."""
        digest = _digest(token)
        found = None
        for known in self.tokens():  # to the end, so that the time tells nothing
            if hmac.compare_digest(known.sha256, digest):
                found = known
        return found

    def named(self, name: str) -> ApiToken | None:
        """Find a token by its name; raises BookhopperError as `tokens` does."""
        return next((token for token in self.tokens() if token.name == name), None)

    def add(self, name: str) -> str:
        """Make a token and return it, for it is kept nowhere; raises BookhopperError."""
        if not _NAME.fullmatch(name):
            raise BookhopperError(
                f"{name!r} cannot name a token: write at most 64 letters, digits, and . _ - @, "
                "a letter or digit first"
            )
        token = secrets.token_urlsafe(_RANDOM_BYTES)
        with self._changing():
            if self.named(name) is not None:
                raise BookhopperError(
                    f"there is a token {name} already: take another name, or remove it first"
                )
            self._write([*self.tokens(), ApiToken(name, _digest(token), time.time())])
        return token

    def remove(self, name: str) -> None:
        """Remove a token, which ends its sessions too; raises BookhopperError."""
        with self._changing():
            if self.named(name) is None:
                raise BookhopperError(f"there is no token {name}: `bookhopper token list` shows them all")
            self._write([token for token in self.tokens() if token.name != name])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let one process at a time change the file, as long as the block runs."""
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            folder = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
                os.fsync(folder)  # the new name is durable with the folder only
            finally:
                os.close(folder)
        except OSError as error:
            raise BookhopperError(
                f"{self._path} cannot be written: {error.strerror}: run this as bookhopper's own user"
            ) from error

    def _write(self, tokens: Sequence[ApiToken]) -> None:
        temporary = self._path.with_name(f"{_FILE}.tmp")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            give_to_owner_of(self._state, file.fileno())
            json.dump({"tokens": [asdict(token) for token in tokens]}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def _parsed(data: bytes) -> tuple[ApiToken, ...]:
    """Read the file's content; raises ValueError, KeyError or TypeError where it is damaged."""
    entries = json.loads(data)["tokens"]
    return tuple(
        ApiToken(str(entry["name"]), bytes.fromhex(entry["sha256"]).hex(), float(entry["created"]))
        for entry in entries
    )


def _digest(token: str) -> str:
    """Hash a token; being 256 random bits, it needs no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
