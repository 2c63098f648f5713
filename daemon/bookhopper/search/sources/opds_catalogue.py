"""A catalogue as its feeds show it: page by page, its way of searching, or walked through as a whole."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bookhopper.errors import PermanentError, TransientError
from bookhopper.net.addresses import origin, safe_url
from bookhopper.net.faults import AnswerError
from bookhopper.net.session import Fetched
from bookhopper.net.web import Web
from bookhopper.search.sources.locks import acquired
from bookhopper.search.sources.opds_documents import is_page, read_feed
from bookhopper.search.sources.opds_feed import parse_search_description
from bookhopper.search.sources.opds_model import ACQUISITION, MEDIA_TYPES, OPENSEARCH_TYPE, Entry, Feed, Link
from bookhopper.search.sources.opds_pages import book_address, catalogue_links
from bookhopper.search.sources.opds_sign_in import missing_sign_in
from bookhopper.search.sources.opds_templates import can_search
from bookhopper.search.sources.word_index import WordIndex, book_words
from bookhopper.ticket import Ticket

WALKED_PAGES = 40
SHELF_PAGES = 200
WALK_SECONDS = 10 * 60.0
WAY_SECONDS = 60 * 60.0
MAX_FEED_BYTES = 8 << 20

_ACCEPT = (
    "application/atom+xml;profile=opds-catalog, application/opds+json, application/opds-publication+json, "
    "application/atom+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"
)
_ASKED = {"Accept": _ACCEPT}
_CRAWLABLE = "http://opds-spec.org/crawlable"
_NO_WAY_ON = frozenset({"self", "start", "up", "search"})
_LOG = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Way:
    """How a catalogue is entered: the address of its first feed, and the template of its search.

    Either is empty where there is none.
    """

    root: str
    template: str = ""


class Catalogue:
    """An OPDS catalogue, of 1.2 or 2.0, at one address; any number of threads may read it.

    Every method raises what `Web.get` does, and TransientError for an answer that is no feed.
    """

    def __init__(self, address: str, web: Web, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the address of a feed, be it the root or another, or of a web page that names one."""
        self.address = address
        self._web = web
        self._way: _Kept[Way] = _Kept(WAY_SECONDS, clock)
        self._walked: _Kept[WordIndex[Entry]] = _Kept(WALK_SECONDS, clock)
        self._walking: _Walk | None = None

    def feed(self, url: str, ticket: Ticket, *, fresh: bool = False) -> Feed:
        """Fetch one page; `fresh` takes no older answer."""
        fetched = self.fetch(url, ticket, fresh=fresh)
        with self._kept_if_understood(url):
            return read_feed(fetched)

    def pages(self, url: str, bound: int, ticket: Ticket) -> Iterator[Feed]:
        """Fetch a page and those after it, at most `bound` and none twice."""
        seen: set[str] = set()
        while url and url not in seen and len(seen) < bound:
            seen.add(url)
            feed = self.feed(url, ticket)
            yield feed
            url = feed.next

    def shelf(self, url: str, limit: int, ticket: Ticket) -> Sequence[Entry]:
        """Give the first books that a feed lists; PermanentError where it lists only other feeds."""
        books: dict[tuple[str, tuple[Link, ...]], Entry] = {}  # pages overlap when a catalogue grows
        feed = Feed()
        for feed in self.pages(url, SHELF_PAGES, ticket):
            for entry in feed.entries:
                if len(books) < limit:
                    whole = self.completed(entry, ticket) if entry.is_partial else (entry,)
                    books |= {(book.id, book.acquisitions): book for book in whole if book.acquisitions}
            if len(books) >= limit:
                break
        if feed.entries and not books:
            raise PermanentError(
                f"{safe_url(url)} lists no books but other feeds: give the address of one of them"
            )
        return tuple(books.values())[:limit]

    def completed(self, entry: Entry, ticket: Ticket) -> Sequence[Entry]:
        """Follow an entry that shows no files to the document or page that does, one step and no further."""
        ways = [link for link in entry.links if link.is_feed and (link.rel != "self" or link.is_document)]
        ways.sort(key=lambda link: not link.is_document)
        try:
            for link in (*entry.pages, *ways)[:1]:
                if link.is_feed:
                    return self.feed(link.href, ticket).entries
                return (self._offered_on_page(entry, link, ticket),)
        except (PermanentError, TransientError):
            pass
        return ()

    def _offered_on_page(self, entry: Entry, link: Link, ticket: Ticket) -> Entry:
        fetched = self.fetch(link.href, ticket)
        address = book_address(fetched.content, fetched.url, link.page_format)
        file = Link(address, ACQUISITION, MEDIA_TYPES[link.page_format])
        return replace(entry, links=(file, *entry.links)) if address else entry

    def fetch(self, url: str, ticket: Ticket, *, fresh: bool = False) -> Fetched:
        """Fetch a document of the catalogue; a refusal for want of a sign-in says which one is missing."""
        try:
            return self._web.get(url, ticket, max_bytes=MAX_FEED_BYTES, headers=_ASKED, fresh=fresh)
        except AnswerError as error:
            if told := missing_sign_in(self._web, url, error.status, ticket):
                raise AnswerError(told, error.status) from error
            raise

    @contextmanager
    def _kept_if_understood(self, url: str) -> Iterator[None]:
        """Let nothing be kept of an answer that the block finds to be no feed."""
        try:
            yield
        except TransientError:
            self._web.forget(url, _ASKED)
            raise

    def way(self, ticket: Ticket) -> Way:
        """Give the catalogue's first feed and its search (looked for once an hour)."""
        return self._way.get(lambda: self._find_way(ticket), ticket)

    def enter(self, ticket: Ticket) -> Way:
        """Look anew how the catalogue is entered, whatever was found before."""
        self._way.forget()
        return self.way(ticket)

    def give_up_search(self, ticket: Ticket) -> None:
        """Walk the catalogue from now on, for an hour: its search is for others."""
        self._way.put(replace(self.way(ticket), template=""))

    def walk(self, ticket: Ticket) -> WordIndex[Entry]:
        """Give the books of the catalogue's first pages, where no search helps (walked every ten minutes).

        A walk that is broken off goes on where it was at the next call: it may take longer than one question.
        """
        return self._walked.get(lambda: self._walk(self.way(ticket).root, ticket), ticket)

    def forget(self) -> None:
        """Look at everything anew next time."""
        self._way.forget()
        self._walked.forget()
        self._walking = None

    def _find_way(self, ticket: Ticket) -> Way:
        fetched = self.fetch(self.address, ticket, fresh=True)
        if is_page(fetched):
            with self._kept_if_understood(self.address):
                return self._way_from_page(catalogue_links(fetched.content, fetched.url), ticket)
        with self._kept_if_understood(self.address):
            feed = read_feed(fetched)
        template = self._search_of(feed, ticket) or self._search_of_start(feed, fetched.url, ticket)
        return Way(fetched.url, template)  # after redirects, such as to https, which its links stay with

    def _way_from_page(self, links: tuple[Link, ...], ticket: Ticket) -> Way:
        """Find a catalogue by what a web page says of it, in one step."""
        root = next((link.href for link in links if link.rel == "alternate"), "")
        feed = self.feed(root, ticket, fresh=True) if root else Feed()
        template = self._search_of(feed, ticket) or self._search_of(Feed(links=links), ticket)
        if not root and not template:
            raise TransientError(
                f"{safe_url(self.address)} is a web page that names no OPDS feed: check the source's url"
            )
        return Way(root, template)

    def _search_of_start(self, feed: Feed, url: str, ticket: Ticket) -> str:
        """Find the search of the catalogue's root, which the address of another feed need not have."""
        start = feed.start
        if not start or start == url or origin(start) != origin(url):
            return ""
        try:
            return self._search_of(self.feed(start, ticket, fresh=True), ticket)
        except (PermanentError, TransientError) as error:
            _LOG.info("the catalogue's root is left out: %s", error)
            return ""

    def _search_of(self, feed: Feed, ticket: Ticket) -> str:
        """Find the template for searching: the feed's own, or that of its OpenSearch description."""
        links = [link for link in feed.links if link.rel == "search"]
        if template := next((link.href for link in links if link.is_feed and can_search(link.href)), ""):
            return template
        description = next((link.href for link in links if link.type == OPENSEARCH_TYPE), "")
        if not description:
            return ""
        try:
            fetched = self.fetch(description, ticket)
            with self._kept_if_understood(description):
                return parse_search_description(fetched.content, fetched.url)
        except PermanentError as error:
            _LOG.warning("%s: it is walked instead of searched", error)
            return ""

    def _walk(self, root: str, ticket: Ticket) -> WordIndex[Entry]:
        walk = self._walking
        if walk is None or walk.root != root:
            walk = self._walking = _Walk(root)
        while walk.ways and walk.pages < WALKED_PAGES:
            walk.take(self._page(walk.ways[0], ticket, needed=not walk.pages))
        self._walking = None
        if walk.ways:
            shown = safe_url(root)
            _LOG.warning(
                "%s has more than the %d pages that are walked: the rest is not seen", shown, walk.pages
            )
        books = walk.books.values()
        return WordIndex((book, book_words(book.title, book.authors, book.isbns)) for book in books)

    def _page(self, url: str, ticket: Ticket, *, needed: bool) -> Feed:
        try:
            return self.feed(url, ticket, fresh=True)
        except (PermanentError, TransientError) as error:
            if needed:
                raise
            _LOG.info("a page of the catalogue is left out: %s", error)
            return Feed()


