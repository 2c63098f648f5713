"""The source for OPDS catalogues: calibre's server, Calibre-Web, Kavita, Komga, COPS, Standard Ebooks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Collection
from bookhopper.net.addresses import origin, safe_url
from bookhopper.net.dispositions import file_name_in
from bookhopper.net.faults import AnswerError
from bookhopper.net.web import Web
from bookhopper.search.sources.base import Health, Query
from bookhopper.search.sources.fields import one_line
from bookhopper.search.sources.file_names import read_file_name
from bookhopper.search.sources.opds_catalogue import WALKED_PAGES, Catalogue
from bookhopper.search.sources.opds_keys import Keys, is_opaque
from bookhopper.search.sources.opds_model import (
    FEED_TYPES,
    FORMATS,
    HTML_TYPES,
    Entry,
    bare_type,
    format_of_path,
)
from bookhopper.search.sources.opds_offers import Offers, chosen
from bookhopper.search.sources.opds_search import ABSENT, Search
from bookhopper.ticket import Ticket

KIND: Final = "opds"
_REFUSED_SECONDS = 15 * 60.0
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_PERHAPS_A_FEED = FEED_TYPES | HTML_TYPES | {"application/xml", "text/xml", "application/json"}
_LOG = logging.getLogger(__name__)


class OpdsSource:
    """A catalogue that speaks OPDS, searched where it can be and, where it cannot, walked through.

    A book's key stands for the address of its own entry document or else of its first file (`opds_keys`), so
    that most keys can be looked up without a memory of the search; an opaque one is looked for on a walk.
    """

    def __init__(self, name: str, url: str, web: Web, *, kind: str = KIND) -> None:
        """Name a catalogue by a feed of it, the root at best, or by a web page that leads to one.

        Raises PermanentError when `url` is no HTTP address.
        """
        self.name = name
        self.kind = kind
        self._web = web
        self._keys = Keys(url)
        self._offers = Offers(name, self._keys)
        self._catalogue = Catalogue(url, web)
        self._quiet_until = 0.0
        self._refusal = ""
        self._search_serves = False

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Ask with title and author, then with less, until something comes that shares a word."""
        ticket.check()
        with self._refusals_held(ticket):
            entries = self._find(query, ticket)
        offers = (offer for entry in entries for offer in chosen(self._offers.of(entry), query.formats))
        once = {(offer.key, offer.format): offer for offer in offers}  # pages overlap when a catalogue grows
        return tuple(islice(once.values(), query.limit))

    def holds(self, collection: Collection) -> bool:
        """Tell whether a feed belongs to this catalogue: it lies on the same server."""
        return collection.kind == "feed" and origin(collection.value) == origin(self._catalogue.address)

    def works(self, collection: Collection, limit: int, ticket: Ticket) -> Sequence[Candidate]:
        """List the books of a feed, page after page; PermanentError where there is no feed."""
        with self._refusals_held(ticket):
            entries = self._catalogue.shelf(collection.value, limit, ticket)
        return tuple(offer for entry in entries for offer in self._offers.of(entry))

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find a book again, by memory or from the address that its key stands for."""
        ticket.check()
        offers = self._offers.recall(key)
        if offers is None:
            with self._refusals_held(ticket):
                offers = self._look_up(key, ticket)
        return chosen(offers, formats)

    def check(self, ticket: Ticket) -> Health:
        """Look anew how the catalogue is entered and searched."""
        self._catalogue.forget()
        try:
            way = self._catalogue.way(ticket)
        except BookhopperError as error:
            return Health(ok=False, detail=str(error))
        if way.template:
            return Health(ok=True, detail=f"searched at {safe_url(way.template)}")
        return Health(ok=True, detail=f"no search: its first {WALKED_PAGES} pages are walked through")

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002 - nothing that would have to be fetched
        """Forget the pages that were walked through, so that the next search sees new ones."""
        self._catalogue.forget()
        return False

    def close(self) -> None:
        """Close the connections, which are the source's own."""
        self._web.close()

    @contextmanager
    def _refusals_held(self, ticket: Ticket) -> Iterator[None]:
        """Turn what is wrong with the catalogue, such as a refused sign-in, into a hold: no want's fault.

        It is not asked again meanwhile: a server that counts refused sign-ins would lock the person out.
        Other refusals are the question's own, as where a firewall takes a title for an attack, and are raised
        as they are, unless the way into the catalogue is refused as well.
        """
        left = self._quiet_until - time.monotonic()
        if left > 0:
            raise HeldError(self._refusal, scope="host", seconds=left)
        try:
            yield
        except PermanentError as error:
            refusal = error if _is_about_sign_in(error) else self._refused_entry(ticket)
            if refusal is None:
                raise
            self._refusal = str(refusal)
            self._quiet_until = time.monotonic() + _REFUSED_SECONDS
            raise HeldError(self._refusal, scope="host", seconds=_REFUSED_SECONDS) from error

    def _refused_entry(self, ticket: Ticket) -> PermanentError | None:
        """Enter the catalogue anew, and give what that is refused with, if it is."""
        try:
            self._catalogue.enter(ticket)
        except PermanentError as refusal:
            return refusal
        return None

    def _find(self, query: Query, ticket: Ticket) -> Sequence[Entry]:
        template = self._catalogue.way(ticket).template
        if template:
            try:
                found = Search(self._catalogue, query, ticket).entries(template)
            except AnswerError as error:
                if not self._is_for_members(error):
                    raise
                self._leave_search_to_members(error, ticket)
            else:
                self._search_serves = True
                return found
        return self._catalogue.walk(ticket).find(query)

    def _is_for_members(self, refusal: AnswerError) -> bool:
        """Whether the search is refused to who did not sign in, and not just this question."""
        if self._web.sign_in is not None:
            return False
        return _is_about_sign_in(refusal) or (refusal.status == _FORBIDDEN and not self._search_serves)

    def _leave_search_to_members(self, refusal: AnswerError, ticket: Ticket) -> None:
        """Go on with the feeds that are open to all; raises the refusal where they hold no book."""
        self._catalogue.give_up_search(ticket)
        if not len(self._catalogue.walk(ticket)):
            self._catalogue.forget()
            raise refusal
        _LOG.warning("%s; until then only the feeds that are open to all are walked through", refusal)

    def _look_up(self, key: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Look for what a key stands for; it comes from a person, so it may be anything."""
        # on another origin the sign-in stays at home, and the private network is closed
        address = self._keys.address(key)
        if address:
            key = self._keys.key(address)
        elif not is_opaque(key):
            return ()
        if not address or not self._catalogue.way(ticket).template:
            books = (book for book in self._catalogue.walk(ticket) if self._offers.stands_for(key, book))
            if (book := next(books, None)) is not None:
                return self._offers.of(book)
        if not address:
            return ()
        try:
            return self._at(address, key, ticket)
        except AnswerError as error:
            if error.status not in ABSENT:
                raise
        except PermanentError:
            pass
        return ()

    def _at(self, address: str, key: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Make candidates of what an address gives: an entry's own document, or a book's file."""
        with self._web.stream(address, ticket) as response:
            headers = response.headers
        kind = bare_type(headers.get("Content-Type", ""))
        if kind in _PERHAPS_A_FEED:
            try:
                entries = self._catalogue.feed(address, ticket).entries
            except TransientError:
                return ()
            found = (self._offers.of(entry) for entry in entries)
            return next((offers for offers in found if offers and offers[0].key == key), ())
        book_format = FORMATS.get(kind) or format_of_path(urlsplit(address).path)
        if not book_format:
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
        return self._offers.remember(key, (offer,)) if is_opaque(key) else (offer,)


def _is_about_sign_in(refusal: PermanentError) -> bool:
    return isinstance(refusal, AnswerError) and refusal.status == _UNAUTHORIZED


def _title_of_file(disposition: str, address: str) -> tuple[str, tuple[str, ...]]:
    """Give title and authors from the file name that an answer gives, or else from its address."""
    name = file_name_in(disposition) or unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
    return read_file_name(PurePosixPath(one_line(name[:300])).stem)  # a header may be folded
