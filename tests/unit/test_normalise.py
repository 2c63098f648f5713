"""Titles, names and languages in one plain form, and the identity of a want."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.model import Pick, Want
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.normalise import fold, identity, isbn13
from bookhopper.search.words import title_words


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Père  Goriot!", "pere goriot"),
        ("Charlotte Brontë", "charlotte bronte"),
        ("The Pilgrim’s Progress", "the pilgrims progress"),
        ("Moby‐Dick — or, The Whale…", "moby dick or the whale"),
        ("Crime & Punishment", "crime and punishment"),
        ("STRASSE Straße", "strasse strasse"),
        ("Łódź Ærø Œuvres", "lodz aero oeuvres"),
        ("N\u0303ame", "name"),
        ("戦争と平和", "戦争と平和"),
        ("かがみ", "かか\u3099み"),
        ("???", ""),
    ],
)
def test_fold(text: str, plain: str) -> None:
    assert fold(text) == plain


def test_vowel_signs_of_other_scripts_make_other_words() -> None:
    assert fold("कि") != fold("की")


@given(st.text())
def test_fold_is_stable(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_an_accent_elsewhere_in_the_text_changes_nothing(text: str) -> None:
    assert fold(f"{text} é") == f"{fold(text)} e".lstrip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Around the World in Eighty Days", "around the world in 80 days"),
        ("20,000 Leagues under the Sea", "20000 leagues under the sea"),
        ("Twenty Thousand Leagues under the Sea", "20000 leagues under the sea"),
        ("The Thirty-Nine Steps", "the 39 steps"),
        ("Henry IV, Part II", "henry 4 part 2"),
        ("I, Robot", "i robot"),
        ("Nineteen Eighty-Four", "1984"),
        ("One Hundred Years of Solitude", "100 years of solitude"),
        ("One Thousand and One Nights", "1001 nights"),
        ("Two Hundred Thousand and Five", "200005"),
        ("One and Two", "1 and 2"),
        ("Mix", "mix"),
    ],
)
def test_numbers_become_digits(text: str, words: str) -> None:
    assert " ".join(title_words(text)) == words


@pytest.mark.parametrize(
    ("isbn", "digits"),
    [
        ("0743273567", "9780743273565"),
        ("978-963-543-443-5", "9789635434435"),
        ("0-8044-2957-X", "9780804429573"),
        ("2024", "2024"),
    ],
)
def test_isbn13(isbn: str, digits: str) -> None:
    assert isbn13(isbn) == digits


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("ger", "de"),
        ("deu", "de"),
        ("de-AT", "de"),
        ("German", "de"),
        ("fre", "fr"),
        ("  ENG  ", "en"),
        ("en-US", "en"),
        ("en_GB", "en"),
        ("zh-Hant", "zh-Hant"),
        ("zh", "zh"),
        ("unknown", ""),
        ("n/a", ""),
        ("--", ""),
        ("und", ""),
        ("mul", ""),
        ("x-private", ""),
        ("Klingon", ""),
        ("a" * 1000, ""),
        ("e\0n", ""),
    ],
)
def test_language_tag(text: str, tag: str) -> None:
    assert language_tag(text) == tag


def test_scripts_part_readers_only_where_both_are_named() -> None:
    assert same_language("zh", "zh-Hant")
    assert same_language("zh-Hant", "zh-Hant")
    assert not same_language("zh-Hans", "zh-Hant")
    assert not same_language("de", "en")


EMMA = Want(title="Emma", authors=("Jane Austen",))


@pytest.mark.parametrize(
    "other",
    [
        Want(title=" EMMA! ", authors=("Austen, Jane",)),
        Want(title="Emma", authors=("Jane Austen", "Somebody Else"), year=1815, priority=0, line=7),
    ],
)
def test_the_same_want_however_it_is_written(other: Want) -> None:
    assert identity(other) == identity(EMMA)


@pytest.mark.parametrize(
    "other",
    [
        Want(title="Emma, volume 2", authors=("Jane Austen",)),
        Want(title="Emma", authors=("Somebody Else",)),
        Want(title="Emma"),
        replace(EMMA, language="de"),
        replace(EMMA, formats=("pdf",)),
        replace(EMMA, isbn="9780743273565"),
        replace(EMMA, pick=Pick("gutenberg", "158")),
    ],
)
def test_another_want(other: Want) -> None:
    assert identity(other) != identity(EMMA)
    assert len(identity(other)) == 16


def test_an_isbn_is_the_same_in_both_lengths() -> None:
    assert identity(Want(isbn="0743273567")) == identity(Want(isbn="9780743273565"))


def test_initials_and_order_of_a_name_do_not_matter() -> None:
    names = ["J.R.R. Tolkien", "J. R. R. Tolkien", "Tolkien, J. R. R."]
    assert len({identity(Want(title="The Hobbit", authors=(name,))) for name in names}) == 1


def test_a_title_of_signs_only_is_still_told_apart() -> None:
    assert identity(Want(title="$$$")) != identity(Want(title="+++"))


@given(st.text(), st.text())
def test_identity_takes_anything(title: str, author: str) -> None:
    assert len(identity(Want(title=title, authors=(author,)))) == 16
