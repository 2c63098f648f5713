"""The real daemon with the Internet Archive and Open Library: an ISBN becomes a book, a bad file does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookhopper.checks import findings
from bookhopper.config import load
from tests.daemon import Daemon
from tests.fakes.archive_server import FakeArchive, File, Item, Work, book, fake_archive, html
from tests.waiting import until

ISBN = "9780140447927"
IDIOT = book("idiot00dost", "The Idiot", "Dostoyevsky, Fyodor, 1821-1881", formats="epub")
WORKS = (
    Work(1, "The Idiot", ("Fyodor Dostoyevsky",), (ISBN,), edition="The Idiot"),
    Work(2, "Emma", ("Jane Austen",), ("9780141439587",), edition="Emma"),
)


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with fake_archive(IDIOT, works=WORKS) as archive:
        yield archive


def daemon_at(archive: FakeArchive, folder: Path, **settings: Any) -> Daemon:
    sources = [
        {"kind": "internet_archive", "url": archive.url},
        {"kind": "open_library", "url": archive.url, "archive": archive.url},
    ]
    return Daemon(folder / "home", {"sources": sources, **settings})


@pytest.fixture
def daemon(archive: FakeArchive, tmp_path: Path) -> Iterator[Daemon]:
    with closing(daemon_at(archive, tmp_path)) as daemon:
        daemon.start()
        yield daemon
        assert daemon.stop() == 0


def test_an_isbn_alone_is_identified_found_and_delivered(daemon: Daemon, archive: FakeArchive) -> None:
    daemon.drop("list.txt", ISBN)
    daemon.await_counts(done=1)
    (delivered,) = daemon.ingest.iterdir()
    assert delivered.read_bytes() == IDIOT.files[0].content
    assert archive.asked(f"/isbn/{ISBN}.json")
    until(lambda: "The Idiot" in daemon.report("list.txt"), lambda: daemon.report("list.txt"))


@pytest.mark.parametrize("fault", [{"md5": "0" * 32}, {"lost": True}], ids=["md5", "lost"])
def test_a_file_with_another_checksum_or_none_at_all_gives_way_to_the_next(
    daemon: Daemon, archive: FakeArchive, fault: dict[str, Any]
) -> None:
    wrong = tuple(replace(file, **fault) for file in IDIOT.files)
    archive.items = (replace(IDIOT, identifier="idiot01fake", files=wrong, downloads=10**6), IDIOT)
    daemon.drop("list.txt", "The Idiot — Fyodor Dostoyevsky")
    daemon.await_counts(done=1)
    assert archive.asked("/download/")[0].startswith("/download/idiot01fake/")
    assert archive.asked("/download/")[-1] == "/download/idiot00dost/idiot00dost.epub"
    (delivered,) = daemon.ingest.iterdir()
    assert delivered.read_bytes() == IDIOT.files[0].content


def test_what_is_lent_or_protected_is_never_asked_for(daemon: Daemon, archive: FakeArchive) -> None:
    protected = File("emma_encrypted.epub", "ACS Encrypted EPUB", b"x")
    lent = replace(book("emma00lent", "Emma", "Jane Austen"), collections=("inlibrary",))
    archive.items = (lent, Item("emma01acsm", "Emma", ("Jane Austen",), (protected,)))
    daemon.drop("list.txt", "Emma — Jane Austen")
    daemon.await_counts(missing=1)
    assert not archive.asked("/download/")


def test_both_are_checked(archive: FakeArchive, tmp_path: Path) -> None:
    config = tmp_path / "bookhopper.yaml"
    library = {"kind": "open_library", "url": archive.url, "archive": archive.url}
    folders = {name: str(tmp_path / name) for name in ("requests", "ingest", "state")}
    sources = [{"kind": "internet_archive", "url": archive.url}, library]
    config.write_text(yaml.safe_dump({"folders": folders, "sources": sources}))
    found = {each.what: each for each in findings(load(config))}
    assert found["source internet_archive"].ok
    assert found["source open_library"].ok
    assert "books come from 127.0.0.1" in found["source open_library"].detail
    archive.answers["/search.json"] = html
    found = {each.what: each for each in findings(load(config))}
    assert found["source open_library"].ok is False
