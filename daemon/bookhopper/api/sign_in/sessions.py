"""Who is signed in with a cookie: in memory, so that a restart ends every session."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bookhopper.api.callers import Caller

COOKIE = "bookhopper_session"
IDLE_SECONDS = 12 * 3600.0
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller and what proved it: `kind` is `daemon`, `token` or `user`, `proof` the hash that was kept.

    `session` is the id of the session by which they came, empty where they brought the proof itself.
    """

    caller: Caller
    kind: str
    proof: str
    session: str = ""


@dataclass(slots=True)
class _Session:
    identity: Identity
    used: float


class Sessions:
    """The sessions by a hash of their id; used by the event loop's thread alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def start(self, identity: Identity) -> str:
        """Begin a session and return its id, 256 random bits; the one unused for longest may end for it."""
        session = secrets.token_urlsafe(32)
        self._sessions[_key(session)] = _Session(identity, self._clock())
        if len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return session

    def find(self, session: str) -> Identity | None:
        """Find who a session is of, and count it as used; None when there is none, or it idled too long."""
        key = _key(session)
        found = self._sessions.get(key)
        if found is None:
            return None
        now = self._clock()
        if now - found.used > IDLE_SECONDS:
            del self._sessions[key]
            return None
        found.used = now
        self._sessions.move_to_end(key)
        return found.identity

    def holds(self, session: str) -> bool:
        """Tell whether there is such a session, without counting it as used."""
        found = self._sessions.get(_key(session))
        return found is not None and self._clock() - found.used <= IDLE_SECONDS

    def end(self, session: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_key(session), None)


def _key(session: str) -> bytes:
    """Hash an id: what is looked up by hash leaks nothing by the time it takes."""
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()
