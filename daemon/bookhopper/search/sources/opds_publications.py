"""OPDS 2.0 feeds and publications, and authentication documents: JSON to the same values as Atom.

Facts: the OPDS 2.0 draft, the Readium Web Publication Manifest that it builds on, and Authentication for
OPDS 1.0.  Most fields may be a value or a list of values, and a text may be a map of texts by language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bookhopper.errors import TransientError
from bookhopper.hostile_json import JsonError, parse_json
from bookhopper.net.addresses import safe_url
from bookhopper.search.sources.fields import MAX_TEXT, isbn_in, number_in, one_line, year_in
from bookhopper.search.sources.opds_model import (
    ACQUISITION,
    JSON_TYPE,
    MAX_AUTHORS,
    MAX_CHAIN,
    MAX_ENTRIES,
    MAX_LINKS,
    Entry,
    Feed,
    Link,
    absolute,
    bare_type,
    parameters,
)

BASIC = "http://opds-spec.org/auth/basic"
_COLLECTIONS = ("publications", "navigation", "groups", "facets")

Object = Mapping[str, object]


def parse_publications(content: bytes, url: str, charset: str = "") -> Feed:
    """Read a feed, or a publication's own document, that came from `url`; raises TransientError for none.

    `charset` is what the answer's head said.
    """
    try:
        root = _object(parse_json(content, charset=charset))
    except JsonError as error:
        raise TransientError(
            f"{safe_url(url)} gave no OPDS feed ({error}): check the source's url"
        ) from error
    if not any(key in root for key in _COLLECTIONS):
        if "metadata" not in root or "links" not in root:
            raise TransientError(f"{safe_url(url)} gave no OPDS feed but other JSON: check the source's url")
        entry = _publication(root, url)
        if entry.id or entry.authors or any(link.rel.startswith(ACQUISITION) for link in entry.links):
            return Feed(entries=(entry,))  # else a feed that has nothing to show
    groups = (root, *_objects(root, "groups"))
    return Feed(
        title=_text(_object(root.get("metadata")).get("title")),
        links=_links(root, url),
        entries=tuple(
            islice((entry for group in groups for entry in _entries(group, root, url)), MAX_ENTRIES)
        ),
        facets=tuple(islice(_facets(root, url), MAX_LINKS)),
    )


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a catalogue says of its sign-in: its own name, the kinds it takes, and Basic's labels."""

    title: str
    kinds: tuple[str, ...]
    labels: tuple[str, ...] = ()


def parse_authentication(content: bytes) -> Authentication | None:
    """Read an authentication document; None for anything else."""
    try:
        root = _object(parse_json(content))
    except JsonError:
        return None
    flows = tuple(_objects(root, "authentication"))
    kinds = tuple(filter(None, (_text(flow.get("type")) for flow in flows)))
    basic = next((flow for flow in flows if flow.get("type") == BASIC), {})
    labels = _object(_object(basic).get("labels"))
    named = tuple(filter(None, (_text(labels.get(name)) for name in ("login", "password"))))
    return Authentication(_text(root.get("title")), kinds, named) if kinds else None


def _entries(group: Object, root: Object, url: str) -> Iterator[Entry]:
    """Give a group's books, then its ways on, of which the group's own feed is one."""
    yield from (_publication(each, url) for each in _objects(group, "publications"))
    for each in _objects(group, "navigation"):
        if (link := _link(each, url)) is not None:
            yield Entry(link.href, link.title, links=(_as_way(link),))
    if group is not root:
        own = tuple(link for link in _links(group, url) if link.rel == "self")
        title = _text(_object(group.get("metadata")).get("title"))
        yield from (Entry(link.href, title, links=(_as_way(link),)) for link in own)


def _as_way(link: Link) -> Link:
    """Take a link for one to another feed, which is what it means where it stands."""
    rel = link.rel if link.rel not in {"self", "alternate"} else "subsection"
    return Link(link.href, rel, link.type or JSON_TYPE)


def _publication(publication: Object, url: str) -> Entry:
    metadata = _object(publication.get("metadata"))
    identifiers = [text for name in ("identifier", "altIdentifier") for text in _names(metadata.get(name))]
    series = _object(metadata.get("belongsTo")).get("series")
    place = next((each.get("position") for each in _list(series) if isinstance(each, Mapping)), None)
    return Entry(
        id=next(iter(identifiers), ""),
        title=_text(metadata.get("title")),
        authors=tuple(_names(metadata.get("author")))[:MAX_AUTHORS],
        language=next(iter(_names(metadata.get("language"))), ""),
        year=year_in(_text(metadata.get("published"))),
        isbns=tuple(dict.fromkeys(filter(None, map(isbn_in, identifiers)))),
        series=next(iter(_names(series)), ""),
        position=number_in(str(place)),
        links=_links(publication, url),
    )


def _facets(root: Object, url: str) -> Iterator[Link]:
    for facet in _objects(root, "facets"):
        group = _text(_object(facet.get("metadata")).get("title"))
        for link in _links(facet, url):
            active = link.rel == "self"
            yield Link(link.href, "facet", link.type, title=link.title, group=group, active=active)


def _links(holder: Object, url: str) -> tuple[Link, ...]:
    return tuple(filter(None, (_link(each, url) for each in _objects(holder, "links"))))


def _link(link: Object, url: str) -> Link | None:
    href, kind, properties = link.get("href"), link.get("type"), _object(link.get("properties"))
    address = absolute(url, href) if isinstance(href, str) else ""
    if not address:
        return None
    kind = kind if isinstance(kind, str) else ""
    sizes = (size for size in (link.get("size"), properties.get("size")) if type(size) is int)
    return Link(
        href=address,
        rel=_relation(link.get("rel")),
        type=bare_type(kind),
        profile=parameters(kind),
        length=next((size for size in sizes if 0 < size < 10**12), None),
        title=_text(link.get("title")),
        indirect=tuple(islice(_chains(properties, "indirectAcquisition"), MAX_LINKS)),
    )


def _relation(rel: object) -> str:
    """Give the relation that tells most: of several, the first of OPDS's own."""
    named = [each for each in _list(rel) if isinstance(each, str)]
    return next((each for each in named if "opds-spec.org" in each), next(iter(named), "alternate"))[
        :MAX_TEXT
    ]


def _chains(holder: Object, key: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the media types that an acquisition goes through, one chain for each way to its end."""
    for step in _objects(holder, key):
        kind = step.get("type")
        chain = (*above, bare_type(kind) if isinstance(kind, str) else "")
        further = tuple(_chains(step, "child", chain)) if len(chain) < MAX_CHAIN else ()
        yield from further or (chain,)


def _names(value: object) -> Sequence[str]:
    """Give the names of one or several things, each written as a text or as an object with a name."""
    texts = (
        _text(each.get("name", each)) if isinstance(each, Mapping) else _text(each) for each in _list(value)
    )
    return [text for text in islice(texts, MAX_LINKS) if text]


def _text(value: object) -> str:
    """Give a text as one line; of texts by language the English one, else the first."""
    if isinstance(value, Mapping):
        value = value.get("en", next(iter(value.values()), ""))
    return one_line(value) if isinstance(value, str) else ""


def _object(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}


def _objects(holder: Object, key: str) -> Iterator[Object]:
    found = (each for each in _list(holder.get(key)) if isinstance(each, Mapping))
    return islice(found, MAX_ENTRIES if key in {"publications", "navigation"} else MAX_LINKS)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else () if value is None else (value,)
