"""Between verify and deliver: metadata filled in, a script has its say; what arrives is what was verified."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookhopper import epub_metadata, prepare
from bookhopper.acquire import Acquire
from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Job, State
from bookhopper.prepare import Hooks, LaterError, Preparation
from bookhopper.scripts.scratch import Scratch
from bookhopper.scripts.script import Ended, Script
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests import books
from tests.fakes.faulty import faulty, whole
from tests.integration.test_acquire import Bench
from tests.queues import candidate, want
from tests.scripts import shell, told_of
from tests.waiting import until

EPUB = books.epub()
BARE = books.epub(files={"OEBPS/content.opf": books.package("", "")})
MOST = 10_000_000


class Prepared(Bench):
    """A bench whose fetcher prepares what it has verified."""

    def prepare(self, text: str = "", *, fill_metadata: bool = False, timeout: float = 60.0) -> None:
        """Have these done from now on."""
        self.base = self.parts.parent
        self.runs: list[Ended] = []
        self.fills: list[str] = []
        self.owed: list[int] = []
        hooks = Hooks(Scratch(self.base / "scratch"), self.runs.append, self.fills.append, self.owed.append)
        command = (str(shell(self.base, text)),)
        script = Script("after_verify", command, timeout, 0.5) if text else None
        self.acquire = Acquire(
            self.queue.store,
            self.downloader,
            self.deliverer,
            parts=self.parts,
            formats=("epub", "pdf"),
            preparation=Preparation(hooks, script, fill_metadata=fill_metadata, max_size=MOST),
        )

    def fetch(self, *contents: bytes, title: str = "A Tale") -> Job:
        """Have a want with these candidates fetched; raises what the step raises."""
        job = self.job(*self.offer(*map(whole, contents)), wish=want(title))
        self.step(job)
        return self.queue.job(job.id)

    def step(self, job: Job) -> None:
        self.last = self.acquire(job, Ticket(job.id))

    def book(self, name: str = "Tale 0 - Ann Author.epub") -> bytes:
        return (self.ingest / name).read_bytes()

    def is_neat(self) -> bool:
        """Whether nothing is left lying about."""
        scratch = self.base / "scratch"
        return not (self.left() or (scratch.exists() and any(scratch.iterdir())))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Prepared]:
    with faulty() as server:
        bench = Prepared(tmp_path, server)
        yield bench
        bench.deliverer.close()
        bench.queue.close()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("asked", [{"text": "exit 0"}, {"fill_metadata": True}])
def test_a_full_disk_holds_the_queue_and_is_said_once(
    bench: Prepared, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    bench.prepare(**asked)
    with monkeypatch.context() as patched:
        patched.setattr(prepare, "copy_file", full)
        patched.setattr(epub_metadata, "fill", full)
        job = bench.job(*bench.offer(whole(BARE)))
        said = set()
        for _ in range(2):
            with pytest.raises(HeldError) as held:
                bench.step(job)
            assert held.value.scope == "queue"
            said.add(str(held.value))
    assert said == {
        f"{bench.base / 'scratch'} cannot be written: No space left on device: make room or mend its rights"
    }
    bench.step(job)
    assert bench.queue.job(job.id).state is State.DONE


# the script


def test_the_script_looks_at_every_book(bench: Prepared) -> None:
    bench.prepare(told_of(bench.parts.parent))
    job = bench.fetch(EPUB)
    assert (job.state, bench.listed()) == (State.DONE, ["Tale 0 - Ann Author.epub"])
    assert bench.book() == EPUB
    told = json.loads((bench.base / "told.json").read_text())
    (file,) = told["arguments"]
    assert Path(file).name == "Tale 0 - Ann Author.epub"
    facts = json.loads(told["input"])
    assert facts == {
        "stage": "after_verify",
        "job": job.id,
        "request": job.request,
        "repeated": False,
        "want": {
            "title": "A Tale", "authors": ["Ann Author"], "isbn": "", "year": None, "language": "",
            "series": "", "tags": [], "number": 1, "line": "A Tale — Ann Author",
        },
        "book": {
            "source": "shelf", "key": "0", "title": "Tale 0", "authors": ["Ann Author"], "year": None,
            "series": "", "position": None, "language": "en", "format": "epub", "size": len(EPUB),
            "sha256": digest(EPUB), "name": None,
        },
        "paths": {"file": file},
    }  # fmt: skip
    assert [(run.stage, run.outcome) for run in bench.runs] == [("after_verify", "passed")]
    assert bench.owed == [job.id]
    assert bench.is_neat()


def test_a_refusal_gives_the_file_up_and_the_next_one_is_tried(bench: Prepared) -> None:
    bench.prepare('case "$1" in *"Tale 0"*) echo "Eicar FOUND" >&2; exit 1;; esac')
    job = bench.fetch(EPUB, EPUB)
    assert bench.listed() == ["Tale 1 - Ann Author.epub"]
    assert [each.fault for each in job.candidates] == [
        "script.after_verify: it ended with 1: Eicar FOUND",
        "",
    ]
    assert bench.owed == [job.id]
    assert bench.is_neat()


def test_what_it_asks_to_run_later_waits_and_counts_no_attempt(bench: Prepared) -> None:
    bench.prepare("echo no scanner >&2; exit 75")
    with pytest.raises(LaterError, match=r"it asks to be run again later \(75\): no scanner") as held:
        bench.fetch(EPUB, EPUB)
    assert held.value.scope == "job"
    assert bench.asked() == ["/0"], "no other book instead"
    assert bench.left(), "it is fetched no second time"
    assert (bench.listed(), bench.owed) == ([], [])


def test_one_that_takes_too_long_is_an_attempt(bench: Prepared) -> None:
    bench.prepare("sleep 600", timeout=0.2)
    with pytest.raises(TransientError, match=r"it took longer than script\.timeout allows"):
        bench.fetch(EPUB)
    assert [run.outcome for run in bench.runs] == ["timeout"]
    assert bench.listed() == []


def test_without_its_program_nothing_is_delivered(bench: Prepared) -> None:
    bench.prepare("exit 0")
    (bench.base / "script.sh").unlink()
    with pytest.raises(HeldError, match=r"script\.after_verify: it cannot be run: .*No such file") as held:
        bench.fetch(EPUB)
    assert held.value.scope == "queue"
    assert bench.listed() == []


def test_an_interruption_ends_it_and_keeps_the_download(bench: Prepared) -> None:
    bench.prepare("touch $0.runs; sleep 600")
    job = bench.job(*bench.offer(whole(EPUB)))
    ticket = Ticket(job.id)

    def interrupt() -> None:
        until((bench.base / "script.sh.runs").exists)
        assert ticket.stage == "script"
        ticket.interrupt(Reason.PAUSE)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(Interrupted):
        bench.acquire(job, ticket)
    other.join()
    assert bench.left() == [f"{job.id}.part"]
    assert bench.listed() == []


def test_what_it_changes_in_place_is_verified_and_delivered(bench: Prepared) -> None:
    other = books.epub("Another", "One")
    (bench.parts.parent / "other").write_bytes(other)
    bench.prepare('cat "${0%script.sh}other" > "$1"')
    job = bench.fetch(EPUB)
    assert bench.book() == other
    line = bench.queue.store.delivery(job.id)
    assert line is not None
    assert (line.sha256, line.size, line.fetched) == (digest(other), len(other), digest(EPUB))
    assert bench.is_neat()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('rm "$1"', "script.after_verify has removed its file"),
        ('mv "$1" kept.epub; ln -s kept.epub "$1"', "script.after_verify has put a link in its file's place"),
        ('ln -sf /etc/passwd "$1"', "script.after_verify has put a link in its file's place"),
        ('rm "$1"; mkdir "$1"', "script.after_verify has put something else in its file's place"),
        ('rm "$1"; mkfifo "$1"', "script.after_verify has put something else in its file's place"),
        ('truncate -s 100 "$1"', "what script.after_verify made of it is no good: a ZIP archive that is cut"),
        ('truncate -s 100M "$1"', "script.after_verify made it larger than 9.5 MiB (download.max_size)"),
        ("printf '{\\134rtf1 x}' > \"$1\"", "its format is rtf, and wanted is epub, pdf"),
    ],
)
def test_what_it_leaves_that_is_no_book_is_refused(bench: Prepared, text: str, fault: str) -> None:
    bench.prepare(text)
    with pytest.raises(PermanentError) as refused:
        bench.fetch(EPUB)
    assert str(refused.value).startswith(fault)
    assert (bench.listed(), bench.owed) == ([], [])
    assert bench.is_neat()


def test_who_goes_on_writing_does_not_reach_what_is_delivered(bench: Prepared) -> None:
    """A child that has left the session, and keeps the file open."""
    bench.prepare(
        'echo x >> "$1"; setsid sh -c \'exec 3>>"$1" >&- 2>&-; touch "$0.open"; '
        'until [ -e "$0.go" ]; do sleep 0.01; done; echo late >&3; touch "$0.late"\' "$0" "$1" & '
        'until [ -e "$0.open" ]; do :; done'
    )
    bench.fetch(EPUB)
    (bench.base / "script.sh.go").touch()
    until((bench.base / "script.sh.late").exists)
    assert bench.book() == EPUB + b"x\n"


# metadata


def parsed(content: bytes, folder: Path) -> str:
    path = folder / "read.epub"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        return archive.read("OEBPS/content.opf").decode()


def test_what_was_verified_stays_as_it_is_unless_asked(bench: Prepared) -> None:
    bench.prepare()
    bench.fetch(BARE)
    assert bench.book() == BARE


def test_an_epub_without_title_and_author_gets_what_is_known(bench: Prepared) -> None:
    bench.prepare(fill_metadata=True)
    job = bench.fetch(BARE)
    made = bench.book()
    package = parsed(made, bench.base)
    assert "<dc:title>Tale 0</dc:title>" in package
    assert "<dc:creator>Ann Author</dc:creator>" in package
    line = bench.queue.store.delivery(job.id)
    assert line is not None
    assert (line.sha256, line.size, line.fetched) == (digest(made), len(made), digest(BARE))
    assert bench.fills == ["filled"]
    assert (job.error, bench.is_neat()) == ("", True)


def test_one_that_lacks_nothing_is_delivered_byte_for_byte(bench: Prepared) -> None:
    bench.prepare(fill_metadata=True)
    bench.fetch(EPUB)
    assert bench.book() == EPUB
    assert bench.fills == []


def test_one_that_cannot_be_written_is_delivered_as_it_came_with_a_note(bench: Prepared) -> None:
    signed = books.epub(
        files={"OEBPS/content.opf": books.package("", ""), "META-INF/signatures.xml": b"<signatures/>"}
    )
    bench.prepare(fill_metadata=True)
    job = bench.fetch(signed)
    assert bench.book() == signed
    assert job.state is State.DONE
    assert job.error == "its title or author could not be written into it: it is signed"
    assert bench.fills == ["failed"]


def test_the_script_sees_what_was_filled_in(bench: Prepared) -> None:
    bench.prepare('unzip -p "$1" OEBPS/content.opf > "$0.seen"', fill_metadata=True)
    bench.fetch(BARE)
    assert "<dc:title>Tale 0</dc:title>" in (bench.base / "script.sh.seen").read_text()


@pytest.mark.parametrize("first", [True, False])
def test_two_wants_that_come_to_the_same_bytes_deliver_one(bench: Prepared, first: bool) -> None:
    """Whether they were filled in with other facts, or one of them not at all."""
    bench.prepare(fill_metadata=first)
    bench.fetch(BARE)
    bench.prepare(fill_metadata=True)
    url = bench.server.at("/again", whole(BARE))
    again = bench.job(candidate("9", "Tale the Same", url), wish=want("The Same Tale"))
    bench.step(again)
    assert bench.last is not None
    assert bench.last.after is State.DUPLICATE
    assert bench.listed() == ["Tale 0 - Ann Author.epub"]
    assert bench.left() == []


def test_the_same_book_may_be_had_again_by_force(bench: Prepared) -> None:
    bench.prepare(fill_metadata=True)
    bench.fetch(BARE)
    url = bench.server.at("/again", whole(BARE))
    again = bench.job(candidate("9", "Tale Again", url), wish=replace(want("Again"), force=True))
    bench.step(again)
    assert bench.listed() == ["Tale 0 - Ann Author.epub", "Tale Again - Ann Author.epub"]
