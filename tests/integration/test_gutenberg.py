"""The Gutenberg source: catalogue in, index swapped, candidates out; and the decisions on real data."""

from __future__ import annotations

import csv
import gzip
import io
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Reading
from bookhopper.net.addresses import host_and_port
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources import gutenberg, gutenberg_catalogue
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_catalogue import open_catalogue, read_catalogue
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.bench import catalogue as catalogue_bench
from tests.bench import match as match_bench
from tests.fakes.server import serving

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

HEADER = ["Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves"]
BOOKS = [
    (121, "Text", "Northanger Abbey", "en", "Austen, Jane, 1775-1817"),
    (2701, "Text", "Moby Dick; Or, The Whale", "en", "Melville, Herman, 1819-1891"),
    (
        103,
        "Text",
        "Around the World in Eighty Days",
        "en",
        "Verne, Jules, 1828-1905; Towle, G. M. [Translator]",
    ),
    (800, "Text", "Le tour du monde en quatre-vingts jours", "fr", "Verne, Jules, 1828-1905"),
    (9147, "Sound", "Moby Dick", "en", "Melville, Herman, 1819-1891"),
]


def rows_of(books: Sequence[tuple[int, str, str, str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows([key, kind, "", title, tag, names, "", "", ""] for key, kind, title, tag, names in books)
    return text.getvalue().encode()


@dataclass
class Desk:
    """A source over a catalogue file that a test may rewrite."""

    folder: Path
    opened: list[GutenbergSource] = field(default_factory=list)

    @property
    def catalogue(self) -> Path:
        return self.folder / "pg_catalog.csv"

    @property
    def index(self) -> Path:
        return self.folder / "cache" / "gutenberg.index"

    def source(
        self, catalogue: str = "", mirrors: Sequence[str] = ("http://a.example/", "http://b.example")
    ) -> GutenbergSource:
        named = {host_and_port(catalogue)} if catalogue.startswith("http") else set()
        source = GutenbergSource(
            "gutenberg",
            GutenbergIndex(self.index),
            mirrors,
            catalogue or str(self.catalogue),
            web=Web(new_session(Route(allowed=named)), Hosts(local=named)),
        )
        self.opened.append(source)
        return source

    def write(self, content: bytes) -> None:
        self.catalogue.write_bytes(content)

    def ready(self) -> GutenbergSource:
        self.write(rows_of(BOOKS))
        source = self.source()
        assert source.refresh(Ticket(0))
        return source


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for source in desk.opened:
        source.close()


def ask(
    source: GutenbergSource, title: str, *authors: str, languages: tuple[str, ...] = ("en",)
) -> list[str]:
    query = Query((Reading(title, authors),), languages=languages, formats=("epub",))
    return [candidate.key for candidate in source.search(query, Ticket(0))]


def test_what_is_found(desk: Desk) -> None:
    source = desk.ready()
    assert ask(source, "Northanger Abbey", "Jane Austen")[0] == "121"
    assert ask(source, "Northhanger Abey", "Jane Austin")[0] == "121"
    assert ask(source, "around the world in 80 days verne")[0] == "103"
    assert ask(source, "Le tour du monde", "Jules Verne", languages=("fr",))[0] == "800"
    assert ask(source, "zzz qqq") == []
    assert ask(source, "???") == []
    assert source.check(Ticket(0)).ok


@pytest.mark.parametrize(
    ("shelves", "known"),
    [
        ("Horror; Best Books Ever Listings", True),
        ("Banned Books from Anne Haight's list", True),
        ("Horror", False),
    ],
)
def test_its_shelves_tell_what_everybody_knows(desk: Desk, shelves: str, known: bool) -> None:
    row = f'345,Text,,Dracula,en,"Stoker, Bram",,,{shelves}\r\n'
    desk.write(f"{','.join(HEADER)}\r\n{row}".encode())
    source = desk.source()
    source.refresh(Ticket(0))
    (found,) = source.lookup("345", ("epub",), Ticket(0))
    assert found.known is known


def test_a_candidate_has_every_mirror_for_each_form_of_the_file(desk: Desk) -> None:
    (candidate,) = desk.ready().lookup("121", ("epub",), Ticket(0))
    assert (candidate.source, candidate.key, candidate.format) == ("gutenberg", "121", "epub")
    assert (candidate.title, candidate.authors, candidate.language) == (
        "Northanger Abbey",
        ("Jane Austen",),
        "en",
    )
    assert candidate.urls == (
        "http://a.example/cache/epub/121/pg121-images-3.epub",
        "http://b.example/cache/epub/121/pg121-images-3.epub",
        "http://a.example/cache/epub/121/pg121-images.epub",
        "http://b.example/cache/epub/121/pg121-images.epub",
        "http://a.example/cache/epub/121/pg121.epub",
        "http://b.example/cache/epub/121/pg121.epub",
    )


@pytest.mark.parametrize("key", ["", "5", "x", "-1", "9147", "²", "9" * 40, "121; DROP TABLE record"])
def test_a_key_of_no_text_is_no_book(desk: Desk, key: str) -> None:
    assert desk.ready().lookup(key, ("epub",), Ticket(0)) == ()


def test_other_formats_are_not_to_be_had(desk: Desk) -> None:
    source = desk.ready()
    assert source.lookup("121", ("pdf",), Ticket(0)) == ()
    assert source.search(Query((Reading("Emma"),), formats=("pdf",)), Ticket(0)) == ()


def test_an_isbn_finds_nothing(desk: Desk) -> None:
    assert desk.ready().search(Query(isbn="9780743273565"), Ticket(0)) == ()


def test_until_there_is_an_index_a_search_is_held(desk: Desk) -> None:
    source = desk.source()
    with pytest.raises(HeldError, match="indexed"):
        ask(source, "Emma")
    assert not source.check(Ticket(0)).ok
    assert str(desk.catalogue) in source.check(Ticket(0)).detail
    with pytest.raises(HeldError, match="no Gutenberg catalogue"):
        source.refresh(Ticket(0))
    desk.write(rows_of(BOOKS))
    assert "not indexed yet" in source.check(Ticket(0)).detail


def test_a_catalogue_that_did_not_change_is_not_read_again(desk: Desk) -> None:
    source = desk.ready()
    built = desk.index.stat().st_mtime_ns
    assert source.refresh(Ticket(0)) is False
    assert desk.index.stat().st_mtime_ns == built


def test_a_new_catalogue_is_seen_by_every_thread(desk: Desk) -> None:
    source = desk.ready()
    found: list[list[str]] = []
    first, changed = threading.Event(), threading.Event()

    def reader() -> None:
        found.append(ask(source, "Emma"))
        first.set()
        assert changed.wait(10)
        found.append(ask(source, "Emma"))

    thread = threading.Thread(target=reader)
    thread.start()
    assert first.wait(10)
    desk.write(rows_of([*BOOKS, (158, "Text", "Emma", "en", "Austen, Jane, 1775-1817")]))
    assert source.refresh(Ticket(0))
    changed.set()
    thread.join(10)
    assert found == [[], ["158"]]
    assert ask(source, "Emma") == ["158"]


def test_hostile_rows_are_skipped_and_counted(desk: Desk) -> None:
    bad = b"\n".join(
        [b"no number,Text,,T,en,A,,,", b"7", b"-7,Text,,T,en,A,,,", b"8,Text,, ,en,A,,,", b"\xff\xfe,\x00"]
    )
    desk.write(
        rows_of(BOOKS)
        + bad
        + b"\n9,Text,,"
        + b"x" * 300_000
        + b",en,A,,,\n"
        + b'10,Text,,"'
        + b"y\n" * 200_000
    )
    source = desk.source()
    assert source.refresh(Ticket(0))
    assert ask(source, "Northanger Abbey") == ["121"]
    origin = GutenbergIndex(desk.index)
    with closing(origin):
        built = origin.origin()
    assert built is not None
    assert built.books == 4
    assert built.skipped >= 6
    assert "made no sense" in source.check(Ticket(0)).detail


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column"),
        (b"<html>not found</html>", "no column"),
        (rows_of([]), "no book"),
        (gzip.compress(rows_of(BOOKS))[:-20], "cannot be read to its end"),
        (b"\x1f\x8bgarbage", "cannot be read to its end"),
        (rows_of([BOOKS[0], BOOKS[0]]), "same number twice"),
    ],
)
def test_what_is_no_catalogue_leaves_the_old_index(desk: Desk, content: bytes, reason: str) -> None:
    source = desk.ready()
    desk.write(content)
    with pytest.raises(TransientError, match=reason):
        source.refresh(Ticket(0))
    assert ask(source, "Northanger Abbey") == ["121"]
    assert [path.name for path in desk.index.parent.iterdir()] == [desk.index.name]


def test_what_a_killed_builder_left_is_removed(desk: Desk) -> None:
    desk.index.parent.mkdir()
    left, at_work, other = (
        desk.index.parent / name
        for name in (f".{desk.index.name}.a.new", f".{desk.index.name}.b.new", ".other.index.c.new")
    )
    for path in (left, at_work, other):
        path.write_bytes(b"half")
    for path in (left, other):
        os.utime(path, (time.time() - 3700,) * 2)
    desk.ready()
    assert set(desk.index.parent.iterdir()) == {desk.index, at_work, other}


def test_a_catalogue_without_end_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(rows_of(BOOKS))

    def read() -> None:
        with gutenberg_catalogue.open_catalogue(desk.catalogue) as stream:
            list(gutenberg_catalogue.read_catalogue(stream, Ticket(0)))

    monkeypatch.setattr(gutenberg_catalogue, "MAX_CHARACTERS", 200)
    with pytest.raises(TransientError, match="unpacks to more"):
        read()
    monkeypatch.undo()
    monkeypatch.setattr(gutenberg_catalogue, "MAX_ROWS", 2)
    with pytest.raises(TransientError, match="more than 2 rows"):
        read()


def test_indexing_stops_when_it_is_told_to(desk: Desk) -> None:
    desk.write(rows_of(BOOKS))
    ticket = Ticket(0)
    ticket.interrupt(Reason.SHUTDOWN)
    with pytest.raises(Interrupted):
        desk.source().refresh(ticket)
    assert not desk.index.exists()


def test_a_damaged_index_says_what_to_do(desk: Desk) -> None:
    source = desk.ready()
    desk.index.write_bytes(b"SQLite format 3\0" + os.urandom(4096))
    with pytest.raises(HeldError, match="damaged"):
        ask(source, "Emma")
    assert source.refresh(Ticket(0))
    assert ask(source, "Northanger Abbey") == ["121"]


def test_an_index_of_another_version_is_built_anew(desk: Desk) -> None:
    desk.ready().close()
    with closing(sqlite3.connect(desk.index)) as connection:
        connection.execute("PRAGMA user_version = 99")
    source = desk.source()
    with pytest.raises(HeldError, match="indexed anew"):
        ask(source, "Emma")
    assert source.refresh(Ticket(0))
    assert ask(source, "Northanger Abbey") == ["121"]


@dataclass
class Host:
    """A host that offers a catalogue; `status` is what it answers once it has counted the request."""

    content: bytes
    status: int = 200
    whole: int = 0
    unchanged: int = 0
    tagged: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        tag = f'"{hash(self.content)}"'
        if self.status != 200:
            response = Response(status_code=self.status)
        elif request.headers.get("if-none-match") == tag:
            self.unchanged += 1
            response = Response(status_code=304)
        else:
            self.whole += 1
            headers = {"ETag": tag} if self.tagged else {}
            response = Response(self.content, headers=headers, media_type="application/gzip")
        await response(scope, receive, send)


def test_a_catalogue_from_a_host_is_fetched_when_it_changed(desk: Desk) -> None:
    host = Host(gzip.compress(rows_of(BOOKS)))
    with serving(host) as base:
        source = desk.source(f"{base}/pg_catalog.csv.gz")
        assert source.refresh(Ticket(0)) is True
        assert source.refresh(Ticket(0)) is False
        assert (host.whole, host.unchanged) == (1, 1)
        host.content = rows_of([*BOOKS, (158, "Text", "Emma", "en", "Austen, Jane, 1775-1817")])
        assert source.refresh(Ticket(0)) is True
        assert ask(source, "Emma") == ["158"]


def test_a_restart_fetches_no_catalogue_anew(desk: Desk) -> None:
    host = Host(gzip.compress(rows_of(BOOKS)), tagged=False)
    with serving(host) as base:
        address = f"{base}/pg_catalog.csv.gz"
        assert desk.source(address).refresh(Ticket(0)) is True
        again = desk.source(address)
        assert again.refresh(Ticket(0)) is False
        assert host.whole == 1
        assert again.refresh(Ticket(0)) is True, "a week later, or because a person asks for it"
        assert host.whole == 2
        other = desk.source(f"{base}/another.csv.gz")
        other.refresh(Ticket(0))
        assert host.whole == 3, "it came from elsewhere"
        (fetched,) = desk.index.parent.glob("*.catalogue")
        os.utime(fetched, (0, 0))
        desk.source(f"{base}/another.csv.gz").refresh(Ticket(0))
        assert host.whole == 4, "it is old"
        host.tagged = True
        desk.source(address).refresh(Ticket(0))
        desk.source(address).refresh(Ticket(0))
        assert (host.whole, host.unchanged) == (5, 1)


def test_a_host_that_fails_leaves_the_old_index(desk: Desk) -> None:
    host = Host(gzip.compress(rows_of(BOOKS)))
    with serving(host) as base:
        source = desk.source(f"{base}/pg_catalog.csv.gz")
        assert source.refresh(Ticket(0))
        host.status = 500
        with pytest.raises((HeldError, TransientError)):
            source.refresh(Ticket(0))
        assert ask(source, "Northanger Abbey") == ["121"]
        source.close()
        desk.index.unlink()
        assert source.refresh(Ticket(0)), "what was fetched before serves when there is no index at all"


def test_a_broken_catalogue_is_fetched_again_although_its_tag_stays(desk: Desk) -> None:
    host = Host(gzip.compress(rows_of(BOOKS))[:-20])
    with serving(host) as base:
        source = desk.source(f"{base}/pg_catalog.csv.gz")
        for _ in range(2):
            with pytest.raises(TransientError):
                source.refresh(Ticket(0))
        assert (host.whole, host.unchanged) == (2, 0)


def test_a_file_too_large_for_a_catalogue_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gutenberg, "MAX_DOWNLOAD", 10)
    with serving(Host(rows_of(BOOKS))) as base, pytest.raises(PermanentError, match="larger than"):
        desk.source(f"{base}/pg_catalog.csv").refresh(Ticket(0))
    assert not desk.index.exists()


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real catalogue is not beside this checkout")


