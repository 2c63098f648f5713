"""The source for a folder or mounted share of books, by file name and EPUB metadata."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bookhopper.errors import HeldError
from bookhopper.model import Candidate
from bookhopper.search.language import language_tag
from bookhopper.search.sources.base import Health, Query
from bookhopper.search.sources.file_names import read_file_name
from bookhopper.search.sources.opf import Metadata, read_epub, read_opf
from bookhopper.search.sources.word_index import WordIndex, book_words
from bookhopper.ticket import Ticket

EXTENSIONS = frozenset({"epub", "azw3", "azw", "mobi", "pdf", "cbz", "cbr", "fb2", "txt"})
MAX_DEPTH = 8
MAX_FILES = 200_000
LOOK_SECONDS = 30.0
_AWAY_SECONDS = 60.0
_CALIBRE_METADATA = "metadata.opf"
_LEFT_OUT = frozenset({"@eaDir", "__MACOSX", "lost+found"})
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when its metadata were read: these still hold while size and mtime do."""

    path: Path
    size: int
    modified: int

    @property
    def format(self) -> str:
        return self.path.suffix[1:].lower()


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of the tree: its own mtime, its books' files, and calibre's metadata if they lie there."""

    modified: int
    files: tuple[_File, ...]
    metadata: _File | None


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The books of the whole tree, by key and by word."""

    folders: Mapping[Path, _Folder]
    books: Mapping[str, tuple[Candidate, ...]]
    words: WordIndex[str]


class FolderSource:
    """Books that lie in a folder, found again after a change as soon as somebody asks.

    A book's key is its path below the folder without the extension; the files of one name are its formats.
    Keys are looked up among what was found, so none leads out of the folder.
    """

    kind = "folder"

    def __init__(self, name: str, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._shelf: _Shelf | None = None
        self._looked = 0.0
        self._read: dict[_File, Metadata] = {}

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find the books that share a word with the query."""
        shelf = self._current(ticket)
        found = (offer for key in shelf.words.find(query) for offer in _chosen(shelf.books[key], query.formats))
        return tuple(islice(found, query.limit))

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find a book by its key; with an extension, only that file of it."""
        books = self._current(ticket).books
        stem, _, extension = key.rpartition(".")
        if key not in books and extension.lower() in EXTENSIONS:
            return tuple(offer for offer in _chosen(books.get(stem, ()), formats) if offer.format == extension.lower())
        return _chosen(books.get(key, ()), formats)

    def check(self, ticket: Ticket) -> Health:
        """Read the folder and count its books."""
        try:
            shelf = self._current(ticket)
        except HeldError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"{len(shelf.books):,} books in {self.path}")

    def refresh(self, ticket: Ticket) -> bool:
        """Read the whole folder again; True when a book came, went or changed."""
        before = self._shelf
        self._looked = 0.0
        after = self._current(ticket, whole=True)
        return before is None or before.books != after.books

    def close(self) -> None:
        """Forget what was read."""
        self._shelf = None
        self._read = {}

    def _current(self, ticket: Ticket, *, whole: bool = False) -> _Shelf:
        """Give the books as they lie there now; folders are looked at again after half a minute."""
        while not self._lock.acquire(timeout=0.1):
            ticket.check()
        try:
            ticket.check()
            shelf = self._shelf
            if shelf is None or whole or self._looked <= self._clock() - LOOK_SECONDS:
                if shelf is None or whole or _changed(shelf.folders):
                    shelf = self._scan(ticket)
                self._shelf, self._looked = shelf, self._clock()
            return shelf
        finally:
            self._lock.release()

    def _scan(self, ticket: Ticket) -> _Shelf:
        try:
            folders = dict(_walk(self.path, ticket))
        except OSError as error:
            reason = error.strerror or str(error)
            message = f"folder {self.path} cannot be read ({reason}): mount it, or mend its path or rights"
            raise HeldError(message, seconds=_AWAY_SECONDS) from error
        read: dict[_File, Metadata] = {}
        books: dict[str, tuple[Candidate, ...]] = {}
        for path, folder in folders.items():
            for stem, files in _by_stem(folder.files).items():
                ticket.check()
                metadata = self._metadata(stem, files, folder, path.relative_to(self.path).parts, read)
                key = (path.relative_to(self.path) / stem).as_posix()
                books[key] = tuple(self._offer(key, file, metadata) for file in files)
        self._read = read
        words = ((key, book_words(b[0].title, b[0].authors, b[0].isbns)) for key, b in books.items())
        return _Shelf(folders, books, WordIndex(words))
