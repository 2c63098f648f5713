"""What the page is for those who do not see it, use keys alone, or hold it in one hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_page import MOBY_DICK, url
from tests.daemon import Daemon
from tests.e2e.conftest import LARGE, path_of
from tests.fakes.mirror import Mirror

if TYPE_CHECKING:
    from tests.browser.page import Page

CONTROLS = frozenset({
    "button", "link", "textbox", "searchbox", "spinbutton", "checkbox", "progressbar", "dialog", "list",
    "region", "navigation",
})  # fmt: skip
LONG = (
    "The Life and Strange Surprizing Adventures of Robinson Crusoe of York Mariner Who lived Eight and Twenty"
)


@pytest.fixture
def full(daemon: Daemon, shelf: Mirror, page: Page) -> Page:
    """The page with something in each of its lists, and a panel of each kind open."""
    shelf.hold(path_of(LARGE), 900_000, drips=True)
    daemon.start()
    page.open(url(daemon))
    page.wish("Dracula — Bram Stoker", MOBY_DICK, "Electra", f"{LONG} {LONG} — Nobody")
    page.see("#running-list .share", "45 %")
    page.see_titles("history", "Dracula")
    page.row("aside", "Electra")
    page.row("aside", f"{LONG} {LONG}")
    page.press("#pause-queue")
    page.find("#paused")
    page.wish("Walden — Henry David Thoreau", "! Jane Eyre — Charlotte Brontë", "\\")
    page.row("queue", "Jane Eyre")
    page.row("queue", "Walden")
    page.unfold("aside", "Electra")
    page.find(".candidate")
    page.unfold("queue", "Jane Eyre")
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    return page


def test_every_control_has_a_name_and_its_reader_a_map(full: Page) -> None:
    nameless = [
        (node["role"]["value"], node["nodeId"], node.get("childIds"))
        for node in full.accessible()
        if node["role"]["value"] in CONTROLS and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == []
    roles = {node["role"]["value"] for node in full.accessible()}
    assert {"banner", "navigation", "main", "contentinfo", "region", "list", "heading"} <= roles
    assert full.check("brokenHeadings") == []
    assert full.check("brokenReferences") == []
    assert full.run("return document.documentElement.lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_made_out(full: Page, scheme: str) -> None:
    full.scheme(scheme)
    full.shot(f"full-{scheme}")
    assert full.check("faintTexts") == []
    assert full.check("faintControls") == []


def test_it_fits_a_telephone(full: Page) -> None:
    full.resize(375, 812)
    full.shot("telephone")
    assert full.check("sticksOut") == []
    assert full.check("smallTargets") == []
    full.run("document.querySelector('#queue').scrollIntoView()")
    full.shot("telephone-queue")
    full.resize(320, 640)
    assert full.check("sticksOut") == []
    full.resize(768, 1024)
    full.shot("tablet")
    assert full.check("sticksOut") == []


def test_a_long_queue_is_one_stop_of_the_tab_key(full: Page) -> None:
    row = full.row("queue", "Walden")
    full.focus(row)
    assert [
        one.get_attribute("data-id")
        for one in full.driver.find_elements("css selector", "#queue-list > [tabindex='0']")
    ] == [row.get_attribute("data-id")]
    assert full.run("return arguments[0].querySelectorAll('button[tabindex=\"0\"]').length", row) == 3


def test_the_focus_stays_near_when_its_row_goes(full: Page) -> None:
    full.focus(full.row("queue", "Jane Eyre"))
    full.act("queue", "Jane Eyre", "cancel")
    full.see_titles("queue", "Moby Dick", "Walden")
    assert full.focused == full.row("queue", "Moby Dick")


def test_the_reference_shows_every_call(daemon: Daemon, page: Page) -> None:
    daemon.start()
    described = daemon.get("/api/openapi.json")
    page.open(url(daemon) + "api/docs", live=False)
    page.find("article")
    methods = {"get", "post", "put", "patch", "delete"}
    calls = sum(len(methods & item.keys()) for item in described["paths"].values())
    assert len(page.texts("article h3 .method")) == calls
    assert len(page.texts("article[id^=schema-]")) == len(described["components"]["schemas"])
    assert page.check("brokenHeadings") == []
    assert page.check("brokenReferences") == []
    assert page.check("faintTexts") == []
    page.shot("reference")
    page.resize(375, 812)
    page.shot("reference-telephone")
    assert page.run("return document.documentElement.scrollWidth") <= 375
