"""Killed at every step and at random, and started again, until all is settled: nothing lost, nothing doubled.

The daemon is a process of its own, killed with SIGKILL; a consumer eats the ingest folder all the while.
`--kills 1000` kills so often.  The seed of the random moments is said at the end; `BOOKHOPPER_SEED` sets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Figures
from tests.daemon import Daemon
from tests.reliability.consumer import consuming
from tests.reliability.crash_steps import COPYING, DELIVERY, FETCHING, INTAKE, SCRIPTS, STARTING, Step
from tests.reliability.crash_sweep import Sweep, plan
from tests.reliability.crash_wants import Wants, shelves
from tests.scripts import shell
from tests.waiting import until

EVERYWHERE = (*INTAKE, *FETCHING, *DELIVERY, *SCRIPTS, *STARTING)
ELSEWHERE = (*COPYING, *DELIVERY)


@contextmanager
def sweeping(folder: Path, ingest: Path | None, kills: int) -> Iterator[Sweep]:
    wants = Wants(folder, most=8 * (kills + 60))
    with shelves(wants) as (served, catalogue):
        settings = {
            "sources": wants.sources(served, catalogue),
            "formats": ["epub", "pdf"],
            "download": {"workers": 3, "keep_free": 0},
            "script": {
                "after_verify": str(shell(folder, 'exec test -s "$1"', "look.sh")),
                "after_delivery": str(shell(folder, f'echo "${{1##*/}}" >> {folder}/told', "tell.sh")),
            },
        }
        daemon = Daemon(folder / "home", settings, ingest=ingest)
        try:
            with consuming(daemon.ingest, wants.is_whole) as consumer:
                yield Sweep(daemon, wants, catalogue, consumer)
        finally:
            daemon.close()


@pytest.fixture(params=["ingest on the same filesystem", "ingest on another filesystem"])
def place(request: pytest.FixtureRequest) -> tuple[str, Path | None, Sequence[Step]]:
    if request.param.endswith("same filesystem"):
        return request.param, None, EVERYWHERE
    other = request.getfixturevalue("other_filesystem")
    return request.param, other, ELSEWHERE


@pytest.mark.timeout(24 * 3600)
def test_kills_lose_nothing_and_double_nothing(
    place: tuple[str, Path | None, Sequence[Step]],
    tmp_path: Path,
    pytestconfig: pytest.Config,
    figures: Figures,
) -> None:
    name, ingest, steps = place
    kills = pytestconfig.getoption("--kills") // 2
    with sweeping(tmp_path, ingest, kills) as sweep:
        sweep.index()
        for step in plan(steps, kills):
            if step is None:
                sweep.kill_at_random()
            else:
                sweep.kill_at(step)
        sweep.settle()
        until(lambda: not sweep.daemon.delivered(), lambda: f"ingest is empty: {sweep.daemon.delivered()}")
    figures(f"crash sweep, {name}", sweep.figures())
    assert set(sweep.steps) >= {step.name for step in steps}
    assert sweep.consumer.partial == []
    assert sweep.consumer.foreign == []
    assert sweep.consumer.eaten == sweep.wants.expected
    assert sweep.unsettled() == []
    told = (tmp_path / "told").read_text(encoding="utf-8").splitlines()
    assert set(told) == set(sweep.consumer.names), "the script was told of each book that came, at least once"
    assert left_over(sweep.daemon) == []


def left_over(daemon: Daemon) -> list[str]:
    """List what a crash has left lying about: private lists, half-made files, part files, runs owed."""
    requests = [path for path in daemon.requests.rglob("*") if path.is_file()]
    left = [path for path in requests if path.name.startswith(".") or not path.stat().st_size]
    for folder in ("parts/*.part", "scratch/*", "scripts-owed/*"):
        left += daemon.state.glob(folder)
    return sorted(map(str, left))
