"""Which kind of document an answer is, told by what it begins with: media types are often wrong."""

from __future__ import annotations

from email.message import Message

from bookhopper.net.session import Fetched
from bookhopper.search.sources.opds_feed import parse_feed
from bookhopper.search.sources.opds_model import HTML_TYPES, Feed, bare_type
from bookhopper.search.sources.opds_publications import parse_publications

_MARKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_PAGE = (b"<!doctype html", b"<html")
_PAGE_UNDER_ITS_TYPE = (*_PAGE, b"<!--", b"<head", b"<body", b"<?xml")


def read_feed(fetched: Fetched) -> Feed:
    """Read a feed of OPDS 1.2 or 2.0; raises TransientError for what is none."""
    charset = _charset(fetched)
    if fetched.content[:1024].lstrip(_MARKS).startswith(b"{"):
        return parse_publications(fetched.content, fetched.url, charset)
    return parse_feed(fetched.content, fetched.url, charset)


def is_page(fetched: Fetched) -> bool:
    """Whether an answer is a web page."""
    beginning = fetched.content[:1024].lstrip(_MARKS).lower()
    if beginning.startswith(_PAGE):
        return True
    named = bare_type(fetched.headers.get("Content-Type", "")) in HTML_TYPES
    return named and beginning.startswith(_PAGE_UNDER_ITS_TYPE) and b"<feed" not in beginning


def _charset(fetched: Fetched) -> str:
    message = Message()
    message["Content-Type"] = fetched.headers.get("Content-Type", "")[:200]
    charset = message.get_param("charset", "")
    return charset if isinstance(charset, str) else ""
