"""What holds for all tests: a skip is a failure where peers are required; figures are told at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.queues import Queue

Figures = Callable[[str, Mapping[str, object]], None]
"""Keeps what a test has measured, under a heading, for the end of the run."""

_REQUIRED = os.environ.get("BOOKHOPPER_REQUIRE_PEERS") == "1"
_LONGEST = Path(__file__).parent / "reliability"
_KEPT = pytest.StashKey[list[tuple[str, dict[str, str]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bookhopper")
    group.addoption("--kills", type=int, default=40, help="how often the crash sweep kills the daemon")
    group.addoption("--soak", type=float, default=60.0, help="for how many seconds the soak runs; 28800: 8 h")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first, so that several processes end together."""
    items.sort(key=lambda item: not item.path.is_relative_to(_LONGEST))  # a stable sort


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _REQUIRED and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped where nothing may be (BOOKHOPPER_REQUIRE_PEERS=1): {reason}"
        )
    return report


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """A store with an empty queue, and what fills it."""
    queue = Queue(tmp_path)
    yield queue
    queue.close()


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
    def keep(heading: str, measured: Mapping[str, object]) -> None:
        told = {str(name): str(value) for name, value in measured.items()}
        pytestconfig.stash[_KEPT].append((heading, told))

    return keep


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # one of several processes hands them to the one that shows them
        output["figures"] = session.config.stash[_KEPT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_KEPT] += getattr(node, "workeroutput", {}).get("figures", ())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for heading, measured in config.stash[_KEPT]:
        terminalreporter.section(heading)
        width = max(map(len, measured), default=0)
        for name, value in measured.items():
            terminalreporter.line(f"{name:<{width}}  {value}")
