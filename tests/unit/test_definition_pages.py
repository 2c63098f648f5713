"""Pages from strangers, large, deep, wrongly encoded or with bombs; and what is read from good ones."""

from __future__ import annotations

from typing import Any

import pytest

from bookhopper.model import Candidate
from bookhopper.search.definitions.block import Block
from bookhopper.search.definitions.budget import Budget, BudgetError
from bookhopper.search.definitions.model import Definition
from bookhopper.search.definitions.pages import MAX_BYTES, PageError, parse
from bookhopper.search.definitions.rows import Answer, fault_on, read_rows, read_value
from bookhopper.search.sources.html_offers import checksums, link, offers


def definition(kind: str = "html", **search: Any) -> Definition:
    whole = {
        "paths": [{"path": "find", "response": {"type": kind}}],
        "rows": {"selector": "tr"},
        "fields": {"title": {"selector": "b"}, "download": {"selector": "a", "attribute": "href"}},
        **search,
    }
    return Definition.model_validate(
        {"id": "x", "name": "X", "links": ["https://x.example/"], "search": whole}
    )


def rows(page: str | bytes, kind: str = "html", **search: Any) -> Answer:
    content = page.encode() if isinstance(page, str) else page
    return read_rows(parse(content, kind), definition(kind, **search), {"Keywords": "moby dick"}, Budget())


def titles(answer: Answer) -> list[Any]:
    return [row["title"] for row in answer.rows]


ROWS = (
    "<table><tr><td><b>Moby  Dick</b></td><td><a href='/1.epub'>x</a></td></tr>"
    "<tr><td><b>Emma</b><a href='/2'>x</a></td></tr></table>"
)


def test_rows_are_read() -> None:
    assert [dict(row) for row in rows(ROWS).rows] == [
        {"title": "Moby Dick", "download": "/1.epub"},
        {"title": "Emma", "download": "/2"},
    ]


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ({"selector": "b"}, "Moby Dick"),
        ({"selector": "a", "attribute": "href"}, "/1"),
        ({"selector": "p", "remove": "i"}, "long"),
        ({"selector": "p"}, "long and italic"),
        ({"text": "{{ .Keywords }}!"}, "moby dick!"),
        ({"selector": "nothing", "default": "none"}, "none"),
        ({"selector": "nothing", "optional": True}, ""),
        ({"case": {"em": "no", "b": "yes", "*": "never"}}, "yes"),
        ({"case": {"em": "no", "*": "else"}}, "else"),
        ({"case": {"em": "no"}, "optional": True}, ""),
        ({"selector": "p", "filters": [{"name": "split", "args": [" ", 2]}, {"name": "toupper"}]}, "ITALIC"),
        (
            {"selector": "b", "filters": [{"name": "append", "args": " ({{ .Result.title }})"}]},
            "Moby Dick (T)",
        ),
    ],
)
def test_a_field_is_read(block: dict[str, Any], value: str) -> None:
    page = "<table><tr><td><b>Moby Dick</b><a href='/1'>x</a><p>long<i> and italic</i></p></td></tr></table>"
    fields = {"title": {"text": "T"}, "download": {"text": "/"}, "_x": block}
    assert rows(page, fields=fields).rows[0]["_x"] == value


def test_fields_that_hold_several_values() -> None:
    page = "<tr><b>T</b><i>Ann</i><i>Ben; Eve</i><i>Ann</i><a href='/1'>1</a><a href='/2'>2</a></tr>"
    fields = {
        "title": {"selector": "b"},
        "author": {"selector": "i"},
        "download": {"selector": "a", "attribute": "href"},
        "mirrors": {"selector": "a", "attribute": "href"},
    }
    (row,) = rows(f"<table>{page}</table>", fields=fields).rows
    assert (row["author"], row["download"]) == (("Ann", "Ben", "Eve"), "/1")
    assert row["mirrors"] == ("/1", "/2")


def test_a_row_without_what_it_must_have_is_dropped_and_told() -> None:
    answer = rows(ROWS + "<table><tr><td><b>No link</b></td></tr><tr><td><a href='/3'></a></td></tr></table>")
    assert titles(answer) == ["Moby Dick", "Emma"]
    assert answer.dropped == ("`download` is not there", "`title` is not there")


def test_rows_may_be_told_apart_by_words_and_put_together() -> None:
    assert titles(rows(ROWS, rows={"selector": "tr", "filters": [{"name": "andmatch"}]})) == ["Moby Dick"]
    page = "<table><tr><td><b>A</b></td></tr><tr><td><a href='/1'>x</a></td></tr></table>"
    assert titles(rows(page, rows={"selector": "tr", "after": 1})) == ["A"]
    page = "<table><tr><td><s><b>Old</b></s><b>New</b><a href='/1'>x</a></td></tr></table>"
    assert titles(rows(page, rows={"selector": "tr", "remove": "s"})) == ["New"]


