"""The page at work: wishes, the queue in order, questions, lists, and a daemon that comes and goes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.security import generate_password_hash

from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, TITLES, MakeDaemon, number_in, path_of
from tests.fakes.mirror import Mirror
from tests.fakes.server import free_port
from tests.waiting import until

if TYPE_CHECKING:
    from tests.browser.page import Page

MOBY_DICK = "Moby Dick — Herman Melville"
ALT, ARROW_UP, ARROW_DOWN, HOME, ENTER = "\ue00a", "\ue013", "\ue015", "\ue011", "\ue007"
AWAY = "Failed to load resource: net::ERR_CONNECTION_REFUSED", "WebSocket connection to", "ERR_EMPTY_RESPONSE"


def url(daemon: Daemon) -> str:
    address = json.loads((daemon.state / "server.json").read_text(encoding="utf-8"))
    return str(address["url"]) + "/"


def queue_of(daemon: Daemon) -> list[str]:
    items: list[dict[str, Any]] = daemon.get("/api/queue")["items"]
    return [item["title"] for item in items]


def test_a_wish_is_typed_watched_paused_resumed_and_delivered(
    daemon: Daemon, shelf: Mirror, page: Page
) -> None:
    first = shelf.hold(path_of(LARGE), 400_000, drips=True)
    daemon.start()
    page.open(url(daemon))
    page.shot("empty")
    page.wish(MOBY_DICK, "? — ?")
    page.see("#added .summary", "1 new, 1 not understood")
    assert page.find("#wants").get_property("value") == "? — ?"
    assert first.reached.wait(30)
    page.see("#running-list .share", "20 %")
    assert "downloading · 400 kB of 2 MB" in page.texts("#running-list .facts")[0]
    assert page.find("#running-list progress").get_attribute("aria-label") == "Progress of Moby Dick"
    page.see("#count-running", "1")

    second = shelf.hold(path_of(LARGE), 1_200_000, drips=True)
    page.act("running", "Moby Dick", "pause")
    page.see_titles("queue", "Moby Dick")
    page.see("#queue-list .facts", "paused, 400 kB kept")
    page.see_titles("running")
    page.act("queue", "Moby Dick", "pause")
    assert second.reached.wait(30)
    page.see("#running-list .share", "60 %")
    page.shot("running")
    again = shelf.requests(path_of(LARGE))[-1]
    assert again.status == 206
    assert again.begun >= 400_000

    second.go.set()
    page.see_titles("history", "Moby Dick")
    page.see("#history-list .outcome", "delivered")
    page.see("#history-list .facts", "EPUB · 2 MB")
    page.see("#count-done", "1")
    page.see("#ever-completed", "1")
    (book,) = daemon.ingest.iterdir()
    assert number_in(book) == LARGE


def test_the_queue_is_put_in_order_by_keys_by_dragging_and_by_buttons(daemon: Daemon, page: Page) -> None:
    daemon.start()
    page.open(url(daemon))
    page.press("#pause-queue")
    page.find("#paused")
    page.wish(*(f"{title} — {TITLES[number][1].partition(',')[0]}" for number, title in _FOUR.items()))
    alice, dracula, eyre, walden = _FOUR.values()
    page.await_(lambda: page.texts("#queue-list .facts") == ["ready"] * 4, "four books that are found")
    page.see_titles("queue", alice, dracula, eyre, walden)

    page.focus(page.row("queue", eyre))
    page.keys(ALT, ARROW_UP)
    page.see_titles("queue", alice, eyre, dracula, walden)
    page.see("#announcements", f"{eyre} is now number 2 of 4")
    page.keys(ALT, ARROW_DOWN)
    page.keys(ALT, ARROW_DOWN)
    page.see_titles("queue", alice, dracula, walden, eyre)
    page.keys(ALT, HOME)
    page.see_titles("queue", eyre, alice, dracula, walden)
    assert page.focused == page.row("queue", eyre)
    page.keys(ARROW_DOWN)
    assert page.focused == page.row("queue", alice)

    with page.dragging(walden, alice):
        page.shot("dragging")
    page.see_titles("queue", eyre, walden, alice, dracula)
    page.unfold("queue", dracula)
    page.press("#queue-list .opened [data-move=top]")
    page.see_titles("queue", dracula, eyre, walden, alice)
    page.press("#queue-list .opened [data-move=down]")
    page.see_titles("queue", eyre, dracula, walden, alice)
    page.shot("order")
    assert queue_of(daemon) == [eyre, dracula, walden, alice]

    box = page.find("#queue-list .opened [name=priority]")
    box.clear()
    box.send_keys(ENTER)
    page.await_(lambda: page.run("return document.activeElement.matches(':invalid')"), "a word on the gap")
    page.see_titles("queue", eyre, dracula, walden, alice)
    box.send_keys("0", ENTER)
    page.see_titles("queue", dracula, eyre, walden, alice)
    page.act("queue", walden, "cancel")
    page.see_titles("queue", dracula, eyre, alice)
    page.see_titles("history", walden)
    page.see("#history-list .outcome", "cancelled")

    page.open(url(daemon))
    page.see_titles("queue", dracula, eyre, alice)
    page.press("#pause-queue")
    page.see("#count-done", "3")
    page.see_titles("queue")
    page.act("history", walden, "retry")
    page.see("#count-done", "4")


_FOUR = {
    11: "Alice's Adventures in Wonderland",
    345: "Dracula",
    1260: "Jane Eyre",
    205: "Walden",
}


def test_a_running_download_is_cancelled_and_the_workers_are_changed(
    daemon: Daemon, shelf: Mirror, page: Page
) -> None:
    shelf.hold(path_of(LARGE), 400_000, drips=True)
    daemon.start()
    page.open(url(daemon))
    page.wish(MOBY_DICK)
    page.see("#running-list .share", "20 %")
    page.act("running", "Moby Dick", "cancel")
    page.see_titles("running")
    page.see("#history-list .outcome", "cancelled")
    assert daemon.counts() == {"cancelled": 1}
    assert daemon.delivered() == []

    page.press("#more-workers")
    page.await_(lambda: page.find("#workers").get_property("value") == "4", "a fourth worker")
    assert daemon.get("/api/workers")["workers"] == 4
    page.find("#workers").send_keys("\ue003" * 2, "33", ENTER)
    page.await_(lambda: page.find("#workers").get_property("value") == "4", "33 to be refused")
    page.see_notices("Cancelled: Moby Dick", "Downloads at once: a number from 1 to 32.")
    page.press("#fewer-workers")
    page.await_(lambda: daemon.get("/api/workers")["workers"] == 3, "three workers again")


def test_a_question_is_answered_by_one_click(daemon: Daemon, page: Page) -> None:
    daemon.start()
    page.open(url(daemon))
    page.wish("Electra", "No such book at all — Nobody")
    page.see_titles("aside", "Electra", "No such book at all")
    page.unfold("aside", "Electra")
    page.await_(lambda: len(page.texts(".candidate .author")) == 2, "the two candidates")
    assert set(page.texts(".candidate .author")) == {"Sophocles", "Euripides"}
    assert set(page.texts(".candidate .score")) == {"88 % match"}
    page.shot("question")
    name = "This one: Electra by Euripides, EPUB · English"
    page.press(f'.candidate .pick[aria-label="{name}"]')
    page.see_titles("history", "Electra")
    page.see_titles("aside", "No such book at all")
    (book,) = daemon.ingest.iterdir()
    assert number_in(book) == 14322
    assert not page.driver.find_element("id", "clear").is_displayed()


def test_lists_are_chosen_and_dropped(daemon: Daemon, page: Page, tmp_path: Path) -> None:
    daemon.start()
    chosen = tmp_path / "to-read.txt"
    chosen.write_text("Dracula — Bram Stoker\nWalden — Henry David Thoreau\n", encoding="utf-8")
    page.open(url(daemon))
    page.driver.find_element("id", "list-file").send_keys(str(chosen))
    page.see("#added .summary", "to-read.txt2 new")
    page.drop_file("more.yaml", "- {title: Jane Eyre, author: Charlotte Brontë}\n- Dracula — Bram Stoker\n")
    page.see("#added .summary", "more.yaml1 new, 1 known already")
    page.see("#count-done", "3")
    assert sorted(page.titles("history")) == ["Dracula", "Jane Eyre", "Walden"]
    until(lambda: "Jane Eyre" in daemon.report("more.yaml"), "the report of a dropped list")

    page.press("#added .dismiss")
    assert page.texts("#added > *") == []


def test_a_delivered_file_can_be_saved_while_there_is_a_copy(daemon: Daemon, page: Page) -> None:
    daemon.start()
    page.open(url(daemon))
    page.wish("Dracula — Bram Stoker")
    page.see_titles("history", "Dracula")
    script = "return fetch('api/localdownload?id=' + arguments[0]).then((answer) => answer.status)"
    number = page.row("history", "Dracula").get_attribute("data-id")
    assert page.run(script, number) == 200
    for kept in (*daemon.ingest.iterdir(), *(daemon.state / "copies").iterdir()):
        kept.unlink()
    page.expected = ("localdownload",)
    page.act("history", "Dracula", "save")
    page.find("#notices .notice-answer")
    page.press("#notices button")
    assert page.texts("#notices > *") == []


def test_the_page_comes_back_when_the_daemon_does(make_daemon: MakeDaemon, page: Page) -> None:
    daemon = make_daemon(server={"listen": f"127.0.0.1:{free_port()}"})
    daemon.start()
    page.open(url(daemon))
    page.wish("Dracula — Bram Stoker")
    page.see_titles("history", "Dracula")
    page.expected = AWAY
    assert daemon.stop() == 0
    page.see("#connection-word", "bookhopper is away, trying again …")
    page.shot("away")
    page.wish("Walden — Henry David Thoreau")
    page.find("#notices .notice-error")
    assert page.find("#wants").get_property("value") == "Walden — Henry David Thoreau"
    daemon.drop("meanwhile.txt", "Jane Eyre — Charlotte Brontë")
    daemon.start()
    page.see("#connection-word", "Live")
    page.see_titles("history", "Jane Eyre", "Dracula")


def test_titles_are_never_markup(daemon: Daemon, page: Page) -> None:
    daemon.start()
    page.open(url(daemon))
    page.wish(*_HOSTILE)
    page.await_(lambda: len(page.titles("aside")) == len(_HOSTILE), "all titles among what was not found")
    assert sorted(page.titles("aside")) == sorted(_HOSTILE)
    for title in _HOSTILE:
        page.unfold("aside", title)
    page.shot("hostile")
    assert page.run("return document.querySelectorAll('main :is(img, script, iframe, b.x)').length") == 0
    assert page.run("return window.owned") is None


_HOSTILE = (
    '<img src=x onerror="window.owned=1">',
    "<script>window.owned=1</script>",
    "<b class=x>&lt;bold&gt;</b> &amp; more",
    "{{constructor.constructor('window.owned=1')()}}",
    "ألف ليلة وليلة",
    "\u5439\u304d\u3060\u307e\u308a\u306e\u732b\u306e\u7269\u8a9e",
    "Donaudampfschifffahrtsgesellschaft" * 12,
)


def test_a_token_is_asked_for_where_one_is_needed(make_daemon: MakeDaemon, page: Page) -> None:
    daemon = make_daemon(server={"listen": "127.0.0.1:0", "sign_in": "token"})
    daemon.start()
    page.expected = ("401 (Unauthorized)",)
    page.open(url(daemon), live=False)
    page.find("#sign-in")
    page.see("#connection-word", "Signed out")
    page.shot("sign-in")
    page.find("#token").send_keys("wrong", ENTER)
    page.see("#sign-in-problem", "That token is not known here.")
    token = json.loads((daemon.state / "server.json").read_text(encoding="utf-8"))["token"]
    page.find("#token").send_keys(token, ENTER)
    page.see("#connection-word", "Live")
    page.wish("Dracula — Bram Stoker")
    page.see_titles("history", "Dracula")
    page.open(url(daemon))  # the cookie does
    page.press("#sign-out")
    page.find("#sign-in")


def test_a_long_queue_is_shown_by_its_head(make_daemon: MakeDaemon, shelf: Mirror, page: Page) -> None:
    stalled = shelf.hold(path_of(LARGE), 0)
    daemon = make_daemon(
        sources=[{"kind": "opds", "name": "home", "url": f"{shelf.url}{path_of(LARGE)}"}], grace="1 s"
    )
    daemon.start()
    page.open(url(daemon))
    page.drop_file("long.txt", "".join(f"Book {number:04} — Somebody\n" for number in range(3000)))
    page.see("#added .summary", "long.txt3,000 new")
    assert stalled.reached.wait(30)
    page.see("#count-queue", "3,000")
    page.await_(lambda: len(page.titles("queue")) == 200, "the first page")
    page.press("#queue-more")
    page.await_(lambda: len(page.titles("queue")) == 400, "the second page")
    assert page.titles("queue")[-1] == "Book 0399"
    page.act("queue", "Book 0300", "cancel")
    page.await_(lambda: "Book 0300" not in page.titles("queue"), "a row less")
    page.see("#count-queue", "2,999")


def test_a_user_of_calibre_web_changes_only_what_is_theirs(
    make_daemon: MakeDaemon, page: Page, tmp_path: Path
) -> None:
    users = tmp_path / "app.db"
    with closing(sqlite3.connect(users)) as database, database:
        database.execute("CREATE TABLE user (name TEXT, password TEXT, role INTEGER)")
        database.execute("INSERT INTO user VALUES ('anna', ?, 0)", [generate_password_hash("secret")])
    daemon = make_daemon(server={"sign_in": "calibre-web", "app_db": str(users), "listen": "127.0.0.1:0"})
    daemon.start()
    daemon.drop("others.txt", "No such book — Nobody")
    page.open(url(daemon).replace("//", "//anna:secret@"))
    page.see("#whoami", "Signed in as anna")
    page.row("aside", "No such book")
    page.wish("Nothing like it — Nobody")
    page.row("aside", "Nothing like it")
    offered = 'return [...arguments[0].querySelectorAll("[data-action]")].filter((one) => !one.hidden).length'
    assert page.run(offered, page.row("aside", "Nothing like it")) == 2
    assert page.run(offered, page.row("aside", "No such book")) == 0
    for selector in ("#pause-queue", "#workers", "#clear"):
        assert not page.driver.find_element("css selector", selector).is_displayed()
    page.shot("user")
    page.act("aside", "Nothing like it", "cancel")
    page.see_titles("aside", "No such book")
