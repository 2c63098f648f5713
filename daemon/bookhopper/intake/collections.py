"""Wants for many books at once: an author's works, a series, what a feed lists."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from bookhopper.intake.base import WantError, shown
from bookhopper.intake.readings import split_authors, title_and_authors
from bookhopper.model import DEFAULT_LIMIT, MOST_BOOKS, Collection, Want

_COLLECTION = re.compile(
    r"(?:(?P<author>(?:works\s+(?:of|by)|author['’]?s\s+works)\s*:)|(?P<series>series\s*:)"
    r"|(?P<feed>(?-i:feed)\s*:|feed\s*:(?=\s*(?:\w+://|[\w-]+(?:\.[\w-]+)+(?::\d+)?/))))",
    re.IGNORECASE,
)
"""What begins such a line; `Feed: A Novel` is a title, and so is what has no colon: `Works of Love`."""

_LIMIT = re.compile(r"(?:^|[,;]?\s+)[(\[]?limit\s*:\s*(?P<limit>[^\s()\[\]]+)[)\]]?$", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]")


def is_collection(text: str) -> bool:
    """Tell whether a line asks for a collection."""
    return _COLLECTION.match(text) is not None


def read_collection(text: str) -> Want:
    """Read `works of: …`, `series: … — author` or `feed: …`, with `limit: N` at the end; raises WantError."""
    match = _COLLECTION.match(text)
    if match is None:
        raise WantError("a collection is written `works of: …`, `series: …` or `feed: …`")
    said = _LIMIT.search(text, match.end())
    value = text[match.end() : said.start() if said else None].strip()
    authors: tuple[str, ...] = ()
    if match["series"] and value:
        value, authors, _ = title_and_authors(value)
    collection = {"author": works_of, "series": whole_series, "feed": feed}[match.lastgroup or ""](value)
    return wanted(replace(collection, limit=read_limit(said["limit"])) if said else collection, authors)


def works_of(author: str) -> Collection:
    """Name all the works of an author; raises WantError."""
    if not _WORD.search(author):
        raise WantError("whose works? Write it like `works of: Jane Austen`")
    if len(split_authors(author)) > 1:
        raise WantError(f"one author at a time: write a line for each of {shown(author)}")
    return Collection("author", author)


def whole_series(title: str) -> Collection:
    """Name all the books of a series; raises WantError."""
    if not _WORD.search(title):
        raise WantError("which series? Write it like `series: Chronicles of Barsetshire — Anthony Trollope`")
    return Collection("series", title)


def feed(address: str) -> Collection:
    """Name all the books that the feed at an address lists; raises WantError."""
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or " " in address:
        raise WantError(f"a feed is named by its address, http:// or https://, not {shown(address)!r}")
    if parts.username is not None:
        raise WantError("an address in a list holds no password: its source has `username:` for that")
    return Collection("feed", address)


def read_limit(text: str) -> int:
    """Read how many books are wanted at most; raises WantError."""
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9 and 0 < int(digits) <= MOST_BOOKS):
        raise WantError(f"`limit` must be a whole number from 1 to {MOST_BOOKS:,}, not {shown(text)!r}")
    return int(digits)


def wanted(collection: Collection, authors: tuple[str, ...] = ()) -> Want:
    """Make a want of a collection; `authors` are those of a series, where they are known."""
    by = {"author": (collection.value,), "series": authors, "feed": ()}[collection.kind]
    series = collection.value if collection.kind == "series" else ""
    return Want(authors=by, series=series, collection=collection)


def as_line(want: Want) -> str:
    """Write a want for a collection as a text list would say it."""
    collection = want.collection
    assert collection is not None
    begin = {"author": "works of", "series": "series", "feed": "feed"}[collection.kind]
    author = f" — {', '.join(want.authors)}" if want.series and want.authors else ""
    limit = f" limit: {collection.limit}" if collection.limit != DEFAULT_LIMIT else ""
    return f"{begin}: {collection.value}{author}{limit}"
