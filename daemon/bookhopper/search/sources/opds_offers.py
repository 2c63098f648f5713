"""From the entries of one catalogue to candidates, which are remembered by their keys."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from requests.utils import requote_uri

from bookhopper.model import Candidate
from bookhopper.net.addresses import without_credentials
from bookhopper.search.language import language_tag
from bookhopper.search.sources.opds_keys import Keys
from bookhopper.search.sources.opds_model import FORMATS, Entry, Link

_REMEMBERED = 5_000


class Offers:
    """Makes the candidates of one source; any number of threads may ask."""

    def __init__(self, source: str, keys: Keys) -> None:
        self._source = source
        self._keys = keys
        self._seen: OrderedDict[str, tuple[Candidate, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, entry: Entry) -> str:
        """Give the key of a book: its own document's or else its first file's."""
        documents = (link for link in entry.links if link.is_document)
        return self._keys.key(next(documents, (*entry.acquisitions, *entry.refused)[0]).href)

    def stands_for(self, key: str, entry: Entry) -> bool:
        """Tell whether a key is that of a book, or was before keys showed as much as they do."""
        own = self.key(entry)
        return own == self._keys.among(key, (own,))

    def of(self, entry: Entry) -> tuple[Candidate, ...]:
        """Make one candidate of each format, the first file of it that the entry names, and remember them.

        Where all files are protected, the candidates say so as their fault.
        """
        files: dict[str, Link] = {}
        for link in entry.acquisitions or entry.refused:
            files.setdefault(link.format or _end(link), link)
        if not files:
            return ()
        key = self.key(entry)
        offers = tuple(self._candidate(key, entry, kind, link) for kind, link in files.items())
        return self.remember(key, offers)

    def remember(self, key: str, offers: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Keep what a key stands for, among the last few thousand."""
        with self._lock:
            self._seen[key] = offers
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return offers

    def recall(self, key: str) -> tuple[Candidate, ...] | None:
        """Give what a key was last seen to stand for."""
        with self._lock:
            return self._seen.get(self._keys.among(key, self._seen))

    def _candidate(self, key: str, entry: Entry, kind: str, link: Link) -> Candidate:
        refused = f"offered only under {link.protection}, which bookhopper does not remove"
        return Candidate(
            source=self._source,
            key=key,
            title=entry.title,
            authors=entry.authors,
            language=language_tag(entry.language),
            format=kind,
            size=link.length,
            year=entry.year,
            isbns=entry.isbns,
            series=entry.series,
            position=entry.position,
            urls=(without_credentials(requote_uri(link.href)),),
            fault=refused if link.protection else "",
        )


def chosen(offers: Sequence[Candidate], formats: Sequence[str]) -> tuple[Candidate, ...]:
    """Keep the formats that are asked for, in that order; all of them when none is."""
    if not formats:
        return tuple(offers)
    return tuple(offer for kind in formats for offer in offers if offer.format == kind)


def _end(link: Link) -> str:
    """Give the format of the protected file that a licence leads to."""
    return next((FORMATS[kind] for chain in link.indirect for kind in chain[::-1] if kind in FORMATS), "")
