from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper.api.view import download
from bookhopper.intake.base import Entry
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.parse import parse
from bookhopper.intake.report import Tally, moment, render
from bookhopper.intake.reporter import Reporter
from bookhopper.model import BadLine, Candidate, Change, Collection, Job, Request, State, Want
from bookhopper.observe.logs import describe
from bookhopper.search.normalise import identity
from bookhopper.store.base import Intake, Move, NewRequest, Wish
from bookhopper.store.queries import Line, LineNote
from bookhopper.store.sqlite import SqliteStore
from tests.waiting import DEADLINE, until

REQUEST = Request(1, "to-read.txt", "", "", "to-read.txt.report.txt", 1, 1_795_000_000.0)
EMMA = Candidate(
    "gutenberg", "158", "Emma", ("Jane Austen",), language="en", format="epub", score=0.873,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def line(number: int = 1, raw: str = "Emma", note: LineNote = LineNote.NEW, reason: str = "") -> Line:
    return Line(number, number, 1, raw, note, None if note is LineNote.BAD else number, reason)


def job(state: State, number: int = 1, **fields: object) -> Job:
    return Job(number, 1, Want(title="Emma", raw="Emma"), state, **fields)  # type: ignore[arg-type]


def text(*entries: tuple[Line, Job | None], names: Mapping[int, str] | None = None) -> str:
    return "\n".join(render(REQUEST, entries, names or {}, REQUEST.created + 60))


def test_header_counts_every_line() -> None:
    tally = Tally()
    entries = [(line(number), job(state, number)) for number, state in enumerate(State, start=1)]
    entries.append((line(99, "?!", LineNote.BAD, "only punctuation"), None))  # type: ignore[arg-type]
    report = list(render(REQUEST, entries, {}, REQUEST.created + 60, tally))
    assert report[:2] == ["to-read.txt", "==========="]
    assert "2026-11-18" in report[2]
    assert report[2].endswith("CET")
    assert " ".join(report[4:6]).startswith(
        "14 lines: 1 delivered, 5 waiting, 1 already owned, 1 duplicate, 1 expanded, 1 ambiguous, 1 missing, "
        "1 failed, 1 cancelled, 1 not understood"
    )
    assert tally.lines == 14
    assert tally.unsettled == 5


def test_what_was_left_out_is_a_remark_and_no_line() -> None:
    remark = Line(2, 3, 1, "4 of 6 rows", LineNote.LEFT_OUT, None, "they are not on to-read but on read (4)")
    report = text((line(), job(State.DONE)), (remark, None))
    assert "1 line: 1 delivered, 0 waiting\n" in report
    assert report.endswith(
        "       left out     4 of 6 rows\n                    they are not on to-read but on read (4)"
    )


def test_a_book_whose_source_tells_no_language_is_marked() -> None:
    book = Candidate("home", "1", "Der Process", format="epub")
    told = replace(book, language="de")
    for candidates, marked in [
        ((book,), True),
        ((told,), False),
        ((replace(book, fault="bad"), told), False),
    ]:
        done = replace(job(State.DONE), candidates=candidates)
        report = text((line(), done), names={1: "Der Process.epub"})
        assert ("-> Der Process.epub  (its language is not known)" in report) is marked


def test_delivered_line_names_its_file() -> None:
    assert "-> Emma - Jane Austen.epub" in text(
        (line(), job(State.DONE)), names={1: "Emma - Jane Austen.epub"}
    )
    assert "Everything on this list is settled" in text((line(), job(State.DONE)))


def test_what_was_said_of_a_delivered_line_stands_there() -> None:
    assert "look twice" in text((line(), job(State.DONE, error="look twice")))


def test_ambiguous_line_offers_lines_to_drop_back() -> None:
    report = text((line(), job(State.AMBIGUOUS, error="two books fit as well", candidates=(EMMA,))))
    assert "two books fit as well" in report
    (pick,) = re.findall(r"pick: .*", report)
    assert pick == "pick: 1 gutenberg:158    # Emma — Jane Austen, en, epub, 0.87"
    assert "copy its `pick:` line" in report
    (entry,) = parse("again.txt", pick.encode())
    assert isinstance(entry, Want)
    assert entry.pick is not None
    assert (entry.pick.job, entry.pick.source, entry.pick.key) == (1, "gutenberg", "158")


def test_missing_line_shows_the_nearest_and_when_it_is_looked_for_again() -> None:
    missing = job(
        State.MISSING, error="nothing scored 0.80", candidates=(EMMA,) * 5, not_before=1_795_086_400.0
    )
    report = text((line(), missing))
    assert report.count("0.87") == 3
    assert f"looked for again {moment(1_795_086_400.0)}" in report
    assert "nearest" in report


def test_waiting_and_failed_lines_give_their_reason() -> None:
    report = text(
        (line(1), job(State.QUEUED, error="the disk is full", not_before=1_795_000_300.0)),
        (line(2), job(State.FAILED, 2, error="it is protected (DRM)")),
        (line(3), job(State.QUEUED, 3, paused=True)),
    )
    assert "the disk is full" in report
    assert "tried again 2026-11-18" in report
    assert "it is protected (DRM)" in report
    assert "queued*" in report
    assert "* paused" in report


def test_candidates_that_were_given_up_say_why() -> None:
    broken = Candidate("home", "7", "Emma", format="epub", fault="its zip is damaged")
    assert "given up: home:7: its zip is damaged" in text((line(), job(State.FAILED, candidates=(broken,))))


def test_known_and_picked_lines_say_so() -> None:
    report = text(
        (line(1, note=LineNote.KNOWN), job(State.WANTED)),
        (line(2, "pick: 1 a:b", LineNote.PICKED), job(State.WANTED)),
    )
    assert "asked for before (job 1)" in report
    assert "picked for Emma" in report


def test_bad_line_names_line_and_column() -> None:
    entry = Line(1, 17, 5, "titel: x", LineNote.BAD, None, "unknown key 'titel'; did you mean `title`?")
    assert "17:5: unknown key 'titel'; did you mean `title`?" in text((entry, None))


def test_nothing_from_outside_breaks_the_page() -> None:
    evil = Candidate("gutenberg", "1 #\n2", "Em\x1b[31mma\nnext", ("\u202eX",), score=0.5)
    report = text(
        (line(raw="a\x00b\x1b\nc" + "x" * 5000), job(State.AMBIGUOUS, candidates=(evil,), error="e\r\nf"))
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", report)
    assert "pick: 1 " not in report.split("state")[1]  # a key that cannot be read back is not offered
    assert max(len(row) for row in report.splitlines()) < 400


def test_a_long_list_is_rendered_in_the_files_order() -> None:
    entries = ((line(number, f"Title {number}"), job(State.WANTED, number)) for number in range(1, 30_001))
    rows = [row for row in render(REQUEST, entries, {}, REQUEST.created) if "Title " in row]
    assert len(rows) == 30_000
    assert rows[29_999].split() == ["30000", "wanted", "Title", "30000"]


# the reporter


class Place:
    def __init__(self, path: Path) -> None:
        self.path = path / "requests"
        self.path.mkdir()
        self.folder = RequestFolder(self.path)
        self.changes: list[Change] = []
        self.reporter: Reporter | None = None
        self.store = SqliteStore(path / "queue.sqlite", self.publish)

    def publish(self, change: Change) -> None:
        self.changes.append(change)
        if self.reporter is not None:
            self.reporter.changed(change)

    def add(self, name: str, lines: str) -> Intake:
        report = self.folder.reserve("reports", name, ".report.txt", "reading\n")
        entries = [_wish(entry) for entry in parse(name, lines.encode())]
        return self.store.add_request(NewRequest(name, name, "", report), entries)

    def settle(self, state: State = State.MISSING) -> Job:
        claimed = self.store.claim(State.WANTED)
        assert claimed is not None
        return self.store.move(Move(claimed.id, State.SEARCHING, state, reason="no such book"))

    def report(self, name: str = "a.txt") -> str:
        path = self.path / "reports" / f"{name}.report.txt"
        return path.read_text() if path.exists() else ""


def _wish(entry: Entry) -> Wish | BadLine:
    return entry if isinstance(entry, BadLine) else Wish(entry, identity(entry))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    if place.reporter is not None:
        place.reporter.stop()
        assert place.reporter.join(time.monotonic() + DEADLINE)
    place.store.close()


def start(place: Place, interval: float = 0.01, completed: list[int] | None = None) -> Reporter:
    told = completed if completed is not None else []
    place.reporter = Reporter(
        place.store, place.folder, interval=interval, completed=lambda request, _: told.append(request)
    )
    place.reporter.start()
    return place.reporter


def test_the_first_report_stands_before_the_file_is_filed(place: Place) -> None:
    reporter = Reporter(place.store, place.folder)
    reporter.stored(place.add("a.txt", "Emma\n!?\n"))
    assert "1 waiting, 1 not understood" in place.report()
    assert [path.name for path in (place.path / "reports").iterdir()] == ["a.txt.report.txt"]


def test_reports_of_unsettled_requests_are_written_at_the_start(place: Place) -> None:
    place.add("a.txt", "Emma\n")
    start(place)
    until(lambda: "1 waiting" in place.report())


def test_a_report_that_a_crash_kept_from_its_last_line_is_written_at_the_start(place: Place) -> None:
    completed: list[int] = []
    place.add("a.txt", "Emma\n")
    place.settle()  # and no reporter hears of it
    start(place, completed=completed)
    until(lambda: "1 missing" in place.report())
    assert completed == []


def test_what_is_known_to_be_written_is_not_written_again(place: Place) -> None:
    place.add("a.txt", "Emma\n")
    place.settle()
    start(place)
    until(lambda: place.store.setting("reports written until"))
    place.reporter, earlier = None, place.reporter
    assert earlier is not None
    earlier.stop()
    assert earlier.join(time.monotonic() + DEADLINE)
    place.store.set_setting("reports written until", repr(time.time()))
    (place.path / "reports" / "a.txt.report.txt").unlink()
    place.add("b.txt", "Dune\n")
    start(place)
    until(lambda: "1 waiting" in place.report("b.txt"))
    assert [path.name for path in (place.path / "reports").iterdir()] == ["b.txt.report.txt"]


def test_changes_reach_every_report_that_holds_the_job(place: Place) -> None:
    place.add("a.txt", "Emma\n")
    place.add("b.txt", "Emma\nDune\n")
    start(place)
    place.settle()
    until(lambda: "1 missing" in place.report("a.txt"))
    until(lambda: "1 missing" in place.report("b.txt"))
    assert "no such book" in place.report("b.txt")


def test_completion_is_told_once_when_the_last_want_settles(place: Place) -> None:
    completed: list[int] = []
    # The interval is longer than any test may last: only the last line's settling may write again.
    reporter = start(place, interval=3600.0, completed=completed)
    reporter.stored(place.add("a.txt", "Emma\nDune\n"))
    place.settle()
    place.settle()
    until(lambda: completed == [1])
    assert "2 missing" in place.report()
    reporter.stop()
    assert reporter.join(time.monotonic() + DEADLINE)
    assert completed == [1]


def test_what_is_left_is_written_at_the_end(place: Place) -> None:
    reporter = start(place, interval=3600.0)
    reporter.stored(place.add("a.txt", "Emma\nDune\nFaust\n"))
    place.settle()
    reporter.stop()
    assert reporter.join(time.monotonic() + DEADLINE)
    assert "1 missing" in place.report()


def test_a_full_disk_is_said_once_and_made_good(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bookhopper.intake.reporter._RETRY_SECONDS", 0.02)
    failed = threading.Semaphore(0)

    def full(*_: object) -> None:
        failed.release()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.add("a.txt", "Emma\n")
    with monkeypatch.context() as patched:
        patched.setattr(RequestFolder, "write", full)
        start(place)
        for _ in range(3):
            assert failed.acquire(timeout=DEADLINE)
    until(lambda: "1 waiting" in place.report())
    assert [record.message for record in caplog.records if "No space" in record.message] == [
        "reports cannot be written: No space left on device; trying again"
    ]


def test_a_reader_never_sees_half_a_report(place: Place) -> None:
    place.folder.write("reports", "r.txt", ["old"])

    def breaking() -> Iterator[str]:
        yield "new"
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        place.folder.write("reports", "r.txt", breaking())
    assert (place.path / "reports" / "r.txt").read_text() == "old\n"
    assert [path.name for path in (place.path / "reports").iterdir()] == ["r.txt"]


def test_ten_thousand_changes_end_in_one_report(place: Place) -> None:
    reporter = start(place, interval=3600.0)
    reporter.stored(place.add("a.txt", "Emma\nDune\n"))
    moved = place.settle()
    change = Change(moved, State.QUEUED, State.DOWNLOADING, 0.0)
    for _ in range(10_000):
        reporter.changed(change)
    place.settle()
    until(lambda: "2 missing" in place.report())


def test_a_collection_is_followed_by_its_books_which_are_counted() -> None:
    wanted = Want(raw="works of: Lewis Carroll", collection=Collection("author", "Lewis Carroll"))
    whole = Job(1, 1, wanted, State.EXPANDED, error="3 books")
    books = [
        Job(2, 1, Want(raw="Alice — Lewis Carroll"), State.DONE, parent=1),
        Job(3, 1, Want(raw="Sylvie — Lewis Carroll"), State.QUEUED, parent=1, paused=True),
        Job(9, 8, Want(raw="Snark — Lewis Carroll"), State.MISSING, error="no source has it"),
    ]
    tally = Tally()
    entries = [(line(1, "works of: Lewis Carroll"), whole), (line(4), job(State.DONE, 4))]
    rows = list(render(REQUEST, entries, {2: "Alice.epub"}, 0.0, tally, books_of=lambda _: books))
    assert rows[4] == "2 lines with 3 books of collections: 2 delivered, 1 waiting, 1 missing"
    body = rows[rows.index("-" * 90) + 1 :]
    assert body == [
        "    1  expanded     works of: Lewis Carroll  (job 1)",
        "                    3 books",
        "       done         - Alice — Lewis Carroll",
        "                    -> Alice.epub",
        "       queued*      - Sylvie — Lewis Carroll",
        "                    * paused",
        "       missing      - Snark — Lewis Carroll",
        "                    asked for before (job 9)",
        "                    no source has it",
        "    4  done         Emma",
    ]
    assert (tally.unsettled, tally.lines, tally.books) == (1, 2, 3)


def test_a_collection_that_is_looked_through_again_waits_although_its_books_are_there() -> None:
    wanted = Want(raw="works of: X", collection=Collection("author", "X"))
    tally = Tally()
    books = [Job(2, 1, Want(raw="A"), State.DONE, parent=1)]
    list(
        render(REQUEST, [(line(), Job(1, 1, wanted, State.WANTED))], {}, 0.0, tally, books_of=lambda _: books)
    )
    assert tally.unsettled == 1


def test_a_collection_names_its_author_once_in_the_log_and_the_api() -> None:
    wanted = Want(
        raw="series: Palliser — Anthony Trollope",
        authors=("Anthony Trollope",),
        series="Palliser",
        collection=Collection("series", "Palliser"),
    )
    whole = Job(1, 1, wanted, State.EXPANDED)
    assert describe(whole) == wanted.raw
    assert (download(whole, None)["title"], download(whole, None)["authors"]) == (wanted.raw, [])
