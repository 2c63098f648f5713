"""The daemon under load for long: what it holds stays the same.

`--soak` says for how many seconds, 60 by default; 28800 are eight hours.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.conftest import Figures
from tests.reliability.soak import Sample, run, slope

_MIB = 1024 * 1024

GROWTH = 0.05
"""By how much the last third may lie above the middle one.

The allocator's own ups and downs are 2 %; a leak of 400 KiB a round, of 24 books and some hundred requests,
would in a minute be seen."""

BYTES_AN_HOUR = 4 * _MIB
"""The trend that hours may have; less time than that says nothing of it, the database's caches filling up."""


def _resident(samples: tuple[Sample, ...]) -> float:
    return statistics.median(each.resident for each in samples)


@pytest.mark.timeout(24 * 3600)
def test_a_long_run_holds_no_more_than_a_short_one(
    tmp_path: Path, pytestconfig: pytest.Config, figures: Figures
) -> None:
    soak = run(tmp_path / "home", pytestconfig.getoption("--soak"))
    third = len(soak.busy) // 3
    middle, last = soak.busy[third : 2 * third], soak.busy[2 * third :]
    growth = _resident(last) / _resident(middle) - 1
    trend = slope(soak.busy[third:])
    figures(
        f"soak of {soak.end.at:.0f} s, {len(soak.busy)} rounds",
        {
            "MiB in the middle third": f"{_resident(middle) / _MIB:.1f}",
            "MiB in the last third": f"{_resident(last) / _MIB:.1f} ({growth:+.1%})",
            "trend": f"{trend * 3600 / _MIB:+.1f} MiB/h",
            "threads at rest, before and after": f"{soak.baseline.threads}, {soak.end.threads}",
            "files at rest, before and after": f"{soak.baseline.files}, {soak.end.files}",
        },
    )
    assert growth <= GROWTH
    if soak.end.at >= 3600:
        assert trend * 3600 <= BYTES_AN_HOUR
