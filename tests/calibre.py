"""A metadata.db as calibre lays it out, for tests that do not need calibre itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT NOT NULL DEFAULT 'Unknown' COLLATE NOCASE,
  sort TEXT COLLATE NOCASE, author_sort TEXT COLLATE NOCASE, path TEXT NOT NULL DEFAULT '',
  last_modified TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00+00:00');
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, UNIQUE(name));
CREATE TABLE books_authors_link (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, author INTEGER NOT NULL,
  UNIQUE(book, author));
CREATE TABLE identifiers (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, type TEXT NOT NULL COLLATE NOCASE,
  val TEXT NOT NULL COLLATE NOCASE, UNIQUE(book, type));
CREATE TABLE languages (id INTEGER PRIMARY KEY, lang_code TEXT NOT NULL COLLATE NOCASE, UNIQUE(lang_code));
CREATE TABLE books_languages_link (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, lang_code INTEGER NOT NULL,
  UNIQUE(book, lang_code));
CREATE TABLE data (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE,
  UNIQUE(book, format));
"""


class FakeLibrary:
    """A library in a folder, without the files of its books."""

    def __init__(self, folder: Path, *, wal: bool = False) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.path = folder / "metadata.db"
        with self.open() as database:
            if wal:
                database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_SCHEMA)

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """Open it as calibre does, without transactions of Python's own."""
        database = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        try:
            yield database
        finally:
            database.close()

    def add(
        self,
        title: str,
        *authors: str,
        languages: Sequence[str] = ("eng",),
        formats: Sequence[str] = ("EPUB",),
        isbn: str = "",
        modified: str = "2024-05-01 12:00:00.000000+00:00",
    ) -> int:
        """Add a book in one transaction; gives its number."""
        with self.open() as database:
            database.execute("BEGIN IMMEDIATE")
            number = database.execute(
                "INSERT INTO books (title, last_modified) VALUES (?, ?) RETURNING id", (title, modified)
            ).fetchone()[0]
            for author in authors:
                _link(database, number, "authors", author.replace(",", "|"))
            for language in languages:
                _link(database, number, "languages", language)
            for kind in formats:
                database.execute("INSERT INTO data (book, format) VALUES (?, ?)", (number, kind))
            if isbn:
                database.execute(
                    "INSERT INTO identifiers (book, type, val) VALUES (?, 'isbn', ?)", (number, isbn)
                )
            database.execute("COMMIT")
        return int(number)

    def rename(self, number: int, title: str, modified: str) -> None:
        """Give a book another title."""
        with self.open() as database:
            database.execute(
                "UPDATE books SET title = ?, last_modified = ? WHERE id = ?", (title, modified, number)
            )

    def remove(self, number: int) -> None:
        """Take a book out."""
        with self.open() as database:
            database.execute("DELETE FROM books WHERE id = ?", (number,))


_COLUMNS = {"authors": ("name", "author"), "languages": ("lang_code", "lang_code")}


def _link(database: sqlite3.Connection, book: int, table: str, value: str) -> None:
    name, link = _COLUMNS[table]
    database.execute(f"INSERT OR IGNORE INTO {table} ({name}) VALUES (?)", (value,))
    database.execute(
        f"INSERT INTO books_{table}_link (book, {link}) SELECT ?, id FROM {table} WHERE {name} = ?",
        (book, value),
    )
