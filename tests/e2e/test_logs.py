"""The log of a real daemon, read by a program: each line of a job's life tells what it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon, path_of
from tests.fakes.journald import Journald
from tests.fakes.mirror import Break, Mirror
from tests.waiting import until

WANTS = """\
Alice's Adventures in Wonderland — Lewis Carroll
Frankenstein — Mary Shelley
Electra
A Book\u2028That Is\x1b[31m Not There — Nobody
"""
FORGED = "more [job 9, x]: {}.txt"

_STEPS = (" searching: ", "search: found", " queued: ", " downloading: ", "came from", " placed: ", " done: ")
_JOB = re.compile(r"job (\d+)\b")


@pytest.fixture
def journald() -> Iterator[Journald]:
    with Journald() as taking:
        yield taking


def to_the_end(daemon: Daemon, shelf: Mirror) -> None:
    """Let a list come to every end that there is: delivered, broken off, ambiguous, missing."""
    shelf.add_fault(path_of(84), Break(1000))
    daemon.start()
    daemon.drop("list.txt", WANTS)
    daemon.await_counts(done=2, ambiguous=1, missing=1)
    daemon.drop(FORGED, "Treasure Island — Robert Louis Stevenson\n")
    daemon.await_counts(done=3, ambiguous=1, missing=1)
    assert daemon.stop() == 0


def assert_lives(lines: list[dict[str, Any]]) -> None:
    """See that whatever is said of a job carries what it belongs to, from the search to the delivery."""
    assert {line["job"] for line in lines if line["job"]} == {1, 2, 3, 4, 5}
    for line in lines:
        named = _JOB.match(line["message"])
        assert not named or line["job"] == int(named[1]), line
        if line["job"]:
            assert line["request"] == ("list.txt" if line["job"] < 5 else FORGED), line
        assert (line["source"] or "gutenberg") == "gutenberg", line
        assert line["message"].isprintable(), line
    for job in (1, 2, 5):
        told = [line for line in lines if line["job"] == job]
        steps = {step: {line["source"] for line in told if step in line["message"]} for step in _STEPS}
        assert steps == {step: {None if step == " searching: " else "gutenberg"} for step in _STEPS}
        assert [line["message"] for line in told if line["level"] == "info"][-1].startswith(
            f"job {job} done: "
        )
    assert [line["level"] for line in lines if line["level"] not in {"debug", "info"}] == []


def test_every_line_is_an_object_and_tells_what_it_belongs_to(make_daemon: MakeDaemon, shelf: Mirror) -> None:
    daemon = make_daemon(log_format="auto")
    to_the_end(daemon, shelf)
    lines = daemon.lines()
    assert_lives(lines)
    (taken,) = [line for line in lines if line["message"].startswith("list.txt taken")]
    assert (taken["request"], taken["job"]) == ("list.txt", None)
    told = [line["message"] for line in lines if line["level"] == "info"]
    assert len(told) == len(set(told)), "an event was told twice"


def test_the_journal_gets_the_same(make_daemon: MakeDaemon, shelf: Mirror, journald: Journald) -> None:
    """Its standard error is what $JOURNAL_STREAM says, and the socket is where systemd has it."""
    daemon = make_daemon(log_format="auto")
    journald.serve(daemon)
    to_the_end(daemon, shelf)
    assert daemon.log == ""
    names = {"MESSAGE": "message", "BOOKHOPPER_REQUEST": "request", "BOOKHOPPER_SOURCE": "source"}
    lines = [
        {
            **{key: entry.get(name) for name, key in names.items()},
            "job": int(entry.get("BOOKHOPPER_JOB", 0)) or None,
            "level": {"7": "debug", "6": "info"}.get(entry["PRIORITY"]),
        }
        for entry in journald.entries()
    ]
    assert_lives(lines)


def test_a_reload_changes_form_and_level(daemon: Daemon) -> None:
    daemon.start()
    until(lambda: "INFO bookhopper: source gutenberg: " in daemon.log)
    _change(daemon, log_format="json", log_level="warning")
    daemon.ask("POST", "/api/reload", {})
    known = len(daemon.log.encode())
    _change(daemon, grace="9 s")
    daemon.ask("POST", "/api/reload", {})
    assert daemon.stop() == 0
    (line,) = daemon.lines(known)
    assert (line["level"], line["message"]) == (
        "warning",
        "grace has changed, which is heeded at the next start only; it stays as it was",
    )


def _change(daemon: Daemon, **settings: str) -> None:
    daemon.configure({**yaml.safe_load(daemon.config.read_text(encoding="utf-8")), **settings})
