"""Changes handed on in order, and the log lines that they become."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bookhopper.errors import ConfigError, TransientError
from bookhopper.model import Change, Job, State, Want
from bookhopper.observe import logs
from bookhopper.observe.events import Events


def change(
    number: int,
    after: State = State.DONE,
    before: State | None = State.PLACED,
    reason: str = "",
    want: Want | None = None,
    **fields: Any,
) -> Change:
    wish = want or Want("Emma", ("Jane Austen",), line=1)
    return Change(Job(number, 1, wish, after, **fields), before, after, 1.0, reason)


def test_changes_wait_for_the_start_and_keep_their_order() -> None:
    events = Events()
    seen: list[int] = []
    for number in range(50):
        events.publish(change(number))
    assert seen == []
    events.start(lambda change: seen.append(change.job.id))
    for number in range(50, 100):
        events.publish(change(number))
    events.stop()
    assert seen == list(range(100))


def test_a_listener_that_fails_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def failing(_: Change) -> None:
        raise ZeroDivisionError

    events = Events()
    events.start(failing, lambda change: seen.append(change.job.id))
    events.publish(change(7))
    events.publish(change(8))
    events.stop()
    assert seen == [7, 8]
    assert "a listener failed over job 7" in caplog.text


def test_a_stop_without_a_start() -> None:
    Events().stop()


# the log


@pytest.mark.parametrize(
    ("told", "level", "line"),
    [
        (change(1), "INFO", "job 1 done: Emma — Jane Austen"),
        (change(2, State.QUEUED, State.SEARCHING), "INFO", "job 2 queued: Emma — Jane Austen"),
        (change(3, State.FAILED, reason="torn"), "WARNING", "job 3 failed: Emma — Jane Austen: torn"),
        (change(4, State.DOWNLOADING, State.QUEUED), "DEBUG", "job 4 downloading: Emma — Jane Austen"),
        (change(5, State.DOWNLOADING, State.DOWNLOADING), "DEBUG", "job 5 downloading: Emma — Jane Austen"),
        (
            change(6, State.DOWNLOADING, State.DOWNLOADING, "shelf:1 is no good", error="shelf:1 is no good"),
            "INFO",
            "job 6 downloading: Emma — Jane Austen: shelf:1 is no good",
        ),
        (change(7, want=Want(isbn="9780141439587")), "INFO", "job 7 done: 9780141439587"),
        (change(8, want=Want(raw="pick: a:1")), "INFO", "job 8 done: pick: a:1"),
        (change(9, want=Want("a\n\x1b[31mb\u202e")), "INFO", "job 9 done: a��[31mb�"),
        (change(10, want=Want("x" * 500)), "INFO", "job 10 done: " + "x" * 120),
        (change(11, State.QUEUED, State.QUEUED, "paused"), "INFO", "job 11 paused: Emma — Jane Austen"),
        (
            change(12, State.WANTED, State.WANTED, "priority 0", error="it broke off"),
            "INFO",
            "job 12 priority 0: Emma — Jane Austen",
        ),
        (
            change(13, State.QUEUED, State.DOWNLOADING, "it broke off"),
            "DEBUG",
            "job 13 queued: Emma — Jane Austen: it broke off",
        ),
        (
            change(14, State.QUEUED, State.DOWNLOADING, paused=True),
            "INFO",
            "job 14 paused: Emma — Jane Austen",
        ),
        (
            change(15, State.CANCELLED, State.QUEUED, "cancelled", error="cancelled"),
            "INFO",
            "job 15 cancelled: Emma — Jane Austen",
        ),
        (
            change(16, State.WANTED, State.FAILED, "tried again"),
            "INFO",
            "job 16 wanted: Emma — Jane Austen: tried again",
        ),
        (change(17, State.WANTED, State.MISSING), "DEBUG", "job 17 wanted: Emma — Jane Austen"),
    ],
)
def test_a_change_is_one_line(told: Change, level: str, line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logs.log_change(told)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, line)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def _root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in ("apscheduler", "urllib3", "uvicorn")}
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.handlers[:] = before
    root.setLevel(level)
    for name, number in quiet.items():
        logging.getLogger(name).setLevel(number)


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize(
    ("stream", "pattern"),
    [(io.StringIO(), r"INFO bookhopper: hello\n"), (Terminal(), r"\d\d:\d\d:\d\d INFO bookhopper: hello\n")],
)
def test_the_log_goes_to_standard_error(
    stream: io.StringIO, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info")
    logging.getLogger("bookhopper").info("hello")
    logging.getLogger("bookhopper").debug("unheard")
    logging.getLogger("urllib3").warning("unheard")
    assert pytest.raises(AssertionError, match=f"^{pattern}$").matches(AssertionError(stream.getvalue()))


def test_nothing_adds_a_line_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is logged, and by whom: a message is one line, and an error is too."""
    logs.configure("info")
    hostile = "x\nERROR bookhopper: forged\r\x1b[2J\u2028y\xa0z"
    logging.getLogger("bookhopper.test").warning("taken: %s", hostile)
    logging.getLogger("bookhopper.test").warning(TransientError(hostile))
    lines = capsys.readouterr().err.split("\n")
    shown = "x�ERROR bookhopper: forged��[2J�y z"
    assert lines == [f"WARNING bookhopper.test: taken: {shown}", f"WARNING bookhopper.test: {shown}", ""]
    assert ConfigError([hostile, "two"]).faults == [shown, "two"]
    assert str(ConfigError([hostile, "two"])) == f"{shown}\ntwo"
