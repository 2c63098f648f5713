"""What a calibre library holds already, so that it is not fetched again.

The library's metadata.db is calibre's, which may write to it at any time: it is opened read-only, for each
question anew, and no query runs longer than some milliseconds, since while one does calibre has to wait.

Facts: its tables and columns are those of calibre's `metadata_sqlite.sql`; a comma in an author's name is
written as `|` there, and every change of a book sets its `last_modified`.
"""

from __future__ import annotations

import errno
import json
import math
import sqlite3
import stat
import threading
import time
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.decide import Decision, Preferences, bare_title, decide
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.normalise import isbn13
from bookhopper.search.person import is_nobody
from bookhopper.search.similarity import is_telling
from bookhopper.search.sources.base import Health, Query
from bookhopper.search.sources.locks import acquired
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.ticket import Ticket
from bookhopper.units import counted

_DATABASE = "metadata.db"

_BUSY_SECONDS = 2.0
_AGAIN_SECONDS = 15.0
_PAGE = 500
"""How many books are read at a time: 10 ms or so."""

_NEAREST = 60
_LAST_ID = 0xFFFF_FFFF
_SETTLED_SECONDS = 2.0
"""A file that has just been written may be so again within the same tick of its file system's clock."""

_CHANGED = """
SELECT id FROM books WHERE id > :after AND id <= :highest AND (id > :known OR last_modified >= :since)
ORDER BY id LIMIT :most
"""
_BOOKS = """
SELECT id, substr(title, 1, 1000), last_modified,
  (SELECT substr(group_concat(name, char(10)), 1, 1000) FROM books_authors_link AS link
     JOIN authors ON authors.id = link.author WHERE link.book = books.id),
  (SELECT substr(group_concat(val, char(10)), 1, 1000) FROM identifiers
     WHERE book = books.id AND type = 'isbn'),
  (SELECT substr(group_concat(languages.lang_code, char(10)), 1, 1000) FROM books_languages_link AS link
     JOIN languages ON languages.id = link.lang_code WHERE link.book = books.id),
  (SELECT substr(group_concat(format, char(10)), 1, 1000) FROM data WHERE book = books.id)
FROM books WHERE id IN (SELECT value FROM json_each(:ids))
"""


@dataclass(frozen=True, slots=True)
class _Book:
    """A book as metadata.db has it; `formats` in lower case, `languages` as tags."""

    id: int
    title: str
    modified: str
    authors: tuple[str, ...]
    isbns: tuple[str, ...]
    languages: tuple[str, ...]
    formats: tuple[str, ...]

    def __str__(self) -> str:
        named = " — ".join(filter(None, (self.title, ", ".join(self.authors))))
        return f"{' '.join(named.split())} (id {self.id})"

    def serves(self, want: Want, languages: Sequence[str]) -> bool:
        """Tell whether there is a file of it, of a format that the want names and in one of the languages.

        An ISBN names one edition, whatever its language, unless the want names another.
        """
        if not self.formats or (want.formats and not set(self.formats).intersection(want.formats)):
            return False
        if not (languages and self.languages):
            return True
        if want.isbn and not want.language and isbn13(want.isbn) in self.isbns:
            return True
        return any(same_language(wanted, tag) for wanted in languages for tag in self.languages)

    def candidate(self) -> Candidate:
        """Give it as a source would offer it; its language has been seen to."""
        return Candidate("calibre", str(self.id), self.title, self.authors, isbns=self.isbns)


@dataclass(frozen=True, slots=True)
class _Index:
    """Which books have which words; never changed, a later look makes another.

    `postings` are sorted, each a word's hash and a book's number: eight bytes for each word of each book.
    `last` is the highest number, `modified` the latest change.
    """

    postings: array[int]
    books: int = 0
    last: int = 0
    modified: str = ""

    def with_books(self, books: Iterable[_Book]) -> _Index:
        """Add books, or what is new about them; what is no longer so of them stays, and is harmless."""
        number, last, modified = self.books, self.last, self.modified
        new = array("Q")
        for book in books:
            number += book.id > self.last
            last, modified = max(last, book.id), max(modified, book.modified)
            words = book_words(book.title, book.authors, book.isbns)
            new.extend(posting for word in words if not self._has(posting := _posting(word, book.id)))
        postings = array("Q", sorted(self.postings + new)) if new else self.postings
        return _Index(postings, number, last, modified)

    def nearest(self, words: Iterable[str]) -> Sequence[int]:
        """Give the numbers of the books that share most with these words, rare ones counting for more."""
        scores: defaultdict[int, float] = defaultdict(float)
        for word in words:
            first = bisect_left(self.postings, _posting(word, 0))
            behind = bisect_left(self.postings, _posting(word, _LAST_ID) + 1, first)
            weight = math.log1p(self.books / max(1, behind - first))
            for posting in self.postings[first:behind]:
                scores[posting & _LAST_ID] += weight
        return sorted(scores, key=lambda book: (-scores[book], book))[:_NEAREST]

    def _has(self, posting: int) -> bool:
        place = bisect_left(self.postings, posting)
        return place < len(self.postings) and self.postings[place] == posting


_Files = tuple[tuple[int, int, int], ...]
"""Inode, size and mtime (ns) of metadata.db and of its WAL, where there is one."""


