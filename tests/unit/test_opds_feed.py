"""OPDS feeds and OpenSearch descriptions, as catalogues write them and as nobody should."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper.errors import TransientError
from bookhopper.search.sources.fields import MAX_TEXT
from bookhopper.search.sources.opds_feed import parse_feed, parse_search_description
from bookhopper.search.sources.opds_model import MAX_ENTRIES, MAX_LINKS, Entry, Feed, Link, format_of_path

URL = "https://books.example/opds/page?n=1"
OPEN = "http://opds-spec.org/acquisition"
HEAD = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/terms/" '
    'xmlns:schema="http://schema.org/">'
)


def feed(inside: str) -> Feed:
    return parse_feed(f"{HEAD}{inside}</feed>".encode(), URL)


def entry(inside: str) -> Entry:
    return feed(f"<entry>{inside}</entry>").entries[0]


def test_a_whole_entry() -> None:
    book = entry(
        """
        <id>urn:uuid:1</id>
        <title>The  Book
          of Käthe &amp; Co</title>
        <author><name>A. Uthor</name></author><author><name>B. Uthor &amp; C. Uthor</name></author>
        <dc:language>en-GB</dc:language><dc:issued>1925-04-10</dc:issued>
        <dc:identifier>urn:isbn:0-14-143958-0</dc:identifier><dc:identifier>urn:isbn:9780141439587</dc:identifier>
        <dc:identifier>urn:isbn:123</dc:identifier>
        <schema:Series schema:name="Tales" schema:position="2"/>
        <link rel="http://opds-spec.org/image" type="image/jpeg" href="/cover.jpg"/>
        <link rel="http://opds-spec.org/acquisition" type="application/epub+zip" length="99"
          href="../get/1.epub"/>
        """
    )
    assert book == Entry(
        id="urn:uuid:1",
        title="The Book of Käthe & Co",
        authors=("A. Uthor", "B. Uthor", "C. Uthor"),
        language="en-GB",
        year=1925,
        isbns=("9780141439587",),
        series="Tales",
        position=2,
        links=(
            Link("https://books.example/cover.jpg", "http://opds-spec.org/image", "image/jpeg"),
            Link("https://books.example/get/1.epub", OPEN, "application/epub+zip", length=99),
        ),
    )
    assert [link.format for link in book.acquisitions] == ["epub"]


def test_calibre_says_the_series_in_its_content() -> None:
    content = '<div xmlns="http://www.w3.org/1999/xhtml">RATING: 5<br/>SERIES: Dune [2]<br/></div>'
    book = entry(f'<content type="xhtml">{content}</content>')
    assert (book.series, book.position) == ("Dune", 2)
    book = entry("<content>SERIES: Dune</content>")
    assert (book.series, book.position) == ("Dune", None)


def test_an_empty_entry() -> None:
    assert entry("") == Entry(id="", title="")


@pytest.mark.parametrize("written", ["", "nineteen", "19", "19256", "0000"])
def test_a_year_that_is_none(written: str) -> None:
    assert entry(f"<dc:issued>{written}</dc:issued>").year is None


@pytest.mark.parametrize(
    ("rel", "taken"),
    [
        ("", True),
        ("/open-access", True),
        ("/sample", False),
        ("/buy", False),
        ("/borrow", False),
        ("/subscribe", False),
    ],
)
def test_only_links_that_give_the_book_count(rel: str, taken: bool) -> None:
    book = entry(f'<link rel="{OPEN}{rel}" type="application/epub+zip" href="x"/>')
    assert bool(book.acquisitions) is taken


@pytest.mark.parametrize(
    ("kind", "href", "expected"),
    [
        ("application/epub+zip; charset=binary", "/x", "epub"),
        ("Application/EPUB+zip", "/x", "epub"),
        ("application/x-mobipocket-ebook", "/x", "mobi"),
        ("application/vnd.amazon.mobi8-ebook", "/x", "azw3"),
        ("application/x-cbz", "/x", "cbz"),
        ("application/fb2+xml", "/x", "fb2"),
        ("text/plain;charset=utf-8", "/x", "txt"),
        ("application/octet-stream", "/get/EPUB/12/library", "epub"),
        ("application/octet-stream", "/get/12.tar.gz", ""),
        ("", "/books/a%20b.PDF", "pdf"),
        ("text/html", "/books/a.epub", ""),
        ("application/vnd.adobe.adept+xml", "/books/a.epub", ""),
        ("application/vnd.readium.lcp.license.v1.0+json", "/books/a.epub", ""),
    ],
)
def test_formats(kind: str, href: str, expected: str) -> None:
    book = entry(f'<link rel="{OPEN}" type="{kind}" href="{href}"/>')
    assert book.links[0].format == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("/opds/download/12/epub/", "epub"), ("/", ""), ("", ""), ("/epub/x.pdf", "pdf")]
)
def test_format_of_path(path: str, expected: str) -> None:
    assert format_of_path(path) == expected


def test_xml_base_and_addresses_that_cannot_be_fetched() -> None:
    page = parse_feed(
        f"""{HEAD[:-1]} xml:base="https://other.example/a/"><link rel="next" href="b"/><link href="file:///etc/passwd"/>
        <link href="javascript:x"/><link href=""/><link/><link href="http://[::1"/>
        <link href="http://a:99999/"/><link href="{"x" * 5000}"/>
        </feed>""".encode(),
        URL,
    )
    assert page.next == "https://other.example/a/b"
    assert len(page.links) == 1


def test_an_entry_of_its_own_is_a_feed_of_one() -> None:
    page = parse_feed(b'<entry xmlns="http://www.w3.org/2005/Atom"><title>Solo</title></entry>', URL)
    assert [book.title for book in page.entries] == ["Solo"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no XML"),
        (b"\x00\x01\x02", "no XML"),
        (b"{}", "no XML"),
        (b"<html><body>Please sign in</body></html>", "gave no OPDS feed but <html>"),
        (b"<feed><title>no namespace</title></feed>", "gave no OPDS feed but <feed>"),
        (b"<a>" * 600_001, "too many elements"),
        (b"<a " + b"b='' " * 600_001 + b"/>", "too many elements"),
    ],
)
def test_what_is_no_feed(content: bytes, words: str) -> None:
    with pytest.raises(TransientError, match=words) as raised:
        parse_feed(content, URL)
    assert "https://books.example/opds/page" in str(raised.value)


def test_deep_nesting_is_no_danger() -> None:
    deep = b'<feed xmlns="http://www.w3.org/2005/Atom">' + b"<a>" * 100_000
    assert parse_feed(deep, URL).entries == ()


def test_entities_are_not_expanded() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(12))
    document = f"<!DOCTYPE feed [{bomb}]>{HEAD}<entry><title>A &e11; B</title></entry></feed>"
    titles = [book.title for book in parse_feed(document.encode(), URL).entries]
    assert all(len(title) < 20 for title in titles)


def test_entities_fetch_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    entity = f'<!ENTITY file SYSTEM "{(tmp_path / "secret").as_uri()}">'
    document = f"<!DOCTYPE feed [{entity}]>{HEAD}<entry><title>A &file; B</title></entry></feed>"
    assert parse_feed(document.encode(), URL).entries[0].title in {"A B", "A &file; B"}


def test_careless_markup_is_read() -> None:
    page = feed("<entry><title>Fish &nbsp; Chips \x0b &</title></entry><entry><title>Next</title></entry>")
    assert [book.title for book in page.entries][-1] == "Next"
    assert page.entries[0].title.startswith("Fish")


def test_everything_is_bounded() -> None:
    many = "<author><name>x</name></author>" * 500 + '<link href="x"/>' * 500
    page = feed(f"<entry><title>{'t' * 9999}</title>{many}</entry>" + "<entry/>" * 2000)
    assert len(page.entries) == MAX_ENTRIES
    book = page.entries[0]
    assert (len(book.title), len(book.authors), len(book.links)) == (
        MAX_TEXT,
        20,
        MAX_LINKS,
    )


def test_texts_are_one_line() -> None:
    assert entry("<title>a\n\tb\u202e\u0085c</title>").title == "a b c"


class TestSearchDescription:
    def test_a_description_prefers_the_catalogue_profile(self) -> None:
        document = b"""<?xml version="1.0"?>
            <OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
            <Url type="text/html" template="/h?q={searchTerms}"/>
            <Url type="application/atom+xml" template="/a?q={searchTerms}"/>
            <Url type="application/atom+xml;profile=opds-catalog" template="/o?q={searchTerms}"/>
            </OpenSearchDescription>"""
        assert parse_search_description(document, URL) == "https://books.example/o?q={searchTerms}"

    def test_a_description_without_atom(self) -> None:
        document = b'<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/"/>'
        assert parse_search_description(document, URL) == ""


@pytest.mark.parametrize(
    ("document", "name"), [(b"<a:b/>", "<a:b>"), (b"<:b/>", "<:b>"), (b"<html/>", "<html>")]
)
def test_what_is_no_feed_is_named_whatever_its_name(document: bytes, name: str) -> None:
    with pytest.raises(TransientError, match=name):
        parse_feed(document, "http://catalogue.example/")


def test_an_address_with_a_control_character_is_none() -> None:
    feed = parse_feed(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><link href="/a&#127;b"/><link href="/c"/></feed>',
        "http://catalogue.example/",
    )
    assert [link.href for link in feed.links] == ["http://catalogue.example/c"]
