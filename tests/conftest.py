"""A test that needs what is not installed skips, and says so; where peers are required that is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

_REQUIRED = os.environ.get("BOOKHOPPER_REQUIRE_PEERS") == "1"


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
