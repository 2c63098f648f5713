"""File names that every filesystem, share and consumer takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pathvalidate import validate_filename
from pydantic import ValidationError

from bookhopper.delivery.naming import (
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_PATH_CHARACTERS,
    STAGED_SUFFIX,
    Names,
    clean,
    variants,
)
from bookhopper.model import Candidate, Job, State, Want
from bookhopper.name_template import FIELDS
from bookhopper.naming_settings import NamingSettings

WANT = Want(
    title="Mistborn", authors=("B. Sanderson",), isbn="9780765350381", tags=("Fun", "kids"), raw="line"
)


def file_name(title: str, authors: Sequence[str], extension: str, fallback: str) -> str:
    """Name a book as it is done where nothing is set."""
    job = Job(1, 1, Want(raw=fallback), State.DOWNLOADING)
    return Names(NamingSettings()).path(job, Candidate("shelf", "1", title, tuple(authors)), extension, str)


BOOK = Candidate(
    *("shelf", "a/8", "The Final Empire: Mistborn", ("Brandon Sanderson", "Bob Other"), "en", "epub"),
    *(None, 2006, ("9780765311788", "9780765350381"), "Mistborn", 1.0),
)


def path(book: Candidate = BOOK, want: Want = WANT, form: str = "epub", **naming: Any) -> str:
    """Name a book by these settings."""
    job = Job(12, 3, want, State.DOWNLOADING)
    return Names(NamingSettings.model_validate(naming)).path(job, book, form, lambda number: f"list {number}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:with:colons", "file_with_colons"),
        *((f"a{character}b", "a_b") for character in '*?"<>|/\\:'),
        ("  file  ", "file"),
        ("...file...", "file"),
        (". file .", "file"),
        ("file___name", "file_name"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("a\x00\x1bb", "a_b"),
        ("\u202egnp.epub", "gnp.epub"),
        ("Tale \u2067of\u2069 Two", "Tale _of_ Two"),
        ("a\u200bb\ufeff", "a_b"),
        ("a\u2028b", "a b"),
        ("a\ud800b", "a_b"),
        ("../../etc", "etc"),
        ("Ünïcode — 本", "Ünïcode — 本"),
        ("???", ""),
        ("", ""),
    ],
)
def test_one_part_of_a_name(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("title", "authors", "extension", "expected"),
    [
        ("A Tale", ["Ann Author", "Bob"], "epub", "A Tale - Ann Author.epub"),
        ("A Tale", [], "epub", "A Tale.epub"),
        ("", ["Ann Author"], "epub", "Ann Author.epub"),
        ("", [], "epub", "the line.epub"),
        ("???", ["..."], "epub", "the line.epub"),
        ("passwd", ["../etc"], "epub", "passwd - etc.epub"),
        ("A Tale", ["Ann"], "EPUB", "A Tale - Ann.epub"),
        ("A Tale", ["Ann"], "kfx-zip", "A Tale - Ann.kfx-zip"),
        ("A Tale", ["Ann"], "../x", "A Tale - Ann.x"),
        ("What?", [], "pdf", "What.pdf"),
        ("Dr. No.", [], "pdf", "Dr. No.pdf"),
    ],
)
def test_a_name(title: str, authors: list[str], extension: str, expected: str) -> None:
    assert file_name(title, authors, extension, "the line") == expected


def test_nothing_at_all_is_a_book() -> None:
    assert file_name("", [], "epub", "") == "book.epub"


@pytest.mark.parametrize("name", ["CON", "nul", "COM1", "LPT9", "aux"])
def test_names_that_windows_keeps_for_itself(name: str) -> None:
    found = file_name(name, [], "epub", "x")
    assert found.endswith(".epub")
    assert found.partition(".")[0].upper() != name.upper()


def test_a_long_name_is_cut_and_keeps_its_extension() -> None:
    found = file_name("a" * 300, [], "epub", "x")
    assert found == "a" * (len(found) - 5) + ".epub"
    assert MAX_CHARACTERS - 5 <= len(found) <= MAX_CHARACTERS


def test_the_limit_is_in_bytes_too() -> None:
    found = file_name("本" * 245, [], "epub", "x")
    assert len((found + STAGED_SUFFIX).encode()) <= 255
    assert len(found.encode()) > MAX_BYTES - len("_9999") - 3
    assert found.strip("本") == ".epub"


def test_a_cut_leaves_no_blank_before_the_extension() -> None:
    for length in range(130, 150):
        stem = file_name("a" * length + " b" * 20, [], "epub", "x").removesuffix(".epub")
        assert stem == stem.rstrip(" ._")


@given(
    st.text(max_size=400), st.lists(st.text(max_size=100), max_size=2), st.sampled_from(["epub", "kfx-zip"])
)
def test_any_name_fits_everywhere(title: str, authors: list[str], extension: str) -> None:
    name = file_name(title, authors, extension, title)
    last = list(islice(variants(name), 10_000))[-1]
    for each in (name, last):
        assert 0 < len(each) <= MAX_CHARACTERS
        assert len((each + STAGED_SUFFIX).encode()) <= 255
        assert not set(each) & set('/\\:*?"<>|\0\n\r')
        assert each == each.strip()
        assert not each.startswith(".")
        assert each.endswith(f".{extension}")


def test_variants() -> None:
    found = list(variants("A.Tale.epub"))
    assert found[:3] == ["A.Tale.epub", "A.Tale_1.epub", "A.Tale_2.epub"]
    assert (len(found), found[-1]) == (10_000, "A.Tale_9999.epub")


# templates

BARE = Candidate("shelf", "1", "Title", ("Author",))
SERIES = "{author}/{series/}{title}"
PLACE = "{series #}{position - }{title}"
SUBTITLE = "{title}{ - subtitle}"
YEAR = "{title} {(year)}"


@pytest.mark.parametrize(
    ("template", "book", "expected"),
    [
        (SERIES, BARE, "Author/Title.epub"),
        (SERIES, replace(BARE, series="Saga"), "Author/Saga/Title.epub"),
        (SERIES, replace(BARE, authors=()), "B. Sanderson/Title.epub"),
        (SUBTITLE, BARE, "Title.epub"),
        (SUBTITLE, replace(BARE, title="Title: Of It"), "Title - Of It.epub"),
        (SUBTITLE, replace(BARE, title="Title — Of: It"), "Title - Of_ It.epub"),
        (SUBTITLE, replace(BARE, title="Title - Of It"), "Title - Of It.epub"),
        (SUBTITLE, replace(BARE, title="Half-Life 12:30"), "Half-Life 12_30.epub"),
        ("{title}", replace(BARE, title="Title: Of It"), "Title_ Of It.epub"),
        (YEAR, BARE, "Title.epub"),
        (YEAR, replace(BARE, year=1999), "Title (1999).epub"),
        (f"{YEAR} {{[language]}}", replace(BARE, language="en"), "Title [en].epub"),
        (
            "{series #}{position - }{title}",
            replace(BARE, series="Saga", position=1.0),
            "Saga #1 - Title.epub",
        ),
        ("{position - }{title}", replace(BARE, position=1.5), "1.5 - Title.epub"),
        ("{position - }{title}", replace(BARE, position=0.0), "0 - Title.epub"),
        ("{position - }{title}", replace(BARE, position=float("nan")), "Title.epub"),
        ("{position - }{title}", replace(BARE, position=float("inf")), "Title.epub"),
        ("{author - }{title}", replace(BARE, title="???"), "Author.epub"),
        ("{ by author}", BARE, "by Author.epub"),
        ("{{{title}}}", BARE, "{Title}.epub"),
        ("{{title}} {title}", BARE, "{title} Title.epub"),
        ("{title} _ {author}", BARE, "Title _ Author.epub"),
        ("{author_sort}", BOOK, "Sanderson, Brandon.epub"),
        ("{author_sort}", replace(BARE, authors=("Martin L. King Jr.",)), "King, Martin L. Jr.epub"),
        ("{author_sort}", replace(BARE, authors=("Tolkien, J. R. R.",)), "Tolkien, J. R. R.epub"),
        ("{author_sort}", replace(BARE, authors=("   ",)), "line.epub"),
        ("{authors}", BOOK, "Brandon Sanderson & Bob Other.epub"),
        ("{isbn}", BOOK, "9780765350381.epub"),
        ("{isbn}", replace(BOOK, isbns=("1", "2")), "1.epub"),
        ("{isbn}", BARE, "9780765350381.epub"),
        ("{source}-{key}-{job}.{format}", BOOK, "shelf-a_8-12.epub.epub"),
        ("{tag}/{request}", BOOK, "Fun/list 3.epub"),
        ("{title}/", BARE, "Title/line.epub"),
        ("{author}/{title}", replace(BARE, title="", authors=()), "B. Sanderson/Mistborn.epub"),
        ("{author}/{title}", replace(BARE, title="../etc/passwd"), "Author/etc_passwd.epub"),
        ("{author}/{title}", replace(BARE, authors=("..",)), "Title.epub"),
        ("{author}/{title}", replace(BARE, authors=("../etc",), title="passwd"), "etc/passwd.epub"),
        ("{author}/{title}", replace(BARE, authors=("CON",), title="NUL"), "CON_/NUL_.epub"),
        ("{author}/{title}", replace(BARE, authors=(".hidden ...",)), "hidden/Title.epub"),
        ("{author}/{title}", replace(BARE, authors=("a" * 300,)), f"{'a' * 89}/Title.epub"),
        (
            "{author}/{series}/{title}",
            replace(BARE, authors=("a" * 99,), series="b"),
            f"{'a' * 87}/b/Title.epub",
        ),
        ("{author}/{title}", replace(BARE, authors=("本" * 300,)), f"{'本' * 80}/Title.epub"),
    ],
)
def test_a_template(template: str, book: Candidate, expected: str) -> None:
    assert path(book, file=template) == expected


@pytest.mark.parametrize(
    ("want", "form", "expected"),
    [
        (Want(), "epub", "Books/Title.epub"),
        (Want(), "cbz", "Comics/Title.cbz"),
        (Want(tags=("KIDS ",)), "epub", "KIDS/Title.epub"),
        (Want(tags=("kids",)), "cbz", "kids/Title.cbz"),
        (Want(tags=("none", "sorted", "kids")), "epub", "sorted/Author - Title.epub"),
        (Want(tags=("flat",)), "cbz", "Title.cbz"),
    ],
)
def test_a_tag_goes_before_a_format(want: Want, form: str, expected: str) -> None:
    rules = {
        "file": "{title}",
        "folder": "Books",
        "formats": {"CBZ": {"folder": "Comics"}},
        "tags": {
            "Kids": {"folder": "{tag}"},
            "sorted": {"file": "{author} - {title}"},
            "flat": {"folder": ""},
        },
    }
    assert path(BARE, want, form, **rules) == expected


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("file", "{titel}", "no field is called `titel`: did you mean `title`?"),
        ("file", "{title}{ - autor}", "no field is called `autor`: did you mean `author`?"),
        ("file", "{Title}", "no field is called `Title`: did you mean `title`?"),
        ("file", "{qqq}", "no field is called `qqq`: known are title, subtitle, author, "),
        ("file", "{}", "the braces at character 1 hold no field: known are title, "),
        ("file", "{series position}", "holds `series` and `position`: give each field braces of its own"),
        ("file", "a{title", "the { at character 2 is not closed: write {{ for a brace itself"),
        ("file", "{title}}", "the } at character 8 closes nothing: write }} for a brace itself"),
        ("file", "book", "all books would have one name: write a field in braces"),
        ("folder", "/etc", "a name stays inside the ingest folder"),
        ("folder", "../{author}", "a name stays inside the ingest folder"),
        ("folder", "{../author}", "a name stays inside the ingest folder"),
        ("folder", "a\\{author}", "a name stays inside the ingest folder"),
        ("folder", "a/" * 9, "that is too deep: at most 8 folders"),
        ("formats", {"cbx": {}}, "no format is called `cbx`: did you mean `cbz`?"),
        ("tags", {"kids": {}, "Kids": {}}, "`Kids` stands here twice, case apart"),
    ],
)
def test_what_is_wrong_is_said(key: str, value: object, fault: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(fault)):
        NamingSettings.model_validate({key: value})


def test_the_examples_show_each_rule() -> None:
    naming = NamingSettings.model_validate(
        {
            "folder": "{tag}",
            "formats": {"cbz": {"folder": "Comics/{series}"}},
            "tags": {"kids": {"file": "{title}"}},
        }
    )
    assert dict(Names(naming).examples()) == {
        "": "holidays/Guards! Guards!_ A Discworld Novel - Terry Pratchett.epub",
        "cbz": "Comics/Discworld/Guards! Guards!_ A Discworld Novel - Terry Pratchett.cbz",
        "tag kids": "kids/Guards! Guards!_ A Discworld Novel.epub",
    }


HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("../\\{}\0 _-CONaux:*?本𝄞")), max_size=120)
GROUPS = st.builds(
    "{{{}{}{}}}".format,
    st.sampled_from(["", " - ", "(", "/", " ", "#", ".", "x "]),
    st.sampled_from(FIELDS),
    st.sampled_from(["", ")", "/", " ", "...", " x", " / "]),
)
LITERALS = st.sampled_from(["/", " ", "Kids", ". .", "CON", "{{", "}}", "~", "本" * 90])
TEMPLATES = st.lists(GROUPS | LITERALS, max_size=9).map("".join)


def accepted(**naming: str) -> NamingSettings | None:
    try:
        return NamingSettings.model_validate(naming)
    except ValidationError:
        return None


@given(TEMPLATES, TEMPLATES, st.lists(HOSTILE, min_size=6, max_size=6), st.floats() | st.none())
def test_any_template_and_any_facts_make_a_safe_path(
    file: str, folder: str, facts: list[str], position: float | None
) -> None:
    naming = accepted(file=file, folder=folder)
    assume(naming is not None)
    assert naming is not None
    title, author, series, key, tag, raw = facts
    book = Candidate("shelf", key, title, (author,), series=series, position=position)
    want = Want(tags=(tag,), raw=raw)
    name = Names(naming).path(Job(1, 1, want, State.DOWNLOADING), book, "epub", lambda _: title)
    *folders, last = name.split("/")
    assert len(name) <= MAX_PATH_CHARACTERS
    assert last.endswith(".epub")
    assert len(last) <= MAX_CHARACTERS - len("_9999")
    for part in (*folders, last.removesuffix(".epub")):
        assert part == clean(part) or part == f"{clean(part)}_", "a device has one more"
        assert part not in {"", ".", ".."}
        assert len(part.encode()) <= MAX_BYTES - len("_9999")
        assert not set(part) & set('\\:*?"<>|\0\n\r\t')
        validate_filename(part, platform="universal", max_len=255)
    assert Path("/ingest", name).resolve().is_relative_to("/ingest")


@given(st.text(max_size=300), st.text(max_size=100))
def test_where_nothing_is_set_names_are_as_they_were(title: str, author: str) -> None:
    stem = " - ".join(part for part in (clean(title), clean(author)) if part) or "the line"
    found = file_name(title, [author], "epub", "the line").removesuffix(".epub")
    assert found.removesuffix("_") in stem
    if len(stem.encode()) < 140 and not is_device(stem):
        assert found == stem


def is_device(stem: str) -> bool:
    return len(stem.partition(".")[0]) <= 7
