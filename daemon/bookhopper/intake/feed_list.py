"""RSS, Atom and OPML: the books that a feed's items or an outline's leaves name.

It is fetched from strangers as often as it is dropped: `hostile_xml` bounds what it may cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lxml import etree

from bookhopper.hostile_xml import MAX_BYTES, XmlError, local_name, parse_xml
from bookhopper.intake.base import A_FEED, Entry, Limits, UnreadableRequestError, WantError, plain, shown
from bookhopper.intake.csv_exports import own_shelves
from bookhopper.intake.readings import title_and_authors
from bookhopper.intake.records import first_isbn, split_series, want_of
from bookhopper.intake.text import read_line
from bookhopper.model import BadLine, LeftOut, Reading, Want

_ITEMS = {"rss": "item", "RDF": "item", "feed": "entry"}
"""What a book is called below each root element; namespaces are not looked at, for many are wrong."""

_AUTHORS = ("author_name", "creator", "author")
"""Of Goodreads, of Dublin Core, of Atom; RSS's own is an e-mail address."""

_ISBNS = ("isbn13", "isbn", "identifier")
_MOST_FEEDS = 50


def parse_feed_list(data: bytes, limits: Limits) -> Iterator[Entry | LeftOut]:
    """Read what a feed or an outline lists; feeds that an outline names are bad lines."""
    root = _root(data, limits)
    for url, line in _feeds(root).items():
        yield BadLine(line, 1, shown(url), A_FEED)
    yield from _entries(root, limits)


def feeds_named(data: bytes, limits: Limits) -> tuple[str, ...]:
    """Give the addresses of the feeds that an outline names; raises UnreadableRequestError."""
    return tuple(_feeds(_root(data, limits)))


def _feeds(root: etree._Element) -> dict[str, int]:
    """Give the addresses of an outline's feeds, not too many, with the line of each."""
    found: dict[str, int] = {}
    for outline in _outlines(root):
        url = _attribute(outline, "xmlUrl")
        if url and len(found) < _MOST_FEEDS:
            found.setdefault(url, _line(outline))
    return found


def _entries(root: etree._Element, limits: Limits) -> Iterator[Entry]:
    """Give a want for each item of a feed, or for each leaf of an outline that is no feed."""
    name = local_name(root)
    read = _of_outline if name == "opml" else _of_item
    found = _leaves(root) if name == "opml" else _items(root, _ITEMS[name])
    for number, element in enumerate(found, start=1):
        line = _line(element)
        if number > limits.lines:
            raise UnreadableRequestError(line, 1, f"more than {limits.lines:,} items; split the list")
        try:
            yield read(element, line, limits)
        except WantError as fault:
            yield BadLine(line, 1, shown(_title_of(element)) or f"<{shown(local_name(element))}>", str(fault))


def _root(data: bytes, limits: Limits) -> etree._Element:
    try:
        root = parse_xml(data, max_bytes=min(limits.size, MAX_BYTES))
    except XmlError as error:
        raise UnreadableRequestError(1, 1, f"this cannot be read as RSS, Atom or OPML: {error}") from error
    if local_name(root) not in {*_ITEMS, "opml"}:
        reason = f"this is neither RSS nor Atom nor OPML: it begins with <{shown(local_name(root))}>"
        raise UnreadableRequestError(_line(root), 1, reason)
    return root


def _line(element: etree._Element) -> int:
    line: int | None = element.sourceline  # type: ignore[assignment]  # the stubs say `...`
    return line or 1


def _items(root: etree._Element, name: str) -> Iterator[etree._Element]:
    """Find the items at the two depths where they stand: below the root, or below its channel."""
    for child in root:
        if local_name(child) == name:
            yield child
        elif local_name(child) == "channel":
            yield from (item for item in child if local_name(item) == name)


def _outlines(root: etree._Element) -> Iterator[etree._Element]:
    return (
        (element for element in root.iter() if local_name(element) == "outline")
        if local_name(root) == "opml"
        else iter(())
    )


def _leaves(root: etree._Element) -> Iterator[etree._Element]:
    """Give the outlines that stand for a book: what has outlines below it is a heading."""
    for outline in _outlines(root):
        if not _attribute(outline, "xmlUrl") and not any(local_name(child) == "outline" for child in outline):
            yield outline


def _attribute(element: etree._Element, name: str) -> str:
    """Give an attribute, whose name writers spell in any case."""
    lower = name.lower()
    return next((str(value).strip() for key, value in element.items() if str(key).lower() == lower), "")


def _text(element: etree._Element) -> str:
    """Give an element's text; of a person, whose address may stand beside it, the name."""
    element = next((child for child in element if local_name(child) == "name"), element)
    return plain("".join(str(text) for text in element.itertext()))


def _title_of(element: etree._Element) -> str:
    return next((_text(child) for child in element if local_name(child) == "title"), "") or _attribute(
        element, "text"
    )


def _of_outline(outline: etree._Element, line: int, limits: Limits) -> Want:
    """Read an outline as a line of a text list, or by its attributes where they say more."""
    text = plain(_attribute(outline, "text") or _attribute(outline, "title"))
    author, isbn = _attribute(outline, "author"), _attribute(outline, "isbn")
    if author or not text:
        return want_of(line, limits, title=text, authors=[author], isbns=[isbn])
    if len(text) > limits.line:
        raise WantError(f"the text has {len(text):,} characters, more than {limits.line:,}")
    want = read_line(text, line)
    return replace(want, isbn=want.isbn or first_isbn([isbn]))


def _of_item(item: etree._Element, line: int, limits: Limits) -> Want:
    """Read an item by the names that Goodreads, Dublin Core and Atom have for a book's fields."""
    fields: dict[str, list[str]] = {}
    for child in filter(local_name, item):  # without entities, which have no name and no text of their own
        fields.setdefault(local_name(child), []).append(_text(child))
    title = next(iter(fields.get("title", ())), "")
    authors = [name for field in _AUTHORS for name in fields.get(field, ()) if name and "@" not in name]
    readings: tuple[Reading, ...] = ()
    if title and not authors:
        bare, series = split_series(title[: limits.line])
        if not any(map(str.isalnum, bare)):
            raise WantError("there is no title in this item, only punctuation")
        title, found, readings = title_and_authors(bare)
        authors = [*found]
    else:
        series = ""
    want = want_of(
        line,
        limits,
        title=title,
        authors=authors,
        isbns=[isbn.lower().removeprefix("urn:isbn:") for field in _ISBNS for isbn in fields.get(field, ())],
        year="".join(fields.get("book_published", ())[:1]),
        series=series,
        tags=own_shelves(",".join(fields.get("user_shelves", ()))),
    )
    return replace(want, readings=readings) if readings else want
