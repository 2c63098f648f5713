"""Which sign-in a catalogue misses, as its authentication document says (Authentication for OPDS 1.0)."""

from __future__ import annotations

import time

from bookhopper.errors import BookhopperError
from bookhopper.net.addresses import safe_url
from bookhopper.net.session import chunks
from bookhopper.net.web import Web
from bookhopper.search.sources.opds_publications import BASIC, Authentication, parse_authentication
from bookhopper.ticket import Ticket

_MAX_BYTES = 256 * 1024
_SECONDS = 20.0
_UNAUTHORIZED = 401


def missing_sign_in(web: Web, url: str, status: int, ticket: Ticket) -> str:
    """Say after a refusal which sign-in is missing and what to do; empty where the catalogue does not tell.

    It is asked once more for that, and only without credentials: a server that counts refused ones would
    lock the person out.
    """
    if status != _UNAUTHORIZED or web.sign_in is not None:
        return ""
    try:
        found = parse_authentication(_document(web, url, ticket))
    except BookhopperError:
        return ""
    return f"{safe_url(url)}: {_told(found)}" if found else ""


def _told(found: Authentication) -> str:
    title = found.title or "it"
    if BASIC not in found.kinds:
        kinds = ", ".join(kind.rpartition("/")[2] for kind in found.kinds[:5])
        return f"{title} takes only sign-in by {kinds} (401): ask its keeper for Basic, the one spoken here"
    labels = f", which it calls {' and '.join(found.labels)}" if found.labels else ""
    return f"{title} asks for a sign-in (401): set username and password_file of its source{labels}"


def _document(web: Web, url: str, ticket: Ticket) -> bytes:
    content, deadline = bytearray(), time.monotonic() + _SECONDS
    with web.stream(url, ticket, statuses={_UNAUTHORIZED}) as response:
        for chunk in chunks(response):
            ticket.check()
            content += chunk
            if len(content) > _MAX_BYTES or time.monotonic() > deadline:
                return b""
    return bytes(content)
