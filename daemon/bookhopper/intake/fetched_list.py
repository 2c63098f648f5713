"""One list at an address: fetched only where it is new, and read as what it says it is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import requests

from bookhopper.errors import PermanentError, TransientError
from bookhopper.intake.parse import is_request
from bookhopper.net.addresses import safe_url
from bookhopper.net.dispositions import file_name_in
from bookhopper.net.session import chunks
from bookhopper.net.web import Web
from bookhopper.ticket import Ticket

_SECONDS = 120.0
_NOT_MODIFIED = 304
_ASKED_BY = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_KINDS = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/yaml": ".yaml",
    "text/x-yaml": ".yaml",
    "application/yaml": ".yaml",
    "application/x-yaml": ".yaml",
    "application/rss+xml": ".rss",
    "application/atom+xml": ".atom",
    "application/rdf+xml": ".rss",
    "text/x-opml": ".opml",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/x-bibtex": ".bib",
    "text/x-bibtex": ".bib",
    "application/x-research-info-systems": ".ris",
}
"""What a server may call a list, and how it is read then."""

_PAGES = frozenset(("text/html", "application/xhtml+xml"))


@dataclass(frozen=True, slots=True)
class FetchedList:
    """A list's bytes, the suffix by which it is read, and the headers that ask whether it is the same."""

    content: bytes
    kind: str
    validators: Mapping[str, str]
    digest: str


def fetch_list(
    web: Web, url: str, ticket: Ticket, max_bytes: int, validators: Mapping[str, str]
) -> FetchedList | None:
    """Fetch a list, or None where its server says that it has not changed.

    Raises what `Web.stream` does, PermanentError for what is too large or a web page, and TransientError for
    what takes too long.
    """
    # A server that was not asked whether it is the same cannot say so.
    statuses = {_NOT_MODIFIED} if validators else ()
    with web.stream(url, ticket, headers=validators, statuses=statuses) as response:
        if response.status_code == _NOT_MODIFIED:
            return None
        content = _read(response, ticket, max_bytes)
        kind = kind_of(response.url, response.headers)
        kept = {ask: response.headers[tell] for tell, ask in _ASKED_BY.items() if tell in response.headers}
    return FetchedList(content, kind, kept, hashlib.sha256(content).hexdigest())


def _read(response: requests.Response, ticket: Ticket, max_bytes: int) -> bytes:
    deadline = time.monotonic() + _SECONDS
    content = bytearray()
    for chunk in chunks(response):
        ticket.check()
        content += chunk
        if len(content) > max_bytes:
            raise PermanentError(f"{safe_url(response.url)}: the list is larger than {max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise TransientError(f"{safe_url(response.url)}: the list took longer than {_SECONDS:.0f} s")
    return bytes(content)


def kind_of(url: str, headers: Mapping[str, str]) -> str:
    """Tell how a list is read: by its Content-Type, or, where that says nothing, by its name; else as text.

    Raises PermanentError for a web page.
    """
    said = Message()
    said["Content-Type"] = headers.get("Content-Type", "")
    content_type = said.get_content_type() if headers.get("Content-Type") else ""
    if content_type in _PAGES:
        raise PermanentError(f"{safe_url(url)} is a web page and no list: name the address of its feed")
    if content_type in _KINDS:
        return _KINDS[content_type]
    for name in (file_name_in(headers.get("Content-Disposition", "")), unquote(urlsplit(url).path)):
        if is_request(name):
            return PurePosixPath(name).suffix.lower()
    return ".txt"
