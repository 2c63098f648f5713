"""From the fields of a row to candidates: what a site writes in words, as the daemon knows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urldefrag, urljoin, urlsplit

from requests.utils import requote_uri

from bookhopper.errors import PermanentError
from bookhopper.model import FORMATS, Candidate
from bookhopper.net.addresses import without_credentials
from bookhopper.search.definitions.model import Definition, Download
from bookhopper.search.definitions.rows import Fields
from bookhopper.search.language import language_tag
from bookhopper.search.normalise import isbn13
from bookhopper.search.sources.fields import one_line
from bookhopper.search.sources.opds_model import format_of_path
from bookhopper.units import parse_size

MAX_MIRRORS = 8
_WORDS = re.compile(r"[a-z0-9]+")
_YEAR = re.compile(r"(?<!\d)1[4-9]\d\d(?!\d)|(?<!\d)20\d\d(?!\d)")
_HEXADECIMAL = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])")
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}
_MAX_TITLE = 500


def offers(fields: Fields, definition: Definition, page: str, key: str, source: str) -> tuple[Candidate, ...]:
    """Make a candidate of each format that a row offers, none when it leads nowhere; `page` is the row's own.

    Where the definition says how a download page is read, the address is that of the page until the
    candidate is located.
    """
    urls = addresses(fields, page)
    download = definition.download
    if not urls:
        return ()
    formats = formats_of(fields, definition, urls[0])
    if download is not None:
        urls = urls[:1]
    else:
        formats = formats[:1]  # one link leads to one file
    book = described(fields, definition, source, key)
    return tuple(replace(book, format=kind, urls=urls) for kind in formats)


def described(fields: Fields, definition: Definition, source: str, key: str) -> Candidate:
    """Give what a row says of its book; format and addresses are left open."""
    year = _YEAR.search(_first(fields, "year"))
    return Candidate(
        source=source,
        key=key,
        title=one_line(_first(fields, "title"))[:_MAX_TITLE],
        authors=tuple(filter(None, map(one_line, _all(fields, "author")))),
        language=language_tag(_first(fields, "language")) or definition.language,
        size=_size(_first(fields, "size")),
        year=int(year[0]) if year else None,
        isbns=tuple(filter(None, map(isbn13, _all(fields, "isbn")))),
        series=one_line(_first(fields, "series")),
        checksums=checksums(_first(fields, "checksum")),
    )


def addresses(fields: Fields, page: str) -> tuple[str, ...]:
    """Give where a row leads: its file (or the page that has the link), then its mirrors."""
    first = _first(fields, "download") or _first(fields, "details")
    links = (link(page, href) for href in (first, *_all(fields, "mirrors")))
    return tuple(dict.fromkeys(filter(None, links)))[:MAX_MIRRORS]


def link(page: str, href: str) -> str:
    """Make a link on a page a whole address; empty when it is none that can be fetched."""
    if not href:
        return ""
    try:
        return without_credentials(requote_uri(urldefrag(urljoin(page, href.strip())).url))
    except (PermanentError, ValueError):
        return ""


def formats_of(fields: Fields, definition: Definition, url: str) -> tuple[str, ...]:
    """Tell in which formats a row's book is to be had: as it, the definition or the link says."""
    said = [word for word in _WORDS.findall(_first(fields, "format").lower()) if word in FORMATS]
    if said:
        return tuple(dict.fromkeys(said))
    if definition.download is not None:
        return page_formats(definition.download) or definition.formats
    named = format_of_path(urlsplit(url).path)
    return (named,) if named else definition.formats[:1]


def page_formats(download: Download) -> tuple[str, ...]:
    """List the formats that a download page may have links to."""
    return tuple(dict.fromkeys(each.format for each in download.selectors if each.format))


def checksums(text: str) -> Mapping[str, str]:
    """Read the checksums in a text; their length tells which they are."""
    return {_ALGORITHMS[len(digest)]: digest for digest in _HEXADECIMAL.findall(text.lower())}


def wanted_formats(found: Iterable[Candidate], formats: Sequence[str]) -> tuple[Candidate, ...]:
    """Keep the formats that are asked for, in that order; all of them when none is."""
    offered = tuple(found)
    if not formats:
        return offered
    return tuple(each for kind in formats for each in offered if each.format == kind)


def _size(text: str) -> int | None:
    try:
        return parse_size(text.replace("\N{NO-BREAK SPACE}", " ")) if text else None
    except (ValueError, OverflowError):
        return None


def _first(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else next(iter(value), "")


def _all(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name, ())
    return ((value,) if value else ()) if isinstance(value, str) else tuple(value)
