"""A whole collection asked for in one line: the real daemon finds its books, and changes them as one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import books
from tests.daemon import Daemon
from tests.e2e.conftest import path_of
from tests.fakes.mirror import GUTENBERG_PATH, Mirror, mirror
from tests.fakes.opds_server import FakeBook, fake_catalogue
from tests.waiting import until

CARROLL = "Carroll, Lewis, 1832-1898"
TITLES = {
    11: ("Alice's Adventures in Wonderland", CARROLL, "en"),
    12: ("Through the Looking-Glass", CARROLL, "en"),
    13: ("The Hunting of the Snark: An Agony in Eight Fits", CARROLL, "en"),
    620: ("Sylvie and Bruno", CARROLL, "en"),
    19033: ("Alice's Adventures in Wonderland: Illustrated by Arthur Rackham", CARROLL, "en"),
    17482: ("Alice au pays des merveilles", CARROLL, "fr"),
    1700: ("The Life and Letters of Lewis Carroll", "Collingwood, Stuart Dodgson, 1870-1937", "en"),
    1342: ("Pride and Prejudice", "Austen, Jane, 1775-1817", "en"),
}
WORKS = {
    "Alice's Adventures in Wonderland",
    "The Hunting of the Snark: An Agony in Eight Fits",
    "Sylvie and Bruno",
    "Through the Looking-Glass",
}
COLUMNS = ("Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves")


def make(path: str) -> bytes | None:
    found = GUTENBERG_PATH.fullmatch(path)
    if found is None or found[2] != "-images-3" or int(found[1]) not in TITLES:
        return None
    number = int(found[1])
    title, author, _ = TITLES[number]
    return books.epub(title, author, files={"OEBPS/plate.jpg": books.jpeg(100_000, number)})


@pytest.fixture
def shelf() -> Iterator[Mirror]:
    with mirror(make) as served:
        yield served


@pytest.fixture
def daemon(shelf: Mirror, tmp_path: Path) -> Iterator[Daemon]:
    catalogue = tmp_path / "carroll.csv"
    with catalogue.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows(
            [number, "Text", "2000-01-01", title, language, author, "", "", ""]
            for number, (title, author, language) in TITLES.items()
        )
    source = {"kind": "gutenberg", "catalogue": str(catalogue), "mirrors": [shelf.url]}
    daemon = Daemon(tmp_path / "home", {"sources": [source], "download": {"workers": 1, "keep_free": 0}})
    yield daemon
    daemon.close()


def children(daemon: Daemon, job: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = daemon.get(f"/api/downloads?parent={job}")["items"]
    return items


def begun(daemon: Daemon, shelf: Mirror) -> dict[str, Any]:
    """Ask for a collection, and give it once its first book is on its way and the others wait."""
    slow = shelf.hold(path_of(11), 50_000, drips=True)
    daemon.start()
    daemon.ask("POST", "/api/downloads/pause")  # which book is found first is anybody's guess
    daemon.drop("list.txt", "works of: Lewis Carroll")
    daemon.await_counts(queued=4, expanded=1)
    daemon.ask("POST", "/api/downloads/resume")
    assert slow.reached.wait(30)
    daemon.await_counts(downloading=1, queued=3, expanded=1)
    (whole,) = [job for job in daemon.jobs() if job["state"] == "expanded"]
    return whole


def test_the_works_of_an_author_are_delivered_and_reported(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("list.txt", "Pride and Prejudice — Jane Austen\nworks of: Lewis Carroll\n")
    daemon.await_counts(done=5, expanded=1)
    (whole,) = [job for job in daemon.jobs() if job["state"] == "expanded"]
    assert whole["title"] == "works of: Lewis Carroll"
    assert whole["children"] == {"done": 4}
    made = children(daemon, whole["id"])
    assert {job["title"] for job in made} == WORKS
    assert {job["parent"] for job in made} == {whole["id"]}
    assert {job["request"] for job in made} == {whole["request"]}
    assert len(daemon.delivered()) == 5

    until(lambda: "5 delivered, 0 waiting" in daemon.report("list.txt"), lambda: daemon.report("list.txt"))
    report = daemon.report("list.txt")
    assert "2 lines with 4 books of collections: 5 delivered, 0 waiting" in report
    rows = report.splitlines()
    place = rows.index(f"    2  expanded     works of: Lewis Carroll  (job {whole['id']})")
    assert rows[place + 1].strip() == "4 books"
    assert rows[place + 2] == "       done         - Alice's Adventures in Wonderland — Lewis Carroll"
    assert rows[place + 3].strip().startswith("-> Alice's Adventures in Wonderland")
    assert len(rows) == place + 2 + 2 * 4
    history = daemon.get("/api/history")
    assert history["total"] == 5
    assert [*daemon.get("/api/status")["done"]] == [str(whole["id"])], "its books are available"

    daemon.drop("again.txt", "works of: Carroll, Lewis\nSylvie and Bruno — Lewis Carroll\n")
    until(lambda: "Everything on this list" in daemon.report("again.txt"), "the second report")
    assert f"asked for before (job {whole['id']})" in daemon.report("again.txt")
    assert "2 lines with 4 books of collections: 5 delivered" in daemon.report("again.txt")
    daemon.await_counts(done=5, expanded=1)

    daemon.ask("POST", f"/api/downloads/{whole['id']}/retry")
    daemon.await_counts(done=5, expanded=1)
    assert len(daemon.delivered()) == 5
    assert daemon.stop() == 0


def test_the_limit_bounds_the_books(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("list.yaml", "- {works_of: Lewis Carroll, limit: 2}")
    daemon.await_counts(done=2, expanded=1)
    until(
        lambda: "the first 2 of 4 books; a higher `limit:` takes more" in daemon.report("list.yaml"), "a word"
    )
    assert daemon.stop() == 0


def test_a_collection_is_cancelled_as_one_while_a_book_is_on_its_way_and_tried_again(
    daemon: Daemon, shelf: Mirror
) -> None:
    whole = begun(daemon, shelf)
    answer = daemon.ask("POST", f"/api/downloads/{whole['id']}/cancel")
    assert answer["state"] == "cancelled"
    daemon.await_counts(cancelled=5)
    until(lambda: not list((daemon.state / "parts").glob("*.part")), "no part file")
    assert daemon.delivered() == []
    until(lambda: "4 cancelled" in daemon.report("list.txt"), lambda: daemon.report("list.txt"))

    assert daemon.stop() == 0
    daemon.start()
    daemon.await_counts(cancelled=5)
    daemon.ask("POST", f"/api/downloads/{whole['id']}/retry")
    daemon.await_counts(done=4, expanded=1)
    assert daemon.stop() == 0


def test_a_collection_stays_paused_across_a_restart_and_overtakes_as_one(
    daemon: Daemon, shelf: Mirror
) -> None:
    whole = begun(daemon, shelf)
    daemon.ask("POST", f"/api/downloads/{whole['id']}/pause")
    daemon.await_counts(queued=4, expanded=1)
    daemon.kill()

    daemon.start()
    daemon.await_counts(queued=4, expanded=1)
    assert all(job["paused"] for job in children(daemon, whole["id"]))
    daemon.ask("POST", f"/api/downloads/{whole['id']}/priority", {"priority": -3})
    assert {job["priority"] for job in children(daemon, whole["id"])} == {-3}
    daemon.ask("POST", f"/api/downloads/{whole['id']}/resume")
    daemon.await_counts(done=4, expanded=1)
    assert daemon.stop() == 0


def test_nobody_has_anything_by_the_author(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("list.txt", "works of: Nobody Whosoever\nfeed: http://127.0.0.1:9/opds\n")
    daemon.await_counts(missing=1, failed=1)
    until(lambda: "no source has works of Nobody Whosoever" in daemon.report("list.txt"), "a reason")
    until(lambda: "belongs to no source: name its" in daemon.report("list.txt"), "the other's")
    assert daemon.stop() == 0


def test_a_feed_is_delivered(tmp_path: Path) -> None:
    with fake_catalogue() as catalogue:
        names = ("Emma", "Zadig", "Walden", "Dracula", "Candide")
        catalogue.books = tuple(FakeBook(n, name, ("A Writer",)) for n, name in enumerate(names, start=1))
        source = {"kind": "opds", "name": "home", "url": catalogue.root}
        daemon = Daemon(tmp_path / "home", {"sources": [source]})
        try:
            daemon.start()
            daemon.drop("list.txt", f"feed: {catalogue.root}all limit: 4")
            until(lambda: daemon.counts().get("expanded") == 1, lambda: f"{daemon.counts()}\n{daemon.log}")
            (whole,) = [job for job in daemon.jobs() if job["state"] == "expanded"]
            assert [
                job["title"] for job in sorted(children(daemon, whole["id"]), key=lambda job: job["id"])
            ] == [*names[:4]]
            assert daemon.stop() == 0
        finally:
            daemon.close()
