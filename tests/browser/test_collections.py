"""A whole collection on the page: how far it is, and all of its books changed from its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_page import url
from tests.daemon import Daemon
from tests.e2e.conftest import path_of
from tests.e2e.test_collections import begun, children, daemon, shelf
from tests.fakes.mirror import Mirror

if TYPE_CHECKING:
    from tests.browser.page import Page

__all__ = ["daemon", "shelf"]

WORKS = "works of: Lewis Carroll"
FACTS = "#collections-list .facts"


def test_a_collection_is_changed_as_one_from_its_row(daemon: Daemon, shelf: Mirror, page: Page) -> None:
    whole = begun(daemon, shelf)["id"]
    page.open(url(daemon))
    page.see_titles("collections", WORKS)
    page.see(FACTS, "0 of 4 books · 1 running")
    page.unfold("collections", WORKS)
    box = page.find("#collections-list [name=priority]")
    box.clear()
    box.send_keys("-1", "\ue007")
    page.await_(lambda: page.texts("#queue-list .urgency") == ["!!"] * 3, "three books more urgent")
    page.shot("collection")

    page.act("collections", WORKS, "pause")
    page.see(FACTS, "0 of 4 books · paused")
    page.await_(lambda: len(page.titles("queue")) == 4, "the running one to be put back")
    assert all(job["paused"] for job in children(daemon, whole))
    shelf.hold(path_of(11), 60_000, drips=True)
    page.act("collections", WORKS, "pause")
    page.see(FACTS, "0 of 4 books · 1 running")
    page.act("collections", WORKS, "cancel")
    page.see_notices(f"Cancelled: {WORKS}")
    page.see_titles("collections")
    page.see_titles("queue")
    assert daemon.counts() == {"cancelled": 5}

    page.press(".notice .undo")
    page.await_(lambda: page.find("#count-done").text == "4", "all of its books")
    page.see_titles("collections")
    assert daemon.counts() == {"done": 4, "expanded": 1}


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_collection_can_be_made_out(
    daemon: Daemon, shelf: Mirror, page: Page, scheme: str, width: int
) -> None:
    begun(daemon, shelf)
    page.resize(width, 900)
    page.scheme(scheme)
    page.open(url(daemon))
    page.unfold("collections", WORKS)
    page.find("#collections-list [name=priority]")
    page.shot(f"collection-{scheme}-{width}")
    assert page.check("faintTexts") == []
    assert page.check("brokenHeadings") == []
    assert page.check("brokenReferences") == []
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
