"""What the links of web pages say of catalogues and books, and how an answer's kind is told."""

from __future__ import annotations

import pytest

from bookhopper.errors import TransientError
from bookhopper.net.session import Fetched
from bookhopper.search.sources.opds_documents import is_page, read_feed
from bookhopper.search.sources.opds_pages import book_address, catalogue_links

URL = "https://books.example/shelf/"
ATOM = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>\xc3\x84sop</title></entry></feed>'
LATIN = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>\xc4sop</title></entry></feed>'


def answer(content: bytes, kind: str = "") -> Fetched:
    return Fetched(content, URL, {"Content-Type": kind})


def test_a_page_names_its_catalogue_and_its_search() -> None:
    page = b"""<!DOCTYPE html><title>x</title>
        <link rel="stylesheet" href="/s.css"><link rel="alternate" type="application/rss+xml" href="/rss">
        <link rel="alternate" type="application/atom+xml" href="/news.atom">
        <link rel="ALTERNATE home" type="application/opds+json" href="v2.json">
        <link rel="alternate" type="application/atom+xml; profile=opds-catalog" href="v1.atom">
        <link rel="search" type="application/opensearchdescription+xml" href="/osd"><a href="x.epub">x</a>"""
    assert [link.href for link in catalogue_links(page, URL)] == [
        "https://books.example/shelf/v1.atom",
        "https://books.example/shelf/v2.json",
        "https://books.example/news.atom",
        "https://books.example/osd",
    ]


def test_a_page_offers_a_book() -> None:
    page = b"""<base href="/files/"><a href="1.pdf">PDF</a> <a href="javascript:x">EPUB</a>
        <a href="http://[::1/x.epub">EPUB</a> <a href="get/7" type="application/epub+zip">EPUB</a>"""
    assert book_address(page, URL, "epub") == "https://books.example/files/get/7"
    assert book_address(page, URL, "pdf") == "https://books.example/files/1.pdf"
    assert book_address(page, URL, "mobi") == ""


@pytest.mark.parametrize("page", [b"", b"\0", b"<a " * 700_000, b"<div>" * 50_000, b"\xff\xfe"])
def test_pages_that_are_none(page: bytes) -> None:
    assert catalogue_links(page, URL) == ()
    assert book_address(page, URL, "epub") == ""


@pytest.mark.parametrize(
    ("content", "kind", "page"),
    [
        (b"\n<!DOCTYPE HTML>", "application/atom+xml", True),
        (b"<HTML lang=en>", "", True),
        (b"<?xml version='1.0'?><html>", "application/xhtml+xml", True),
        (b"<!-- x --><p>", "text/html; charset=utf-8", True),
        (b"<?xml version='1.0'?>" + ATOM, "text/html", False),
        (ATOM, "text/html", False),
        (b"{}", "text/html", False),
        (b"", "text/html", False),
    ],
)
def test_what_is_a_page(content: bytes, kind: str, page: bool) -> None:
    assert is_page(answer(content, kind)) is page


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (ATOM, "application/opds+json"),
        (ATOM, "text/plain"),
        (ATOM, "application/atom+xml; charset=iso-8859-1"),
        (b"\xef\xbb\xbf \n" + ATOM, ""),
        (ATOM.decode().encode("utf-16"), ""),
        (b'<?xml version="1.0" encoding="UTF-16"?>' + ATOM, ""),
        (b'<?xml version="1.0" encoding="nonsense"?>' + ATOM, ""),
        (b'<?xml version="1.0" encoding="iso-8859-1"?>' + LATIN, ""),
        (b'<?xml version="1.0" encoding="utf-8"?>' + LATIN, ""),
        (LATIN, "application/xml; charset=iso-8859-1"),
        (LATIN, 'application/xml; charset="windows-1252'),
        (LATIN.replace(b"\xc4", b"\x8e"), "application/xml; charset=cp437"),
        (b'{"publications": [{"metadata": {"title": "\xc3\x84sop"}}]}', "application/atom+xml"),
        (b' {"publications": [{"metadata": {"title": "\xc4sop"}}]}', "application/json"),
    ],
)
def test_the_content_tells_what_it_is(content: bytes, kind: str) -> None:
    assert [entry.title for entry in read_feed(answer(content, kind)).entries] == ["Äsop"]


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"{}", b"[]", b"\xff\xfe\xff", b"{" * 100])
def test_what_is_no_feed(content: bytes) -> None:
    with pytest.raises(TransientError, match="gave no OPDS feed"):
        read_feed(answer(content, "application/atom+xml"))
