"""Project Gutenberg: its catalogue file, indexed here, and its books from mirrors.

Its site is for people; programs use the weekly catalogue and a mirror:
https://www.gutenberg.org/policy/robot_access.html
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import requests

from bookhopper.durable import write_file
from bookhopper.errors import BookhopperError, HeldError, PermanentError
from bookhopper.model import Candidate, Collection
from bookhopper.net.addresses import safe_url
from bookhopper.net.session import chunks
from bookhopper.net.web import Web
from bookhopper.search.person import authorship, forms_of
from bookhopper.search.sources.base import Health, Query
from bookhopper.search.sources.fields import one_line
from bookhopper.search.sources.gutenberg_build import build_apart
from bookhopper.search.sources.gutenberg_catalogue import Record
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.search.words import name_words, title_words
from bookhopper.ticket import Ticket
from bookhopper.units import counted

FORMAT = "epub"
MAX_DOWNLOAD = 256 << 20
"""The most bytes taken for a catalogue; the real one packs to 5 MB."""

_NOT_MODIFIED = 304
_MOST_NAMED = 20_000
_NEAR = 0.85
"""How many records that hold an author's family name are looked at, and how well the whole name must fit."""

_FILE_FORMS = ("pg{0}-images-3.epub", "pg{0}-images.epub", "pg{0}.epub")
"""A book's EPUBs on a mirror, best first: EPUB 3 with pictures, EPUB 2 with and without."""
_CAME_FROM = "address"
_RECENT_SECONDS = 7 * 86400.0


