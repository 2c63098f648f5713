"""What goes into the columns comes out of them, whatever it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.model import Candidate, Collection, Pick, Reading, Resume, Want
from bookhopper.store.codec import (
    candidates_from_json,
    candidates_to_json,
    resume_from_json,
    resume_to_json,
    want_from_json,
    want_to_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
YEAR = st.none() | st.integers(1, 2100)
WANTS = st.builds(
    Want,
    title=TEXT,
    authors=TEXTS,
    isbn=TEXT,
    year=YEAR,
    language=TEXT,
    formats=TEXTS,
    series=TEXT,
    priority=st.integers(-9, 9),
    tags=TEXTS,
    force=st.booleans(),
    pick=st.none() | st.builds(Pick, TEXT, TEXT, st.none() | st.integers(1, 10**9)),
    line=st.integers(0, 10**6),
    raw=TEXT,
    readings=st.lists(st.builds(Reading, TEXT, TEXTS), max_size=2).map(tuple),
    collection=st.none()
    | st.builds(Collection, st.sampled_from(["author", "series", "feed"]), TEXT, st.integers(1, 1000)),
)
CANDIDATES = st.builds(
    Candidate,
    source=TEXT,
    key=TEXT,
    title=TEXT,
    authors=TEXTS,
    language=TEXT,
    format=TEXT,
    size=st.none() | st.integers(0, 10**12),
    year=YEAR,
    isbns=TEXTS,
    series=TEXT,
    urls=TEXTS,
    checksums=st.dictionaries(TEXT, TEXT, max_size=2),
    score=st.floats(0, 1),
    parts=st.dictionaries(TEXT, st.floats(0, 1), max_size=2),
    fault=TEXT,
)


@given(WANTS)
def test_a_want_comes_back(want: Want) -> None:
    assert want_from_json(want_to_json(want)) == want


@given(TEXT, TEXT, TEXT, st.integers(-9, 9))
def test_a_want_with_the_readings_of_a_plain_line_comes_back(
    title: str, author: str, raw: str, priority: int
) -> None:
    readings = (Reading(author, (title,)), Reading(raw))
    want = Want(title=title, authors=(author,), priority=priority, line=3, raw=raw, readings=readings)
    text = want_to_json(want)
    assert json.loads(text)[:5] == [3, raw, title, [author], None], "the readings are not written"
    assert want_from_json(text) == want


@given(st.lists(CANDIDATES, max_size=3).map(tuple))
def test_candidates_come_back(candidates: tuple[Candidate, ...]) -> None:
    assert candidates_from_json(candidates_to_json(candidates)) == candidates


@given(st.none() | st.builds(Resume, TEXT, TEXT, st.none() | st.integers(0), st.integers(0)))
def test_a_resume_point_comes_back(resume: Resume | None) -> None:
    assert resume_from_json(resume_to_json(resume)) == resume


def test_a_plain_want_is_small() -> None:
    text = want_to_json(Want(title="Emma", authors=("Jane Austen",), line=3, raw="Emma — Jane Austen"))
    assert len(text) <= len('[3,"Emma — Jane Austen","Emma",["Jane Austen"],[]]')
    assert "—" in text, "and is kept in UTF-8, not in escapes"


def test_nothing_is_the_empty_text() -> None:
    assert candidates_to_json(()) == resume_to_json(None) == ""


def test_an_older_row_reads_with_defaults() -> None:
    assert want_from_json('[1,"Emma","Emma",[],[]]') == Want(title="Emma", line=1, raw="Emma")
    assert candidates_from_json('[{"source":"s","key":"k"}]') == (Candidate("s", "k", ""),)


def test_a_row_of_a_newer_version_is_no_silent_loss() -> None:
    with pytest.raises(TypeError):
        candidates_from_json('[{"source":"s","unheard":1}]')