class _Walk:
    """How far a walk has come: the ways that are left, the next one first, and the books seen so far."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.ways = deque([root] if root else [])
        self.books: dict[tuple[str, tuple[Link, ...]], Entry] = {}
        self.pages = 0
        self._seen = set(self.ways)

    def take(self, feed: Feed) -> None:
        """Note what the page at the next way holds, which is behind now."""
        self.ways.popleft()
        self.pages += 1
        self.books |= {(entry.id, entry.acquisitions): entry for entry in feed.entries if _is_book(entry)}
        for link in _ways_on(feed):
            if link.href in self._seen or origin(link.href) != origin(self.root):
                continue
            self._seen.add(link.href)
            # pages with books before pages with ways to them, so that the bound cuts off little
            if link.rel in {"next", _CRAWLABLE} or "kind=acquisition" in link.profile:
                self.ways.appendleft(link.href)
            else:
                self.ways.append(link.href)


class _Kept(Generic[Value]):
    """A value that one thread makes while others wait for it, and that is made anew when it is too old."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._value: tuple[Value, float] | None = None

    def get(self, make: Callable[[], Value], ticket: Ticket) -> Value:
        with acquired(self._lock, ticket):
            if self._value is None or self._value[1] <= self._clock():
                self.put(make())
            assert self._value is not None
            return self._value[0]

    def put(self, value: Value) -> None:
        self._value = value, self._clock() + self._seconds

    def forget(self) -> None:
        self._value = None


def _ways_on(feed: Feed) -> Iterator[Link]:
    """Give the links to further pages; facets show the same books again, and are none."""
    yield from (link for link in feed.links if link.rel in {"next", _CRAWLABLE})
    for entry in feed.entries:
        if not _is_book(entry):
            yield from (link for link in entry.links if link.is_feed and link.rel not in _NO_WAY_ON)


def _is_book(entry: Entry) -> bool:
    """Whether an entry shows files, be they protected ones."""
    return bool(entry.acquisitions or entry.refused)
