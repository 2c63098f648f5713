"""The source for a folder or mounted share of books, found by file name and EPUB metadata."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Collection
from bookhopper.search.language import language_tag
from bookhopper.search.person import authorship
from bookhopper.search.series import is_near, series_words
from bookhopper.search.sources.base import Health, Query
from bookhopper.search.sources.locks import acquired
from bookhopper.search.sources.shelf import EXTENSIONS, Book, Shelf, scan
from bookhopper.ticket import Ticket
from bookhopper.units import counted

LOOK_SECONDS = 30.0
_AWAY_SECONDS = 60.0
_NEAR = 0.85
"""How well an author's name must fit."""


class FolderSource:
    """Books that lie in a folder; what changes there is seen half a minute later.

    A book's key is its path below the folder without the extension, and the files of that name are its
    formats.  Keys are looked up among what was found, so none leads out of the folder.
    """

    kind = "folder"

    def __init__(self, name: str, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.path = path.absolute()
        self._clock = clock
        self._lock = threading.Lock()
        self._shelf: Shelf | None = None
        self._looked = 0.0

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find the books that share a word with the query."""
        shelf = self._current(ticket)
        found = (shelf.books[key] for key in shelf.words.find(query))
        return tuple(
            islice((offer for book in found for offer in self._offers(book, query.formats)), query.limit)
        )

    def holds(self, collection: Collection) -> bool:
        """Tell that the books of authors and of series are listed."""
        return collection.kind != "feed"

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books of an author or a series by what their metadata say, and of series of near names."""
        books = [book for book in self._current(ticket).books.values() if _is_of(collection, book)]
        wanted = series_words(collection.value)
        books.sort(key=lambda book: (series_words(book.metadata.series) != wanted, _place(book)))
        return tuple(offer for book in books[:limit] for offer in self._offers(book, ()))

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find a book by its key; a key with an extension means only that file of it."""
        books = self._current(ticket).books
        if key in books:
            return self._offers(books[key], formats)
        stem, _, extension = key.rpartition(".")
        if stem not in books or extension.lower() not in (formats or EXTENSIONS):
            return ()
        return self._offers(books[stem], (extension.lower(),))

    def check(self, ticket: Ticket) -> Health:
        """Look at the folder and count its books."""
        try:
            shelf = self._current(ticket)
        except HeldError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True, detail=f"{counted(len(shelf.books), 'book')} in {self.path}")

    def refresh(self, ticket: Ticket) -> bool:
        """Read the folder again now; True when a book came, went or changed."""
        before = self._shelf
        after = self._current(ticket, anew=True)
        return before is None or before.books != after.books

    def close(self) -> None:
        """Forget what was read."""
        self._shelf = None

    def _current(self, ticket: Ticket, *, anew: bool = False) -> Shelf:
        with acquired(self._lock, ticket):
            shelf = self._shelf
            if shelf is not None and not anew and self._clock() < self._looked + LOOK_SECONDS:
                return shelf
            if shelf is None or anew or shelf.changed():
                shelf = self._scan(ticket, shelf)
            self._shelf, self._looked = shelf, self._clock()
            return shelf

    def _scan(self, ticket: Ticket, before: Shelf | None) -> Shelf:
        try:
            return scan(self.path, ticket, before)
        except OSError as error:
            reason = f"folder {self.path} cannot be read ({error.strerror})"
            raise HeldError(
                f"{reason}: mount it, or mend its path or rights", scope="host", seconds=_AWAY_SECONDS
            ) from error

    def _offers(self, book: Book, formats: Sequence[str]) -> tuple[Candidate, ...]:
        """Make a candidate of each format that is asked for, in that order; of all when none is."""
        files = {file.format: file for file in book.files}
        metadata = book.metadata
        return tuple(
            Candidate(
                source=self.name,
                key=book.key,
                title=metadata.title,
                authors=metadata.authors,
                language=language_tag(metadata.language),
                format=kind,
                size=files[kind].size,
                year=metadata.year,
                isbns=metadata.isbns,
                series=metadata.series,
                position=metadata.position,
                urls=(files[kind].path.as_uri(),),
            )
            for kind in (formats or files)
            if kind in files
        )


def _is_of(collection: Collection, book: Book) -> bool:
    """Tell whether a book belongs to an author, or to a series of this name or nearly so."""
    if collection.kind == "author":
        return authorship((collection.value,), book.metadata.authors) >= _NEAR
    return is_near(collection.value, book.metadata.series)


def _place(book: Book) -> tuple[float, str]:
    """Give a book's place in its series, and among those that say none its title's."""
    position = book.metadata.position
    return (math.inf if position is None else position, book.metadata.title)
