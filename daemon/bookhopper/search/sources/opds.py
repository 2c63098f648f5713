"""The source for OPDS catalogues: calibre's server, Calibre-Web, Kavita, Komga, COPS, Standard Ebooks."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
from requests.utils import requote_uri

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate
from bookhopper.net.addresses import host_and_port, origin, safe_url, without_credentials
from bookhopper.net.faults import AnswerError
from bookhopper.net.hosts import Hosts
from bookhopper.net.session import SignIn, open_stream
from bookhopper.search.language import language_tag
from bookhopper.search.sources.base import Credentials, Health, Query
from bookhopper.search.sources.file_names import read_file_name
from bookhopper.search.sources.opds_catalogue import WALKED_PAGES, Catalogue
from bookhopper.search.sources.opds_feed import (
    ATOM_TYPE,
    FORMATS,
    Entry,
    Feed,
    Link,
    fill_template,
    format_of_path,
)
from bookhopper.search.sources.opds_keys import Keys, is_opaque
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.ticket import Ticket

SEARCH_PAGES = 5
_PHRASES = 8
_PARTIAL_ENTRIES = 5
_REMEMBERED = 5_000
_REFUSED_SECONDS = 15 * 60.0
_ABSENT = frozenset({400, 404, 410})
_SUBTITLE = re.compile(r"[:;(\[]| [-–—] ")
_SIGNS = re.compile(r"[^\w\s'’-]+")


class OpdsSource:
    """A catalogue that speaks OPDS 1.2, searched through OpenSearch or, where it has none, walked through.

    A book's key stands for the address of its own entry document or else of its first file (`opds_keys`), so
    that most keys can be looked up without a memory of the search; an opaque one is looked for on a walk.
    """

    kind = "opds"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        session: requests.Session,
        hosts: Hosts,
        credentials: Credentials | None = None,
        allowed: Collection[str] = (),
    ) -> None:
        """Name a catalogue by its root feed; `allowed` are further private hosts that its links may lead to.

        Raises PermanentError when `url` is no HTTP address.
        """
        self.name = name
        self._keys = Keys(url)
        self.sign_in: SignIn | None = None
        if credentials is not None:
            self.sign_in = SignIn(origin(url), credentials.username, credentials.password, name)
        self._session = session
        self._hosts = hosts
        self._allowed = frozenset(allowed) | {host_and_port(url)}
        self._catalogue = Catalogue(
            url, session=session, hosts=hosts, sign_in=self.sign_in, allowed=self._allowed
        )
        self._seen: OrderedDict[str, tuple[Candidate, ...]] = OrderedDict()
        self._quiet_until = 0.0
        self._refusal = ""
        self._seen_lock = threading.Lock()

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Ask with title and author, then with less, until something comes that shares a word."""
        ticket.check()
        with self._refusals_held():
            entries = self._find(query, ticket)
        offers = (offer for entry in entries for offer in _chosen(self._offers(entry), query.formats))
        once = {(offer.key, offer.format): offer for offer in offers}  # pages overlap when a catalogue grows
        return tuple(islice(once.values(), query.limit))

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find a book again, by memory or from the address that its key stands for."""
        ticket.check()
        with self._seen_lock:
            offers = self._seen.get(key)
        if offers is None:
            with self._refusals_held():
                offers = self._look_up(key, ticket)
        return _chosen(offers, formats)

    def check(self, ticket: Ticket) -> Health:
        """Fetch the root feed and see how it is searched."""
        try:
            self._catalogue.feed(self._catalogue.root, ticket)
            template = self._catalogue.template(ticket)
        except BookhopperError as error:
            return Health(ok=False, detail=str(error))
        if template:
            return Health(ok=True, detail=f"searched at {safe_url(template)}")
        return Health(ok=True, detail=f"no search: its first {WALKED_PAGES} pages are walked through")

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002 - nothing that would have to be fetched
        """Forget the pages that were walked through, so that the next search sees new ones."""
        self._catalogue.forget()
        return False

    def close(self) -> None:
        """Close the connections of the session, which is the source's own."""
        self._session.close()

    @contextmanager
    def _refusals_held(self) -> Iterator[None]:
        """Turn what is wrong with the catalogue, such as a refused sign-in, into a hold: no want's fault.

        It is not asked again meanwhile: a server that counts refused sign-ins would lock the person out.
        """
        left = self._quiet_until - time.monotonic()
        if left > 0:
            raise HeldError(self._refusal, scope="host", seconds=left)
        try:
            yield
        except PermanentError as error:
            self._refusal = str(error)
            self._quiet_until = time.monotonic() + _REFUSED_SECONDS
            raise HeldError(self._refusal, scope="host", seconds=_REFUSED_SECONDS) from error

    def _find(self, query: Query, ticket: Ticket) -> Sequence[Entry]:
        template = self._catalogue.template(ticket)
        if not template:
            return self._catalogue.walk(ticket).find(query)
        wanted = wanted_words(query)
        for title, author in islice(phrases(query), _PHRASES):
            address = fill_template(template, title, author, query.limit)
            if found := self._matching(address, wanted, query.limit, ticket):
                return found
        return ()

    def _matching(self, address: str, wanted: frozenset[str], limit: int, ticket: Ticket) -> list[Entry]:
        """Search once: the entries that share a word with what is wanted, those that share most first."""
        shared: list[tuple[int, Entry]] = []
        try:
            for feed in self._catalogue.pages(address, SEARCH_PAGES, ticket):
                shared += ((n, entry) for entry in feed.entries if (n := _shared(entry, wanted)))
                if len(shared) >= limit:
                    break
        except AnswerError as error:
            if error.status not in _ABSENT:  # some servers say 404 when they found nothing
                raise
        shared.sort(key=lambda pair: -pair[0])
        whole = [entry for _, entry in shared if entry.acquisitions]
        partial = [entry for _, entry in shared if not entry.acquisitions]
        for entry in partial[:_PARTIAL_ENTRIES] if not whole else ():
            whole += (book for book in self._completed(entry, ticket).entries if _shared(book, wanted))
        return [entry for entry in whole if entry.acquisitions]

    def _completed(self, entry: Entry, ticket: Ticket) -> Feed:
        """Follow an entry that shows no files to the feed that does."""
        ways = [link for link in entry.links if link.is_feed and link.rel != "self"]
        ways.sort(key=lambda link: "type=entry" not in link.profile)
        try:
            return self._catalogue.feed(ways[0].href, ticket) if ways else Feed()
        except (AnswerError, TransientError):
            return Feed()

    def _offers(self, entry: Entry) -> tuple[Candidate, ...]:
        """Make one candidate of each format, the first file of it that the entry names, and remember them."""
        files: dict[str, Link] = {}
        for link in entry.acquisitions:
            files.setdefault(link.format, link)
        if not files:
            return ()
        key = self._key(entry)
        offers = tuple(
            Candidate(
                source=self.name,
                key=key,
                title=entry.title,
                authors=entry.authors,
                language=language_tag(entry.language),
                format=kind,
                size=link.length,
                year=entry.year,
                isbns=entry.isbns,
                series=entry.series,
                urls=(without_credentials(requote_uri(link.href)),),
            )
            for kind, link in files.items()
        )
        return self._remembered(key, offers)

    def _remembered(self, key: str, offers: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        with self._seen_lock:
            self._seen[key] = offers
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return offers

    def _key(self, entry: Entry) -> str:
        documents = (link for link in entry.links if link.is_feed and "type=entry" in link.profile)
        link = next(documents, entry.acquisitions[0])
        return self._keys.key(link.href)

    def _look_up(self, key: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Look for what a key stands for; it comes from a person, so it may be anything."""
        # on another origin the sign-in stays at home, and the private network is closed
        address = self._keys.address(key)
        if address:
            key = self._keys.key(address)
        elif not is_opaque(key):
            return ()
        if not address or not self._catalogue.template(ticket):
            books = (book for book in self._catalogue.walk(ticket) if self._key(book) == key)
            if (book := next(books, None)) is not None:
                return self._offers(book)
        if not address:
            return ()
        try:
            return self._at(address, key, ticket)
        except AnswerError as error:
            if error.status not in _ABSENT:
                raise
        except PermanentError:
            pass
        return ()

    def _at(self, address: str, key: str, ticket: Ticket) -> tuple[Candidate, ...]:
        with open_stream(
            self._session,
            address,
            hosts=self._hosts,
            ticket=ticket,
            sign_in=self.sign_in,
            allowed=self._allowed,
        ) as response:
            headers = response.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == ATOM_TYPE:
            entries = self._catalogue.feed(address, ticket).entries
            found = (self._offers(entry) for entry in entries)
            return next((offers for offers in found if offers and offers[0].key == key), ())
        book_format = FORMATS.get(kind) or format_of_path(urlsplit(address).path)
        if not book_format or kind == "text/html":
            return ()
        title, authors = _title_of_file(headers.get("Content-Disposition", ""), address)
        size = headers.get("Content-Length", "")
        offer = Candidate(
            source=self.name,
            key=key,
            title=title,
            authors=authors,
            format=book_format,
            size=int(size) if size.isdecimal() and len(size) <= 12 else None,
            urls=(address,),
        )
        return self._remembered(key, (offer,)) if is_opaque(key) else (offer,)


def phrases(query: Query) -> Iterator[tuple[str, str]]:
    """Give what to ask for, title and author apart: the narrowest first, each once.

    The ISBN, then title with surname, the title alone, its words before a subtitle, the surname alone (for a
    title with a typo): catalogues differ in what they can find, from any words to one exact phrase.
    """
    readings = [(reading.title, _surname(reading.authors)) for reading in query.readings]
    asked = [
        (query.isbn, ""),
        *((title, surname) for title, surname in readings if surname),
        *((title, "") for title, _ in readings),
        *((_main_words(title), "") for title, _ in readings),
        *(("", surname) for _, surname in readings),
    ]
    yield from (phrase for phrase in dict.fromkeys(asked) if any(phrase))


def _main_words(title: str) -> str:
    return " ".join(_SIGNS.sub(" ", _SUBTITLE.split(title)[0]).split())


def _surname(authors: Sequence[str]) -> str:
    if not authors:
        return ""
    last, comma, _ = authors[0].partition(",")
    words = last.split()
    return " ".join(words) if comma else next(reversed(words), "")


def _shared(entry: Entry, wanted: frozenset[str]) -> int:
    return len(wanted & book_words(entry.title, entry.authors, entry.isbns))


def _chosen(offers: Sequence[Candidate], formats: Sequence[str]) -> tuple[Candidate, ...]:
    """Keep the formats that are asked for, in that order; all of them when none is."""
    if not formats:
        return tuple(offers)
    return tuple(offer for kind in formats for offer in offers if offer.format == kind)


def _title_of_file(disposition: str, address: str) -> tuple[str, tuple[str, ...]]:
    """Give title and authors from the file name that an answer gives, or else from its address."""
    message = Message()
    message["Content-Disposition"] = disposition
    name = message.get_filename() or unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
    return read_file_name(PurePosixPath(name[:300]).stem)
