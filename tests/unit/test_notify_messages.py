"""What is told: bundles, their messages, and what hostile titles are in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.model import Change, Collection, Job, State, Want
from bookhopper.notify.left import Left, read_left
from bookhopper.notify.messages import Bundle, Settled, line_of, neutral
from bookhopper.notify.notifications import event_of
from bookhopper.notify_settings import Event

JOB = Job(7, 1, Want("Emma", ("Jane Austen",), line=1), State.MISSING)


def bundle(event: Event, *lines: str) -> Bundle:
    made = Bundle()
    for line in lines:
        made.add(event, line)
    return made


def test_a_thousand_books_are_one_short_message() -> None:
    message = bundle(Event.DELIVERED, *(f"Book {number}" for number in range(1000))).message("")
    assert message.title == "bookhopper: 1,000 delivered"
    assert message.body.splitlines() == [
        "Delivered:",
        *(f"- Book {number}" for number in range(5)),
        "- and 995 more",
    ]
    assert not message.urgent


def test_what_needs_a_person_comes_first_and_is_urgent() -> None:
    made = bundle(Event.DELIVERED, "Emma").with_later(bundle(Event.AMBIGUOUS, "Persuasion"))
    message = made.message("https://books.example.org/")
    assert message.title == "bookhopper: 1 waits for your choice, 1 delivered"
    assert message.body.startswith("To choose from (https://books.example.org/):\n- Persuasion\n\nDelivered:")
    assert message.urgent
    assert made.message("").body.startswith("To choose from (see the list's report):\n- Persuasion")


def test_two_bundles_become_one_with_the_first_lines() -> None:
    first, later = bundle(Event.FAILED, "a", "b", "c"), bundle(Event.FAILED, "d", "e", "f")
    whole = first.with_later(later)
    assert whole.counts[Event.FAILED] == 6
    assert whole.shown[Event.FAILED] == ["a", "b", "c", "d", "e"]
    assert first.counts[Event.FAILED] == 3, "what it was made of stays"


@pytest.mark.parametrize(
    "title",
    [
        "@everyone",
        "<!channel> <@U123> <b>bold</b><script>",
        "**bold** __under__ ~~gone~~ `code` ||spoiler||",
        "[click](https://evil.example)",
        "a\nb\r\nSubject: x",
        "\x1b[31mred\x07",
        "\u202egnp.exe",
        "\\@here",
    ],
)
def test_a_hostile_title_means_nothing(title: str) -> None:
    line = neutral(title)
    assert line.isprintable()
    assert not set("@<>*`~|[]\\").intersection(line)
    assert "://" not in line
    assert "__" not in line


@given(st.text(max_size=400))
def test_any_title_is_one_short_line(title: str) -> None:
    line = neutral(title)
    assert len(line) <= 140
    assert line.isprintable()
    assert neutral(line) == line


def test_a_plain_title_stays_as_it_is() -> None:
    for title in ("Emma — Jane Austen", "to_read.txt", "Œuvres complètes, 2", "C# & .NET: 50 % more!"):
        assert neutral(title) == title


def test_a_line_tells_why_and_no_feed_s_secret() -> None:
    assert line_of(JOB, "host down") == "Emma — Jane Austen: host down"
    feed = Want(
        collection=Collection("feed", "https://x.example/rss?key=s3cret"), raw="feed: https://…", line=2
    )
    line = line_of(replace(JOB, want=feed))
    assert line.startswith("feed: https:∕∕x.example/rss")
    assert "s3cret" not in line


def test_a_settled_list_in_a_line() -> None:
    settled = Settled("to_read.txt", 40, 37, owned=0, missed=2, ambiguous=1, failed=0, cancelled=0)
    assert settled.line() == "to_read.txt: 37 of 40 books delivered, 2 found nowhere yet, 1 to choose from"


@pytest.mark.parametrize(
    ("after", "looks", "not_before", "event"),
    [
        (State.DONE, 0, None, Event.DELIVERED),
        (State.MISSING, 1, 9.0, Event.MISSED),
        (State.MISSING, 2, 9.0, None),
        (State.MISSING, 0, 9.0, None),
        (State.AMBIGUOUS, 1, 9.0, Event.AMBIGUOUS),
        (State.AMBIGUOUS, 3, 9.0, None),
        (State.FAILED, 1, 9.0, Event.FAILED),
        (State.FAILED, 5, 9.0, None),
        (State.FAILED, 5, None, Event.FAILED),
        (State.QUEUED, 1, None, None),
        (State.OWNED, 1, None, None),
    ],
)
def test_what_a_change_is_to_those_who_are_told(
    after: State, looks: int, not_before: float | None, event: Event | None
) -> None:
    job = replace(JOB, state=after, looks=looks, not_before=not_before)
    assert event_of(Change(job, State.SEARCHING, after, 1.0)) is event
    assert event_of(Change(job, after, after, 1.0)) is None, "what is done to it there is no news"


def test_what_is_left_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "phone.json"
    assert read_left(path) == Left()
    left = Left(bundle(Event.MISSED, "Emma", "Persuasion"), 1234.5)
    path.write_text(left.as_text(), encoding="utf-8")
    assert read_left(path) == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "\0",
        '{"bundle": 3}',
        '{"bundle": {"nothing": {"count": 1, "lines": []}}}',
        '{"bundle": {"missed": {"count": -1, "lines": []}}}',
        '{"bundle": {"missed": {"count": 1, "lines": "x"}}}',
        '{"bundle": {"missed": 1}}',
        '{"bundle": {"missed": {"count": 1e400, "lines": []}}}',
    ],
)
def test_a_damaged_file_is_told_of_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "phone.json"
    path.write_text(text, encoding="utf-8")
    assert read_left(path) == Left()
    assert caplog.messages == [f"{path}: what was not told yet cannot be read: it is damaged"]


def test_a_slot_that_is_none_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "phone.json"
    for slot in ("NaN", '"x"', "null", "1e400"):
        path.write_text(f'{{"bundle": {json.dumps({})}, "digest": {slot}}}', encoding="utf-8")
        assert read_left(path) == Left()
