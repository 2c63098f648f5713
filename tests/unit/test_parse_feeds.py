"""Feeds and outlines as lists: Goodreads' shelves, Dublin Core, Atom, OPML, and what is hostile in them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.intake.base import EmptyRequestError, Limits, UnreadableRequestError
from bookhopper.intake.feed_list import feeds_named
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Want

SHELF = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel>
  <title>Ann's bookshelf: to-read</title><language>en-US</language>
  <item>
    <guid>https://books.example/review/1</guid>
    <title><![CDATA[Barchester Towers (Chronicles of Barsetshire, #2)]]></title>
    <book_id>12</book_id>
    <author_name>Anthony Trollope</author_name>
    <isbn>0140432035</isbn>
    <user_shelves>to-read, victorian</user_shelves>
    <book_published>1857</book_published>
    <description><![CDATA[<p>author: Anthony Trollope</p>]]></description>
  </item>
  <item><title>Emma by Jane Austen</title><author>list@books.example (The List)</author></item>
  <item><link>https://books.example/3</link></item>
</channel></rss>
"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/terms/">
<title>New</title><author><name>The library</name></author>
<entry><title>Walden</title><author><name>Henry David Thoreau</name><uri>https://x</uri></author>
<dc:identifier>urn:isbn:9780141441146</dc:identifier></entry>
</feed>
"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>x</title></channel>
<item><title>Dracula</title><dc:creator>Bram Stoker</dc:creator></item></rdf:RDF>
"""
OPML = """<opml version="2.0"><head><title>Books</title></head><body>
<outline text="To read">
  <outline text="Emma — Jane Austen"/>
  <outline title="Walden" author="Henry David Thoreau" isbn="0-14-144114-3"/>
  <outline text="Later"><outline text="Dracula by Bram Stoker (1897)" isbn="9780141439846"/></outline>
</outline>
<outline text="A shelf" type="rss" xmlUrl="https://books.example/shelf.rss"/>
<outline text="The same" xmlurl="https://books.example/shelf.rss"/>
<outline/>
</body></opml>
"""


def read(text: str | bytes, name: str = "list.xml", limits: Limits | None = None) -> list[Want | BadLine]:
    return list(parse(name, text.encode() if isinstance(text, str) else text, limits))


def test_a_shelf_of_goodreads() -> None:
    barchester, emma, nameless = read(SHELF, "list.rss")
    assert barchester == Want(
        title="Barchester Towers",
        authors=("Anthony Trollope",),
        isbn="9780140432039",
        year=1857,
        series="Chronicles of Barsetshire",
        tags=("victorian",),
        line=4,
        raw="Barchester Towers — Anthony Trollope",
    )
    assert isinstance(emma, Want)
    assert (emma.title, emma.authors, emma.line) == ("Emma", ("Jane Austen",), 14)
    assert emma.readings
    assert isinstance(nameless, BadLine)
    assert (nameless.line, nameless.raw) == (15, "<item>")
    assert nameless.reason == "neither a title nor an ISBN is given"


def test_other_feeds() -> None:
    (walden,) = read(ATOM, "list.atom")
    assert isinstance(walden, Want)
    assert (walden.title, walden.authors) == ("Walden", ("Henry David Thoreau",))
    assert (walden.isbn, walden.line) == ("9780141441146", 3)
    (dracula,) = read(RDF)
    assert isinstance(dracula, Want)
    assert (dracula.title, dracula.authors) == ("Dracula", ("Bram Stoker",))


def test_an_outline() -> None:
    feed, emma, walden, dracula, nameless = read(OPML, "list.opml")
    assert isinstance(feed, BadLine)
    assert (feed.line, feed.raw) == (7, "https://books.example/shelf.rss")
    assert "`lists:`" in feed.reason
    assert feeds_named(OPML.encode(), Limits()) == ("https://books.example/shelf.rss",)
    assert isinstance(emma, Want)
    assert (emma.title, emma.authors, emma.line) == ("Emma", ("Jane Austen",), 3)
    assert isinstance(walden, Want)
    assert (walden.title, walden.authors, walden.isbn) == (
        "Walden",
        ("Henry David Thoreau",),
        "9780141441146",
    )
    assert isinstance(dracula, Want)
    assert (dracula.authors, dracula.year, dracula.isbn) == (("Bram Stoker",), 1897, "9780141439846")
    assert isinstance(nameless, BadLine)
    assert nameless.line == 9


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<html><body/></html>", "it begins with <html>"),
        ("", "no XML"),
        ("Emma\n", "no XML"),
        ("<rss>" + "<a/>" * 600_000, "too many elements"),
        ("<rss><channel/></rss>", "no want in it"),
        ("<opml><body/></opml>", "no want in it"),
        ("<rss><item><title>a</title></item><item/><item/></rss>", "more than 2 items"),
    ],
)
def test_what_cannot_be_read(text: str, part: str) -> None:
    with pytest.raises(UnreadableRequestError, match=part):
        read(text, limits=Limits(size=4_000_000, lines=2))


def test_a_title_of_nothing_but_signs_is_bad() -> None:
    (entry,) = read("<rss><item><title>- # -</title></item></rss>")
    assert isinstance(entry, BadLine)
    assert (entry.raw, entry.reason) == ("- # -", "there is no title in this item, only punctuation")


def test_an_empty_feed_is_no_fault_of_its_own() -> None:
    with pytest.raises(EmptyRequestError):
        read("<feed/>")


def test_nothing_is_loaded_or_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = (
        f'<!DOCTYPE rss [<!ENTITY s SYSTEM "file://{secret}"><!ENTITY e0 "ha">{bomb}]>'
        "<rss><item><title>A &s; book</title></item><item><title>B &e9;</title></item></rss>"
    )
    entries = read(text)
    assert len(entries) == 2
    assert all(len(entry.raw) < 100 and "secret" not in entry.raw for entry in entries)


def test_entities_and_half_characters_are_no_fault_of_the_list() -> None:
    (want,) = read("<rss><item>&oops;<title>Emma &#xD800;</title></item></rss>", "list.rss")
    assert isinstance(want, Want)
    assert want.title == "Emma \ufffd"
    (want,) = read("<opml><body><outline text='Emma&#xDC00;'/></body></opml>", "list.opml")
    assert isinstance(want, Want)
    assert want.title == "Emma\ufffd"


def test_other_encodings_and_limits() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><rss><item><title>Père Goriot</title></item></rss>'
    (found,) = read(text.encode("latin-1"))
    assert isinstance(found, Want)
    assert found.title == "Père Goriot"
    (long,) = read(f"<rss><item><title>{'x' * 3000}</title><creator>A</creator></item></rss>")
    assert isinstance(long, BadLine)
    with pytest.raises(UnreadableRequestError, match="more than 10; split"):
        read("<rss></rss>", limits=Limits(size=10))


@given(
    st.text(st.sampled_from("<>/ab&;\"'=!# \n"), max_size=100),
    st.sampled_from(["title", "author", "isbn", "x"]),
)
def test_no_markup_raises_anything_else(text: str, name: str) -> None:
    for begin, end in (
        ("<rss><channel><item>", "</item></channel></rss>"),
        ("<feed><entry>", "</entry></feed>"),
        ("<opml><body><outline text='A'>", "</outline></body></opml>"),
        ("", ""),
    ):
        with suppress(UnreadableRequestError):
            for entry in read(f"{begin}<{name}>{text}</{name}>{end}"):
                assert entry.line >= 1
