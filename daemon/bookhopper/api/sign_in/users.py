"""The users of Calibre-Web, as its app.db has them.

Facts: its table `user` has `name`, `password` (a hash of werkzeug's) and `role`, whose lowest bit marks an
admin; its sign-in compares names without regard to case (calibre-web: cps/ub.py, cps/usermanagement.py).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bookhopper.api.sign_in.errors import SignInUnavailableError

_ADMIN = 1
_BUSY_SECONDS = 2.0
_MOST_REMEMBERED = 256
_SOME_HASH = f"scrypt:32768:8:1$bookhopper${'0' * 128}"
"""What a password is compared with where there is no user to take a hash from: nobody's."""

_FIND = """
SELECT name, password, role FROM user WHERE name = :name OR lower(name) = :lower
ORDER BY name = :name DESC LIMIT 1
"""
_ANY = "SELECT name, password, role FROM user WHERE password LIKE '%$%$%' ORDER BY rowid LIMIT 1"


@dataclass(frozen=True, slots=True)
class User:
    """A user as app.db has them now."""

    name: str
    hash: str
    admin: bool


class Users:
    """Reads one app.db; each call may wait for the disk, and `verify` computes for a tenth of a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secret = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()

    def check(self) -> None:
        """Raise SignInUnavailableError when app.db cannot be read."""
        self._query(_ANY, "")

    def find(self, name: str) -> User | None:
        """Find a user as Calibre-Web does, without regard to case; raises SignInUnavailableError."""
        return self._query(_FIND, name)

    def remembers(self, user: User, password: str) -> bool:
        """Tell, at once, whether this password was right before and the user's hash is still the same."""
        return self._mark(user, password) in self._remembered

    def verify(self, user: User | None, password: str) -> bool:
        """Compare a password with a user's hash; for nobody it takes as long, and is wrong."""
        if user is None:
            any_user = self._query(_ANY, "")
            _matches(any_user.hash if any_user is not None else _SOME_HASH, password)
            return False
        if not _matches(user.hash, password):
            return False
        self._remembered[self._mark(user, password)] = None
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return True

    def _mark(self, user: User, password: str) -> bytes:
        """Stand for a right password without being one: of no use to whoever reads the memory later."""
        text = "\0".join((user.name, user.hash, password)).encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret, text, hashlib.sha256)

    def _query(self, sql: str, name: str) -> User | None:
        # read-only, but not immutable: that would pass over the WAL, in which a fresh password lies
        address = f"{self._path.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
                row = connection.execute(sql, {"name": name, "lower": name.lower()}).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise SignInUnavailableError(
                f"{self._path} cannot be read: {error}: check server.app_db and its rights, and that its "
                "folder is mounted and not the file alone"
            ) from error
        if row is None:
            return None
        found, password, role = row
        return User(
            name=str(found),
            hash=password if isinstance(password, str) else "",
            admin=isinstance(role, int) and bool(role & _ADMIN),
        )


def _matches(hashed: str, password: str) -> bool:
    # imported with the first password, since a daemon that nobody signs in to can do without
    from werkzeug.security import check_password_hash  # noqa: PLC0415

    try:
        return check_password_hash(hashed, password)
    except (ValueError, TypeError, OverflowError, MemoryError):  # no hash, or one of a bygone kind
        return False
