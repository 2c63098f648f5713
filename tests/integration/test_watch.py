from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver

from bookhopper.errors import HeldError
from bookhopper.intake import inotify, names, observer
from bookhopper.intake.folder import RequestFolder, Signature
from bookhopper.intake.growth import Growth
from bookhopper.intake.settle import Settling
from bookhopper.intake.taking import Again, Filed, Taker
from bookhopper.intake.watch import Watcher
from bookhopper.model import State
from bookhopper.mounts import Mount
from bookhopper.store.base import Entry, NewRequest
from bookhopper.store.base import Intake as Stored
from bookhopper.store.sqlite import SqliteStore
from tests.requests_folder import Intake, running_intake
from tests.waiting import until


def file(size: int = 1, modified: int = 1) -> Signature:
    return Signature(0o100644, 7, size, modified, 1)


# the bookkeeping of what rests


def test_a_file_settles_when_nothing_happened_for_the_settle_time() -> None:
    settling = Settling(1.0)
    assert settling.observe("a", file(), 10.0, event=True)
    assert settling.due(10.9) == []
    assert settling.next_due() == 11.0
    settling.observe("a", file(), 10.9, event=True)  # an event alone resets it
    assert settling.due(11.5) == []
    settling.observe("a", file(size=2), 11.8)  # as does another size without an event
    assert settling.due(12.7) == []
    assert settling.due(12.8) == ["a"]


def test_what_is_due_comes_in_the_order_of_names() -> None:
    settling = Settling(0.0)
    settling.observe_all({"b": file(), "c": file(), "a": file()}, 1.0)
    assert settling.due(1.0) == ["a", "b", "c"]


def test_an_entry_is_dropped_with_its_path_so_that_the_name_can_come_again() -> None:
    settling = Settling(1.0)
    settling.observe("a", file(), 1.0)
    settling.handled("a")
    assert settling.due(99.0) == []
    settling.observe("a", None, 2.0)
    assert "a" not in settling
    settling.observe("a", file(), 3.0)
    assert settling.due(4.0) == ["a"]
    settling.observe_all({}, 5.0)
    assert len(settling) == 0


def test_what_was_handled_rests_until_it_changes() -> None:
    settling = Settling(1.0)
    settling.observe("x.yaml", file(), 1.0)
    settling.handled("x.yaml")
    settling.observe("x.yaml", file(), 5.0, event=True)
    assert settling.next_due() is None
    settling.observe("x.yaml", file(modified=2), 6.0)
    assert settling.due(7.0) == ["x.yaml"]


def test_only_what_no_event_told_of_counts_for_the_rescan() -> None:
    settling = Settling(1.0)
    settling.observe_all({"a": file(), "b": file()}, 1.0, rescan=True)
    settling.observe("b", file(), 1.5, event=True)
    assert settling.only_by_rescan("a")
    assert not settling.only_by_rescan("b")


# the bookkeeping of what was filed


def test_a_filed_list_is_due_when_it_grew_and_rests_again() -> None:
    growth = Growth(1.0)
    growth.remember("a", file(), 10.0)
    growth.observe("a", file()._replace(changed=2), 11.0)  # the rename alone is no growth
    assert growth.due(99.0) == []
    growth.observe("a", file(size=2), 12.0)
    growth.observe("a", file(size=3), 12.9)
    assert growth.due(13.8) == []
    assert growth.due(14.0) == ["a"]
    growth.observe("a", file(size=0), 15.0)
    assert growth.due(99.0) == []


def test_another_file_under_the_name_of_a_filed_list_is_left_alone() -> None:
    growth = Growth(0.0)
    for name in ("gone", "replaced", "link"):
        growth.remember(name, file(), 1.0)
    growth.observe("gone", None, 2.0)
    growth.observe("replaced", file(size=2)._replace(inode=8), 2.0)
    growth.observe("link", file(size=2)._replace(mode=0o120777), 2.0)
    assert growth.names(2.0) == []


