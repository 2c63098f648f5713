"""OPDS 2.0 feeds and authentication documents, as catalogues write them and as nobody should."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bookhopper.errors import TransientError
from bookhopper.search.sources.opds_model import MAX_ENTRIES, MAX_LINKS, Entry, Feed, Link
from bookhopper.search.sources.opds_publications import (
    BASIC,
    Authentication,
    parse_authentication,
    parse_publications,
)

URL = "https://books.example/opds/page?n=1"
OPEN = "http://opds-spec.org/acquisition/open-access"


def feed(**collections: Any) -> Feed:
    return parse_publications(json.dumps({"metadata": {"title": "F"}, **collections}).encode(), URL)


def book(links: Any = (), **metadata: Any) -> Entry:
    return feed(publications=[{"metadata": metadata, "links": links}]).entries[0]


def test_a_whole_publication() -> None:
    entry = book(
        [
            {"rel": "self", "type": "application/opds-publication+json", "href": "/p/1"},
            {"rel": [OPEN, "alternate"], "type": "application/epub+zip", "href": "../1.epub", "size": 99},
        ],
        **{"@type": "http://schema.org/Book"},
        title={"de": "Der Prozeß", "en": "The  Trial"},
        author=[{"name": "Franz Kafka"}, "Max Brod", {"name": {"cs": "Někdo"}}],
        language=["en", "de"],
        identifier="urn:isbn:0-14-143958-0",
        altIdentifier=["urn:isbn:9780141439587", "urn:x:1", 7],
        published="1925-04-26T00:00:00Z",
        modified="2020-01-01",
        belongsTo={"series": {"name": "Works", "position": 2}},
    )
    assert entry == Entry(
        id="urn:isbn:0-14-143958-0",
        title="The Trial",
        authors=("Franz Kafka", "Max Brod", "Někdo"),
        language="en",
        year=1925,
        isbns=("9780141439587",),
        series="Works",
        position=2,
        links=(
            Link("https://books.example/p/1", "self", "application/opds-publication+json"),
            Link("https://books.example/1.epub", OPEN, "application/epub+zip", length=99),
        ),
    )
    assert [link.format for link in entry.acquisitions] == ["epub"]


def test_one_value_where_a_list_might_be() -> None:
    entry = book({"href": "/1.pdf", "rel": OPEN, "type": "application/pdf"}, author="A", language="fr")
    assert (entry.authors, entry.language, [link.format for link in entry.acquisitions]) == (
        ("A",),
        "fr",
        ["pdf"],
    )


def test_a_publication_of_its_own_is_a_feed_of_one() -> None:
    page = parse_publications(b'{"metadata": {"title": "Solo", "author": "A"}, "links": []}', URL)
    assert [entry.title for entry in page.entries] == ["Solo"]


def test_an_answer_without_books_is_an_empty_feed() -> None:
    page = parse_publications(b'{"metadata": {"title": "Results for Emma"}, "links": []}', URL)
    assert (page.title, page.entries) == ("Results for Emma", ())


def test_groups_hold_books_and_are_ways_on() -> None:
    page = feed(
        navigation=[{"href": "a", "title": "A", "type": "application/opds+json"}],
        groups=[
            {
                "metadata": {"title": "New"},
                "links": [{"rel": "self", "href": "new", "type": "application/opds+json"}],
                "publications": [{"metadata": {"title": "Inside"}}],
            },
            {"metadata": {"title": "More"}, "navigation": [{"href": "b", "title": "B"}]},
        ],
    )
    assert [entry.title for entry in page.entries] == ["A", "Inside", "New", "B"]
    assert [link.href for entry in page.entries for link in entry.links] == [
        "https://books.example/opds/a",
        "https://books.example/opds/new",
        "https://books.example/opds/b",
    ]


def test_facets_are_no_links() -> None:
    links = [{"href": "en", "title": "English"}, {"href": "de", "title": "German", "rel": "self"}]
    page = feed(facets=[{"metadata": {"title": "Language"}, "links": links}], publications=[])
    assert [(link.group, link.title, link.active) for link in page.facets] == [
        ("Language", "English", False),
        ("Language", "German", True),
    ]
    assert page.links == ()


def test_next_and_start() -> None:
    page = feed(links=[{"rel": "next", "href": "?p=2"}, {"rel": ["start"], "href": "/opds"}], navigation=[])
    assert (page.next, page.start) == ("https://books.example/opds/page?p=2", "https://books.example/opds")


@pytest.mark.parametrize(
    ("kind", "chain", "direct", "page", "protection"),
    [
        ("application/epub+zip", [], "epub", "", ""),
        ("text/html", [{"type": "application/epub+zip"}], "", "epub", ""),
        ("application/opds-publication+json", [{"type": "application/pdf"}], "", "pdf", ""),
        ("text/html", [{"type": "application/zip", "child": [{"type": "application/epub+zip"}]}], "", "", ""),
        ("application/zip", [{"type": "application/epub+zip"}], "", "", ""),
        (
            "application/vnd.adobe.adept+xml",
            [{"type": "application/epub+zip"}],
            "",
            "",
            "Adobe's copy protection (ACSM)",
        ),
        (
            "text/html",
            [
                {
                    "type": "application/vnd.readium.lcp.license.v1.0+json",
                    "child": [{"type": "application/epub+zip"}],
                }
            ],
            "",
            "",
            "Readium LCP",
        ),
        (
            "text/html",
            [
                {"type": "application/vnd.adobe.adept+xml", "child": [{"type": "application/epub+zip"}]},
                {"type": "application/epub+zip"},
            ],
            "",
            "epub",
            "",
        ),
    ],
)
def test_indirect_acquisition(kind: str, chain: list[Any], direct: str, page: str, protection: str) -> None:
    link = {"rel": OPEN, "href": "x", "type": kind, "properties": {"indirectAcquisition": chain}}
    (read,) = book([link]).links
    assert (read.format, read.page_format, read.protection) == (direct, page, protection)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"a": 1}', b'"x"', b"null", b'{"metadata": []}', b"[" * 100_000, b'{"a":' * 100_000],
)
def test_what_is_no_feed(content: bytes) -> None:
    with pytest.raises(TransientError, match="check the source's url") as raised:
        parse_publications(content, URL)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [None], [[]], [1.5], {"a": {"b": []}}, True])
def test_odd_values_do_no_harm(odd: Any) -> None:
    names = ("title", "author", "language", "identifier", "published", "belongsTo")
    entry = book(odd, **dict.fromkeys(names, odd))
    assert isinstance(entry.title, str)
    page = parse_publications(
        json.dumps(
            {"publications": odd, "navigation": odd, "groups": odd, "facets": odd, "links": odd}
        ).encode(),
        URL,
    )
    assert page.next == ""
    links = [{"href": odd, "rel": odd, "type": odd, "properties": odd, "size": odd, "title": odd}]
    assert feed(publications=[], links=links).links[:1] in {(), page.links[:1]} or isinstance(odd, str)


_FIELDS = (
    *("metadata", "links", "publications", "navigation", "groups", "facets", "title", "author", "language"),
    *("identifier", "published", "belongsTo", "series", "name", "href", "rel", "type", "properties", "size"),
    *("indirectAcquisition", "child", "templated"),
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("1", OPEN))
_json = st.recursive(
    _scalars,
    lambda inside: st.lists(inside) | st.dictionaries(st.sampled_from(_FIELDS), inside),
    max_leaves=40,
)


@given(st.dictionaries(st.sampled_from(_FIELDS), _json))
@example({"publications": [{"metadata": {"title": "\ud800"}, "links": [{"href": "\ud800"}]}]})
def test_any_json_is_a_feed_or_none(document: dict[str, Any]) -> None:
    try:
        page = parse_publications(json.dumps(document).encode(), URL)
    except TransientError:
        return
    for entry in page.entries:
        assert entry.title.isprintable()
        assert all(link.href.startswith(("http://", "https://")) for link in entry.links)
        assert not (entry.acquisitions and (entry.refused or entry.is_partial))


def test_addresses_that_cannot_be_fetched_are_left_out() -> None:
    hrefs = ("file:///etc/passwd", "javascript:x", "", "http://[::1", "http://a:99999/", "x" * 5000, "\ud800")
    assert feed(publications=[], links=[{"href": href} for href in hrefs]).links == ()


def test_everything_is_bounded() -> None:
    publication = {"metadata": {"title": "t" * 9999, "author": ["x"] * 500}, "links": [{"href": "x"}] * 500}
    page = feed(publications=[publication] + [{}] * 2000)
    assert len(page.entries) == MAX_ENTRIES
    entry = page.entries[0]
    assert (len(entry.title), len(entry.authors), len(entry.links)) == (1000, 20, MAX_LINKS)


@pytest.mark.parametrize(
    ("encoded", "charset"),
    [
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("utf-16"), ""),
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("utf-8-sig"), "latin-1"),
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("cp1252"), ""),
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("cp1252"), "utf-8"),
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("cp437"), "cp437"),
        ('{"metadata": {"title": "Käthe", "author": "A"}, "links": []}'.encode("cp1252"), "base64"),
    ],
)
def test_encodings(encoded: bytes, charset: str) -> None:
    assert parse_publications(encoded, URL, charset).entries[0].title == "Käthe"


class TestAuthentication:
    def test_basic_with_its_labels(self) -> None:
        document = {
            "title": "Town  Library",
            "authentication": [
                {"type": "http://opds-spec.org/auth/oauth/implicit"},
                {"type": BASIC, "labels": {"login": "Library card", "password": "PIN"}},
            ],
        }
        assert parse_authentication(json.dumps(document).encode()) == Authentication(
            "Town Library", ("http://opds-spec.org/auth/oauth/implicit", BASIC), ("Library card", "PIN")
        )

    @pytest.mark.parametrize(
        "content",
        [b"", b"<html>", b"[]", b"{}", b'{"authentication": 1}', b'{"authentication": [{"type": []}]}'],
    )
    def test_anything_else_is_none(self, content: bytes) -> None:
        assert parse_authentication(content) is None
