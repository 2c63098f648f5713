"""Figures that the tests of this folder measure, said at the end of the run; and how much they are to do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

Figures = Callable[[str, Mapping[str, object]], None]
"""Keeps what was measured, under a heading, for the end of the run."""

_KEPT = pytest.StashKey[list[tuple[str, Mapping[str, object]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=40, help="how often the crash sweep kills the daemon")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT] = []


@pytest.fixture
def other_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem than the tests' own."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(prefix="bookhopper-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return lambda heading, measured: pytestconfig.stash[_KEPT].append((heading, measured))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for heading, measured in config.stash[_KEPT]:
        terminalreporter.section(heading)
        width = max(map(len, measured))
        for name, value in measured.items():
            terminalreporter.line(f"{name:<{width}}  {value}")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is entered here ends with the test, the latest first."""
    with ExitStack() as held:
        yield held