class GutenbergSource:
    """The source of kind `gutenberg`.

    `catalogue` is the path or the http(s) URL of `pg_catalog.csv`, packed or not; what is fetched is kept
    beside the index.
    """

    kind = "gutenberg"

    def __init__(
        self,
        name: str,
        index: GutenbergIndex,
        mirrors: Sequence[str],
        catalogue: str,
        *,
        web: Web,
    ) -> None:
        self.name = name
        self._index = index
        self._mirrors = tuple(mirror.rstrip("/") for mirror in mirrors)
        self._catalogue = catalogue
        self._web = web
        self._refreshing = threading.Lock()
        self._asked = False
        # which may hold a password, and so is no text to be kept
        self._address = hashlib.sha256(catalogue.encode("utf-8", "surrogatepass")).hexdigest()

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Find the records that share the rarest words with a reading; HeldError until there is an index."""
        ticket.check()
        if query.formats and FORMAT not in query.formats:
            return ()
        words = list(_words(query))
        if not words:
            return ()
        return [self._candidate(record) for record in self._index.search(words, query.languages, query.limit)]

    def holds(self, collection: Collection) -> bool:
        """Tell that the works of authors are listed; the catalogue knows no series."""
        return collection.kind == "author"

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books whose authors' names come near; HeldError until there is an index."""
        ticket.check()
        families = [name.family for name in forms_of(collection.value) if name.family]
        named = self._index.named(families, _MOST_NAMED)
        near = (record for record in named if authorship((collection.value,), record.authors) >= _NEAR)
        return [self._candidate(record) for record in islice(near, limit)]

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find the book with a number; HeldError until there is an index."""
        ticket.check()
        if not (key.isascii() and key.isdigit() and len(key) < 10) or (formats and FORMAT not in formats):
            return ()
        record = self._index.get(int(key))
        return () if record is None else (self._candidate(record),)

    def check(self, ticket: Ticket) -> Health:
        """Tell whether the catalogue is indexed, or at least there."""
        ticket.check()
        origin = self._index.origin()
        if origin is not None:
            skipped = (
                f", {counted(origin.skipped, 'row')} of the catalogue made no sense" if origin.skipped else ""
            )
            return Health(ok=True, detail=f"{counted(origin.books, 'book')} indexed{skipped}")
        if not _is_url(self._catalogue) and not Path(self._catalogue).is_file():
            return Health(
                ok=False, detail=f"no catalogue at {self._catalogue}: correct `catalogue:` or put it there"
            )
        wait = "the catalogue is not indexed yet; the daemon does it when it starts"
        return Health(ok=False, detail=wait, passing=True)

    def refresh(self, ticket: Ticket) -> bool:
        """Bring the index up to date with the catalogue; True when it was built anew.

        Raises HeldError, TransientError or PermanentError when the catalogue cannot be had or read; the old
        index then goes on serving.
        """
        if not self._refreshing.acquire(blocking=False):
            return False
        try:
            origin = self._index.origin()
            path = self._local_catalogue(ticket, fallback=origin is None)
            stamp = _stamp(path)
            if origin is not None and origin.stamp == stamp:
                return False
            self._build(path, stamp, ticket)
            return True
        finally:
            self._refreshing.release()

    def close(self) -> None:
        """Close the index and the connections."""
        self._index.close()
        self._web.close()

    def _build(self, path: Path, stamp: str, ticket: Ticket) -> None:
        try:
            build_apart(path, self._index.path, stamp, ticket)
        except BookhopperError:
            # Otherwise the host would go on saying that this very file is still current.
            self._validators_path.unlink(missing_ok=True)
            raise

    @property
    def _fetched_path(self) -> Path:
        return self._index.path.with_suffix(".catalogue")

    @property
    def _validators_path(self) -> Path:
        return self._index.path.with_suffix(".validators.json")

    def _local_catalogue(self, ticket: Ticket, *, fallback: bool) -> Path:
        """Give a local file with the current catalogue; an older one will do where there is no index."""
        if not _is_url(self._catalogue):
            path = Path(self._catalogue)
            if not path.is_file():
                raise HeldError(f"no Gutenberg catalogue at {path}: correct `catalogue:` or put it there")
            return path
        try:
            self._fetch(ticket)
        except BookhopperError:
            if not (fallback and self._fetched_path.is_file()):
                raise
        return self._fetched_path

    def _fetch(self, ticket: Ticket) -> None:
        """Fetch the catalogue unless the host says that ours is current.

        Where the host gave nothing to ask that with, a restart does not fetch a recent one anew.
        """
        validators = _read_validators(self._validators_path) if self._fetched_path.is_file() else {}
        came_from = validators.pop(_CAME_FROM, "")  # which older files do not tell
        if came_from not in {"", self._address}:
            validators = {}
        first, self._asked = not self._asked, True
        if first and not validators and came_from == self._address and _is_recent(self._fetched_path):
            return
        headers = {"Accept-Encoding": "identity"} | validators
        statuses = {_NOT_MODIFIED} if validators else ()
        with self._web.stream(self._catalogue, ticket, headers=headers, statuses=statuses) as response:
            if response.status_code != _NOT_MODIFIED:
                try:
                    self._store(response, ticket)
                except OSError as error:
                    raise HeldError(f"cannot keep the catalogue as {self._fetched_path}: {error}") from error

    def _store(self, response: requests.Response, ticket: Ticket) -> None:
        path = self._fetched_path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            size = 0
            with part.open("wb") as file:
                for chunk in chunks(response, 1 << 18):
                    ticket.check()
                    size += len(chunk)
                    if size > MAX_DOWNLOAD:
                        raise PermanentError(
                            f"{safe_url(self._catalogue)} is larger than {MAX_DOWNLOAD >> 20} MB: "
                            f"that is no Gutenberg catalogue; correct `catalogue:`"
                        )
                    file.write(chunk)
                file.flush()
                os.fsync(
                    file.fileno()
                )  # or "not modified" may be said of a file that a power cut has emptied
            self._validators_path.unlink(missing_ok=True)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        asked_by = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        validators = {
            ask: response.headers[tell] for tell, ask in asked_by.items() if tell in response.headers
        }
        validators[_CAME_FROM] = self._address
        write_file(self._validators_path, json.dumps(validators))

    def _candidate(self, record: Record) -> Candidate:
        files = [form.format(record.id) for form in _FILE_FORMS]
        return Candidate(
            source=self.name,
            key=str(record.id),
            title=one_line(record.title),
            authors=tuple(map(one_line, record.authors)),
            language=record.language,
            format=FORMAT,
            known=record.known,
            urls=tuple(
                f"{mirror}/cache/epub/{record.id}/{file}" for file in files for mirror in self._mirrors
            ),
        )


def _words(query: Query) -> Iterator[str]:
    for reading in query.readings:
        yield from title_words(reading.title)
        for author in reading.authors:
            yield from name_words(author)


def _is_url(catalogue: str) -> bool:
    return catalogue.lower().startswith(("http://", "https://"))


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


def _is_recent(path: Path) -> bool:
    return 0 <= time.time() - path.stat().st_mtime < _RECENT_SECONDS


def _read_validators(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): str(value) for name, value in found.items() if str(value).isprintable()}
