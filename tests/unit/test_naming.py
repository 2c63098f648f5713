"""File names that every filesystem, share and consumer takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.model import Candidate, Job, State, Want
from bookhopper.naming import MAX_BYTES, MAX_CHARACTERS, STAGED_SUFFIX, Names, clean, variants
from bookhopper.naming_settings import NamingSettings


def file_name(title: str, authors: Sequence[str], extension: str, fallback: str) -> str:
    """Name a book as it is done where nothing is set."""
    job = Job(1, 1, Want(raw=fallback), State.DOWNLOADING)
    return Names(NamingSettings()).path(job, Candidate("shelf", "1", title, tuple(authors)), extension, str)


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