def test_filed_lists_are_remembered_for_ten_minutes_and_not_without_end() -> None:
    growth = Growth(0.0)
    for number in range(1_200):
        growth.remember(str(number), file(), 1.0)
    assert growth.names(1.0) == [str(number) for number in range(200, 1_200)]
    growth.observe("700", file(size=2), 500.0)
    assert growth.names(602.0) == ["700"]


# names


@pytest.mark.parametrize(
    "name",
    [
        ".hidden", "list.txt~", "#list.txt#", "x.swp", "x.swx", "4913", "a.tmp", "a.part", "a.filepart",
        "a.crdownload", "a.UPLOADING", "~$list.txt", "Thumbs.db", "thumbs.db", "desktop.ini", ".DS_Store",
        "@eaDir", "__MACOSX", ".stfolder", ".stversions", ".goutputstream-ABC", "accepted", "rejected",
        "reports", "a.txt.error.txt", "a.txt.report.txt", ".bookhopper-0123456789abcdef-a.txt",
    ],
)  # fmt: skip
def test_ignored_names(name: str) -> None:
    assert names.is_ignored(name)


@pytest.mark.parametrize("name", ["list.txt", "a.b.yaml", "#1.txt", "4914", "part", "ä.list", "x.csv"])
def test_names_that_are_looked_at(name: str) -> None:
    assert not names.is_ignored(name)


def test_private_names_carry_token_and_name() -> None:
    private = names.private_name("to read.txt")
    assert names.is_ignored(private)
    assert names.from_private(private) == names.Private(private.split("-")[1], "to read.txt")
    assert names.from_private("to read.txt") is None


def test_long_names_are_cut_before_their_suffix() -> None:
    long = "ä" * 125 + ".yaml"
    private = names.private_name(long)
    assert len(os.fsencode(private)) <= 255
    assert private.endswith("ä.yaml")
    assert all(len(os.fsencode(name)) <= 255 for name, _ in zip(names.numbered(long), range(3), strict=False))


def test_long_names_of_any_bytes_keep_their_beginning() -> None:
    latin = os.fsdecode(b"\xe8" * 240 + b".txt")
    taken = names.from_private(names.private_name(latin))
    assert taken is not None
    assert latin.startswith(taken.name.removesuffix(".txt"))
    assert len(taken.name) > 200


def test_names_of_any_bytes_can_be_shown() -> None:
    assert names.display(os.fsdecode(b"li\xffst\n.txt")) == "li�st .txt"


# the folder as it is in the world


def test_what_lies_there_at_the_start_and_what_comes_is_taken(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "old.txt").write_text("Emma — Jane Austen\n")
    with running_intake(tmp_path) as intake:
        assert intake.accepted("old.txt").read_text() == "Emma — Jane Austen\n"
        (intake.path / "new.txt").write_text("Dune — Frank Herbert\nDracula\n")
        intake.accepted("new.txt")
        assert intake.wanted() == 3
        assert intake.names() == ["accepted", "reports"]
        assert intake.names("reports") == ["new.txt.report.txt", "old.txt.report.txt"]
        assert intake.watcher.alive
        assert not intake.watcher.polling
        assert intake.watcher.last_scan > 0


def test_a_settle_time_of_nothing_takes_what_is_moved_in_at_once(tmp_path: Path) -> None:
    (tmp_path / "moved.txt").write_text("Emma\n")
    with running_intake(tmp_path, settle=0.0) as intake:
        (tmp_path / "moved.txt").rename(intake.path / "moved.txt")
        intake.accepted("moved.txt")
        assert intake.wanted() == 1


def test_moved_in_and_renamed_files_count(tmp_path: Path) -> None:
    (tmp_path / "moved.txt").write_text("Emma\n")
    with running_intake(tmp_path) as intake:
        (tmp_path / "moved.txt").rename(intake.path / "moved.txt")
        intake.accepted("moved.txt")
        (intake.path / "later.txt.part").write_text("Dune\n")
        (intake.path / "later.txt.part").rename(intake.path / "later.txt")
        intake.accepted("later.txt")
        assert intake.wanted() == 2


