"""The figure at the end of a run: cases tried, crashes, escapes."""

from __future__ import annotations

import pytest

from tests.fuzz.target import TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.cases:
        terminalreporter.write_line(str(TALLY))