class CalibreLibrary:
    """The library in a folder; may be asked by several threads at once.

    Whether a book of it is the one that is wanted is decided as it is about a source's: from the score
    `accept` on, `margin` above every other work.  It is never taken for it by its title alone, unless nobody
    is named and the title tells enough.  `languages` are those in which books are taken where a want names
    none (empty: any): a copy in another one leaves a book wanted.
    """

    def __init__(self, folder: Path, *, accept: float, margin: float, languages: Sequence[str]) -> None:
        self._path = folder.absolute() / _DATABASE
        tags = tuple(filter(None, map(language_tag, languages)))
        self._preferences = Preferences(accept, margin, languages=tags, formats=())
        self._lock = threading.Lock()
        self._index = _Index(array("Q"))
        self._seen: _Files = ()

    def find(self, want: Want, ticket: Ticket, candidate: Candidate | None = None) -> str | None:
        """Name the book of the library that a want asks for, or that was chosen for it; None: there is none.

        A book counts only with a file, of a format that the want names if it does, and in its language.
        Raises HeldError (scope `queue`) while the library cannot be read: anything might be in it.
        """
        asked = want
        if candidate is not None:
            asked = replace(
                want,
                title=candidate.title,
                authors=candidate.authors,
                language=want.language or candidate.language,
                isbn="",
                series="",
                readings=(),
            )
        if not (asked.title or asked.isbn):
            return None
        readings = (Reading(asked.title, asked.authors), *asked.readings)
        words = wanted_words(Query(readings, asked.isbn))
        try:
            books = self._read(self._current(ticket).nearest(words))
        except (sqlite3.Error, OSError) as error:
            what = f"{self._explained(error)}; until it can be, nothing is fetched that it may have"
            raise HeldError(what, scope="queue", seconds=_AGAIN_SECONDS) from error
        languages = self._preferences.languages_for(asked)
        book = self._meant(asked, {str(book.id): book for book in books if book.serves(asked, languages)})
        return str(book) if book else None

    def owns(self, want: Want, ticket: Ticket, candidate: Candidate | None = None) -> str:
        """Say which book there is, as `find`; empty for none, or where a second copy is what is wanted."""
        book = None if want.force else self.find(want, ticket, candidate)
        return f"in the calibre library: {book}" if book else ""

    def check(self, ticket: Ticket) -> Health:
        """Read the library and count its books."""
        try:
            books = self._current(ticket).books
        except (sqlite3.Error, OSError) as error:
            return Health(ok=False, detail=self._explained(error))
        return Health(ok=True, detail=f"{counted(books, 'book')} in {self._path.parent}")

    def _meant(self, want: Want, books: Mapping[str, _Book]) -> _Book | None:
        resolution = decide(want, [book.candidate() for book in books.values()], self._preferences)
        if resolution.decision is not Decision.ACCEPT:
            return None
        best = resolution.chosen[0]
        names = [*want.authors, *(name for reading in want.readings for name in reading.authors)]
        if any(not is_nobody(name) for name in names):
            sure = bool(best.authors)
        else:
            sure = is_telling(bare_title(want))
        return books[best.key] if sure or "isbn" in best.parts else None

    # metadata.db

    def _current(self, ticket: Ticket) -> _Index:
        """Give the index, after a look at what has changed; raises sqlite3.Error and OSError."""
        with acquired(self._lock, ticket):
            files = self._files()
            if files == self._seen:
                return self._index
            before = self._index if self._seen and files[0][0] == self._seen[0][0] else _Index(array("Q"))
            self._index = before.with_books(self._changed(before, ticket))
            latest = max(modified for _, _, modified in files) / 1e9
            settled = abs(time.time() - latest) > _SETTLED_SECONDS
            self._seen = files if settled else ((files[0][0], 0, 0),)
            return self._index

    def _changed(self, index: _Index, ticket: Ticket) -> Iterator[_Book]:
        """Read the books that an index does not have yet, or has as they were; a page at a time."""
        after, full = 0, True
        while full:
            ticket.check()
            bounds = {"after": after, "highest": _LAST_ID, "most": _PAGE}
            known = {"known": index.last, "since": index.modified}
            numbers = [number for (number,) in self._rows(_CHANGED, bounds | known)]
            yield from self._read(numbers)
            full = len(numbers) == _PAGE
            after = max(numbers, default=0)

    def _read(self, numbers: Sequence[int]) -> Sequence[_Book]:
        return [_book(row) for row in self._rows(_BOOKS, {"ids": json.dumps(numbers)})]

    def _rows(self, sql: str, parameters: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
        # read-only, but not immutable: that would pass over the WAL and over what calibre is writing
        address = f"{self._path.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            connection.text_factory = _text
            connection.execute("PRAGMA query_only = ON")
            return connection.execute(sql, parameters).fetchall()

    def _files(self) -> _Files:
        """Look at the files without opening them, which would take this process' locks on them away."""
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        found = [status]
        for name in ("wal", "journal"):
            try:
                found.append(self._path.with_name(f"{_DATABASE}-{name}").stat())
            except FileNotFoundError:
                continue
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)

    def _explained(self, error: sqlite3.Error | OSError) -> str:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"{self._path} cannot be read ({reason}): check calibre_library, its mount and its rights"


def _posting(word: str, book: int) -> int:
    return (hash(word) & 0xFFFF_FFFF) << 32 | book


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _book(row: tuple[Any, ...]) -> _Book:
    number, name, modified, *lists = row
    authors, isbns, languages, formats = (str(text or "").split("\n") for text in lists)
    names = (name.replace("|", ",") for name in authors)
    return _Book(
        id=number,
        title=str(name or ""),
        modified=str(modified or ""),
        authors=tuple(name for name in names if not is_nobody(name)),
        isbns=tuple(filter(None, map(isbn13, isbns))),
        languages=tuple(filter(None, map(language_tag, languages))),
        formats=tuple(filter(None, map(str.lower, formats))),
    )
