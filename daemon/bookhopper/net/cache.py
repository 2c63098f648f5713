"""Answers of catalogues, kept for a day on disk, so that the same question is not asked twice (RFC 9111).

One SQLite file for all sources; it holds nothing that cannot be asked for again, so a broken one is thrown
away, and one that cannot be written is done without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

log = logging.getLogger("bookhopper.net")

FRESH_SECONDS = 86400.0
"""For how long an answer is good, unless its server says less."""

MAX_BYTES = 64 << 20
MAX_ANSWERS = 5000
_MAX_ANSWER = 4 << 20
_KEPT_SECONDS = 30 * 86400.0
_TRIM_EVERY = 50
_VERSION = 1
_AGE = re.compile(r'\bmax-age\s*=\s*"?(\d{1,9})\b')
_KEPT_HEADERS = ("Content-Type", "Content-Disposition", "Content-Language", "Link", "ETag", "Last-Modified")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, url TEXT NOT NULL, headers TEXT NOT NULL, content BLOB NOT NULL,
    stored REAL NOT NULL, until REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was kept: where it came from after redirects, and whether it may be given as it is."""

    content: bytes
    url: str
    headers: Mapping[str, str]
    fresh: bool

    def validators(self) -> dict[str, str]:
        """Give the headers that ask whether it is still the same."""
        asked = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        return {ask: self.headers[tell] for tell, ask in asked.items() if tell in self.headers}


class Cache:
    """Keeps answers in a file, the least used making room; safe from several threads and processes."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_answers: int = MAX_ANSWERS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Name the file; it is opened when first used."""
        self._path = path
        self._max_bytes = max_bytes
        self._max_answers = max_answers
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._puts = 0
        self._useless = False

    def get(self, key: str) -> Kept | None:
        """Give what was kept under a key, fresh or not."""
        now = self._clock()

        def found(database: sqlite3.Connection) -> Kept | None:
            asked = "SELECT url, headers, content, stored, until FROM answers WHERE key = ?"
            row = database.execute(asked, (key,)).fetchone()
            if row is None:
                return None
            database.execute("UPDATE answers SET used = ? WHERE key = ?", (now, key))
            url, headers, content, stored, until = row
            # a clock that went back makes nothing fresh for years
            fresh = stored <= now < min(until, stored + FRESH_SECONDS)
            return Kept(zlib.decompress(content), url, json.loads(headers), fresh)

        return self._in_database(found)

    def put(self, key: str, url: str, headers: Mapping[str, str], content: bytes) -> None:
        """Keep an answer, or forget an older one where its server does not want it kept."""
        now = self._clock()
        seconds = freshness(headers, now)
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        known_again = "ETag" in kept or "Last-Modified" in kept
        if seconds is None or (seconds <= 0 and not known_again) or len(content) > _MAX_ANSWER:
            self._in_database(lambda database: database.execute("DELETE FROM answers WHERE key = ?", (key,)))
            return
        packed = zlib.compress(content, 3)
        row = (key, url, json.dumps(kept), packed, now, now + seconds, now, len(packed))

        def keep(database: sqlite3.Connection) -> None:
            database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._puts += 1
            if self._puts % _TRIM_EVERY == 1:
                self._trim(database, now)

        self._in_database(keep)

    def confirm(self, key: str, headers: Mapping[str, str]) -> None:
        """Note that an answer is still the same (304); its headers say for how long now."""
        now = self._clock()
        until = now + (freshness(headers, now) or 0.0)
        change = "UPDATE answers SET stored = ?, until = ? WHERE key = ?"
        self._in_database(lambda database: database.execute(change, (now, until, key)))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _in_database(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do work in the file and commit it; None where there is no file, or a broken one was thrown away."""
        with self._lock:
            try:
                database = self._open()
                if database is None:
                    return None
                done = work(database)
                database.commit()
            except sqlite3.OperationalError as error:  # locked, read-only, disk full: nothing is lost
                log.debug("the cache %s is not used: %s", self._path, error)
                self._close()
            except (sqlite3.DatabaseError, zlib.error, ValueError, TypeError) as error:
                log.info("the cache %s is broken and begins anew: %s", self._path, error)
                self._throw_away()
            else:
                return done
            return None

    def _open(self) -> sqlite3.Connection | None:
        if self._opened is None and not self._useless:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                log.warning("answers are not cached: %s: %s", self._path.parent, error.strerror)
                self._useless = True
                return None
            database = sqlite3.connect(self._path, timeout=2.0, check_same_thread=False)
            self._opened = database
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA cache_size = -256")
            if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                database.executescript(f"DROP TABLE IF EXISTS answers; {_SCHEMA}")
                database.execute(f"PRAGMA user_version = {_VERSION}")
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _throw_away(self) -> None:
        self._close()
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + ending).unlink()

    def _trim(self, database: sqlite3.Connection, now: float) -> None:
        """Make room: what nobody asked for in a month goes, then what was asked for longest ago."""
        database.execute("DELETE FROM answers WHERE used < ?", (now - _KEPT_SECONDS,))
        database.execute(
            "DELETE FROM answers WHERE key IN (SELECT key FROM"
            " (SELECT key, sum(size) OVER recent AS bytes, count(*) OVER recent AS number FROM answers"
            " WINDOW recent AS (ORDER BY used DESC, key)) WHERE bytes > ? OR number > ?)",
            (self._max_bytes, self._max_answers),
        )


def cache_key(*parts: str) -> str:
    """Make a key of everything that makes answers differ; nothing of it can be read back."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def freshness(headers: Mapping[str, str], now: float) -> float | None:
    """Tell for how many seconds an answer is good, at most a day; None: it is not to be kept (RFC 9111).

    `now` is in seconds since the epoch.
    """
    control = headers.get("Cache-Control", "").lower()
    if "no-store" in control or headers.get("Vary", "").strip() == "*":
        return None
    if "no-cache" in control or (not control and "no-cache" in headers.get("Pragma", "").lower()):
        return 0.0
    if stated := _AGE.search(control):
        age = headers.get("Age", "")
        seconds = float(stated[1]) - (float(age[:9]) if age[:9].isdecimal() else 0.0)
    elif "Expires" in headers:
        seconds = _moment(headers["Expires"], 0.0) - _moment(headers.get("Date", ""), now)
    else:
        seconds = FRESH_SECONDS
    return max(0.0, min(seconds, FRESH_SECONDS))


def _moment(text: str, otherwise: float) -> float:
    """Read an HTTP date; one that makes no sense, such as `0` or `-1`, is otherwise."""
    try:
        return parsedate_to_datetime(text[:64]).timestamp()
    except (ValueError, IndexError, OverflowError):
        return otherwise
