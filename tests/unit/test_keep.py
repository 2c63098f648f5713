"""What the daemon clears away by itself: part files, reports and lists, history; and by which time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bookhopper.delivery.copies import Copies
from bookhopper.errors import HeldError
from bookhopper.intake import names
from bookhopper.intake.folder import RequestFolder
from bookhopper.keep.calendar import Calendar
from bookhopper.keep.history import History
from bookhopper.keep.parts import PartFiles, remove_stale
from bookhopper.keep.reports import Reports
from bookhopper.keep_settings import DAY
from bookhopper.log_context import Work, current
from bookhopper.model import State
from bookhopper.search.normalise import identity
from bookhopper.store.base import Move, NewRequest, Wish
from bookhopper.store.queries import JobFilter
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.queues import Queue, candidate, want
from tests.unit.test_schedule import Kept

YEAR = 365 * DAY
NOW = time.time()
LATER = NOW + 2 * YEAR
"""A trusted time by which all that the tests make is old."""


def aged(path: Path, seconds: float) -> Path:
    """Let a file have been written to so long ago."""
    os.utime(path, (NOW - seconds, NOW - seconds))
    return path


# the time


class Clock:
    """A clock on the wall, which people set, and a calendar that goes by it."""

    def __init__(self, memory: Kept | None = None) -> None:
        self.time = NOW
        self.memory = memory if memory is not None else Kept()
        self.restart()

    def restart(self) -> None:
        self.calendar = Calendar(self.memory, lambda: self.time)

    def after(self, seconds: float) -> float:
        """Set the clock by so much, and give the trusted time in days from the beginning."""
        self.time += seconds
        return round((self.calendar.now() - NOW) / DAY, 2)


def test_time_goes_on_across_restarts() -> None:
    clock = Clock()
    for day in range(1, 20):
        assert clock.after(DAY) == day
        clock.restart()
    assert clock.after(7.5 * DAY) == 26.5


def test_a_clock_that_leaps_forward_ages_nothing_for_a_week(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    clock.after(0)
    assert clock.after(10 * YEAR) == 0
    assert caplog.messages == [
        "the clock is 10 years ahead of where it was: for a week nothing is cleared away for its age"
    ]
    for _ in range(6):
        clock.restart()
        assert clock.after(DAY) == 0
    assert clock.after(2 * DAY) == 3658
    assert [each.levelname for each in caplog.records].count("WARNING") == 1


def test_a_clock_that_is_put_right_again_is_trusted_at_once() -> None:
    clock = Clock()
    clock.after(0)
    assert clock.after(10 * YEAR) == 0
    assert clock.after(-10 * YEAR + DAY) == 1
    assert clock.after(DAY) == 2


@pytest.mark.parametrize("days", [1, 30])
def test_a_clock_that_is_set_back_makes_nothing_old(days: int) -> None:
    clock = Clock()
    clock.after(0)
    assert clock.after(-days * DAY) == -days
    assert clock.after(8 * DAY - 60) == pytest.approx(8 - days, abs=0.01)


def test_a_wrong_time_that_was_believed_makes_nothing_old_when_it_is_put_right() -> None:
    clock = Clock()
    clock.after(0)
    clock.after(10 * YEAR)
    clock.after(8 * DAY)
    assert clock.after(0) == 3658
    assert clock.after(-10 * YEAR) == 8
    assert clock.after(DAY) == 9


@pytest.mark.parametrize("kept", ["", "{", "[1]", '{"trusted": "x", "seen": 1, "tried": 0}'])
def test_a_time_that_cannot_be_read_is_the_clock_s(kept: str) -> None:
    assert Clock(Kept({"calendar": kept})).after(0) == 0


def test_a_time_that_cannot_be_kept_is_told_all_the_same() -> None:
    """On a full disk nothing is written, and something has to go."""

    class Full(Kept):
        def set_setting(self, key: str, value: str) -> None:  # noqa: ARG002 - the form of a memory
            raise HeldError("the disk is full", scope="queue")

    clock = Clock(Full())
    assert clock.after(DAY) == 1
    assert clock.after(10 * YEAR) == 1


# part files


@pytest.fixture
def parts_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder


def part_of(folder: Path, job: int, *, age: float = 0.0, size: int = 10) -> Path:
    part = folder / f"{job}.part"
    part.write_bytes(b"x" * size)
    return aged(part, age)


def test_who_loses_its_part_file_is_named_in_the_log(
    queue: Queue, parts_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = queue.queued(want("Emma"), candidate())
    part_of(parts_folder, job, age=40 * DAY)
    worked_on: list[Work] = []
    caplog.set_level("INFO")
    caplog.handler.addFilter(lambda _: worked_on.append(current()) or True)  # type: ignore[func-returns-value]
    PartFiles(parts_folder, queue.store, lambda: False).clear(NOW, age=DAY, size=0)
    assert caplog.messages == [f"job {job}: its part file is cleared away: the download begins anew"]
    assert [(each.request, each.job) for each in worked_on] == [(queue.store.request_name_of(job), job)]


def test_part_files_go_by_age_unless_they_run_or_are_paused(queue: Queue, parts_folder: Path) -> None:
    running = queue.downloading(want("Running"), candidate()).id
    waiting, paused, young = (queue.queued(want(title), candidate()) for title in ("W", "P", "Y"))
    queue.store.pause(paused)
    files = {job: part_of(parts_folder, job, age=40 * DAY) for job in (running, waiting, paused)}
    files[young] = part_of(parts_folder, young, age=DAY)
    ancient = part_of(parts_folder, queue.queued(want("1970"), candidate()), age=NOW)
    (parts_folder / "3.part.old").write_bytes(b"left by a kill")
    all_paused = False
    parts = PartFiles(parts_folder, queue.store, lambda: all_paused)
    assert parts.clear(NOW, age=0, size=0) == 0
    all_paused = True
    assert parts.clear(NOW, age=30 * DAY, size=1) == 0
    all_paused = False
    assert parts.clear(NOW, age=30 * DAY, size=0) == 1
    assert sorted(parts_folder.iterdir()) == sorted(
        {ancient, *(path for job, path in files.items() if job != waiting)}
    )
    assert parts.clear(LATER, age=30 * DAY, size=0) == 1
    assert not files[young].exists()
    assert ancient.exists()


def test_what_only_has_the_name_of_a_part_file_is_left_alone(queue: Queue, parts_folder: Path) -> None:
    jobs = [queue.queued(want(title), candidate()) for title in ("Folder", "Link", "File")]
    mine = parts_folder / "mine"
    mine.touch()
    for job, suffix in ((jobs[0], ".part"), (99, ".part.old")):
        (parts_folder / f"{job}{suffix}").mkdir()
    (parts_folder / f"{jobs[1]}.part").symlink_to(mine)
    file = part_of(parts_folder, jobs[2])
    assert PartFiles(parts_folder, queue.store, lambda: False).clear(LATER, age=DAY, size=0) == 1
    assert not file.exists()
    assert len(list(parts_folder.iterdir())) == 4


def test_the_oldest_part_files_go_where_all_take_too_much(queue: Queue, parts_folder: Path) -> None:
    jobs = [queue.queued(want(f"{number}"), candidate()) for number in range(4)]
    files = [part_of(parts_folder, job, age=1000 - job, size=100) for job in jobs]
    assert PartFiles(parts_folder, queue.store, lambda: False).clear(NOW, age=0, size=250) == 2
    assert [path.exists() for path in files] == [False, False, True, True]


def test_a_part_file_that_is_taken_up_meanwhile_stays(queue: Queue, parts_folder: Path) -> None:
    job = queue.queued(want("Emma"), candidate())
    part = part_of(parts_folder, job, age=40 * DAY)
    asked: list[bool] = []

    def claims() -> bool:
        asked.append(part.exists())
        if len(asked) == 2:  # it is aside now
            queue.store.claim(State.QUEUED)
        return False

    assert PartFiles(parts_folder, queue.store, claims).clear(NOW, age=DAY, size=0) == 0
    assert asked == [True, False]
    assert part.read_bytes() == b"x" * 10
    assert list(parts_folder.iterdir()) == [part]


def test_only_plain_stale_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a.part").touch()
    (tmp_path / "b").touch()
    (tmp_path / "c.part").symlink_to(tmp_path / "b")
    (tmp_path / "d.part").mkdir()
    assert remove_stale(tmp_path, "*.part", LATER) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c.part", "d.part"]


def test_what_was_put_aside_today_is_not_stale_for_having_been_written_long_ago(tmp_path: Path) -> None:
    database = tmp_path / "queue.db"
    database.touch()
    aged(database, YEAR).rename(tmp_path / "queue.db.replaced")
    assert remove_stale(tmp_path, "queue.db.replaced*", NOW - DAY) == 0


# copies


def test_copies_go_by_their_size_in_all(tmp_path: Path) -> None:
    copies = Copies(tmp_path / "copies", keep=DAY, keep_free=0)
    book = tmp_path / "book"
    book.write_bytes(b"x" * 100)
    for job in (1, 2, 3):
        copies.keep(job, book)
        aged(copies.path(job), 100 - job)
    copies.most = 250
    copies.keep(4, book)
    assert copies.jobs() == {3, 4}
    copies.most = 150
    assert copies.clear(NOW) == 1
    assert copies.jobs() == {4}
    copies.most = 50
    copies.keep(5, book)
    assert copies.jobs() == {4}, "what is too large alone makes no room"
    copies.keep(4, book)
    assert copies.jobs() == set(), "another book is not taken for the one that is not kept"
    copies.most = 150
    copies.keep(4, book)
    copies.most = 0
    assert copies.clear(NOW - 10 * YEAR) == 0
    assert copies.clear(LATER) == 1


# reports and lists


class Requests:
    """A requests folder with reports of lists that are in the store."""

    def __init__(self, queue: Queue, path: Path) -> None:
        path.mkdir()
        self.queue = queue
        self.path = path
        self.folder = RequestFolder(path)
        self.ticket = Ticket(0)
        self.reports = Reports(self.folder, queue.store, self.ticket)

    def file(self, sub: str, name: str, text: str = "x") -> None:
        self.folder.write(sub, name, [text])

    def taken(self, name: str, state: State, not_before: float | None = None) -> None:
        """Store a list of one want, which ends in a state, with its report."""
        self.file(names.ACCEPTED, f"{name}.txt", name)
        digest = self.folder.digest(names.ACCEPTED, f"{name}.txt")
        report = f"{name}.txt.report.txt"
        self.file(names.REPORTS, report)
        wish = want(name)
        request = NewRequest(name, f"{name}.txt", digest, report)
        self.queue.store.add_request(request, [Wish(wish, identity(wish))])
        job = self.queue.store.claim(State.WANTED)
        assert job is not None
        self.queue.store.move(Move(job.id, State.SEARCHING, state, not_before=not_before))

    def there(self) -> set[str]:
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file()}


@pytest.fixture
def requests(queue: Queue, tmp_path: Path) -> Requests:
    return Requests(queue, tmp_path / "requests")


def test_reports_and_lists_go_once_all_in_them_is_settled(requests: Requests) -> None:
    requests.taken("settled", State.OWNED)
    requests.taken("missing", State.MISSING, LATER)
    requests.taken("unclear", State.AMBIGUOUS)
    requests.taken("again", State.FAILED, LATER)
    requests.taken("failed", State.FAILED)
    requests.file(names.REJECTED, "bad.txt")
    requests.file(names.REJECTED, "bad.txt.error.txt")
    requests.file(names.REPORTS, "forgotten.txt.report.txt")
    requests.file(names.REPORTS, "mine.txt")
    (requests.path / names.ACCEPTED / "folder").mkdir()
    before = requests.there()
    assert requests.reports.clear(NOW + DAY, age=YEAR, number=0) == 0
    assert requests.reports.clear(LATER, age=0, number=0) == 0
    assert requests.reports.clear(NOW - 10 * YEAR, age=YEAR, number=0) == 0
    assert requests.there() == before
    assert requests.reports.clear(LATER, age=YEAR, number=0) == 7
    assert requests.there() == {
        "reports/mine.txt",
        *(
            name
            for each in ("missing", "unclear", "again")
            for name in (f"reports/{each}.txt.report.txt", f"accepted/{each}.txt")
        ),
    }
    assert requests.queue.store.reports() == {
        f"{each}.txt.report.txt" for each in ("missing", "unclear", "again")
    }
    assert requests.queue.store.count(JobFilter()) == 5, "the history is kept"


def test_the_oldest_reports_go_where_there_are_too_many(requests: Requests) -> None:
    requests.taken("waiting", State.MISSING, LATER)
    for number in range(4):
        requests.taken(f"list {number}", State.OWNED)
    assert requests.reports.clear(NOW, age=0, number=3) == 2 + 1
    left = requests.there()
    assert {name for name in left if name.startswith("reports/")} == {
        f"reports/{name}.txt.report.txt" for name in ("waiting", "list 2", "list 3")
    }
    assert "accepted/waiting.txt" in left


def test_what_is_no_list_is_never_removed(requests: Requests) -> None:
    """What somebody dropped by mistake may be the only one there is."""
    mine = {"rejected/book.epub", "rejected/book.epub.error.txt", "accepted/.directory", "accepted/photo.jpg"}
    for name in ("rejected/list.txt", "rejected/list.txt.error.txt", *mine):
        sub, file = name.split("/")
        requests.file(sub, file)
    assert requests.reports.clear(LATER, age=YEAR, number=1) == 2
    assert requests.there() == mine


def test_a_list_that_comes_to_life_keeps_its_report(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests.taken("settled", State.FAILED)
    resting = list(requests.queue.store.at_rest())
    requests.queue.store.retry(1)
    monkeypatch.setattr(requests.queue.store, "at_rest", lambda: iter(resting))
    assert requests.reports.clear(LATER, age=YEAR, number=0) == 0
    assert "reports/settled.txt.report.txt" in requests.there()


def test_a_stop_breaks_the_clearing_off(requests: Requests) -> None:
    requests.taken("settled", State.OWNED)
    requests.ticket.interrupt(Reason.SHUTDOWN)
    before = requests.there()
    with pytest.raises(Interrupted):
        requests.reports.clear(LATER, age=YEAR, number=0)
    assert requests.there() == before


def test_folders_that_are_not_there_are_nothing_to_clear(requests: Requests) -> None:
    assert requests.reports.clear(LATER, age=YEAR, number=1) == 0


# history


def settled(queue: Queue, *titles: str) -> list[int]:
    """Add a list of books, all of which turn out to be owned."""
    jobs = queue.add(*map(want, titles))
    for job in jobs:
        queue.store.claim(State.WANTED)
        queue.store.move(Move(job, State.SEARCHING, State.OWNED))
    return jobs


def test_history_goes_by_age_list_by_list(queue: Queue) -> None:
    settled(queue, *(f"Tale {number}" for number in range(120)))
    settled(queue, "Emma")
    (waiting,) = queue.add(want("Persuasion"))
    history = History(queue.store, Ticket(0))
    assert history.clear(LATER, age=0, number=0) == 0
    assert history.clear(NOW + DAY, age=YEAR, number=0) == 0
    assert history.clear(NOW - 9 * YEAR, age=YEAR, number=0) == 0
    assert history.clear(LATER, age=YEAR, number=0) == 121
    assert queue.store.request(1) is None
    assert queue.store.request(3) is not None
    assert queue.job(waiting).state is State.WANTED
    assert sum(queue.store.counts().values()) == 1
    assert history.clear(LATER, age=YEAR, number=0) == 0


def test_history_goes_by_number_the_oldest_first(queue: Queue) -> None:
    for number in range(5):
        settled(queue, f"First {number}", f"Second {number}")
    history = History(queue.store, Ticket(0))
    assert history.clear(NOW, age=0, number=10) == 0
    assert history.clear(NOW, age=0, number=5) == 6
    assert [queue.store.request(number) is None for number in (1, 2, 3, 4, 5)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_what_is_broken_off_is_gone_on_with(queue: Queue) -> None:
    settled(queue, *(f"Tale {number}" for number in range(120)))
    settled(queue, "Emma")

    class Stopping(Ticket):
        def wait(self, seconds: float) -> None:
            self.interrupt(Reason.SHUTDOWN)
            super().wait(seconds)

    with pytest.raises(Interrupted):
        History(queue.store, Stopping(0)).clear(LATER, age=YEAR, number=0)
    assert 0 < queue.store.counts()[State.OWNED] < 121
    queue.reopen()
    assert queue.store.request(1) is not None
    assert History(queue.store, Ticket(0)).clear(LATER, age=YEAR, number=0) == 70
    assert queue.store.request(1) is None


def test_what_a_newer_list_names_goes_after_that(queue: Queue) -> None:
    (emma,) = settled(queue, "Emma")
    (also,) = queue.add(want("Emma"))
    assert also == emma
    settled(queue, "Persuasion")
    history = History(queue.store, Ticket(0))
    assert history.clear(LATER, age=YEAR, number=0) == 0
    assert queue.store.request(2) is None
    assert queue.job(emma).state is State.OWNED
    assert history.clear(LATER, age=YEAR, number=0) == 1
    assert queue.store.request(1) is None
