"""Disks that are full: at whatever step it is met, it is said once, waited out, and nothing is lost."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.reliability.faults_home import BOOK_BYTES, Home, disk

LEFT = (0, 16_384, 100_000, BOOK_BYTES + 30_000, 2 * BOOK_BYTES + 60_000)
"""Bytes that are left: for nothing, for the list, for half a book, for a book, for a book and its copy."""


@pytest.mark.parametrize(
    "where", ["", "state", "ingest", "requests"], ids=lambda where: where or "one for all"
)
def test_a_disk_that_fills_up_at_any_step(where: str, tmp_path: Path, stack: ExitStack) -> None:
    base = tmp_path / "home"
    base.mkdir()
    full = stack.enter_context(disk(base / where, 16_000_000))
    home = Home(base, stack)
    home.daemon.start()
    for left in LEFT:
        known = len(home.daemon.log)
        ((hidden, visible),) = home.prepare()
        full.fill(left)
        hidden.rename(visible)
        home.await_trouble(known)
        full.make_room()
        home.await_all()
    home.end()
