"""The source for catalogues that are web pages, each described by a definition."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from urllib.parse import parse_qsl, urlsplit

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate
from bookhopper.net.addresses import safe_url
from bookhopper.net.faults import AnswerError
from bookhopper.net.web import Web
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.model import Definition, Pagination, SearchPath
from bookhopper.search.definitions.rows import (
    Fields,
    UnreadableError,
    fault_on,
    links_on,
    read_fields,
    read_rows,
    read_value,
    settings_values,
)
from bookhopper.search.definitions.templates import Template, Values
from bookhopper.search.sources.base import MOST_QUESTIONS, Health, Query
from bookhopper.search.sources.fields import one_line
from bookhopper.search.sources.html_offers import (
    MAX_MIRRORS,
    addresses,
    described,
    link,
    offers,
    page_formats,
    wanted_formats,
)
from bookhopper.search.sources.html_questions import Question, literal, questions
from bookhopper.search.sources.html_site import REFUSED_SECONDS, Page, Site
from bookhopper.search.sources.opds_keys import Keys
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.ticket import Ticket

_REMEMBERED = 2_000
_ABSENT = frozenset({400, 404, 410})
_SITE_SAYS_NO_SECONDS = 5 * 60.0


class HtmlSource:
    """A catalogue that a definition describes; its books are looked for with the site's own search.

    Where the definition says how a download page is read, that page is visited only for a book that was
    chosen (`locate`): a search costs the site one page, and links that expire are fresh.
    """

    kind = "html"

    def __init__(
        self,
        name: str,
        definition: Definition,
        *,
        web: Web,
        settings: Mapping[str, str | bool | int | float] | None = None,
    ) -> None:
        """Name a catalogue; `settings` are the person's values for those of the definition."""
        self.name = name
        self._definition = definition
        self._web = web
        self._site = Site(definition, web, settings_values(definition.settings, settings or {}))
        self._keys = Keys(definition.site)
        self._seen: OrderedDict[str, tuple[Candidate, ...]] = OrderedDict()
        self._dropped = 0
        self._quiet_until = 0.0
        self._refusal = ""
        self._lock = threading.Lock()

    def search(self, query: Query, ticket: Ticket) -> Sequence[Candidate]:
        """Ask with title and author, then with less, until something comes that shares a word."""
        ticket.check()
        wanted = wanted_words(query)
        with self._refusals_held():
            for asked in islice(questions(query, by_isbn=self._definition.caps.by_isbn), MOST_QUESTIONS):
                if found := self._matching(asked, wanted, query, ticket):
                    return found
        return ()

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Find a book again, by memory or on the page that its key stands for."""
        ticket.check()
        with self._lock:
            found = self._seen.get(self._keys.among(key, self._seen))
        if found is None:
            with self._refusals_held():
                found = self._look_up(key, ticket)
        return wanted_formats(found, formats)

    def locate(self, candidate: Candidate, ticket: Ticket) -> Candidate:
        """Visit the page of a chosen book for the links to its file; without such pages, give it back.

        Raises PermanentError when the page has no link to the candidate's format.
        """
        if self._definition.download is None or not candidate.urls:
            return candidate
        values = {**self._site.values, "Result.title": candidate.title, "Result.author": candidate.authors}
        page = self._download_page(candidate.urls[0], values, ticket)
        urls = self._links(page, candidate.format, values)
        if not urls:
            what = f"no link to a file in {candidate.format}" if candidate.format else "no link to a file"
            raise PermanentError(f"{safe_url(page.url)}: the page has {what}")
        said = self._described(page, candidate.key, values)
        checksums = {**candidate.checksums, **said.checksums}
        return replace(candidate, urls=urls, size=said.size or candidate.size, checksums=checksums)

    def take_dropped(self) -> int:
        """Give how many rows could not be read since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def check(self, ticket: Ticket) -> Health:
        """See whether the site answers and, where that is needed, lets us in."""
        try:
            with self._refusals_held():
                self._site.reach(ticket)
        except BookhopperError as error:
            return Health(ok=False, detail=str(error))
        detail = f"{self._definition.name}, searched at {safe_url(self._definition.site)}"
        return Health(ok=True, detail=" ".join(detail.split()))

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002 - nothing is kept here
        """Keep nothing, so change nothing."""
        return False

    def close(self) -> None:
        """Leave the connections to whoever made the web."""

    # searching

    def _matching(
        self, asked: Mapping[str, str], wanted: frozenset[str], query: Query, ticket: Ticket
    ) -> tuple[Candidate, ...]:
        """Ask once: the books that share a word with what is wanted, those that share most first."""
        shared: list[tuple[int, tuple[Candidate, ...]]] = []
        for fields, page in self._rows(asked, query.limit, ticket):
            found = self._offers(fields, page)
            if found and (n := len(wanted & book_words(found[0].title, found[0].authors, found[0].isbns))):
                shared.append((n, found))
        shared.sort(key=lambda pair: -pair[0])
        chosen = (each for _, found in shared for each in wanted_formats(found, query.formats))
        once = {(each.key, each.format): each for each in chosen}  # pages overlap when a catalogue grows
        return tuple(islice(once.values(), query.limit))

    def _rows(self, asked: Mapping[str, str], limit: int, ticket: Ticket) -> Iterator[tuple[Fields, str]]:
        """Give the rows of every page that answers, each with its page's address."""
        values = {**self._site.values, **asked}
        budget = Budget()
        for step in self._definition.search.keywordsfilters:
            values["Keywords"] = step.apply(str(values["Keywords"]), values, budget)
        given = 0
        for path in self._definition.search.paths:
            for page in self._pages(path, values, ticket):
                rows = self._rows_on(page, values)
                yield from ((row, page.url) for row in rows)
                given += len(rows)
                if given >= limit or not rows:
                    break

    def _rows_on(self, page: Page, values: Values) -> tuple[Fields, ...]:
        answer = read_rows(page.element, self._definition, values, Budget())
        if answer.dropped and not answer.rows:
            what = f"none of its {len(answer.dropped)} rows can be read, {answer.dropped[0]}"
            remedy = f"the site has changed, look for a new definition of {self._definition.id}"
            raise TransientError(f"{safe_url(page.url)}: {what}: {remedy}")
        with self._lock:
            self._dropped += len(answer.dropped)
        return answer.rows

    def _pages(self, path: SearchPath, values: Values, ticket: Ticket) -> Iterator[Page]:
        """Give the first page of an answer and those behind it, none twice."""
        search = self._definition.search
        inputs = {**search.inputs, **path.inputs}
        paging = search.pagination
        question = Question(path.path, path.method, inputs, search.headers)
        seen: set[str] = set()
        for number in range(paging.pages if paging else 1):
            if paging is not None and paging.input:
                place = Template.parse(str(paging.first + number * paging.step))
                question = replace(question, inputs={**inputs, paging.input: place})
            page = self._page(question, path.response.type, values, ticket)
            if page is None:
                return
            yield page
            if paging is None:
                return
            if paging.next is not None:
                following = self._next(page, paging, values)
                if not following or following in seen:
                    return
                seen.add(following)
                question = Question(literal(following), headers=search.headers)

    def _page(self, question: Question, kind: str, values: Values, ticket: Ticket) -> Page | None:
        """Give a page of an answer; None for one that is not there, which is how some sites say "nothing"."""
        try:
            page = self._site.page(question, kind, values, ticket)
        except AnswerError as error:
            if error.status not in _ABSENT:
                raise
            return None
        if message := fault_on(page.element, self._definition.search.error, values, Budget()):
            self._site.forget(question, values)
            what = f"{safe_url(page.url)} says: {message}"
            raise HeldError(what, scope="host", seconds=_SITE_SAYS_NO_SECONDS)
        return page

    def _next(self, page: Page, paging: Pagination, values: Values) -> str:
        assert paging.next is not None
        return link(page.url, read_value(page.element, paging.next, values, Budget()) or "")

    def _offers(self, fields: Fields, page: str) -> tuple[Candidate, ...]:
        """Make the candidates of a row, and remember them; a row that leads nowhere counts as dropped."""
        own = str(fields.get("details", ""))
        where = (link(page, own) if own else "") or next(iter(addresses(fields, page)), "")
        key = self._keys.key(where) if where else ""
        found = offers(fields, self._definition, page, key, self.name) if key else ()
        with self._lock:
            if not found:
                self._dropped += 1
                return ()
            self._seen[key] = found
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return found

    # pages of single books

    def _look_up(self, key: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Look for what a key stands for; it comes from a person, so it may be anything."""
        address = self._keys.address(key)
        download = self._definition.download
        if not address or download is None:
            return ()
        try:
            page = self._download_page(address, self._site.values, ticket)
        except AnswerError as error:
            if error.status not in _ABSENT:
                raise
            return ()
        except (PermanentError, TransientError):
            return ()
        book = self._described(page, self._keys.key(address), self._site.values)
        title = page.element.first("title")
        book = replace(book, title=book.title or (one_line(title.text()) if title else ""), urls=(address,))
        formats = page_formats(download) or self._definition.formats or ("",)
        return tuple(
            replace(book, format=kind) for kind in formats if self._links(page, kind, self._site.values)
        )

    def _download_page(self, address: str, values: Values, ticket: Ticket) -> Page:
        download = self._definition.download
        assert download is not None
        parts = urlsplit(address)
        known = {
            **values,
            "DownloadUri.AbsoluteUri": address,
            "DownloadUri.AbsolutePath": parts.path,
            **{f"DownloadUri.Query.{name}": value for name, value in parse_qsl(parts.query)[:50]},
        }
        if download.before is not None:
            before = download.before
            self._site.ask(
                Question(before.path, before.method, before.inputs, download.headers), known, ticket
            )
        question = Question(literal(address), download.method, headers=download.headers)
        return self._site.page(question, "html", known, ticket)

    def _links(self, page: Page, kind: str, values: Values) -> tuple[str, ...]:
        """Give the addresses of a page's file in a format."""
        hrefs = links_on(page.element, self._definition, kind, values)
        urls = (link(page.url, href) for href in hrefs)
        return tuple(dict.fromkeys(filter(None, urls)))[:MAX_MIRRORS]

    def _described(self, page: Page, key: str, values: Values) -> Candidate:
        download = self._definition.download
        assert download is not None
        try:
            fields = read_fields(page.element, download.fields, values, Budget())
        except UnreadableError as error:
            raise TransientError(f"{safe_url(page.url)}: {error}") from error
        return described(fields, self._definition, self.name, key)

    @contextmanager
    def _refusals_held(self) -> Iterator[None]:
        """Turn what is wrong with the site, such as a page that is gone, into a hold: no want's fault.

        It is not asked again meanwhile: a site that counts refused sign-ins would lock the person out.
        """
        left = self._quiet_until - time.monotonic()
        if left > 0:
            raise HeldError(self._refusal, scope="host", seconds=left)
        try:
            yield
        except PermanentError as error:
            self._refusal = f"{error}: check the definition of source {self.name}"
            self._quiet_until = time.monotonic() + REFUSED_SECONDS
            raise HeldError(self._refusal, scope="host", seconds=REFUSED_SECONDS) from error
        except HeldError as error:
            if error.scope == "host" and error.seconds >= REFUSED_SECONDS:
                self._refusal, self._quiet_until = str(error), time.monotonic() + error.seconds
            raise
