"""What is taken of an Internet Archive item, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bookhopper.model import Candidate, Reading
from bookhopper.search.sources.archive_api import Listed, best_first, phrase
from bookhopper.search.sources.archive_item import is_identifier, names_in, offers, title_in
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.internet_archive import expressions
from tests.fakes.archive_server import parse_query

SITE = "https://archive.org"
MD5 = "f7d689da4fdc304a0e85c38b2012551b"
SHA1 = "1728369b825642b106de04744f203b3c669b5e14"


def file(name: str, form: str, **more: object) -> dict[str, object]:
    known = {"name": name, "format": form, "source": "derivative", "size": "1000", "md5": MD5, "sha1": SHA1}
    return known | more


def document(*files: Mapping[str, object], identifier: str = "moby", **metadata: object) -> dict[str, object]:
    fields = {"identifier": identifier, "mediatype": "texts", "title": "Moby Dick", **metadata}
    return {"metadata": fields, "files": list(files), "dir": f"/12/items/{identifier}"}


def found(*files: Mapping[str, object], **metadata: Any) -> tuple[Candidate, ...]:
    return offers(document(*files, **metadata), "moby", source="ia", site=SITE)


def names(candidates: Sequence[Candidate]) -> dict[str, str]:
    return {each.format: each.urls[0].rpartition("/")[2] for each in candidates}


EPUB = file("moby.epub", "EPUB")


def test_a_file_is_described_whole() -> None:
    (offer,) = found(
        EPUB,
        creator=["Melville, Herman, 1819-1891", "Kent, Rockwell, 1882-1971"],
        language="eng",
        date="1851-10-18T00:00:00Z",
        isbn=["0142437247", "not one"],
    )
    assert (offer.source, offer.key, offer.format) == ("ia", "moby", "epub")
    assert offer.authors == ("Herman Melville", "Rockwell Kent")
    assert (offer.language, offer.year, offer.isbns) == ("en", 1851, ("9780142437247",))
    assert (offer.size, offer.checksums) == (1000, {"md5": MD5, "sha1": SHA1})
    assert offer.urls == ("https://archive.org/download/moby/moby.epub",)


@pytest.mark.parametrize(
    "metadata",
    [
        {"access-restricted-item": "true"},
        {"noindex": "true"},
        {"collection": "inlibrary"},
        {"collection": ["americana", "printdisabled", "internetarchivebooks"]},
        {"mediatype": "audio"},
        {"mediatype": None},
        {"title": ""},
        {"title": {"no": "text"}},
    ],
)
def test_what_is_not_public_is_not_offered(metadata: dict[str, object]) -> None:
    assert found(EPUB)
    assert found(EPUB, **metadata) == ()


@pytest.mark.parametrize("item", [{}, {"metadata": []}, {"metadata": {}}, {"files": [EPUB]}, {"error": "no"}])
def test_an_item_that_is_not_there_offers_nothing(item: dict[str, object]) -> None:
    assert offers(item, "moby", source="ia", site=SITE) == ()


def test_a_dark_item_offers_nothing() -> None:
    assert offers(document(EPUB) | {"is_dark": True}, "moby", source="ia", site=SITE) == ()


@pytest.mark.parametrize(
    "refused",
    [
        file("moby_encrypted.epub", "ACS Encrypted EPUB"),
        file("moby_encrypted.pdf", "ACS Encrypted PDF"),
        file("moby_lcp.epub", "LCP Encrypted EPUB"),
        file("moby.lcpdf", "LCP Encrypted PDF"),
        file("moby_encrypted.epub", "EPUB"),
        file("moby_daisy.zip", "DAISY"),
        file("moby_djvu.txt", "DjVuTXT"),
        file("moby_meta.xml", "Metadata", source="metadata"),
        file("moby.epub", "EPUB", private="true"),
        file("moby.epub", "Unknown"),
        file("../moby.epub", "EPUB"),
        file("/etc/moby.epub", "EPUB"),
        file("a//moby.epub", "EPUB"),
        file("a\\moby.epub", "EPUB"),
        file("moby\n.epub", "EPUB"),
        file("", "EPUB"),
        file("x" * 600 + ".epub", "EPUB"),
        {"format": "EPUB"},
        {"name": ["moby.epub"], "format": {"EPUB": 1}},
    ],
)
def test_a_file_that_nobody_could_read_is_left_out(refused: dict[str, object]) -> None:
    assert names(found(refused)) == {}
    assert names(found(refused, file("moby.pdf", "Text PDF"))) == {"pdf": "moby.pdf"}


@pytest.mark.parametrize(
    ("form", "name", "kind"),
    [
        ("EPUB", "moby.epub", "epub"),
        ("Text PDF", "moby.pdf", "pdf"),
        ("Image Container PDF", "moby.pdf", "pdf"),
        ("Additional Text PDF", "moby_text.pdf", "pdf"),
        ("Kindle", "moby.mobi", "mobi"),
        ("DjVu", "moby.djvu", "djvu"),
        ("Comic Book ZIP", "moby.cbz", "cbz"),
        ("Text", "moby.txt", "txt"),
    ],
)
def test_a_format_is_told_by_its_name(form: str, name: str, kind: str) -> None:
    assert names(found(file(name, form))) == {kind: name}


def test_what_was_uploaded_is_told_by_its_extension_too() -> None:
    assert names(found(file("moby.azw3", "Unknown", source="original"))) == {"azw3": "moby.azw3"}


def test_the_best_of_a_format_comes() -> None:
    scan = file("moby.pdf", "Image Container PDF", source="original")
    both = (scan, file("moby_text.pdf", "Additional Text PDF"), file("moby_bw.pdf", "Text PDF"))
    assert names(found(*both)) == {"pdf": "moby_bw.pdf"}
    assert names(found(*both, file("moby.pdf", "Text PDF"))) == {"pdf": "moby.pdf"}
    assert names(found(scan, both[1])) == {"pdf": "moby_text.pdf"}


def test_of_several_books_in_one_item_none_is_meant() -> None:
    several = (file("Emma.epub", "EPUB"), file("Persuasion.epub", "EPUB"))
    assert found(*several) == ()
    assert names(found(*several, EPUB)) == {"epub": "moby.epub"}


def test_an_address_is_safe_and_the_item_s_servers_stand_behind_it() -> None:
    item = document(file("sub/Moby Dick #1 50%.epub", "EPUB")) | {
        "d1": "ia600503.us.archive.org",
        "d2": "evil.example",
        "workable_servers": ["ia800503.us.archive.org", "archive.org.evil.example", "169.254.169.254", 7],
    }
    (offer,) = offers(item, "moby", source="ia", site=SITE)
    path = "sub/Moby%20Dick%20%231%2050%25.epub"
    assert offer.urls == (
        f"https://archive.org/download/moby/{path}",
        f"https://ia800503.us.archive.org/12/items/moby/{path}",
        f"https://ia600503.us.archive.org/12/items/moby/{path}",
    )


@pytest.mark.parametrize("folder", ["", "/../etc", "//evil.example/x", "items", "/a?b=c", "/a/@evil"])
def test_a_folder_that_leads_elsewhere_is_no_mirror(folder: str) -> None:
    item = document(EPUB) | {"d1": "ia600503.us.archive.org", "dir": folder}
    (offer,) = offers(item, "moby", source="ia", site=SITE)
    assert len(offer.urls) == 1


@pytest.mark.parametrize(
    ("more", "size", "checksums"),
    [
        ({"size": "-5"}, None, {"md5": MD5, "sha1": SHA1}),
        ({"size": "9" * 400}, None, {"md5": MD5, "sha1": SHA1}),
        ({"size": None, "md5": "xyz"}, None, {"sha1": SHA1}),
        ({"md5": MD5.upper(), "sha1": ""}, 1000, {"md5": MD5}),
        ({"md5": ["a"], "sha1": 5}, 1000, {}),
    ],
)
def test_what_makes_no_sense_is_not_known(
    more: dict[str, object], size: int | None, checksums: dict[str, str]
) -> None:
    (offer,) = found(file("moby.epub", "EPUB", **more))
    assert (offer.size, offer.checksums) == (size, checksums)


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ({"title": "Moby Dick /"}, "Moby Dick"),
        ({"title": "The history of England", "volume": "3"}, "The history of England, Volume 3"),
        ({"title": "The history of England", "volume": "v.3"}, "The history of England, Volume 3"),
        ({"title": "The history of England, vol. 3", "volume": "3"}, "The history of England, vol. 3"),
        ({"title": "Pamela", "volume": "in two parts"}, "Pamela, in two parts"),
        ({"title": ["Emma", "Emma. A novel"]}, "Emma"),
        ({"title": "Line\nbreaks\x00 and\t blanks"}, "Line breaks and blanks"),
    ],
)
def test_the_title_says_which_volume_it_is(metadata: dict[str, object], title: str) -> None:
    assert title_in(metadata) == title


@pytest.mark.parametrize(
    ("creator", "authors"),
    [
        ("Austen, Jane, 1775-1817", ("Jane Austen",)),
        ("Jane Austen", ("Jane Austen",)),
        (
            ["Twain, Mark, 1835-1910", "Warner, Charles Dudley, 1829-1900"],
            ("Mark Twain", "Charles Dudley Warner"),
        ),
        ("Homer; Pope, Alexander, 1688-1744", ("Homer", "Alexander Pope")),
        ("Various", ()),
        (None, ()),
        ({"a": 1}, ()),
    ],
)
def test_names_stand_as_on_a_cover(creator: object, authors: tuple[str, ...]) -> None:
    assert names_in(creator) == authors


@pytest.mark.parametrize(
    ("value", "tag"),
    [("eng", "en"), ("English", "en"), (["ger", "eng"], "de"), ("fre;eng", "fr"), ("xyzzy", ""), (7, "")],
)
def test_a_language_is_told_by_code_or_name(value: object, tag: str) -> None:
    (offer,) = found(EPUB, language=value)
    assert offer.language == tag


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../x", "a/b", "a b", "a%2fb", "a?b", "a#b", "-a", "é", "a\n", "x" * 102]
)
def test_a_key_is_one_step_of_a_path(key: str) -> None:
    assert not is_identifier(key)
    assert is_identifier("mobydickorwhale01melvuoft")
    assert is_identifier("Moby_Dick.2-x")


# what is searched for


def asked(title: str, *authors: str, isbn: str = "") -> list[str]:
    return list(expressions(Query(readings=(Reading(title, authors),), isbn=isbn)))


def test_a_want_is_asked_for_from_strict_to_loose() -> None:
    assert asked("Moby Dick; or, The Whale", "Melville, Herman", isbn="9780142437247") == [
        'isbn:("9780142437247" OR "0142437247")',
        (
            '(title:("moby" AND "dick" AND "whale") AND creator:"melville") '
            'OR (title:("moby" AND "dick") AND creator:"melville")'
        ),
        '(title:("moby" AND "dick" AND "whale")) OR (title:("moby" AND "dick"))',
        (
            '(title:("moby" OR "dick" OR "whale") AND creator:"melville") '
            'OR (title:("moby" OR "dick") AND creator:"melville")'
        ),
    ]
    assert asked("Emma") == ['(title:("emma"))']
    assert asked("!!!") == []
    assert list(expressions(Query(isbn="12345"))) == []


def test_numbers_are_left_to_the_other_words() -> None:
    assert asked("Twenty Thousand Leagues Under the Sea") == ['(title:("leagues" AND "under" AND "sea"))']
    assert asked("Nineteen Eighty-Four") == ['(title:("nineteen" AND "eighty" AND "four"))']


@pytest.mark.parametrize(
    "text",
    [
        'a" OR mediatype:audio OR "',
        "a) OR (b",
        "\\",
        '\\"',
        "title:x AND NOT y",
        "+a -b && c || !d",
        "^~*?:/[x TO y]{z}",
        "OR AND NOT TO",
        "café’s naïve 的",
        "x" * 5000,
        "a " * 5000,
    ],
)
def test_no_title_becomes_syntax(text: str) -> None:
    queries = asked(text, text, isbn=text)
    for query in queries:
        parse_query(query)
        assert "mediatype:" not in query
        assert len(query) < 4000
    parse_query(f"title:{phrase(text)}")


def listed(identifier: str, *words: str, language: str = "", formats: str = "", downloads: int = 0) -> Listed:
    return Listed(identifier, frozenset(words), language, frozenset(formats.split()), downloads)


def test_the_items_that_fit_best_are_looked_into_first() -> None:
    items = [
        listed("study", "moby", "dick", "study", "guide", "melville"),
        listed("german", "moby", "dick", "melville", language="de"),
        listed("plain", "moby", "dick", "melville", language="en", downloads=1),
        listed("liked", "moby", "dick", "melville", language="en", downloads=9),
        listed("unknown", "moby", "dick", "melville", downloads=5),
        listed("other", "emma", "austen"),
        listed("pictures", "moby", "dick", "melville", formats="djvu"),
    ]
    reading = Reading("Moby Dick", ("Herman Melville",))
    query = Query(readings=(reading,), languages=("en",), formats=("epub",))
    order = [each.identifier for each in best_first(items, query)]
    assert order == ["liked", "unknown", "plain", "study", "german"]


def test_what_comes_may_be_anything() -> None:
    junk: list[Any] = [None, 7, "x", [], {}, [[]], {"a": []}, True, 1e308, [None, {"name": None}]]
    for value in junk:
        item = dict.fromkeys(("metadata", "files", "dir", "d1", "workable_servers", "is_dark"), value)
        assert offers(item, "moby", source="ia", site=SITE) == ()
        fields = dict.fromkeys(("creator", "language", "volume", "isbn", "year", "date"), value)
        assert len(found(EPUB, **fields)) == 1
