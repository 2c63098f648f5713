"""What the page says to somebody who never opens a terminal: plainly, and what can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import books
from tests.browser.test_page import ALT, ARROW_UP, MOBY_DICK, url
from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, MakeDaemon, path_of
from tests.fakes.mirror import Mirror, Refuse

if TYPE_CHECKING:
    from tests.browser.page import Page

CONTROL, ENTER = "\ue009", "\ue007"
WALDEN = "Walden — Henry David Thoreau"
BOOK = "is a book, not a list of books: drop a text file with one title a line."


@pytest.fixture
def paused(daemon: Daemon, page: Page) -> Page:
    """The page of a paused queue of two."""
    daemon.start()
    page.open(url(daemon))
    page.press("#pause-queue")
    page.find("#paused")
    page.wish("Dracula — Bram Stoker", WALDEN)
    page.await_(lambda: page.texts("#queue-list .facts") == ["ready"] * 2, "two books that are found")
    return page


def test_what_was_cancelled_can_be_brought_back(paused: Page) -> None:
    paused.act("queue", "Walden", "cancel")
    paused.see_titles("queue", "Dracula")
    paused.see("#count-queue", "1")
    paused.see_notices("Cancelled: Walden")
    paused.shot("undo")
    paused.press(".notice .undo")
    paused.see_titles("queue", "Dracula", "Walden")
    paused.see_notices()
    assert paused.focused == paused.row("queue", "Dracula")

    paused.act("queue", "Dracula", "cancel")
    paused.see_notices("Cancelled: Dracula")
    paused.keys(CONTROL, "z")
    paused.see_titles("queue", "Dracula", "Walden")
    paused.see_notices()
    paused.act("queue", "Dracula", "cancel")
    paused.see_notices("Cancelled: Dracula")
    paused.see_notices()  # after a while
    paused.see_titles("queue", "Walden")


def test_a_paused_queue_says_so_where_nothing_runs(paused: Page) -> None:
    (said,) = paused.texts("#running-empty")
    assert said == "Nothing is on its way: the queue is paused."
    paused.unfold("queue", "Walden")
    paused.see("#queue-list .priority .hint", "lower goes first; 0 is urgent")
    paused.shot("priority")


def test_what_a_held_queue_has_fetched_is_kept(daemon: Daemon, shelf: Mirror, page: Page) -> None:
    shelf.hold(path_of(LARGE), 900_000, drips=True)
    daemon.start()
    page.open(url(daemon))
    page.wish(MOBY_DICK)
    page.see("#running-list .share", "45 %")
    page.press("#pause-queue")
    page.see("#queue-list .facts", "ready, 900 kB kept")
    page.act("queue", "Moby Dick", "pause")
    page.see("#queue-list .facts", "paused, 900 kB kept")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Dracula.epub", b"anything"),
        ("walden.PDF", b"anything"),
        ("no suffix", books.epub("Dracula", "Bram Stoker")),
        ("list.txt", b"%PDF-1.7\n"),
    ],
)
def test_a_book_is_not_taken_for_a_list(daemon: Daemon, page: Page, name: str, content: bytes) -> None:
    daemon.start()
    page.open(url(daemon))
    page.drop_file(name, content)
    page.see_notices(f"{name} {BOOK}")
    assert page.texts("#added > *") == []


def test_what_is_wrong_with_a_list_is_told_with_its_name(daemon: Daemon, page: Page) -> None:
    daemon.start()
    page.expected = ("400 (Bad Request)",)
    page.open(url(daemon))
    page.drop_file("old.txt", "Jane Eyre, Charlotte Brontë".encode("latin-1"))
    page.find(".notice-error")
    (said,) = page.texts(".notice p")
    assert said.startswith("old.txt: ")
    assert "UTF-8" in said
    page.drop_file("list.docx", b"anything")
    page.see_notices(
        said,
        "list.docx is no plain text: save the list as a text file with one title a line, and drop that.",
    )
    page.shot("refused")


def test_what_failed_says_so_plainly_and_can_be_cleared(daemon: Daemon, shelf: Mirror, page: Page) -> None:
    shelf.add_fault(path_of(345), Refuse(404))
    daemon.start()
    page.open(url(daemon))
    page.wish("Dracula — Bram Stoker", "Two Islands — Nobody", "Tale of the Pride — Nobody")
    page.await_(lambda: len(page.titles("aside")) == 3, "one that failed and two that are not found")
    page.await_(lambda: "No mirror gave the file." in page.row("aside", "Dracula").text, "a plain reason")
    assert shelf.url not in page.row("aside", "Dracula").text
    page.unfold("aside", "Dracula")
    page.await_(lambda: any(shelf.url in fact for fact in page.texts(".terms dd")), "the whole reason")
    page.unfold("aside", "Dracula")
    for title in ("Two Islands", "Tale of the Pride"):
        assert "will be looked for again " in page.row("aside", title).text
        page.unfold("aside", title)
    page.see(
        ".candidates .hint", "No source offers anything like it. Write it in another way, or add an ISBN."
    )
    page.see(".candidates .score", "30 % match")
    page.shot("failed")

    page.press("#clear")
    kept = ["Tale of the Pride", "Two Islands"]
    page.await_(lambda: sorted(page.titles("aside")) == kept, lambda: f"{kept}, not {page.titles('aside')}")
    page.see_titles("history", "Dracula")
    assert not page.driver.find_element("id", "clear").is_displayed()


def test_a_queue_by_arrival_offers_no_moves(make_daemon: MakeDaemon, page: Page) -> None:
    daemon = make_daemon(queue={"order": "arrival"})
    daemon.start()
    page.open(url(daemon))
    page.press("#pause-queue")
    page.find("#paused")
    page.wish("Dracula — Bram Stoker", WALDEN)
    page.see_titles("queue", "Dracula", "Walden")
    assert "urgent" not in page.find("#wants-hint").text
    sentence = page.find("#queue-arrival").text
    assert sentence.endswith("nothing can be moved.")
    assert page.driver.find_elements("css selector", ".grip") == []
    page.unfold("queue", "Walden")
    page.find("#queue-list .terms")
    assert page.driver.find_elements("css selector", ".moves") == []
    page.focus(page.row("queue", "Walden"))
    page.keys(ALT, ARROW_UP)
    page.see("#announcements", sentence)
    page.see_titles("queue", "Dracula", "Walden")
    page.shot("arrival")