def test_json_and_xml_are_read_alike() -> None:
    document = (
        '{"n": 1, "items": [{"t": "A", "u": ["/1", "/2"], "by": [{"n": "X"}, {"n": "Y"}]}, {"t": "B"}]}'
    )
    fields = {
        "title": {"selector": "t"},
        "author": {"selector": "by.n"},
        "download": {"selector": "u"},
        "year": {"selector": "..n", "case": {"1": "1847"}},
    }
    answer = rows(document, "json", rows={"selector": "items"}, fields=fields)
    assert [dict(row) for row in answer.rows] == [
        {"title": "A", "author": ("X", "Y"), "download": "/1", "year": "1847"}
    ]
    assert answer.dropped == ("`author` is not there",)
    row = "<Book><b>é</b><a href='/1'/></Book>"
    document = f"<?xml version='1.0' encoding='latin-1'?><r>{row}</r>"
    assert titles(rows(document.encode("latin-1"), "xml", rows={"selector": "Book"})) == ["é"]


@pytest.mark.parametrize(
    ("content", "kind", "fault"),
    [
        (b"x" * (MAX_BYTES + 1), "html", "more than 2 MiB large"),
        (b"x" * (MAX_BYTES + 1), "json", "more than 2 MiB large"),
        (b"<p>" * 100_000, "html", "too many elements"),
        (b"<p " + b"a=1 " * 200_000, "html", "too many elements"),
        (b"<div>" * 20_000, "html", "nested too deeply"),
        (b"<a>" * 20_000, "xml", "nested too deeply"),
        (b"[" * 100_000, "json", "nested too deeply"),
        (b"[1", "json", "no JSON"),
        (b"plain", "xml", "no XML"),
        (
            b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><r>&b;</r>',
            "xml",
            "declares a document type",
        ),
        (
            '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>'.encode("utf-16"),
            "xml",
            "declares a document type",
        ),
    ],
)  # fmt: skip
def test_a_hostile_page_is_refused(content: bytes, kind: str, fault: str) -> None:
    with pytest.raises(PageError, match=fault):
        parse(content, kind)


@pytest.mark.parametrize(
    ("page", "selector"),
    [
        ("<div>" * 190 + "<p></p>" * 400, "b div p"),
        ("<div>" * 190 + "<p>x</p>" * 20_000, "div:-soup-contains(zzz)"),
        ("<div>" * 190 + "<p></p>" * 20_000, "div:has(b)"),
        ("<p></p>" * 4_000, "b p ~ p, i p ~ p ~ p:has(~ b)"),
    ],
)
def test_a_selector_takes_no_more_steps_than_it_may(page: str, selector: str) -> None:
    whole = parse(page.encode(), "html")
    with pytest.raises(PageError, match="its selectors take more than 2,000,000 steps"):
        [whole.first(selector) for _ in range(100)]


def test_a_large_page_is_read_by_a_usual_selector() -> None:
    row = "<tr><td><h3><a>x</a></h3></td></tr>"
    page = "<div>" * 20 + f"<div id=content><table class=list>{row * 5_000}</table>"
    assert len(parse(page.encode(), "html").all("#content table.list tr td h3 a")) == 500


@pytest.mark.parametrize(
    ("kind", "block", "fault"),
    [
        ("html", {"selector": "b:nth-child({{ .Keywords }})"}, "is no CSS selector"),
        ("html", {"selector": "b", "remove": "{{ .Keywords }}["}, "is no CSS selector"),
        ("json", {"selector": "a.{{ .Keywords }}"}, "is no path"),
        (
            "html",
            {"selector": "b", "filters": [{"name": "split", "args": [" ", "{{ .Keywords }}"]}]},
            "`split`",
        ),
        ("html", {"selector": "b", "filters": [{"name": "regexp", "args": "({{ .Keywords }}"}]}, "`regexp`"),
    ],
)
def test_what_values_make_impossible_ends_the_page(kind: str, block: dict[str, Any], fault: str) -> None:
    content = '{"a": {"b": 1}}' if kind == "json" else "<table><tr><td><b>Emma</b></td></tr></table>"
    fields = {"title": block, "download": {"text": "/"}}
    with pytest.raises(PageError, match=fault):
        rows(content, kind, rows={"selector": "$" if kind == "json" else "tr"}, fields=fields)


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ('i[title="{{ .Keywords }}"]', "a"),
        ("i[title={{ .Keywords }}]", "a"),
        ('i:-soup-contains("{{ .Keywords }}")', "b"),
        ("{{ .Config.element }}[title]", "a"),
    ],
)
def test_a_value_in_a_selector_is_only_a_value(selector: str, found: str) -> None:
    title = """2 "x" 'y'] \\, * {"""
    page = parse(f"<i title='2 \"x\" &#39;y&#39;] \\, * {{'>a</i><i>b{title}</i>".encode(), "html")
    block = Block.model_validate({"selector": selector})
    text = read_value(page, block, {"Keywords": title, "Config.element": "p, i"}, Budget())
    assert text is not None
    assert text[0] == found


