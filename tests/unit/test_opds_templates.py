"""Search templates of OpenSearch and of RFC 6570."""

from __future__ import annotations

import pytest

from bookhopper.search.sources.opds_model import absolute
from bookhopper.search.sources.opds_templates import can_search, fill_template

B = "https://b.example/"
TITLE = "Caf%C3%A9%20%26%20Bar%2F1"


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{searchTerms}", f"{TITLE}%20Kafka"),
        ("?q={searchTerms?}&n={count}", f"?q={TITLE}%20Kafka&n=20"),
        ("?p={startPage?}&i={startIndex}&x={x:y?}", "?p=1&i=1&x="),
        ("?l={language}&i={inputEncoding}", "?l=%2A&i=UTF-8"),
        ("?t={atom:title}&a={atom:author}&q={searchTerms?}", f"?t={TITLE}&a=Kafka&q={TITLE}"),
        ("search{?query}", f"search?query={TITLE}%20Kafka"),
        ("search{?query,title,author}", f"search?query={TITLE}&title={TITLE}&author=Kafka"),
        ("search{?title,author}", f"search?title={TITLE}&author=Kafka"),
        ("search?x=1{&query,language*}", f"search?x=1&query={TITLE}%20Kafka"),
        ("search{/query}{?lang,page}", f"search/{TITLE}%20Kafka"),
        ("search{;q}", f"search;q={TITLE}%20Kafka"),
        ("{+query}", "Caf%C3%A9%20&%20Bar/1%20Kafka"),
        ("search{?query:100,unknown}", f"search?query={TITLE}%20Kafka"),
    ],
)
def test_templates_are_filled(template: str, filled: str) -> None:
    assert fill_template(B + template, "Café & Bar/1", "Kafka", 20) == B + filled


@pytest.mark.parametrize(
    ("template", "title", "author", "filled"),
    [
        ("s{?query,title,author}", "Emma", "", "s?query=Emma"),
        ("s{?query,title,author}", "", "Austen", "s?query=Austen"),
        ("s{?title,author}", "Emma", "", "s?title=Emma"),
        ("s{?title,author}", "", "Austen", "s?author=Austen"),
        ("s{?title}", "Emma", "Austen", "s?title=Emma"),
        ("s?q={query}", "{count}", "", "s?q=%7Bcount%7D"),
        ("s{?,}{??}{}", "Emma", "", "s{}"),
    ],
)
def test_what_is_not_known_is_left_out(template: str, title: str, author: str, filled: str) -> None:
    assert fill_template(template, title, author, 20) == filled


@pytest.mark.parametrize(
    ("template", "able"),
    [
        ("s?q={searchTerms}", True),
        ("s{?query}", True),
        ("s{?page,title*}", True),
        ("s{?page}", False),
        ("s?q=query", False),
        ("", False),
    ],
)
def test_whether_it_can_search(template: str, able: bool) -> None:
    assert can_search(template) is able


@pytest.mark.parametrize(
    ("href", "address"),
    [
        ("{?query}", "https://b.example/opds/v2.json{?query}"),
        ("/search{?query,title}", "https://b.example/search{?query,title}"),
        ("search?q={searchTerms}", "https://b.example/opds/search?q={searchTerms}"),
        ("http://o.example/{query}", "http://o.example/{query}"),
    ],
)
def test_relative_templates(href: str, address: str) -> None:
    assert absolute("https://b.example/opds/v2.json?page=1", href) == address
