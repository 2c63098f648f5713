"""Requests that people already have: an export dropped into the folder, a list that is polled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon, number_in
from tests.fakes.list_server import ListServer, list_server
from tests.waiting import until

EXPORT = """\
Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,Original Publication Year,Bookshelves,\
Exclusive Shelf,My Review
1,"The Picture of Dorian Gray",Oscar Wilde,"Wilde, Oscar",,="",="",1890,to-read,to-read,
2,Dracula,Bram Stoker,"Stoker, Bram",,="",="",1897,,read,"Long,
and ""good"",

so good"
3,"The Hound of the Baskervilles (Sherlock Holmes, #5)",Arthur Conan Doyle,"Doyle, Arthur Conan",,="",="",\
1902,to-read,to-read,
4,Treasure Island,Robert Louis Stevenson,,,="",="",1882,currently-reading,currently-reading,
5,A Book That Is Not There,Nobody Atall,,,="",="",,to-read,to-read,
6,,,,,="",="",,to-read,to-read,
"""


@pytest.fixture
def lists() -> Iterator[ListServer]:
    with list_server() as server:
        yield server


def lines(daemon: Daemon, name: str) -> dict[int, str]:
    """Read which line of a list stands where, from its report."""
    found = re.findall(r"^ *(\d+)  ([a-z]+) ", daemon.report(name), re.MULTILINE)
    return {int(number): state for number, state in found}


def test_an_export_of_goodreads(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    daemon.drop("goodreads_library_export.csv", EXPORT)
    daemon.await_counts(done=2, missing=1)
    assert {number_in(path) for path in daemon.ingest.iterdir()} == {174, 2852}
    expected = {2: "done", 7: "done", 9: "missing", 10: "bad"}
    name = "goodreads_library_export.csv"
    until(lambda: lines(daemon, name) == expected, lambda: daemon.report(name))
    remark = "2 of 6 rows they are not on to-read (`intake.shelves` says what is taken) but on"
    told = f"left out {remark} read (1: line 3); currently-reading (1: line 8)"
    assert told in " ".join(daemon.report(name).split())
    assert daemon.stop() == 0


def test_other_shelves_when_they_are_named(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(intake={"settle": "0.1 s", "shelves": ["read"]})
    daemon.start()
    daemon.drop("library.csv", EXPORT)
    daemon.await_counts(done=1)
    assert [number_in(path) for path in daemon.ingest.iterdir()] == [345]
    assert daemon.stop() == 0


def test_a_bibliography_and_an_outline(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    daemon.drop("thesis.bib", '@book{b,\n title={Jane {Eyre}}, author={Bront{\\"e}, Charlotte}\n}\n')
    daemon.drop("more.ris", "TY  - BOOK\nTI  - Walden\nAU  - Thoreau, Henry David\nER  -\n")
    daemon.drop("list.opml", '<opml><body><outline text="Dracula by Bram Stoker"/></body></opml>')
    daemon.await_counts(done=3)
    assert {number_in(path) for path in daemon.ingest.iterdir()} == {1260, 205, 345}
    assert daemon.stop() == 0


def test_a_list_at_an_address_is_polled(make_daemon: MakeDaemon, lists: ListServer) -> None:
    def serve(*books: tuple[str, str]) -> None:
        items = "".join(
            f"<item><title>{title}</title><author_name>{author}</author_name></item>"
            for title, author in books
        )
        lists.put("/shelf", f"<rss><channel>{items}</channel></rss>", "application/rss+xml")

    dracula, jane = ("Dracula", "Bram Stoker"), ("Jane Eyre", "Charlotte Brontë")
    serve(dracula)
    section = {"url": f"{lists.url}/shelf", "name": "to-read", "every": "1s", "tags": ["web"]}
    daemon = make_daemon(lists=[section])
    daemon.start()
    daemon.await_counts(done=1)
    until(lambda: 304 in lists.statuses("/shelf"), lambda: daemon.log)
    assert daemon.counts() == {"done": 1}
    serve(jane, dracula)
    daemon.await_counts(done=2)
    assert {number_in(path) for path in daemon.ingest.iterdir()} == {345, 1260}
    until(lambda: lines(daemon, "to-read") == {1: "done"}, lambda: daemon.report("to-read"))
    until(lambda: lines(daemon, "to-read (2)") == {1: "done"}, lambda: daemon.report("to-read (2)"))
    assert daemon.stop() == 0

    asked = len(lists.seen)
    daemon.start()
    until(lambda: len(lists.seen) > asked, lambda: daemon.log)
    assert lists.seen[asked] == ("/shelf", 304)
    assert daemon.counts() == {"done": 2}
    assert daemon.stop() == 0


def test_what_a_list_got_while_nobody_polled_is_taken_after_a_restart(
    make_daemon: MakeDaemon, lists: ListServer
) -> None:
    lists.put("/list.csv", "title,author\nDracula,Bram Stoker\n", "text/csv")
    section = {"url": f"{lists.url}/list.csv", "name": "shelf", "every": "1h"}
    daemon = make_daemon(lists=[section])
    daemon.start()
    daemon.await_counts(done=1)
    until((daemon.state / "lists" / "shelf.json").exists, "what was seen to be remembered")
    daemon.kill()
    lists.put(
        "/list.csv", "title,author\nDracula,Bram Stoker\nJane Eyre,Charlotte Brontë\n,\n,Nobody\n", "text/csv"
    )
    daemon.start()
    daemon.await_counts(done=2)
    until(lambda: lines(daemon, "shelf (2)") == {3: "done", 5: "bad"}, lambda: daemon.report("shelf (2)"))
    assert {number_in(path) for path in daemon.ingest.iterdir()} == {345, 1260}
    assert daemon.stop() == 0