@needs_data
def test_the_real_catalogue_has_few_rows_without_sense() -> None:
    with open_catalogue(DATA / "pg_catalog.csv.gz") as stream:
        records = list(read_catalogue(stream, Ticket(0)))
    assert len(records) > 70_000
    assert records.count(None) < 100


@needs_data
def test_decisions_on_real_wants_stay_good() -> None:
    tallies = match_bench.judge(DATA, match_bench.dev_cases(DATA))
    everything = match_bench.whole(tallies)
    assert everything.precision >= 0.99
    assert everything.strict_precision >= 0.95
    assert everything.wrong_on_absent <= 1
    assert tallies["positives"].recall >= 0.90
    assert tallies["messy"].recall >= 0.90


def test_the_benchmarks_say_when_there_is_nothing_to_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert match_bench.run(tmp_path) == 0
    assert catalogue_bench.run(tmp_path) == 0
    assert capsys.readouterr().out.count("nothing measured") == 2


def test_controls_are_no_part_of_a_title_or_a_name() -> None:
    row = '7,Text,"Em\0ma\x1b[31m\u202e\nA Tale",en,"Aus\x07ten,\nJane"\n'
    stream = io.BytesIO(f"Text#,Type,Title,Language,Authors\n{row}".encode())
    (record,) = read_catalogue(stream, Ticket(0))
    assert record is not None
    assert (record.title, record.authors) == ("Emma[31m: A Tale", ("Jane Austen",))
