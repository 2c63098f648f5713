"""What the log holds: its lines, the forms that they have, and what each tells of the work at hand."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from bookhopper.errors import ConfigError, TransientError
from bookhopper.log_context import Work, carried, current, working_on
from bookhopper.model import Candidate, Change, Collection, Job, State, Want
from bookhopper.observe import journal, logs
from bookhopper.observe.log_forms import Human, Json
from bookhopper.observe.logs import Form
from tests.fakes.journald import Journald

HOSTILE = "x\nERROR bookhopper: forged\r\x1b[2J\u2028y\x85\udc80\x00\xa0z"
SHOWN = "x�ERROR bookhopper: forged��[2J�y��� z"


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
        (
            change(
                6,
                State.DOWNLOADING,
                State.DOWNLOADING,
                "shelf:1 is no good",
                error="shelf:1 is no good",
                candidates=(Candidate("shelf", "1", "Emma", fault="torn"),),
            ),
            "DEBUG",
            "job 6 downloading: Emma — Jane Austen: shelf:1 is no good",
        ),
        (change(7, want=Want(isbn="9780141439587")), "INFO", "job 7 done: 9780141439587"),
        (change(8, want=Want(raw="pick: a:1")), "INFO", "job 8 done: pick: a:1"),
        (
            change(
                8,
                want=Want(
                    raw="feed: x", collection=Collection("feed", "https://me:s3cret@a.b/rss?key=s3cret")
                ),
            ),
            "INFO",
            "job 8 done: feed: https://a.b/rss?…",
        ),
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
    logs.ChangeLog(lambda _: "to-read.txt")(told)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, line)


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (Change(Job(1, 1, Want(), State.DONE), State.PLACED, State.DONE, 1.0, source="shelf"), "shelf"),
        (change(2, State.QUEUED, State.SEARCHING, candidates=(Candidate("home", "1", "Emma"),)), "home"),
        (
            change(
                3, State.FAILED, candidates=(Candidate("a", "1", "", fault="torn"), Candidate("b", "1", ""))
            ),
            "b",
        ),
        (change(4, State.FAILED, candidates=(Candidate("a", "1", "", fault="torn"),)), "a"),
        (change(5, State.AMBIGUOUS, candidates=(Candidate("a", "1", ""), Candidate("b", "1", ""))), None),
        (change(6, State.CANCELLED, candidates=(Candidate("a", "1", ""),)), None),
    ],
)
def test_a_change_tells_of_its_request_and_job_and_source(
    told: Change, source: str | None, stderr: io.StringIO
) -> None:
    configure(stderr, "debug", "json")
    logs.ChangeLog({1: "to-read.txt"}.__getitem__)(told)
    (line,) = lines(stderr)
    assert (line["request"], line["job"], line["source"]) == ("to-read.txt", told.job.id, source)


def test_what_is_not_written_costs_no_name(stderr: io.StringIO) -> None:
    configure(stderr, "warning", "json")
    logs.ChangeLog(lambda _: pytest.fail("nobody needs it"))(change(1))
    assert stderr.getvalue() == ""


# the forms


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error, and a log that is afterwards as it was."""
    stream = io.StringIO()
    root = logging.getLogger()
    quiet = ("apscheduler", "urllib3", "watchdog", "uvicorn", "pypdf")
    for module, name in (
        (sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"), (warnings, "showwarning"),
        (root, "handlers"), (root, "level"), *((logging.getLogger(each), "level") for each in quiet),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name))
    yield stream
    for handler in root.handlers:
        if isinstance(handler, journal.JournalHandler):
            handler.close()
    monkeypatch.undo()
    root.setLevel(root.level)  # which forgets what the loggers have found out