def _has_beaten_since(intake: Intake, beat: float) -> bool:
    return intake.watcher.heartbeat > beat


def test_a_folder_that_is_a_link_is_watched_where_it_leads(tmp_path: Path) -> None:
    """A watch on the link itself hears nothing, and the rescan is minutes away."""
    (tmp_path / "share").mkdir()
    (tmp_path / "requests").symlink_to("share")
    with running_intake(tmp_path) as intake:
        (tmp_path / "share" / "one.txt").write_text("Emma\n")
        intake.accepted("one.txt")
        (tmp_path / "two.txt").write_text("Dracula\n")
        (tmp_path / "two.txt").rename(intake.path / "two.txt")
        intake.accepted("two.txt")
        assert intake.watcher.rescan_found == 0


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    with running_intake(tmp_path, settle=1.0) as intake:
        until(lambda: intake.watcher.last_scan)
        with (intake.path / "slow.txt").open("w") as written:
            for number in range(20):  # each line wakes the watcher, and none of its looks may take the file
                beat = intake.watcher.heartbeat
                written.write(f"Title {number}\n")
                written.flush()
                until(partial(_has_beaten_since, intake, beat))
            assert not intake.taken
        intake.accepted("slow.txt")
        assert intake.wanted() == 20
        assert len(intake.taken) == 1


_WRITER = """
import sys
with open(sys.argv[1], "w") as written:
    for lines in sys.stdin:
        written.write(lines.replace("|", chr(10)))
        written.flush()
"""


@contextmanager
def open_writer(path: Path) -> Iterator[Callable[[str], None]]:
    """A process that keeps the file open and writes what it is told, `|` for the end of a line."""
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None

        def write(lines: str) -> None:
            assert process.stdin is not None
            process.stdin.write(lines.rstrip("|") + "\n")
            process.stdin.flush()

        yield write
        process.stdin.close()


def test_a_list_that_grows_after_it_was_taken_is_taken_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = "|".join(f"Title {number}" for number in range(8))
    with caplog.at_level(logging.INFO, "bookhopper.intake"), running_intake(tmp_path) as intake:
        with open_writer(intake.path / "grow.txt") as write:
            write(first)
            intake.accepted("grow.txt")
            write("Title 8|Title 9")
            until(lambda: len(intake.taken) == 2)
            write("Title 10")
            until(lambda: len(intake.taken) == 3)
        looks = intake.watcher._growth_look
        until(lambda: intake.watcher._growth_look > looks)
        assert [(taken.intake.new, taken.intake.known) for taken in intake.taken if taken.intake] == [
            (8, 0),
            (2, 8),
            (1, 10),
        ]
        assert intake.wanted() == 11
        assert intake.names() == ["accepted", "reports"]
        assert intake.names("accepted") == ["grow.txt"]
        assert intake.names("reports")[0] == "grow (2).txt.report.txt"
    assert sum("grew after it was taken" in record.message for record in caplog.records) == 2


