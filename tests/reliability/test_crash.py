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
from tests.reliability.crash_steps import (
    COPYING,
    DELIVERY,
    FETCHING,
    INTAKE,
    SCRIPTS,
    STARTING,
    SUB_FOLDERS,
    TAKING_UP,
    Step,
)
from tests.reliability.crash_sweep import Sweep
from tests.reliability.crash_wants import Wants, shelves
from tests.scripts import shell

EVERYWHERE = (*INTAKE, *FETCHING, *DELIVERY, *SCRIPTS, *STARTING)
ELSEWHERE = (*COPYING, *DELIVERY)
INSIDE = (*SUB_FOLDERS, *DELIVERY, *TAKING_UP)


@contextmanager
def sweeping(folder: Path, ingest: Path | None, kills: int, sub_folder: str = "") -> Iterator[Sweep]:
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
            "naming": {"folder": sub_folder},
        }
        daemon = Daemon(folder / "home", settings, ingest=ingest)
        try:
            with consuming(daemon.ingest, wants.is_whole) as consumer:
                yield Sweep(daemon, wants, catalogue, consumer, impatient=bool(sub_folder))
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
        sweep.run(steps, kills)
    judge(sweep, name, steps, figures)
    judge_told(sweep, tmp_path)


@pytest.mark.timeout(24 * 3600)
def test_kills_lose_nothing_and_double_nothing_in_sub_folders(
    tmp_path: Path, pytestconfig: pytest.Config, figures: Figures
) -> None:
    """Each author has a folder, which the consumer removes as soon as it is empty."""
    kills = pytestconfig.getoption("--kills") // 40
    with sweeping(tmp_path, None, kills, "{author}") as sweep:
        sweep.run(INSIDE, kills)
    judge(sweep, "books in sub-folders", INSIDE, figures)
    judge_told(sweep, tmp_path)


def judge(sweep: Sweep, name: str, steps: Sequence[Step], figures: Figures) -> None:
    """See what has come of it."""
    figures(f"crash sweep, {name}", sweep.figures())
    assert set(sweep.steps) >= {step.name for step in steps}
    assert sweep.consumer.partial == []
    assert sweep.consumer.foreign == []
    assert sweep.consumer.eaten == sweep.wants.expected
    assert sweep.unsettled() == []
    assert left_over(sweep.daemon) == []


def judge_told(sweep: Sweep, folder: Path) -> None:
    """See that the script was told of each book that came, at least once."""
    told = (folder / "told").read_text(encoding="utf-8").splitlines()
    assert set(told) == {Path(name).name for name in sweep.consumer.names}


def left_over(daemon: Daemon) -> list[str]:
    """List what a crash has left lying about: private lists, half-made files, part files, runs owed."""
    requests = [path for path in daemon.requests.rglob("*") if path.is_file()]
    left = [path for path in requests if path.name.startswith(".") or not path.stat().st_size]
    for folder in ("parts/*.part", "scratch/*", "scripts-owed/*"):
        left += daemon.state.glob(folder)
    return sorted(map(str, left))
