"""What the calibre library holds already: which wants it answers, and that it is never in calibre's way."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper.checks import findings
from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Reading, State, Want
from bookhopper.owned import CalibreLibrary
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Decision, Resolution
from bookhopper.searching import Search
from bookhopper.settings import Folders, Settings
from bookhopper.store.base import Move
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.worker import Pool
from tests import books
from tests.calibre import FakeLibrary
from tests.daemon import Daemon
from tests.peers.library import BOOKS, calibre_alone, calibredb, make_library
from tests.queues import Queue, candidate
from tests.waiting import until

MANY = 1_300
"""More books than are read at a time."""


@pytest.fixture
def library(tmp_path: Path) -> FakeLibrary:
    return FakeLibrary(tmp_path / "library")


def opened(folder: Path, *languages: str) -> CalibreLibrary:
    return CalibreLibrary(folder, accept=0.85, margin=0.05, languages=languages)


def owned(folder: Path, want: Want, chosen: Candidate | None = None) -> str | None:
    """Ask a library that was just opened."""
    return opened(folder).find(want, Ticket(1), chosen)


# which wants it answers


@pytest.fixture(scope="module")
def classics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = FakeLibrary(tmp_path_factory.mktemp("library") / "classics")
    made.add("Jane Eyre: An Autobiography", "Charlotte Brontë", isbn="9780141441146")
    made.add("The Hobbit, or There and Back Again", "Tolkien, J. R. R.", formats=("MOBI", "PDF"))
    made.add("Good Omens", "Terry Pratchett", "Neil Gaiman")
    made.add("Les Misérables", "Victor Hugo", languages=("fra",))
    made.add("Emma", "Jane Austen", languages=("und",))
    made.add("The Adventures of Tom Sawyer", "Mark Twain", languages=())
    made.add("Persuasion", "Jane Austen", formats=())
    made.add("The Epic of Gilgamesh", "Unknown")
    made.add("Война и мир", "Лев Толстой", languages=("rus",))
    made.add("A Study in Scarlet\n", "Arthur Conan Doyle", languages=("deu", "eng"))
    made.add("Poems", "Emily Dickinson")
    made.add("Poems", "John Keats")
    made.add("The Decline and Fall of the Roman Empire, Volume 1", "Edward Gibbon")
    made.add("Dracula: The Graphic Novel", "Bram Stoker")
    return made.folder


@pytest.mark.parametrize(
    ("want", "number"),
    [
        (Want("Jane Eyre", ("Charlotte Bronte",)), 1),
        (Want("Jane Eyre", ("Brontë, C.",)), 1),
        (Want("jane eire", ("charlote bronte",)), 1),
        (Want(isbn="9780141441146"), 1),
        (Want("Jane Eyre", isbn="0141441143"), 1),
        (Want("The Hobbit", ("J.R.R. Tolkien",)), 2),
        (Want("The Hobbit", ("John Ronald Reuel Tolkien",), formats=("epub", "pdf")), 2),
        (Want("Good Omens", ("Neil Gaiman",)), 3),
        (Want("Les Misérables", ("Victor Hugo",)), 4),
        (Want("Les Misérables", ("Victor Hugo",), language="fr-FR"), 4),
        (Want("Emma", ("Jane Austen",), language="en"), 5),
        (Want("Tom Sawyer", ("Samuel Clemens",), language="en"), 6),
        (Want("The Epic of Gilgamesh", ("Anonymous",)), 8),
        (Want("Война и мир", ("Толстой, Лев",)), 9),
        (Want("A Study in Scarlet", ("A. Conan Doyle",), language="en"), 10),
        (Want("The Adventures of Tom Sawyer"), 6),
        (Want("Jane Eyre Charlotte Brontë"), 1),
        (
            Want("Victor Hugo", ("Les Misérables",), readings=(Reading("Les Misérables", ("Victor Hugo",)),)),
            4,
        ),
        (Want("Poems", ("John Keats",)), 12),
        (Want("Decline and Fall of the Roman Empire, Vol. I", ("Gibbon",)), 13),
    ],
)
def test_a_book_that_is_there(classics: Path, want: Want, number: int) -> None:
    answer = owned(classics, want)
    assert answer is not None
    assert answer.endswith(f"(id {number})")


@pytest.mark.parametrize(
    "want",
    [
        Want("Jane Eyre", ("Jane Austen",)),
        Want("Villette", ("Charlotte Brontë",)),
        Want(isbn="9780141439587"),
        Want("The Hobbit", ("J.R.R. Tolkien",), formats=("epub",)),
        Want("Les Misérables", ("Victor Hugo",), language="en"),
        Want("Persuasion", ("Jane Austen",)),  # no file of it
        Want("The Epic of Gilgamesh", ("Andrew George",)),  # a title alone, for somebody is named
        Want("Emma"),  # one word says too little
        Want("Poems"),
        Want("Decline and Fall of the Roman Empire, Vol. II", ("Edward Gibbon",)),
        Want("The Adventures of Huckleberry Finn", ("Mark Twain",)),
        Want("Dracula", ("Bram Stoker",)),  # the library's is another work
        Want("", ("Jane Austen",)),
        Want("?!"),
    ],
)
def test_a_book_that_is_not_there(classics: Path, want: Want) -> None:
    assert owned(classics, want) is None


def test_a_copy_in_a_language_that_is_not_taken_leaves_the_book_wanted(classics: Path) -> None:
    library, wretches = opened(classics, "en", "de"), Want("Les Misérables", ("Victor Hugo",))
    assert library.find(wretches, Ticket(1)) is None
    assert library.find(replace(wretches, language="fr"), Ticket(1))
    french = Candidate("home", "1", "Les Misérables", ("Victor Hugo",), "fr", "epub")
    assert library.find(wretches, Ticket(1), french)
    assert library.find(Want("Emma", ("Jane Austen",)), Ticket(1))  # its language is not known
    assert library.find(Want("A Study in Scarlet", ("A. Conan Doyle",)), Ticket(1))


def test_how_the_book_is_named(classics: Path) -> None:
    assert owned(classics, Want("Good Omens", ("Neil Gaiman",))) == (
        "Good Omens — Terry Pratchett, Neil Gaiman (id 3)"
    )
    assert owned(classics, Want("The Hobbit", ("Tolkien",))) == (
        "The Hobbit, or There and Back Again — Tolkien, J. R. R. (id 2)"
    )


def test_what_was_chosen_says_more_than_the_want(classics: Path) -> None:
    want = Want("Emma")
    chosen = Candidate("home", "1", "Emma", ("Austen, Jane",), "en", "epub")
    assert owned(classics, want, chosen) == "Emma — Jane Austen (id 5)"
    other = Candidate("home", "2", "Emma", ("Alexander McCall Smith",), "en", "epub")
    assert owned(classics, want, other) is None
    assert owned(classics, Want(formats=("pdf",)), chosen) is None
    assert owned(classics, want, Candidate("home", "3", "")) is None


# kept fresh


@pytest.mark.parametrize("wal", [False, True])
def test_what_changes_is_noticed(tmp_path: Path, wal: bool) -> None:
    made = FakeLibrary(tmp_path / "library", wal=wal)
    library, ticket, wish = opened(made.folder), Ticket(1), Want("Moby Dick", ("Herman Melville",))
    with made.open() as calibre:  # stays open, as calibre does, so that the WAL is not folded in
        calibre.execute("SELECT count(*) FROM books").fetchall()
        assert library.find(wish, ticket) is None
        number = made.add("Moby-Dick; or, The Whale", "Herman Melville")
        assert library.find(wish, ticket) == f"Moby-Dick; or, The Whale — Herman Melville (id {number})"
        made.rename(number, "Typee", "2024-05-02 12:00:00.000000+00:00")
        assert library.find(wish, ticket) is None
        assert library.find(Want("Typee", ("Herman Melville",)), ticket) is not None
        made.remove(number)
        assert library.find(Want("Typee", ("Herman Melville",)), ticket) is None


def test_an_unchanged_library_is_not_read_again(library: FakeLibrary) -> None:
    library.add("Moby Dick", "Herman Melville")
    os.utime(library.path, (1_000, 1_000))
    asked, ticket, want = opened(library.folder), Ticket(1), Want("Typee", ("J. Doe", "Herman Melville"))
    assert asked.find(Want("Moby Dick", ("Herman Melville",)), ticket)
    library.add("Typee", "Jane Doe")
    os.utime(library.path, (1_000, 1_000))  # as large as before, and as old
    assert asked.find(want, ticket) is None
    os.utime(library.path)
    assert asked.find(want, ticket) is not None


def test_another_library_in_its_place(library: FakeLibrary, tmp_path: Path) -> None:
    for number in range(5):
        library.add(f"Book of Number {number}", "Ann Author", modified="2025-01-01 00:00:00+00:00")
    asked, ticket = opened(library.folder), Ticket(1)
    assert asked.find(Want("Book of Number 3", ("Ann Author",)), ticket)
    restored = FakeLibrary(tmp_path / "restored")
    restored.add("Moby Dick", "Herman Melville", modified="2020-01-01 00:00:00+00:00")
    restored.path.replace(library.path)
    assert asked.find(Want("Moby Dick", ("Herman Melville",)), ticket) == "Moby Dick — Herman Melville (id 1)"
    assert asked.find(Want("Book of Number 3", ("Ann Author",)), ticket) is None


def test_a_library_of_many_books(library: FakeLibrary) -> None:
    with library.open() as database:
        database.execute("BEGIN")
        database.execute("INSERT INTO authors (id, name) VALUES (1, 'Ann Author')")
        for number in range(1, MANY + 1):
            database.execute("INSERT INTO books (id, title) VALUES (?, ?)", (number, f"Tome the {number}th"))
            database.execute("INSERT INTO books_authors_link (book, author) VALUES (?, 1)", (number,))
            database.execute("INSERT INTO data (book, format) VALUES (?, 'EPUB')", (number,))
        database.execute("COMMIT")
    asked = opened(library.folder)
    assert asked.check(Ticket(1)).detail == f"1,300 books in {library.folder}"
    for number in (1, MANY // 2, MANY):
        assert str(asked.find(Want(f"Tome the {number}th", ("Ann Author",)), Ticket(1))).endswith(
            f"(id {number})"
        )


def test_a_first_look_can_be_interrupted(library: FakeLibrary) -> None:
    ticket = Ticket(1)
    ticket.interrupt(Reason.SHUTDOWN)
    with pytest.raises(Interrupted):
        opened(library.folder).find(Want("Moby Dick"), ticket)


# a library that cannot be read


def _absent(path: Path) -> None:
    path.unlink()


def _foreign(path: Path) -> None:
    path.write_bytes(b"This is no database, though it is called one." * 100)


def _emptied(path: Path) -> None:
    path.unlink()
    sqlite3.connect(path).close()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [_absent, _foreign, _emptied, _pipe])
def test_while_a_library_cannot_be_read_its_wants_wait(
    library: FakeLibrary, tmp_path: Path, queue: Queue, caplog: pytest.LogCaptureFixture, spoil: object
) -> None:
    library.add("Moby Dick", "Herman Melville")
    kept = tmp_path / "kept.db"
    kept.write_bytes(library.path.read_bytes())
    assert callable(spoil)
    spoil(library.path)
    (job,) = queue.add(Want("Moby Dick", ("Herman Melville",), line=1, raw="Moby Dick — Herman Melville"))
    search = Search(
        queue.store,
        Decided(),  # type: ignore[arg-type]
        Collector((), languages=(), formats=()),
        opened(library.folder),
    )
    pool = Pool(queue.store, State.WANTED, search, size=2, attempts=5)
    with caplog.at_level(logging.INFO):
        pool.start()
        try:
            until(lambda: pool.held)
            pool.go_on()  # and what was said is not said again
            until(lambda: pool.held)
            assert (queue.job(job).state, queue.job(job).attempts) == (State.WANTED, 0)
            kept.replace(library.path)
            pool.go_on()
            until(lambda: queue.job(job).state is State.OWNED)
        finally:
            pool.stop()
            assert pool.join(time.monotonic() + 20)
    warning, news = [record.getMessage() for record in caplog.records if record.name == "bookhopper.worker"]
    assert warning.startswith(f"searching waits: {library.path} cannot be read (")
    remedy = "check calibre_library, its mount and its rights; until it can be, nothing is fetched"
    assert remedy in warning
    assert news.startswith("going on: it is over that")


def test_while_calibre_locks_its_library_its_wants_wait(library: FakeLibrary) -> None:
    library.add("Moby Dick", "Herman Melville")
    asked, want = opened(library.folder), Want("Moby Dick", ("Herman Melville",))
    with library.open() as calibre:
        calibre.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HeldError, match="database is locked") as held:
            asked.find(want, Ticket(1))
        calibre.execute("ROLLBACK")
    assert held.value.scope == "queue"
    assert asked.find(want, Ticket(1)) is not None


def test_odd_rows_are_read_all_the_same(library: FakeLibrary) -> None:
    library.add("Moby Dick", "Herman Melville")
    with library.open() as database:
        database.execute("INSERT INTO books (title, last_modified) VALUES (CAST(x'ff00fe' AS TEXT), 7)")
        database.execute("INSERT INTO books (title) VALUES (x'c3a9')")
        database.execute("INSERT INTO books (id, title) VALUES (9000000000000000000, 'Far Out')")
        database.execute("INSERT INTO books (id, title) VALUES (-5, 'Before All')")
        database.execute("INSERT INTO books (id, title) VALUES (40, ?)", ("endless " * 1_000_000,))
    assert owned(library.folder, Want("Moby Dick", ("Herman Melville",))) is not None
    assert owned(library.folder, Want("endless endless endless")) is None


def test_whoever_writes_meanwhile_is_not_locked_out(library: FakeLibrary) -> None:
    asked, ended = opened(library.folder), threading.Event()
    answers: list[str | None] = []
    faults: list[BaseException] = []

    def read() -> None:
        try:
            while not ended.is_set():
                answers.append(asked.find(Want("Tome the 7th", ("Ann Author",)), Ticket(1)))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for number in range(60):
            library.add(f"Tome the {number}th", "Ann Author")
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert faults == []
    assert asked.find(Want("Tome the 59th", ("Ann Author",)), Ticket(1)) is not None
    assert {path.name for path in library.folder.iterdir()} == {"metadata.db"}


# the searchers' step


class Decided:
    """A resolver whose answer is known, and that remembers whether it was asked."""

    def __init__(self, *chosen: Candidate) -> None:
        self.resolution = Resolution(Decision.ACCEPT, chosen, chosen, "")
        self.asked = False

    def resolve(self, want: Want, ticket: Ticket) -> Resolution:  # noqa: ARG002 - as the resolver's
        self.asked = True
        return self.resolution


def step(queue: Queue, library: Path, want: Want, *chosen: Candidate) -> tuple[Move, bool]:
    """Take the step with a want; tells also whether any source was asked."""
    queue.add(want)
    job = queue.store.claim(State.WANTED)
    assert job is not None
    resolver = Decided(*chosen)
    collector = Collector((), languages=(), formats=())
    search = Search(queue.store, resolver, collector, opened(library))  # type: ignore[arg-type]
    move = search(job, Ticket(job.id))
    assert move is not None
    assert queue.store.move(move).state is move.after
    return move, resolver.asked


def test_an_owned_book_is_not_looked_for(queue: Queue, classics: Path) -> None:
    move, asked = step(queue, classics, Want("Emma", ("Jane Austen",), line=1, raw="Emma — Jane Austen"))
    assert move.after is State.OWNED
    assert move.reason == "in the calibre library: Emma — Jane Austen (id 5)"
    assert not asked


def test_a_book_that_turns_out_to_be_owned_is_not_fetched(queue: Queue, classics: Path) -> None:
    chosen = candidate("7", "Emma", author="Jane Austen")
    move, asked = step(queue, classics, Want("Emma", line=1, raw="Emma"), chosen)
    assert asked
    assert (move.after, move.candidates) == (State.OWNED, (chosen,))
    assert move.reason == "in the calibre library: Emma — Jane Austen (id 5)"


def test_a_forced_want_is_fetched_all_the_same(queue: Queue, classics: Path) -> None:
    chosen = candidate("7", "Emma", author="Jane Austen")
    want = Want("Emma", ("Jane Austen",), line=1, raw="Emma — Jane Austen", force=True)
    move, asked = step(queue, classics, want, chosen)
    assert asked
    assert move.after is State.QUEUED


# the whole daemon, and its check


def test_the_check_counts_the_books(tmp_path: Path, classics: Path) -> None:
    def told(path: Path) -> Sequence[tuple[bool | None, str]]:
        folders = Folders(requests=tmp_path / "r", ingest=tmp_path / "i", state=tmp_path / "s")
        settings = Settings(folders=folders, sources=(), calibre_library=path)
        return [(each.ok, each.detail) for each in findings(settings) if each.what == "calibre library"]

    assert told(classics) == [(True, f"14 books in {classics}")]
    ((ok, detail),) = told(tmp_path / "nowhere")
    assert ok is False
    assert detail == (
        f"{tmp_path}/nowhere/metadata.db cannot be read (No such file or directory): "
        "check calibre_library, its mount and its rights"
    )


def test_a_list_of_which_some_is_owned(tmp_path: Path, classics: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for title in ("Emma", "Mansfield Park"):
        (shelf / f"{title}.epub").write_bytes(books.epub(title, "Jane Austen"))
    source = {"kind": "folder", "name": "shelf", "path": str(shelf)}
    daemon = Daemon(tmp_path / "daemon", {"sources": [source], "calibre_library": str(classics)})
    daemon.start()
    try:
        daemon.drop("first.txt", "Emma — Jane Austen\nMansfield Park — Jane Austen\n")
        daemon.await_counts(owned=1, done=1)
        reason = "in the calibre library: Emma — Jane Austen (id 5)"
        until(lambda: "already owned" in daemon.report("first.txt"), lambda: daemon.report("first.txt"))
        assert reason in " ".join(daemon.report("first.txt").split())
        (job,) = [job for job in daemon.jobs() if job["state"] == "owned"]
        assert job["error"] == reason
        assert reason in daemon.log
        daemon.drop("again.yaml", "- {title: Emma, author: Jane Austen, force: true}\n")
        daemon.await_counts(owned=1, done=2)
        assert len(daemon.delivered()) == 2
        assert daemon.stop() == 0
    finally:
        daemon.close()


# calibre itself


def test_a_library_of_calibre_s_own_making(tmp_path: Path) -> None:
    made = make_library(tmp_path)
    asked = opened(made)
    assert asked.check(Ticket(1)).detail == f"{len(BOOKS)} books in {made}"
    for title, authors, language in BOOKS:
        want = Want(title, (authors.rpartition(" & ")[2],), language=language)
        assert str(asked.find(want, Ticket(1))).startswith(f"{title} — {authors.partition(' & ')[0]}")
    assert asked.find(Want("Emma", ("Jane Austen",)), Ticket(1)) is None
    earthsea = Want("A Wizard of Earthsea", ("Le Guin",))
    assert asked.find(earthsea, Ticket(1)) is not None
    assert owned(made, Want("A Wizard of Earthsea", ("Le Guin",), formats=("azw3",))) is None

    # calibre adds books while its library is read without a pause
    file, ended = tmp_path / "new.epub", threading.Event()
    file.write_bytes(books.epub("Piranesi", "Susanna Clarke"))
    answers: list[str | None] = []

    def read() -> None:
        while not ended.is_set():
            answers.append(asked.find(earthsea, Ticket(1)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with calibre_alone():
            for _ in range(2):
                calibredb(made, "add", str(file), "--duplicates")
    finally:
        ended.set()
        reader.join()
    assert asked.find(Want("Piranesi", ("Susanna Clarke",)), Ticket(1)) is not None
    assert None not in answers
