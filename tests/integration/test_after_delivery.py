"""The script that hears of each delivered book: owed before the hand-over, run at least once, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookhopper.after_delivery import AfterDelivery
from bookhopper.delivery.copies import Copies
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.delivery.place import Book
from bookhopper.model import Change, Job, State
from bookhopper.scripts.scratch import Scratch
from bookhopper.scripts.script import Ended, Script
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from tests import books
from tests.queues import Queue, candidate, want
from tests.scripts import shell
from tests.waiting import DEADLINE, until

NOTING = 'cat > "$0.$(basename "$1").json"; echo "$1" >> "$0.files"; cp "$1" "$0.copy"'


class Bench:
    """A queue whose deliveries the script hears of."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.queue = Queue(base)
        self.ingest = base / "ingest"
        self.ingest.mkdir()
        self.copies = Copies(base / "copies", 3600.0, 0)
        folder = IngestFolder(self.ingest, mode=0o664, require_mount=True)
        self.deliverer = Deliverer(self.queue.store, folder, base, self.copies)
        self.heard = 0
        self.begin()

    def begin(self) -> None:
        """Begin as a start of the daemon does."""
        self.runs: list[Ended] = []
        self.after = AfterDelivery(
            self.queue.store,
            self.copies,
            Scratch(self.base / "scratch"),
            ingest=self.ingest,
            debts=self.base / "owed",
        )
        self.after.ran = self.runs.append
        self.after.later_seconds = 0.05

    def use(self, text: str, *, timeout: float = 60.0) -> None:
        command = (str(shell(self.base, text)),)
        self.after.use(Script("after_delivery", command, timeout, 0.5))

    def downloading(self, title: str = "A Tale") -> tuple[Job, Book]:
        """Bring a job as far as its delivery, the run being owed."""
        of = candidate(title, title)
        job = self.queue.downloading(want(title), of)
        self.after.owe(job.id)
        content = books.epub(title)
        path = self.base / "book"
        path.write_bytes(content)
        return job, Book(path, "epub", f"sha-{job.id}", len(content), of)

    def deliver(self, title: str = "A Tale") -> Job:
        job, book = self.downloading(title)
        self.deliverer.deliver(job, book, Ticket(job.id))
        self.tell()
        return job

    def tell(self) -> None:
        """Tell of the changes that came since."""
        self.queue.settle()
        changes: list[Change] = self.queue.changes[self.heard :]
        self.heard += len(changes)
        for change in changes:
            self.after.changed(change)

    def owed(self) -> list[str]:
        folder = self.base / "owed"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def wait(self) -> None:
        """Wait until nothing is owed any more."""
        until(lambda: not self.owed(), lambda: f"{self.owed()} {self.runs}")

    def note_of(self, job: Job) -> str:
        return self.queue.job(job.id).error

    def told(self, name: str) -> Any:
        return json.loads((self.base / f"script.sh.{name}.json").read_text())

    def close(self) -> None:
        self.after.stop()
        assert self.after.join(time.monotonic() + DEADLINE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()
    bench.deliverer.close()
    bench.queue.close()


def test_each_delivered_book_is_told_of(bench: Bench) -> None:
    bench.use(NOTING)
    job = bench.deliver()
    bench.wait()
    told = bench.told("A Tale - Ann Author.epub")
    assert (told["stage"], told["job"], told["repeated"]) == ("after_delivery", job.id, False)
    assert told["want"]["line"] == "A Tale — Ann Author"
    assert told["book"]["name"] == "A Tale - Ann Author.epub"
    assert (told["book"]["title"], told["book"]["sha256"]) == ("A Tale", f"sha-{job.id}")
    assert told["paths"]["ingest"] == str(bench.ingest / "A Tale - Ann Author.epub")
    assert (bench.base / "script.sh.copy").read_bytes() == books.epub("A Tale")
    assert [run.outcome for run in bench.runs] == ["passed"]
    assert bench.note_of(job) == ""
    assert not list((bench.base / "scratch").iterdir())


def test_what_it_does_to_its_file_leaves_our_copy_alone(bench: Bench) -> None:
    bench.use('echo more >> "$1"; touch -d 2001-01-01 "$1"')
    job = bench.deliver()
    before = bench.copies.path(job.id).stat().st_mtime
    bench.wait()
    assert bench.copies.path(job.id).read_bytes() == books.epub("A Tale")
    assert bench.copies.path(job.id).stat().st_mtime == before


def test_it_gets_our_copy_since_the_consumer_eats_the_other(bench: Bench) -> None:
    bench.use(NOTING)
    job, book = bench.downloading()
    bench.deliverer.deliver(job, book, Ticket(job.id))
    (bench.ingest / "A Tale - Ann Author.epub").unlink()
    bench.tell()
    bench.wait()
    told = bench.told("A Tale - Ann Author.epub")
    assert Path(told["paths"]["file"]).is_relative_to(bench.base / "scratch")
    assert (bench.base / "script.sh.copy").read_bytes() == books.epub("A Tale")


def test_without_a_copy_it_gets_the_place_in_ingest(bench: Bench) -> None:
    bench.use('cat > "$0.json"; echo "$1" > "$0.file"')
    for eaten in (False, True):
        job, book = bench.downloading(f"Tale {eaten}")
        bench.deliverer.deliver(job, book, Ticket(job.id))
        bench.copies.discard(job.id)
        place = bench.ingest / f"Tale {eaten} - Ann Author.epub"
        if eaten:
            place.unlink()
        bench.tell()
        bench.wait()
        assert (bench.base / "script.sh.file").read_text() == f"{place}\n"
        paths = json.loads((bench.base / "script.sh.json").read_text())["paths"]
        assert paths == {"file": None if eaten else str(place), "ingest": str(place)}


def test_they_are_told_of_in_order(bench: Bench) -> None:
    bench.use(NOTING)
    for number in range(4):
        bench.deliver(f"Tale {number}")
    bench.wait()
    files = (bench.base / "script.sh.files").read_text().splitlines()
    assert [Path(line).name[:6] for line in files] == [f"Tale {number}" for number in range(4)]


@pytest.mark.parametrize(
    ("text", "timeout", "note"),
    [
        ("echo no route >&2; exit 3", 60.0, "script.after_delivery: it ended with 3: no route"),
        ("sleep 600", 0.2, "script.after_delivery: it took longer than script.timeout allows"),
        ("kill -KILL $$", 60.0, "script.after_delivery: it was ended by SIGKILL"),
    ],
)
def test_a_failure_is_noted_and_changes_nothing_else(
    bench: Bench, text: str, timeout: float, note: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.use(text, timeout=timeout)
    job = bench.deliver()
    bench.wait()
    assert bench.note_of(job) == note
    assert bench.queue.job(job.id).state is State.DONE
    assert (bench.ingest / "A Tale - Ann Author.epub").exists()
    bench.tell()
    assert bench.owed() == []
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_a_note_that_is_there_stays(bench: Bench) -> None:
    job = bench.deliver()
    bench.queue.store.move(Move(job.id, State.DONE, State.DONE, "a doubt"))
    bench.use("exit 3")
    bench.after.owe(job.id)
    bench.after.take_up()
    bench.wait()
    assert bench.note_of(job) == "a doubt; script.after_delivery: it ended with 3"


def test_one_that_asks_for_it_is_run_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.use('cat > "$0.last"; echo x >> "$0.runs"; [ $(wc -l < "$0.runs") = 3 ] || exit 75')
    job = bench.deliver()
    bench.wait()
    assert [run.outcome for run in bench.runs] == ["later", "later", "passed"]
    assert json.loads((bench.base / "script.sh.last").read_text())["repeated"] is True
    assert bench.note_of(job) == ""
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_without_its_program_the_runs_wait(bench: Bench) -> None:
    bench.use("exit 0")
    (bench.base / "script.sh").unlink()
    job = bench.deliver()
    until(lambda: len(bench.runs) > 1)
    assert bench.owed() == [str(job.id)]
    bench.use("exit 0")
    bench.wait()
    assert bench.runs[-1].outcome == "passed"


def test_a_run_that_a_stop_cut_short_is_made_by_the_next_start(bench: Bench) -> None:
    bench.use('cat > "$0.told"; touch "$0.runs"; [ -e "$0.again" ] || sleep 600')
    job = bench.deliver()
    until((bench.base / "script.sh.runs").exists)
    bench.close()
    assert bench.owed() == [str(job.id)]
    (bench.base / "script.sh.again").touch()
    bench.begin()
    bench.use('cat > "$0.told"; touch "$0.runs"; [ -e "$0.again" ] || sleep 600')
    bench.after.take_up()
    bench.wait()
    assert [run.outcome for run in bench.runs] == ["passed"]
    assert json.loads((bench.base / "script.sh.told").read_text())["repeated"] is True


def test_what_is_owed_outlives_a_crash_at_any_point(bench: Bench) -> None:
    """Owed and not delivered, DONE and not told of; what has ended otherwise is owed no more."""
    bench.use(NOTING)
    waiting, _ = bench.downloading("Waiting")
    cancelled, _ = bench.downloading("Cancelled")
    bench.queue.store.move(Move(cancelled.id, State.DOWNLOADING, State.CANCELLED))
    done, book = bench.downloading("Done")
    bench.deliverer.deliver(done, book, Ticket(done.id))
    bench.after.owe(10_000)
    bench.begin()
    bench.use(NOTING)
    bench.after.take_up()
    until(lambda: bench.owed() == [str(waiting.id)])
    assert bench.told("Done - Ann Author.epub")["job"] == done.id
    bench.queue.changes.clear()
    bench.heard = 0
    bench.queue.store.move(Move(waiting.id, State.DOWNLOADING, State.FAILED, "gone"))
    bench.tell()
    assert bench.owed() == []
    assert len(bench.runs) == 1


def test_a_book_that_is_told_of_twice_has_one_run(bench: Bench) -> None:
    """As at a start, when it becomes DONE while what is owed is looked through."""
    bench.use('until [ -e "$0.go" ]; do sleep 0.01; done')
    job = bench.deliver()
    until((bench.base / "owed" / str(job.id)).read_text)
    bench.after.take_up()
    (bench.base / "script.sh.go").touch()
    bench.wait()
    other = bench.deliver("Another")
    bench.wait()
    assert len(bench.runs) == 2
    assert bench.note_of(other) == ""


def test_without_a_script_nothing_is_owed_and_what_was_is_forgotten(bench: Bench) -> None:
    bench.deliver("One")
    assert not (bench.base / "owed").exists()
    bench.use("exit 0")
    job, book = bench.downloading("Two")
    bench.after.use(None)
    bench.deliverer.deliver(job, book, Ticket(job.id))
    bench.tell()
    bench.wait()
    assert bench.runs == []
