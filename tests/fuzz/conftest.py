"""The figure at the end of a run: cases tried, crashes, escapes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Figures
from tests.fuzz.target import TALLY


@pytest.fixture(scope="module", autouse=True)
def _told(figures: Figures, request: pytest.FixtureRequest) -> Iterator[None]:
    """Tell what the tests of a module have tried."""
    TALLY.clear()
    yield
    if TALLY.cases:
        figures(f"hostile input, {request.node.name}", TALLY.figures())
