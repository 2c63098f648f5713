"""What the tests of reliability have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is entered here ends with the test, the latest first."""
    with ExitStack() as held:
        yield held
