"""The ids of books: a job's number, or what a source offers under `source:key~format`."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from bookhopper.api.books import book_id, find_job, offer_id, want_of
from bookhopper.api.view import View
from bookhopper.intake.text import read_line
from bookhopper.model import Candidate, Job, Pick, State, Want
from tests.queues import Queue, want


@pytest.fixture
def view(queue: Queue) -> View:
    return cast(View, SimpleNamespace(store=queue.store))


@pytest.mark.parametrize(
    ("text", "pick", "formats"),
    [
        ("gutenberg:1342", Pick("gutenberg", "1342"), ()),
        ("gutenberg:1342~epub", Pick("gutenberg", "1342"), ("epub",)),
        ("home:books/a~b: c/d~azw3", Pick("home", "books/a~b: c/d"), ("azw3",)),
        ("home:books/a~tilde", Pick("home", "books/a~tilde"), ()),
        ("home:~epub", Pick("home", "~epub"), ()),
        ("shelf:Täle", Pick("shelf", "Täle"), ()),
    ],
)
def test_an_id_names_source_key_and_format(text: str, pick: Pick, formats: tuple[str, ...]) -> None:
    assert want_of(text) == Want(pick=pick, formats=formats, raw=text)


@pytest.mark.parametrize(
    "text",
    ["", "17", "gutenberg", "gutenberg:", "gutenberg: ", ":17", "a:b\nc", "a:\ud800", "a:" + "x" * 1000],
)
def test_other_texts_name_nothing(text: str) -> None:
    assert want_of(text) is None


def test_an_offer_is_named_so_that_it_is_found_again() -> None:
    offer = Candidate("shelf", "a/b", "A Tale", format="pdf")
    assert offer_id(offer) == "shelf:a/b~pdf"
    assert offer_id(replace(offer, format="")) == "shelf:a/b"


def test_a_job_goes_by_its_number_or_by_the_id_it_was_asked_by() -> None:
    def job(want: Want) -> Job:
        return Job(17, 1, want, State.WANTED)

    picked = Pick("shelf", "7")
    assert book_id(job(want())) == "17"
    assert book_id(job(Want(pick=picked, raw="shelf:7~epub"))) == "shelf:7~epub"
    # a line of a list that says no more than an id does, be it urgent or tagged
    line = Want(pick=picked, line=3, raw="pick: shelf:7")
    assert book_id(job(line)) == "shelf:7"
    assert book_id(job(replace(line, raw="!! pick: shelf:7", priority=-1, tags=("x",)))) == "shelf:7"
    # what says more is another want; and so is what somebody picked by hand, whatever the line said before
    assert book_id(job(replace(line, formats=("epub",)))) == "17"
    assert book_id(job(replace(line, force=True))) == "17"
    assert book_id(job(replace(line, pick=Pick("shelf", "8")))) == "17"
    assert book_id(job(replace(line, pick=Pick("shelf", "7~epub"), raw="pick: shelf:7~epub"))) == "17"
    assert book_id(job(replace(want(), pick=picked))) == "17"


@pytest.mark.parametrize("line", ["pick: shelf:a/b", "!! pick: shelf:a/b"])
def test_a_picked_line_is_found_by_the_id_that_it_is_shown_by(queue: Queue, view: View, line: str) -> None:
    (job,) = queue.add(read_line(line, 1))
    assert book_id(queue.job(job)) == "shelf:a/b"
    assert find_job(view, "shelf:a/b") == find_job(view, str(job)) == queue.job(job)


def test_a_job_is_found_under_either(queue: Queue, view: View) -> None:
    asked = want_of("shelf:a/b~epub")
    assert asked is not None
    first, second = queue.add(want(), asked)
    assert [find_job(view, text) for text in (str(first), "shelf:a/b~epub", str(second))] == [
        queue.job(first), queue.job(second), queue.job(second),
    ]  # fmt: skip
    for text in ("0", "999", "9" * 18, "9" * 400, "²", "shelf:a/b", "shelf:a/b~pdf", "", "-1"):
        assert find_job(view, text) is None