@pytest.mark.parametrize(
    "page",
    [
        "",
        "\0",
        "<",
        "<![CDATA[",
        "<table>" * 150,
        "&#x110000;&#0;",
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_broken_page_has_no_rows(page: str | bytes) -> None:
    assert rows(page) == Answer(())


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("é".encode(), ""),
        ("é".encode("latin-1"), ""),
        ("é".encode("latin-1"), "iso-8859-1"),
        ("é".encode("latin-1"), "utf-8"),
        ("é".encode("latin-1"), "klingon"),
        ("\ufeffé".encode("utf-16-le"), "latin-1"),
        (b'<meta charset="cp437">' + "é".encode("cp437"), ""),
        (b'<meta charset="base64">' + "é".encode(), ""),
    ],
)
def test_an_encoding_is_found(content: bytes, encoding: str) -> None:
    assert parse(content, "html", encoding).text() == "é"


def test_a_row_that_costs_too_much_ends_the_page() -> None:
    fields = {
        "title": {"selector": "b", "filters": [{"name": "regexp", "args": "(a|aa)+$"}]},
        "download": {"text": "/"},
    }
    page = f"<table>{'<tr><td><b>' + 'a' * 60 + 'b</b></td></tr>' * 100}</table>"
    whole = definition(fields=fields)
    with pytest.raises(BudgetError, match="takes too long on this page"):
        read_rows(parse(page.encode(), "html"), whole, {}, Budget(seconds=0.05))


def test_a_value_that_is_too_long_ends_the_page() -> None:
    with pytest.raises(BudgetError, match="grows beyond"):
        rows(f"<table><tr><td><b>{'x' * 100_000}</b><a href='/1'></a></td></tr></table>")


def test_what_a_site_says_is_told() -> None:
    page = parse(b'<p class="error">Too  many\nsearches <b>today</b></p>', "html")
    faults = definition(error=[{"selector": ".none"}, {"selector": ".error"}]).search.error
    assert fault_on(page, faults, {}, Budget()) == "Too many searches today"
    faults = definition(error=[{"selector": ".error", "message": {"selector": "b"}}]).search.error
    assert fault_on(page, faults, {}, Budget()) == "today"


PAGE = "https://x.example/find"


def offered(**fields: Any) -> tuple[Candidate, ...]:
    return offers({"title": "T", "download": "/1.epub", **fields}, definition(), PAGE, "k", "s")


def test_a_row_becomes_a_candidate() -> None:
    (found,) = offered(
        author=("Ann",),
        format="EPUB (zipped)",
        size="1,5 Mo",
        year="© 1847, repr. 2001",
        isbn=("0-14-044913-X", "nonsense"),
        language="German",
        checksum="MD5: 0123456789ABCDEF0123456789abcdef",
        mirrors=("//y.example/1.epub", "javascript:alert(1)", "file:///etc/passwd", "/1.epub"),
        series="S",
    )
    assert found == Candidate(
        source="s", key="k", title="T", authors=("Ann",), language="de", format="epub", size=1572864,
        year=1847,
        isbns=("9780140449136",), series="S", urls=("https://x.example/1.epub", "https://y.example/1.epub"),
        checksums={"md5": "0123456789abcdef0123456789abcdef"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "file:///etc/passwd", "mailto:a@b.example", "http://[", ""]
)
def test_a_link_that_leads_nowhere_is_none(href: str) -> None:
    assert link(PAGE, href) == ""
    assert offered(download=href) == ()


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"download": "/a.pdf"}, ["pdf"]),
        ({"download": "/get/epub/1"}, ["epub"]),
        ({"download": "/get"}, []),
        ({"format": "PDF, EPUB"}, ["pdf"]),  # one link leads to one file
    ],
)
def test_the_format_is_told_by_the_row_or_its_link(fields: dict[str, Any], kinds: list[str]) -> None:
    assert [each.format for each in offered(**fields)] == kinds


def test_checksums_are_told_apart_by_their_length() -> None:
    assert checksums(f"{'a' * 40} sha256={'B' * 64}, {'c' * 33}") == {"sha1": "a" * 40, "sha256": "b" * 64}
