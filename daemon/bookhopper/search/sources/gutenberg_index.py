"""The Gutenberg catalogue as a local SQLite index: built beside, swapped in by a rename, read by threads."""

from __future__ import annotations

import contextlib
import glob
import json
import math
import os
import sqlite3
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from bookhopper.errors import HeldError, NotReadyError, TransientError
from bookhopper.search.slips import nearest, tolerated
from bookhopper.search.sources.gutenberg_catalogue import Record
from bookhopper.search.words import name_words, title_words

INDEX_FORMAT = 3
"""Changes with the tables or the words below: an index of another format is built anew."""

_SCHEMA = """
CREATE TABLE record (id INTEGER PRIMARY KEY, title TEXT, authors TEXT, language TEXT, known INTEGER,
                     words INTEGER) STRICT;
CREATE TABLE word (initial TEXT, length INTEGER, word TEXT, books INTEGER,
                   PRIMARY KEY (initial, length, word)) STRICT, WITHOUT ROWID;
CREATE TABLE origin (stamp TEXT, books INTEGER, skipped INTEGER) STRICT;
CREATE VIRTUAL TABLE search USING fts5(
    words, content='', detail=none, columnsize=0,
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'");
"""
_POSTINGS = 4000
"""How many index entries one search may touch before it leaves the commoner words out."""
_MOST_WORDS = 24
_RARE = 2
"""A word in no more books than this may be a slip of the pen: similar words are looked for as well."""
_SPELLINGS = 4
_BATCH = 2_000
_ABANDONED_SECONDS = 3600.0
"""A half-built index that nobody has written to for so long is one whose builder was killed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an index was built from: the catalogue's stamp, the books taken, the rows that made no sense."""

    stamp: str
    books: int
    skipped: int


class _Reader:
    """One thread's connection, and the file it belongs to."""

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self.identity = identity
        # The file never changes once it has its name, so no locks and no journal are needed.
        self.connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )

    def close(self) -> None:
        self.connection.close()


class GutenbergIndex:
    """Words → records of the catalogue, in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._lock = threading.Lock()

    def origin(self) -> Origin | None:
        """Tell what the index was built from; None when there is none that can be used."""
        try:
            row = self._connection().execute("SELECT stamp, books, skipped FROM origin").fetchone()
        except (HeldError, sqlite3.DatabaseError):
            return None
        return Origin(*row) if row else None

    def search(self, words: Sequence[str], languages: Sequence[str], limit: int) -> list[Record]:
        """Find the records that share the rarest of these words, those that share most first.

        Raises HeldError while there is no index.
        """
        with self._reading() as connection:
            weights = self._weights(connection, list(dict.fromkeys(words))[:_MOST_WORDS])
            if not weights:
                return []
            parts = " UNION ALL ".join(
                "SELECT * FROM (SELECT rowid AS id, ? AS weight FROM search WHERE search MATCH ? LIMIT ?)"
                for _ in weights
            )
            values: list[object] = [
                value for word, weight in weights for value in (weight, f'"{word}"', _POSTINGS)
            ]
            marks = ", ".join("?" for _ in languages)
            found = connection.execute(
                # The only pieces put in are question marks.
                f"SELECT record.id, title, authors, language, known FROM "  # noqa: S608
                f"(SELECT id, SUM(weight) AS weight FROM ({parts}) GROUP BY id ORDER BY weight DESC LIMIT ?) "
                f"AS hit JOIN record ON record.id = hit.id "
                f"ORDER BY hit.weight + (language IN ({marks})) * 2 DESC, words, record.id LIMIT ?",
                (*values, 8 * limit, *languages, limit),
            ).fetchall()
        return [_from_row(row) for row in found]

    def named(self, names: Sequence[str], limit: int) -> list[Record]:
        """Find the records that hold one of these words, or one spelt nearly so, in a title or a name.

        Raises HeldError while there is no index.
        """
        if not names:
            return []
        with self._reading() as connection:
            spelt = [other for name in names for other, _ in _spellings(connection, name)]
            found = connection.execute(
                "SELECT record.id, title, authors, language, known FROM search "
                "JOIN record ON record.id = search.rowid WHERE search MATCH ? ORDER BY record.id LIMIT ?",
                (" OR ".join(f'"{name}"' for name in dict.fromkeys((*names, *spelt))), limit),
            ).fetchall()
        return [_from_row(row) for row in found]

    def get(self, key: int) -> Record | None:
        """Give the record of a number; None when there is none."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT id, title, authors, language, known FROM record WHERE id = ?", (key,)
            ).fetchone()
        return _from_row(row) if row else None

    def build(self, records: Iterable[Record | None], stamp: str) -> Origin:
        """Build the index anew and swap it in; until then the old one serves.

        `records` holds None for each row that was skipped.  Raises TransientError for a catalogue without
        any book, which would otherwise wipe out a good index.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".new", dir=self.path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                origin = _fill(connection, records, stamp)
            if not origin.books:
                raise TransientError("the Gutenberg catalogue holds no book: the index stays as it was")
            with temporary.open("rb") as built:
                os.fsync(built.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        return origin

    def _remove_abandoned(self) -> None:
        """Remove what a builder left behind that was killed; a younger one may still be at work."""
        oldest = time.time() - _ABANDONED_SECONDS
        for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.new"):
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < oldest:
                    left.unlink()

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            for reader in list(self._readers):
                reader.close()
            self._readers.clear()
            self._local = threading.local()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except sqlite3.DatabaseError as error:
            raise HeldError(
                f"the catalogue's index {self.path} is damaged ({error}): delete it, and it is built anew",
                scope="host",
            ) from error

    def _connection(self) -> sqlite3.Connection:
        """Give this thread's connection to the file that has the name now."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise NotReadyError(
                "the Gutenberg catalogue is still being indexed: the search waits for it", scope="host"
            ) from None
        identity = (status.st_ino, status.st_mtime_ns)
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is not None and reader.identity == identity:
            return reader.connection
        if reader is not None:
            reader.close()
            self._local.reader = None
        reader = _Reader(self.path, identity)
        (built_as,) = reader.connection.execute("PRAGMA user_version").fetchone()
        if built_as != INDEX_FORMAT:
            reader.close()
            raise HeldError(
                "the Gutenberg catalogue is being indexed anew for this version: the search waits",
                scope="host",
            )
        with self._lock:
            self._readers.add(reader)
        self._local.reader = reader
        return reader.connection

    def _weights(self, connection: sqlite3.Connection, words: Sequence[str]) -> list[tuple[str, float]]:
        """Choose the words to look up: the rarest first, each with what sharing it is worth."""
        (books,) = connection.execute("SELECT books FROM origin").fetchone()
        counted: list[tuple[int, str, float]] = []
        for word in words:
            count = _count(connection, word)
            if count:
                counted.append((count, word, 1.0))
            if count <= _RARE:
                counted.extend(
                    (number, other, 0.8)
                    for other, number in _spellings(connection, word)
                    if other not in words
                )
        counted.sort()
        chosen: list[tuple[str, float]] = []
        budget = _POSTINGS
        for count, word, factor in counted[:_MOST_WORDS]:
            budget -= count
            if budget < 0 and chosen:
                break
            chosen.append((word, factor * math.log(1 + books / count)))
        return chosen


