"""A browser beside the daemon; a test skips where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon, daemon, make_daemon, shelf

if TYPE_CHECKING:
    from tests.browser.page import Page

__all__ = ["MakeDaemon", "daemon", "make_daemon", "shelf"]

Open = Callable[[Daemon], "Page"]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A window; afterwards nothing may have complained, and no other host have been asked."""
    pytest.importorskip("selenium", reason="selenium is not installed: no browser test")
    # imported here, since it needs selenium
    from tests.browser import page as window  # noqa: PLC0415

    for program in (window.CHROMIUM, window.CHROMEDRIVER):
        if not Path(program).exists():
            pytest.skip(f"{program} is not installed: no browser test")
    monkeypatch.setenv("SE_OFFLINE", "true")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with window.browser(tmp_path / "profile") as shown:
        yield shown
        assert shown.complaints() == []
        assert shown.strangers() == set()
