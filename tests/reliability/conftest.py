"""What the tests of reliability have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture
def other_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem than the tests' own."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(prefix="bookhopper-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is entered here ends with the test, the latest first."""
    with ExitStack() as held:
        yield held
