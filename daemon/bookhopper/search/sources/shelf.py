"""The books of a folder tree as they lie there: walked within bounds, read once, told apart by key."""

from __future__ import annotations

import logging
import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bookhopper.search.sources.file_names import read_file_name
from bookhopper.search.sources.opf import Metadata, read_epub, read_opf
from bookhopper.search.sources.word_index import WordIndex, book_words
from bookhopper.ticket import Ticket

EXTENSIONS = frozenset({"epub", "azw3", "azw", "mobi", "pdf", "cbz", "cbr", "fb2", "txt"})
MAX_DEPTH = 8
MAX_FILES = 200_000
_CALIBRE_METADATA = "metadata.opf"
_LEFT_OUT = frozenset({"@eaDir", "__MACOSX", "lost+found"})
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BookFile:
    """A file as it was when it was seen: what was read from it holds while size and mtime do."""

    path: Path
    size: int
    modified: int

    @property
    def format(self) -> str:
        """The extension in lower case."""
        return self.path.suffix[1:].lower()


@dataclass(frozen=True, slots=True)
class Book:
    """Files of one name in one folder, and what they or their name say of the book."""

    key: str
    metadata: Metadata
    files: tuple[BookFile, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All books of a tree; never changed, a later scan makes another."""

    books: Mapping[str, Book]
    words: WordIndex[str]
    folders: Mapping[Path, int]
    read: Mapping[BookFile, Metadata]

    def changed(self) -> bool:
        """Whether a folder of the tree gained, lost or renamed something since the scan."""
        try:
            return any(path.stat().st_mtime_ns != modified for path, modified in self.folders.items())
        except OSError:
            return True


def scan(root: Path, ticket: Ticket, before: Shelf | None = None) -> Shelf:
    """Walk a folder and read what is new since `before`.

    Hidden files, other kinds of files and links that leave the folder are passed over.  Raises OSError when
    the folder itself cannot be read.
    """
    known = before.read if before else {}
    read: dict[BookFile, Metadata] = {}
    books: dict[str, Book] = {}
    folders: dict[Path, int] = {}
    for folder, modified, files in _walk(root):
        folders[folder] = modified
        place = folder.relative_to(root)
        stems: defaultdict[str, list[BookFile]] = defaultdict(list)
        for file in files:
            if file.format in EXTENSIONS:
                stems[file.path.stem].append(file)
        for stem, group in stems.items():
            ticket.check()
            sources = [file for file in group if file.format == "epub"]
            if len(stems) == 1:  # calibre keeps a folder for each book
                sources += (file for file in files if file.path.name == _CALIBRE_METADATA)
            for file in sources:
                read[file] = known[file] if file in known else _read(file)
            key = (place / stem).as_posix()
            metadata = next((read[file] for file in sources if read[file].title), None)
            books[key] = Book(key, metadata or _named(stem, place.parts), tuple(group))
        if len(books) > MAX_FILES:
            _LOG.warning("%s holds more than %d books: the rest is not seen", root, MAX_FILES)
            break
    said = ((book.key, book.metadata) for book in books.values())
    words = WordIndex((key, book_words(data.title, data.authors, data.isbns)) for key, data in said)
    return Shelf(books, words, folders, read)


def _walk(root: Path) -> Iterator[tuple[Path, int, Sequence[BookFile]]]:
    """Give each folder with its mtime and files, from the root down, in the order of their names."""
    inside = root.resolve(strict=True)
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            modified = (
                folder.stat().st_mtime_ns
            )  # before its entries are read: a change meanwhile is seen later
            with os.scandir(folder) as entries:
                present = sorted(
                    (entry for entry in entries if _is_offered(entry.name)), key=lambda e: e.name
                )
        except OSError as error:
            if folder == root:
                raise
            _LOG.warning("a folder is left out: %s", error)
            continue
        files = [file for entry in present if (file := _file(entry, folder, inside)) is not None]
        yield folder, modified, files
        if depth < MAX_DEPTH:
            below = [entry.name for entry in present if entry.is_dir(follow_symlinks=False)]
            waiting += ((folder / name, depth + 1) for name in reversed(below))


def _is_offered(name: str) -> bool:
    # a name that is no text, or would break a line in a report, cannot be a key
    return not name.startswith(".") and name not in _LEFT_OUT and name.isprintable()


def _file(entry: os.DirEntry[str], folder: Path, inside: Path) -> BookFile | None:
    """Give a regular file, also behind a link that stays inside the folder."""
    path = folder / entry.name
    try:
        if entry.is_symlink() and not path.resolve(strict=True).is_relative_to(inside):
            return None
        status = entry.stat()
    except (OSError, RuntimeError):  # vanished meanwhile, or a circle of links
        return None
    return BookFile(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _read(file: BookFile) -> Metadata:
    try:
        return read_epub(file.path) if file.format == "epub" else read_opf(file.path)
    except OSError as error:
        _LOG.info("a book's metadata cannot be read: %s", error)
        return Metadata()


def _named(stem: str, folders: Sequence[str]) -> Metadata:
    title, authors = read_file_name(stem, folders)
    return Metadata(title, authors)
