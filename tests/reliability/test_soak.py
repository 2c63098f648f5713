"""The daemon under load for long: what it holds stays the same.

`BOOKHOPPER_SOAK` says for how many seconds, 60 by default; 28800 are eight hours.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest

from tests.reliability.soak import Sample, run, slope

SECONDS = float(os.environ.get("BOOKHOPPER_SOAK", "60"))
_MIB = 1024 * 1024

GROWTH = 0.05
"""By how much the last third may lie above the middle one.

The allocator's own ups and downs are 2 %; a leak of 400 KiB a round, of 24 books and some hundred requests,
would in a minute be seen."""

BYTES_AN_HOUR = 4 * _MIB
"""The trend that hours may have; less time than that says nothing of it, the database's caches filling up."""


def _resident(samples: tuple[Sample, ...]) -> float:
    return statistics.median(each.resident for each in samples)


@pytest.mark.timeout(SECONDS * 2 + 300)
def test_a_long_run_holds_no_more_than_a_short_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(tmp_path / "home", SECONDS)
    third = len(figures.busy) // 3
    middle, last = figures.busy[third : 2 * third], figures.busy[2 * third :]
    growth = _resident(last) / _resident(middle) - 1
    trend = slope(figures.busy[third:])
    with capsys.disabled():
        print(
            f"\nsoak of {figures.end.at:.0f} s, {len(figures.busy)} rounds: "
            f"{_resident(middle) / _MIB:.1f} MiB, later {_resident(last) / _MIB:.1f} MiB ({growth:+.1%}), "
            f"trend {trend * 3600 / _MIB:+.1f} MiB/h; at rest {figures.baseline.threads} threads and "
            f"{figures.baseline.files} files, in the end {figures.end.threads} and {figures.end.files}"
        )
    assert growth <= GROWTH
    if figures.end.at >= 3600:
        assert trend * 3600 <= BYTES_AN_HOUR
