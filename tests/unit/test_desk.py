"""The desk: lists and single wants that nobody dropped into the folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bookhopper.errors import HeldError
from bookhopper.intake.base import Limits, UnreadableRequestError
from bookhopper.intake.desk import BY_HAND, Desk
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.reporter import Reporter
from bookhopper.intake.taking import Taken
from bookhopper.model import Pick, State, Want
from bookhopper.store.base import Intake, Move
from bookhopper.store.queries import LineNote
from tests.queues import Queue
from tests.waiting import DEADLINE, until

ID = Want(pick=Pick("shelf", "7"), formats=("epub",), raw="shelf:7~epub", priority=0)


@dataclass
class Office:
    """A desk over a real folder and store, and what it told."""

    path: Path
    queue: Queue
    limits: Limits = field(default_factory=Limits)
    stored: list[Intake] = field(default_factory=list)
    told: list[Taken] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder = RequestFolder(self.path)
        self.desk = Desk(
            folder, self.queue.store, self.limits, stored=self.stored.append, told=self.told.append
        )

    def reports(self) -> list[str]:
        folder = self.path / "reports"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    requests = tmp_path / "requests"
    requests.mkdir()
    queue = Queue(tmp_path)
    yield Office(requests, queue)
    queue.close()


# lists


def test_a_list_is_stored_like_a_dropped_one(office: Office) -> None:
    intake = office.desk.take("to-read.txt", b"! Emma - Jane Austen\n???\nEmma - Jane Austen\n", "ann")
    request = intake.request
    assert (intake.new, intake.known, intake.bad) == (1, 1, 1)
    assert (request.name, request.owner, request.report) == ("to-read.txt", "ann", "to-read.txt.report.txt")
    assert office.reports() == ["to-read.txt.report.txt"]
    assert office.stored == [intake]
    assert office.told == [Taken("to-read.txt", intake)]
    (first, job), *_ = office.queue.store.lines(request.id)
    assert first.note is LineNote.NEW
    assert job is not None
    assert (job.state, job.priority, job.owner) == (State.WANTED, 0, "ann")
    assert sorted(path.name for path in office.path.iterdir()) == ["reports"]


def test_the_same_list_again_is_another_request(office: Office) -> None:
    first = office.desk.take("a.txt", b"Emma\n")
    again = office.desk.take("a.txt", b"Emma\n")
    assert (again.new, again.known, again.repeated) == (0, 1, False)
    assert again.request.id != first.request.id
    assert office.reports() == ["a (2).txt.report.txt", "a.txt.report.txt"]


def test_a_yaml_list(office: Office) -> None:
    intake = office.desk.take("a.yaml", b"- title: Emma\n  authors: [Jane Austen]\n")
    assert (intake.request.name, intake.new) == ("a.yaml", 1)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("", "unnamed.txt"),
        ("../../etc/passwd", "passwd.txt"),
        ("C:\\lists\\mine.txt", "mine.txt"),
        ("/", "unnamed.txt"),
        ("..", "list.txt"),
        (".hidden.txt", "hidden.txt"),
        ("a\x00b\nc\u202e.txt", "ab c.txt"),
        ("Bücher", "Bücher.txt"),
        ("\ud800.txt", "?.txt"),
        (".bookhopper-0123456789abcdef-x.txt", "bookhopper-0123456789abcdef-x.txt"),
    ],
)
def test_a_name_is_made_harmless(office: Office, given: str, name: str) -> None:
    intake = office.desk.take(given, b"Emma\n")
    assert intake.request.name == name
    assert office.reports() == [f"{intake.request.name}.report.txt"]


def test_an_endless_name_is_cut(office: Office) -> None:
    name = office.desk.take("ä" * 500 + ".txt", b"Emma\n").request.name
    assert len(name.encode()) < 255 - len(".report.txt")
    assert name.endswith("ä.txt")


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"\xff\xfe", b"a\0b", b"x\n" * 11, b"x" * 101])
def test_what_cannot_be_read_leaves_nothing(office: Office, data: bytes) -> None:
    office.limits = Limits(size=100, lines=10)
    office.__post_init__()
    with pytest.raises(UnreadableRequestError, match="line 1"):
        office.desk.take("a.txt", data)
    assert office.reports() == []
    assert office.told == [Taken("a.txt", None)]
    assert office.stored == []
    assert not office.queue.states()


def test_a_store_that_cannot_take_it_leaves_no_report(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise HeldError("the disk is full")

    monkeypatch.setattr(office.queue.store, "add_request", full)
    with pytest.raises(HeldError):
        office.desk.take("a.txt", b"Emma\n")
    assert office.reports() == []


def test_a_folder_that_is_away_holds(office: Office) -> None:
    office.path.rmdir()
    with pytest.raises(HeldError, match="the requests folder cannot be written: No such file"):
        office.desk.take("a.txt", b"Emma\n")


# single wants


def test_a_single_want_gets_a_job_and_no_report(office: Office) -> None:
    job = office.desk.want(ID, "ann")
    assert (job.state, job.owner, job.priority, job.want) == (State.WANTED, "ann", 0, ID)
    request = office.queue.store.request(job.request)
    assert request is not None
    assert (request.name, request.report, request.wants) == (BY_HAND, "", 1)
    assert office.reports() == []
    assert [taken.name for taken in office.told] == [BY_HAND]


def test_a_known_want_gives_the_job_it_had(office: Office) -> None:
    job = office.desk.want(ID, "ann")
    assert office.desk.want(ID, "bob") == job
    assert office.queue.states() == {"wanted": 1}
    assert len(office.told) == 1


def test_a_want_that_is_forced_is_a_new_one(office: Office) -> None:
    first = office.desk.want(Want(title="Emma", raw="Emma"))
    second = office.desk.want(Want(title="Emma", raw="Emma", force=True))
    assert second.id > first.id


def test_the_reporter_counts_it_complete_and_writes_nothing(office: Office) -> None:
    completed: list[int] = []
    store = office.queue.store
    reporter = Reporter(
        store,
        RequestFolder(office.path),
        interval=0.0,
        completed=lambda request, _: completed.append(request),
    )
    desk = Desk(RequestFolder(office.path), store, stored=reporter.stored)
    reporter.start()
    try:
        job = desk.want(ID)
        assert completed == []
        claimed = store.claim(State.WANTED)
        assert claimed is not None
        store.move(Move(job.id, State.SEARCHING, State.MISSING, "no such book"))
        for change in office.queue.changes:
            reporter.changed(change)
        until(lambda: completed == [job.request])
    finally:
        reporter.stop()
        assert reporter.join(time.monotonic() + DEADLINE)
    assert office.reports() == []