@pytest.fixture
def journald(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> Iterator[Journald]:
    with Journald() as taking:
        monkeypatch.setattr(journal, "SOCKET", taking.address)
        yield taking


def configure(stream: io.StringIO, level: str, form: Form) -> None:
    root = logging.getLogger()
    # pytest's own keep what is logged as it is, and its workers cannot send lone surrogates to one another
    root.handlers = [each for each in root.handlers if not type(each).__module__.startswith("_pytest.")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        logs.configure(level, form)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Read each line of JSON."""
    text = stream.getvalue()
    assert text.endswith("\n") or not text
    assert text.splitlines() == text.split("\n")[:-1], "a character that some take for the end of a line"
    return [json.loads(line) for line in text.splitlines()]


def test_a_person_reads_short_lines(stderr: io.StringIO) -> None:
    terminal = Terminal()
    configure(terminal, "info", "auto")
    logging.getLogger("bookhopper").info("hello")
    logging.getLogger("bookhopper").debug("unheard")
    logging.getLogger("urllib3").warning("unheard")
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO bookhopper: hello\n", terminal.getvalue())
    assert stderr.getvalue() == ""


def test_a_program_reads_an_object_a_line(stderr: io.StringIO) -> None:
    configure(stderr, "info", "auto")
    logging.getLogger("bookhopper").info("taken: %s", "Les Misérables")
    with working_on(request="to-read.txt", job=7, source="shelf"):
        logging.getLogger("bookhopper.net").warning("slow")
    first, second = lines(stderr)
    assert list(first) == ["time", "level", "logger", "message", "request", "job", "source"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert (first["level"], first["logger"]) == ("info", "bookhopper")
    assert first["message"] == "taken: Les Misérables"
    assert (first["request"], first["job"], first["source"]) == (None, None, None)
    assert "Misérables" in stderr.getvalue()
    assert (second["request"], second["job"], second["source"]) == ("to-read.txt", 7, "shelf")


def test_the_journal_gets_fields(journald: Journald, stderr: io.StringIO) -> None:
    configure(stderr, "debug", "journal")
    with working_on(request="to-read.txt", job=7, source="shelf"):
        logging.getLogger("bookhopper.net").warning("slow: %s", "é")
    for level in (logging.DEBUG, logging.INFO, logging.ERROR, logging.CRITICAL):
        logging.getLogger("bookhopper").log(level, "said")
    first, *others = journald.entries()
    assert first.pop("CODE_FILE") == __file__
    assert int(first.pop("CODE_LINE")) > 0
    assert first.pop("CODE_FUNC") == "test_the_journal_gets_fields"
    assert first == {
        "MESSAGE": "slow: é",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "bookhopper",
        "LOGGER": "bookhopper.net",
        "BOOKHOPPER_REQUEST": "to-read.txt",
        "BOOKHOPPER_JOB": "7",
        "BOOKHOPPER_SOURCE": "shelf",
    }
    assert [each["PRIORITY"] for each in others] == ["7", "6", "3", "2"]
    assert not any(name.startswith("BOOKHOPPER_") for each in others for name in each)
    assert stderr.getvalue() == ""


def test_what_no_datagram_holds_comes_in_memory(journald: Journald, stderr: io.StringIO) -> None:
    configure(stderr, "info", "journal")
    logging.getLogger("bookhopper").info("x" * 20_000_000)
    (entry,) = journald.entries()
    assert (len(entry["MESSAGE"]), journald.in_memory) == (20_000_000, 1)


def test_a_journal_that_is_away_misses_nothing(
    journald: Journald, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its priorities stand before the lines, for standard error may lead to the journal as well."""
    configure(stderr, "info", "journal")
    monkeypatch.setattr(journal, "SOCKET", journald.address + "-gone")
    with working_on(job=3):
        logging.getLogger("bookhopper").warning("slow")
    _broken()
    first, *traced = stderr.getvalue().splitlines()
    assert first == "<4>WARNING bookhopper: slow [job 3]"
    assert all(line.startswith("<3>") for line in traced)
    monkeypatch.setattr(journal, "SOCKET", journald.address)
    logging.getLogger("bookhopper").warning("back")
    assert [each["MESSAGE"] for each in journald.entries()] == ["back"]


def test_the_form_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as stream:
        status = (tmp_path / "log").stat()
        assert logs.form_of("auto", stream) == "json"
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert logs.form_of("auto", stream) == "journal"
        assert logs.form_of("human", stream) == "human"
        for other in (f"{status.st_dev}:{status.st_ino + 1}", f"{status.st_dev}", "", "x:y"):
            monkeypatch.setenv("JOURNAL_STREAM", other)
            assert logs.form_of("auto", stream) == "json"
    assert logs.form_of("auto", Terminal()) == "human"
    assert logs.form_of("auto", io.StringIO()) == "json"


def test_other_settings_replace_the_form_and_nobody_else_s(stderr: io.StringIO) -> None:
    other = logging.NullHandler()
    root = logging.getLogger()
    root.handlers = [*root.handlers, other]
    settings: list[tuple[str, Form]] = [("info", "human"), ("debug", "json"), ("error", "human")]
    for level, form in settings:
        configure(stderr, level, form)
        logging.getLogger("bookhopper").debug("said")
        assert other in root.handlers
    assert [line["message"] for line in lines(stderr)] == ["said"]


# what is hostile


def test_nothing_adds_a_line_or_a_field(
    journald: Journald, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is logged, and by whom: a message is one line, and an error is too."""
    with working_on(request=f"{HOSTILE}]", job=1, source=HOSTILE):
        configure(stderr, "info", "human")
        logging.getLogger("bookhopper.test").warning("taken: %s", HOSTILE)
        logging.getLogger("bookhopper.test").warning(TransientError(HOSTILE))
        shown = SHOWN.replace("[", "(")
        aside = f"[{shown}), job 1, {shown}]"
        assert stderr.getvalue().split("\n") == [
            f"WARNING bookhopper.test: taken: {SHOWN} {aside}",
            f"WARNING bookhopper.test: {SHOWN} {aside}",
            "",
        ]
        stderr.truncate(0)
        stderr.seek(0)
        configure(stderr, "info", "json")
        logging.getLogger("bookhopper.test").warning('taken: %s", "job": 9', HOSTILE)
        (line,) = lines(stderr)
        assert line["message"] == f'taken: {SHOWN}", "job": 9'
        assert (line["request"], line["job"], line["source"]) == (f"{SHOWN}]", 1, SHOWN)
        configure(stderr, "info", "journal")
        logging.getLogger("bookhopper.test").warning("taken: %s\nBOOKHOPPER_JOB=9", HOSTILE)
        (entry,) = journald.entries()
        assert entry["MESSAGE"] == f"taken: {SHOWN}�BOOKHOPPER_JOB=9"
        assert (entry["BOOKHOPPER_REQUEST"], entry["BOOKHOPPER_JOB"]) == (f"{SHOWN}]", "1")
    assert ConfigError([HOSTILE, "two"]).faults == [SHOWN, "two"]
    assert str(ConfigError([HOSTILE, "two"])) == f"{SHOWN}\ntwo"


def _fail(reason: str) -> None:
    raise ValueError(reason)


def _broken() -> None:
    try:
        _fail(HOSTILE)
    except ValueError:
        logging.getLogger("bookhopper").exception("a fault")


def test_a_traceback_adds_no_line_that_looks_like_another(journald: Journald, stderr: io.StringIO) -> None:
    configure(stderr, "info", "human")
    _broken()
    first, *traced, last = stderr.getvalue().split("\n")
    assert first == f"ERROR bookhopper: a fault: ValueError: {SHOWN}"
    assert last == ""
    assert traced[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in traced)
    stderr.truncate(0)
    stderr.seek(0)
    configure(stderr, "info", "json")
    _broken()
    (line,) = lines(stderr)
    assert line["message"] == f"a fault: ValueError: {SHOWN}"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    configure(stderr, "info", "journal")
    _broken()
    (entry,) = journald.entries()
    assert entry["MESSAGE"] == line["message"]
    assert entry["EXCEPTION_TEXT"] == line["exception"]


@pytest.mark.parametrize("form", [Human(), Json()])
def test_a_library_s_wrong_call_is_read_all_the_same(form: logging.Formatter) -> None:
    record = logging.LogRecord("lib", logging.ERROR, "lib.py", 1, "%d of %d", ("two",), None)
    assert "%d of %d ('two',)" in form.format(record)


# faults that nobody caught


def test_what_nobody_catches_is_a_line(stderr: io.StringIO) -> None:
    configure(stderr, "info", "json")

    thread = threading.Thread(target=_fail, args=("by zero",), name="search-0")
    thread.start()
    thread.join()
    leaving = threading.Thread(target=sys.exit)
    leaving.start()
    leaving.join()
    try:
        _fail("by zero")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    class Undying:
        def __del__(self) -> None:
            _fail("by zero")

    Undying()
    thrown, ended, dropped = lines(stderr)
    assert thrown["message"] == (
        "the thread search-0 ended by a fault of its own; please report it: ValueError: by zero"
    )
    assert ended["message"] == (
        "the daemon ends by a fault of its own; please report it: ValueError: by zero"
    )
    assert dropped["message"].endswith(": ValueError: by zero")
    for line in (thrown, ended, dropped):
        assert (line["level"], "by zero" in line["exception"]) == ("error", True)


def test_warnings_are_for_who_develops(stderr: io.StringIO) -> None:
    with warnings.catch_warnings():
        configure(stderr, "debug", "json")
        warnings.simplefilter("always")
        warnings.warn("this\nwill go", UserWarning, stacklevel=1)
    (line,) = lines(stderr)
    assert (line["level"], line["logger"]) == ("debug", "py.warnings")
    assert line["message"].startswith("UserWarning: this�will go (")


# what is worked on


def test_what_is_worked_on_ends_with_its_block() -> None:
    with working_on(request="a", job=1):
        with working_on(source="shelf"):
            assert current() == Work("a", 1, "shelf")
            with working_on(source=""):
                assert current() == Work("a", 1)
        assert current() == Work("a", 1)
    assert current() == Work()


def test_it_is_carried_into_other_threads() -> None:
    seen: list[Work] = []

    def note() -> None:
        seen.append(current())

    with working_on(request="a", job=1):
        plain = threading.Thread(target=note)
        with_it = threading.Thread(target=carried(note))
    for thread in (plain, with_it):
        thread.start()
        thread.join()
    assert seen == [Work(), Work("a", 1)]