def test_what_a_list_grew_by_while_nobody_watched_is_taken(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        (intake.path / "grow.txt").write_text("Emma\n")
        (intake.path / "same.txt").write_text("Persuasion\n")
        filed = intake.accepted("grow.txt")
        intake.accepted("same.txt")
    with filed.open("a") as file:
        file.write("Dune\n")
    with running_intake(tmp_path) as intake:
        until(lambda: len(intake.taken) == 1)
        assert [
            (taken.name, taken.intake.new, taken.intake.known) for taken in intake.taken if taken.intake
        ] == [("grow.txt", 1, 1)]
        looks = intake.watcher._growth_look
        until(lambda: intake.watcher._growth_look > looks)
        with filed.open("a") as file:
            file.write("Dracula\n")
        until(lambda: len(intake.taken) == 2)
        assert intake.names("reports") == [
            "grow (2).txt.report.txt",
            "grow (3).txt.report.txt",
            "grow.txt.report.txt",
            "same.txt.report.txt",
        ]


def test_what_takes_the_place_of_a_filed_list_is_not_taken(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("Dune\n")
    with running_intake(tmp_path) as intake:
        for name in ("link.txt", "other.txt"):
            (intake.path / name).write_text("Emma\n")
        filed = [intake.accepted("link.txt"), intake.accepted("other.txt")]
        (tmp_path / "new.txt").write_text("Dracula\n")
        (tmp_path / "link").symlink_to(outside)
        (tmp_path / "link").replace(filed[0])
        (tmp_path / "new.txt").replace(filed[1])
        intake.watcher.rescan()
        until(lambda: not intake.watcher._growth._files)
        assert filed[0].is_symlink()
        assert intake.wanted() == 1
        assert len(intake.taken) == 2


def test_the_same_name_again_is_another_request(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        (intake.path / "list.txt").write_text("Emma\n")
        intake.accepted("list.txt")
        (intake.path / "list.txt").write_text("Emma\nDune\n")
        until(lambda: len(intake.taken) == 2)
        assert intake.names("accepted") == ["list (2).txt", "list.txt"]
        assert intake.names("reports") == ["list (2).txt.report.txt", "list.txt.report.txt"]
        assert [(taken.intake.new, taken.intake.known) for taken in intake.taken if taken.intake] == [
            (1, 0),
            (1, 1),
        ]


def test_ignored_files_stay_untouched(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        for name in (".secret.txt", "draft.txt~", "a.part", "Thumbs.db", "x.txt.error.txt"):
            (intake.path / name).write_text("Emma\n")
        (intake.path / "sub").mkdir()
        (intake.path / "sub" / "deep.txt").write_text("Emma\n")
        (intake.path / "real.txt").write_text("Dune\n")
        intake.accepted("real.txt")
        intake.watcher.rescan()
        until(lambda: not intake.watcher._rescan_wanted)
        assert intake.wanted() == 1
        assert {".secret.txt", "draft.txt~", "a.part", "Thumbs.db", "x.txt.error.txt", "sub"} < set(
            intake.names()
        )


def test_a_burst_is_taken_whole(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        (tmp_path / "source").mkdir()
        for number in range(600):
            (tmp_path / "source" / f"{number:03}.txt").write_text(f"Title {number}\n")
        for path in (tmp_path / "source").iterdir():
            path.rename(intake.path / path.name)
        until(lambda: len(intake.taken) == 600)
        assert intake.wanted() == 600
        assert intake.watcher.rescan_found == 0


def test_the_rescan_finds_what_no_event_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer._Handler, "on_any_event", lambda *_: None)
    with running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.last_scan)
        (intake.path / "unseen.txt").write_text("Emma\n")
        intake.watcher.rescan()
        intake.accepted("unseen.txt")
        assert intake.watcher.rescan_found == 1


def test_polling_where_it_is_asked_for(tmp_path: Path) -> None:
    with running_intake(tmp_path, polling="always") as intake:
        until(lambda: intake.watcher.alive)
        assert intake.watcher.polling
        (intake.path / "polled.txt").write_text("Emma\n")
        intake.accepted("polled.txt")


def test_network_file_systems_are_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "mount_of", lambda _: Mount("/", "nfs4", "host:/export"))
    with running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        assert intake.watcher.polling
    with running_intake(tmp_path, polling="never") as intake:
        until(lambda: intake.watcher.alive)
        assert not intake.watcher.polling


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_out_of_watches_means_polling_and_one_line(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Exhausted(BaseObserver):
        def __init__(self) -> None:
            super().__init__(object)  # type: ignore[arg-type]

        def schedule(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(observer, "InotifyObserver", Exhausted)
    with caplog.at_level(logging.WARNING, "bookhopper.intake"), running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        assert intake.watcher.polling
        (intake.path / "polled.txt").write_text("Emma\n")
        intake.accepted("polled.txt")
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        f"the limit of inotify {'watches' if number == errno.ENOSPC else 'instances'} is reached"
    ]


@pytest.mark.parametrize("dying", ["observer", "emitter", "reader"])
def test_each_thread_that_dies_is_noticed_and_replaced(
    dying: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bookhopper.intake"), running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        dead = intake.watcher._observer._observer
        assert isinstance(dead, inotify.InotifyObserver)
        (emitter,) = dead.emitters
        thread = {"observer": dead, "emitter": emitter, "reader": dead._reader}[dying]
        thread.stop()
        thread.join()
        until(lambda: intake.watcher._observer._observer is not dead and intake.watcher.alive)
        (intake.path / "after.txt").write_text("Emma\n")
        intake.accepted("after.txt")
        assert intake.watcher.breaks == 1
        assert intake.watcher.rescan_found == 0
    assert sum("broke off" in record.message for record in caplog.records) == 1
    assert sum("again" in record.message for record in caplog.records) == 1


def test_a_reader_that_dies_of_a_fault_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        first = intake.watcher._observer._observer
        assert isinstance(first, inotify.InotifyObserver)
        with monkeypatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda _: None)
            patch.setattr(first._reader, "handle_event", None)
            (intake.path / "unseen.txt").write_text("Emma\n")
            first._reader.join()
        intake.accepted("unseen.txt")  # by the scan that every new beginning makes
    assert "broke off: its reader has died" in caplog.text


def test_a_folder_that_may_not_be_read_is_not_taken_for_a_quiet_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)  # root may read anything
        with running_intake(tmp_path) as intake:
            until(lambda: "cannot be watched: Permission denied" in caplog.text)
            assert not intake.watcher.alive
            patch.undo()
            (intake.path / "list.txt").write_text("Emma\n")
            intake.accepted("list.txt")
            assert intake.watcher.alive


def test_a_deleted_folder_is_said_once_and_taken_up_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bookhopper.intake"), running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        shutil.rmtree(intake.path)
        until(lambda: not intake.watcher.alive)
        beat = intake.watcher.heartbeat
        until(lambda: intake.watcher.heartbeat > beat)
        intake.path.mkdir()
        (intake.path / "back.txt").write_text("Emma\n")
        intake.accepted("back.txt")
        assert intake.watcher.alive
    assert sum("is gone" in record.message for record in caplog.records) == 1


def test_a_replaced_folder_is_watched_anew(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        until(lambda: intake.watcher.alive)
        intake.path.rename(tmp_path / "elsewhere")
        intake.path.mkdir()
        (intake.path / "new.txt").write_text("Emma\n")
        intake.accepted("new.txt")


def test_a_fault_of_ours_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scan = RequestFolder.scan
    failures = iter([True])

    def broken(self: RequestFolder) -> dict[str, Signature]:
        if next(failures, False):
            raise ValueError("nobody thought of this")
        return scan(self)

    monkeypatch.setattr(RequestFolder, "scan", broken)
    with running_intake(tmp_path) as intake:
        until(lambda: "nobody thought of this" in caplog.text)
        (intake.path / "list.txt").write_text("Emma\n")
        intake.accepted("list.txt")


# taking: nothing lost, nothing doubled


class FailingStore(SqliteStore):
    """Raises what it is told to before it stores, or after."""

    before: Exception | None = None
    after: Exception | None = None

    def add_request(self, request: NewRequest, entries: object) -> Stored:
        if self.before is not None:
            raise self.before
        stored = super().add_request(request, entries)  # type: ignore[arg-type]
        if self.after is not None:
            raise self.after
        return stored


@pytest.fixture
def place(tmp_path: Path) -> RequestFolder:
    (tmp_path / "requests").mkdir()
    return RequestFolder(tmp_path / "requests")


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    store = FailingStore(tmp_path / "queue.sqlite", lambda _: None)
    yield store
    store.close()


def test_a_held_store_keeps_the_file_and_says_so_once(
    place: RequestFolder, store: FailingStore, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Taker(place, store)
    store.before = HeldError("the disk is full: make room", scope="queue", seconds=7.0)
    (place.path / "a.txt").write_text("Emma\n")
    (place.path / "b.txt").write_text("Dune\n")
    again = [taker.take("a.txt"), taker.take("b.txt")]
    held = [entry.name for entry in again if isinstance(entry, Again) and entry.seconds == 7.0]
    assert held == sorted(held, key=lambda name: name[-5:])
    assert sorted(place.leftovers()) == sorted(held)
    assert taker.take(held[0]) == again[0]
    assert len(caplog.records) == 1
    store.before = None
    assert all(isinstance(taker.take(name), Filed) for name in held)
    assert sorted(path.name for path in (place.path / "accepted").iterdir()) == ["a.txt", "b.txt"]
    assert place.leftovers() == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_the_commit_neither_loses_nor_doubles(
    moment: str, place: RequestFolder, store: FailingStore
) -> None:
    (place.path / "list.txt").write_text("Emma\nDune\n")
    setattr(store, moment, RuntimeError("the power went"))
    assert Taker(place, store).take("list.txt") is not None
    (leftover,) = place.leftovers()
    setattr(store, moment, None)
    assert isinstance(Taker(place, store).take(leftover), Filed)  # as the next start does
    assert store.counts()[State.WANTED] == 2
    assert [path.name for path in (place.path / "accepted").iterdir()] == ["list.txt"]
    assert [path.name for path in (place.path / "reports").iterdir()] == ["list.txt.report.txt"]
    assert store.request(2) is None


@pytest.mark.parametrize("sub", ["accepted", "reports", "rejected"])
def test_a_folder_of_ours_that_moves_under_a_list_holds_it_up_for_a_moment_only(
    sub: str, place: RequestFolder, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody renames it away between the moment when it was made and the one when it is opened."""
    make = os.mkdir

    def make_and_lose(name: str, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        if name == sub:
            monkeypatch.undo()
            (place.path / name).rename(place.path / f".{name}")

    (place.path / "list.txt").write_text("wants: {" if sub == "rejected" else "Emma\n")
    if sub == "rejected":
        (place.path / "list.txt").rename(place.path / "list.yaml")
    (name,) = place.scan()
    monkeypatch.setattr(os, "mkdir", make_and_lose)
    taker = Taker(place, store)
    again = taker.take(name)
    assert isinstance(again, Again)
    assert place.leftovers() == [again.name]
    assert again.seconds == 5.0
    taker.take(again.name)
    assert place.leftovers() == []
    assert (place.path / ("rejected" if sub == "rejected" else "accepted") / name).exists()


def test_leftovers_are_taken_up_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / names.private_name("left.txt")).write_text("Emma\n")
    with running_intake(tmp_path) as intake:
        intake.accepted("left.txt")
        assert intake.names() == ["accepted", "reports"]


def test_busy_files_are_left_for_later(
    place: RequestFolder, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    (place.path / "list.txt").write_text("Emma\n")
    monkeypatch.setattr(place, "check_readable", busy)
    assert Taker(place, store).take("list.txt") == Again("list.txt", 5.0)
    assert (place.path / "list.txt").exists()


def test_a_file_written_to_while_it_was_stored_is_read_again(
    place: RequestFolder, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.path / "list.txt").write_text("Emma\n")
    add = FailingStore.add_request

    def add_and_write(self: FailingStore, request: NewRequest, entries: Entry) -> Stored:
        stored = add(self, request, entries)
        (leftover,) = place.leftovers()
        with (place.path / leftover).open("a") as late:
            late.write("Dune\n")
        return stored

    monkeypatch.setattr(FailingStore, "add_request", add_and_write)
    taker = Taker(place, store)
    again = taker.take("list.txt")
    monkeypatch.undo()
    assert isinstance(again, Again)
    assert again.seconds is None
    assert isinstance(taker.take(again.name), Filed)
    assert store.counts()[State.WANTED] == 2


def test_a_watcher_that_never_started_can_be_stopped(place: RequestFolder) -> None:
    watcher = Watcher(place, lambda _: None)
    watcher.stop()
    assert watcher.join(time.monotonic())
    assert not watcher.alive
