"""The Internet Archive's search and items, for every source whose books lie there.

`advancedsearch.php` takes a Lucene query and answers `{"response": {"numFound": …, "docs": […]}}`, or with
an `error`: https://archive.org/advancedsearch.php and https://archive.org/developers/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from bookhopper.errors import BookhopperError, PermanentError, TransientError
from bookhopper.model import Candidate, Reading
from bookhopper.net.addresses import host_and_port
from bookhopper.net.web import Web
from bookhopper.search.language import same_language
from bookhopper.search.person import person
from bookhopper.search.sources.archive_item import (
    formats_in,
    is_identifier,
    is_lent,
    is_public,
    language_in,
    names_in,
    offers,
    title_in,
)
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.json_answers import get_json, objects, text, texts
from bookhopper.search.sources.word_index import book_words, wanted_words
from bookhopper.search.words import name_words
from bookhopper.ticket import Ticket

ROWS = 50
"""How many items one search lists."""

MAX_ITEMS = 5
"""How many items of a want are looked into: each takes a request."""

_NAME = re.compile(r"\w[\w'’]{0,60}")
_FIELDS = (
    *("identifier", "title", "creator", "language", "volume", "format", "mediatype", "collection"),
    *("isbn", "downloads", "access-restricted-item", "noindex"),
)
_PUBLIC = (
    "mediatype:texts AND NOT access-restricted-item:true AND NOT noindex:true "
    "AND NOT collection:(inlibrary OR printdisabled)"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """An item as a search lists it: enough to tell whether it is worth a look."""

    identifier: str
    words: frozenset[str]
    language: str
    formats: frozenset[str]
    downloads: int


class ArchiveApi:
    """Asks the Internet Archive at `url` on behalf of a source; safe from several threads."""

    def __init__(self, source: str, url: str, web: Web) -> None:
        """Take the source that the candidates are to name; raises PermanentError when `url` is no address."""
        self._source = source
        self._site = url.rstrip("/")
        self._web = web
        self.host = host_and_port(url)

    def search(self, expression: str, ticket: Ticket) -> list[Listed]:
        """List the public texts that a Lucene expression finds; its values are quoted by `phrase`."""
        return [listed for doc in self._docs(expression, ticket) if (listed := _listed(doc)) is not None]

    def check(self, ticket: Ticket) -> None:
        """See that searches are answered; raises what `search` does."""
        list(self._docs("*:*", ticket, rows=1, fresh=True))

    def offers(self, identifier: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Give an item's candidates, one a format; empty when there is no such item, or it is not public."""
        item = self._item(identifier, ticket)
        return offers(item, identifier, source=self._source, site=self._site)

    def picked(self, identifier: str, ticket: Ticket) -> tuple[Candidate, ...]:
        """Give the candidates of an item that somebody named; PermanentError where it is lent only."""
        item = self._item(identifier, ticket)
        found = offers(item, identifier, source=self._source, site=self._site)
        if not found and is_lent(item.get("metadata")):
            raise PermanentError("it is lent only, not given away")
        return found

    def _item(self, identifier: str, ticket: Ticket) -> Mapping[str, object]:
        if not is_identifier(identifier):
            return {}
        return get_json(self._web, f"{self._site}/metadata/{identifier}", ticket)

    def offers_of(
        self, identifiers: Sequence[str], formats: Sequence[str], ticket: Ticket
    ) -> list[Candidate]:
        """Look into items in turn, one request each, for their candidates in the formats asked for.

        One that cannot be read is passed over; its fault is raised when nothing else was found.
        """
        found: list[Candidate] = []
        fault: BookhopperError | None = None
        for identifier in identifiers:
            try:
                found += in_formats(self.offers(identifier, ticket), formats)
            except (TransientError, PermanentError) as error:
                fault = error
        try:
            if fault is not None and not found:
                raise fault
            return found
        finally:
            del fault  # it holds this very frame, and with it an answer that was given up

    def _docs(
        self, expression: str, ticket: Ticket, *, rows: int = ROWS, fresh: bool = False
    ) -> Iterator[Mapping[str, object]]:
        answer = get_json(self._web, self._search_address(expression, rows), ticket, fresh=fresh)
        response = answer.get("response")
        if not isinstance(response, dict) or not isinstance(response.get("docs"), list):
            said = text(answer.get("error")) or "it lists nothing"
            raise TransientError(f"{self.host} did not understand the search: {said}")
        return objects(response["docs"])

    def _search_address(self, expression: str, rows: int) -> str:
        asked = [("q", f"{_PUBLIC} AND ({expression})"), *(("fl[]", field) for field in _FIELDS)]
        shape = [("rows", str(rows)), ("page", "1"), ("output", "json")]
        return f"{self._site}/advancedsearch.php?{urlencode(asked + shape)}"


class ArchiveSource:
    """What sources have in common whose books are the archive's items, and their keys those identifiers."""

    def __init__(self, name: str, archive: str, web: Web) -> None:
        """Take the archive's address; raises PermanentError when it is none."""
        self.name = name
        self._web = web
        self._archive = ArchiveApi(name, archive, web)

    def lookup(self, key: str, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Give the candidates of the item with an identifier; PermanentError where it is lent only."""
        ticket.check()
        return tuple(in_formats(self._archive.picked(key, ticket), formats))

    def refresh(self, ticket: Ticket) -> bool:  # noqa: ARG002 - nothing is kept
        """Keep nothing, so that nothing changes."""
        return False

    def close(self) -> None:
        """Close the connections."""
        self._web.close()


def phrase(words: str) -> str:
    """Quote words for a Lucene query: inside quotes only these two signs mean anything."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def surname(reading: Reading) -> str:
    """Give the first author's family name in lower case, which stands in every form of it; empty if none."""
    name = reading.authors[0] if reading.authors else ""
    family = person(name).family
    return next((word for word in _NAME.findall(name.lower()) if family in name_words(word)), family[:60])


def best_first(listed: Sequence[Listed], query: Query) -> list[Listed]:
    """Order items by the words that they share with a query, their language, and how often they are fetched.

    Those that share no word, or come in no wanted format, are left out.
    """
    wanted, formats = wanted_words(query), frozenset(query.formats)

    def order(item: Listed) -> tuple[int, int, int, int]:
        served = any(same_language(tag, item.language) for tag in query.languages)
        strange = bool(item.language and query.languages) and not served
        return (-len(item.words & wanted), strange, len(item.words - wanted), -item.downloads)

    shared = (item for item in listed if not item.words.isdisjoint(wanted))
    fit = (item for item in shared if not formats or not item.formats or not item.formats.isdisjoint(formats))
    return sorted(fit, key=order)


def in_formats(offered: Sequence[Candidate], formats: Sequence[str]) -> Iterator[Candidate]:
    """Keep the formats that are asked for, in that order; all of them when none is."""
    if not formats:
        yield from offered
    for kind in formats:
        yield from (offer for offer in offered if offer.format == kind)


def _listed(doc: Mapping[str, object]) -> Listed | None:
    identifier = text(doc.get("identifier"))
    if not is_identifier(identifier) or not is_public(doc):
        return None
    downloads = text(doc.get("downloads"))
    return Listed(
        identifier,
        book_words(title_in(doc), names_in(doc.get("creator")), texts(doc.get("isbn"))[:20]),
        language_in(doc.get("language")),
        formats_in(doc.get("format")),
        int(downloads) if downloads.isdecimal() and len(downloads) < 16 else 0,
    )
