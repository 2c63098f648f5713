"""A clock that is set while the daemon runs, by libfaketime: nothing waits for a moment of the old one."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.fakes.faulty import status
from tests.reliability.faults_home import Home
from tests.waiting import until

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
_DAY = 86400
_INTAKE = {"settle": "0.1 s", "rescan": "1 s", "polling": "always"}
"""Polled, because libfaketime breaks the sleep that watchdog uses with inotify (EINVAL)."""


class WallClock:
    """The time of day as the daemon sees it."""

    def __init__(self, home: Home, file: Path, days: int) -> None:
        if not _LIBRARIES:
            pytest.skip("libfaketime is not installed")
        self._file = file
        self.set(days)
        home.daemon.environment |= {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, days: int) -> None:
        """Let it be so many days ahead of the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{days:+d}d\n", encoding="ascii")
        new.rename(self._file)


def _last_scan(home: Home) -> float:
    """Tell when the folder was scanned last, as the daemon's clock had it."""
    (url,) = re.findall(r"listening on (\S+)", home.daemon.log)[-1:]
    with build_opener(ProxyHandler({})).open(f"{url}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    (moment,) = re.findall(r"^bookhopper_watcher_last_scan_timestamp_seconds (\S+)", text, re.MULTILINE)
    return float(moment)


@pytest.mark.parametrize(("before", "after", "way"), [(30, 0, "back"), (0, 30, "forward")])
def test_a_clock_that_is_set(before: int, after: int, way: str, tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack, intake=_INTAKE)
    clock = WallClock(home, tmp_path / "clock", before)
    home.daemon.start()
    home.wish()
    home.await_all()
    until(lambda: abs(_last_scan(home) - time.time() - before * _DAY) < _DAY, lambda: home.daemon.log)
    home.answer_next(status(429, Retry_After="2"))
    home.wish()
    home.await_said(r"job 2 waits: .* is left alone for 2 s: it asks for a pause")
    clock.set(after)
    home.await_said(f"the clock was set {way} by 30 days; what waits is looked at now")
    until(lambda: abs(_last_scan(home) - time.time() - after * _DAY) < _DAY, lambda: home.daemon.log)
    home.wish()
    home.await_all()
    home.end()


def test_a_clock_that_was_wrong_before_a_start(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack, intake=_INTAKE)
    clock = WallClock(home, tmp_path / "clock", 300)
    home.daemon.start()
    home.answer_next(status(429, Retry_After="3600"))
    home.wish()
    home.await_said(r"job 1 waits: .* it asks for a pause")
    assert home.daemon.stop() == 0
    clock.set(0)
    home.daemon.start()
    home.await_all()
    home.end()