def _from_row(row: tuple[int, str, str, str, int]) -> Record:
    key, title, authors, language, known = row
    return Record(key, title, tuple(json.loads(authors)), language, known=bool(known))


def _count(connection: sqlite3.Connection, word: str) -> int:
    row = connection.execute(
        "SELECT books FROM word WHERE initial = ? AND length = ? AND word = ?", (word[0], len(word), word)
    ).fetchone()
    return int(row[0]) if row else 0


def _spellings(connection: sqlite3.Connection, word: str) -> list[tuple[str, int]]:
    """Find the words that differ by a slip: one letter, two in a long word; the first letter is right."""
    if len(word) < 4 or not word.isalpha():
        return []
    most = tolerated(word)
    near = dict(
        connection.execute(
            "SELECT word, books FROM word WHERE initial = ? AND length BETWEEN ? AND ?",
            (word[0], len(word) - most, len(word) + most),
        )
    )
    near.pop(word, None)
    best = nearest(word, list(near), 4 * _SPELLINGS)
    ranked = sorted(best, key=lambda hit: (hit[1], -near[hit[0]]))
    return [(other, near[other]) for other, _ in ranked[:_SPELLINGS]]


def _fill(connection: sqlite3.Connection, records: Iterable[Record | None], stamp: str) -> Origin:
    """Write the tables of a new index."""
    connection.executescript(
        f"PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
        f"PRAGMA user_version = {INDEX_FORMAT}; {_SCHEMA}"
    )
    books: Counter[str] = Counter()
    taken = skipped = 0
    connection.execute("BEGIN")
    source = iter(records)
    while batch := list(islice(source, _BATCH)):
        rows, texts = [], []
        for record in batch:
            if record is None:
                skipped += 1
                continue
            in_title = title_words(record.title)
            words = set(in_title).union(name_words(record.names))
            books.update(words)
            authors = json.dumps(record.authors, ensure_ascii=False)
            rows.append((record.id, record.title, authors, record.language, record.known, len(in_title)))
            texts.append((record.id, " ".join(words)))
        changes = connection.total_changes
        connection.executemany("INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
        if connection.total_changes - changes < len(rows):
            raise TransientError("the Gutenberg catalogue holds the same number twice: is it whole?")
        connection.executemany("INSERT INTO search (rowid, words) VALUES (?, ?)", texts)
        taken += len(rows)
    connection.executemany(
        "INSERT INTO word VALUES (?, ?, ?, ?)",
        sorted((word[0], len(word), word, count) for word, count in books.items()),
    )
    connection.execute("INSERT INTO origin VALUES (?, ?, ?)", (stamp, taken, skipped))
    connection.execute("COMMIT")
    return Origin(stamp, taken, skipped)
