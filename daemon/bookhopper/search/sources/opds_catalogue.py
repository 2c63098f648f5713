"""A catalogue as its feeds show it: page by page, its way of searching, or walked through as a whole."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Generic, TypeVar

import requests

from bookhopper.errors import PermanentError, TransientError
from bookhopper.net.addresses import origin, safe_url
from bookhopper.net.hosts import Hosts
from bookhopper.net.session import Fetched, SignIn, fetch
from bookhopper.search.sources.locks import acquired
from bookhopper.search.sources.opds_feed import (
    Entry,
    Feed,
    Link,
    parse_feed,
    parse_search_description,
    search_links,
)
from bookhopper.search.sources.word_index import WordIndex, book_words
from bookhopper.ticket import Ticket

WALKED_PAGES = 40
WALK_SECONDS = 10 * 60.0
TEMPLATE_SECONDS = 60 * 60.0
MAX_FEED_BYTES = 8 << 20

_ACCEPT = (
    "application/atom+xml;profile=opds-catalog, application/atom+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"
)
_NO_WAY_ON = frozenset({"self", "start", "up", "search"})
_LOG = logging.getLogger(__name__)

Value = TypeVar("Value")


class Catalogue:
    """An OPDS catalogue below one root feed; any number of threads may read it.

    Every method raises what `net.session.fetch` does, and TransientError for an answer that is no feed.
    """

    def __init__(
        self,
        root: str,
        *,
        session: requests.Session,
        hosts: Hosts,
        sign_in: SignIn | None,
        allowed: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self._session = session
        self._hosts = hosts
        self._sign_in = sign_in
        self._allowed = allowed
        self._template: _Kept[str] = _Kept(TEMPLATE_SECONDS, clock)
        self._walked: _Kept[WordIndex[Entry]] = _Kept(WALK_SECONDS, clock)

    def feed(self, url: str, ticket: Ticket) -> Feed:
        """Fetch one page."""
        fetched = self._fetch(url, ticket)
        return parse_feed(fetched.content, fetched.url)

    def pages(self, url: str, bound: int, ticket: Ticket) -> Iterator[Feed]:
        """Fetch a page and those after it, at most `bound` and none twice."""
        seen: set[str] = set()
        while url and url not in seen and len(seen) < bound:
            seen.add(url)
            feed = self.feed(url, ticket)
            yield feed
            url = feed.next

    def template(self, ticket: Ticket) -> str:
        """Give the search template (found once an hour); empty for a catalogue that has no search."""
        return self._template.get(lambda: self._find_template(ticket), ticket)

    def walk(self, ticket: Ticket) -> WordIndex[Entry]:
        """Give the books of the catalogue's first pages, where no search helps (walked every ten minutes)."""
        return self._walked.get(lambda: self._walk(ticket), ticket)

    def forget(self) -> None:
        """Look at everything anew next time."""
        self._template.forget()
        self._walked.forget()

    def _fetch(self, url: str, ticket: Ticket) -> Fetched:
        return fetch(
            self._session,
            url,
            hosts=self._hosts,
            ticket=ticket,
            max_bytes=MAX_FEED_BYTES,
            headers={"Accept": _ACCEPT},
            sign_in=self._sign_in,
            allowed=self._allowed,
        )

    def _find_template(self, ticket: Ticket) -> str:
        template, description = search_links(self.feed(self.root, ticket))
        if template or not description:
            return template
        try:
            fetched = self._fetch(description, ticket)
        except PermanentError as error:
            _LOG.warning("%s: it is walked instead of searched", error)
            return ""
        return parse_search_description(fetched.content, fetched.url)

    def _walk(self, ticket: Ticket) -> WordIndex[Entry]:
        ways = deque([self.root])
        seen = {self.root}
        books: dict[tuple[str, tuple[Link, ...]], Entry] = {}
        pages = 0
        while ways and pages < WALKED_PAGES:
            feed = self._page(ways.popleft(), ticket, needed=not pages)
            pages += 1
            books |= {(entry.id, entry.acquisitions): entry for entry in feed.entries if entry.acquisitions}
            for link in _ways_on(feed):
                if link.href in seen or origin(link.href) != origin(self.root):
                    continue
                seen.add(link.href)
                # pages with books before pages with ways to them, so that the bound cuts off little
                if link.rel == "next" or "kind=acquisition" in link.profile:
                    ways.appendleft(link.href)
                else:
                    ways.append(link.href)
        if ways:
            shown = safe_url(self.root)
            _LOG.warning("%s has more than the %d pages that are walked: the rest is not seen", shown, pages)
        return WordIndex((book, book_words(book.title, book.authors, book.isbns)) for book in books.values())

    def _page(self, url: str, ticket: Ticket, *, needed: bool) -> Feed:
        try:
            return self.feed(url, ticket)
        except (PermanentError, TransientError) as error:
            if needed:
                raise
            _LOG.info("a page of the catalogue is left out: %s", error)
            return Feed()


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
                self._value = make(), self._clock() + self._seconds
            return self._value[0]

    def forget(self) -> None:
        self._value = None


def _ways_on(feed: Feed) -> Iterator[Link]:
    yield from (link for link in feed.links if link.rel == "next")
    for entry in feed.entries:
        if not entry.acquisitions:
            yield from (link for link in entry.links if link.is_feed and link.rel not in _NO_WAY_ON)
