"""A run of atheris over targets, each in a process of its own, and what came of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.daemon import ROOT

_UNITS = re.compile(r"stat::number_of_executed_units:\s+(\d+)|^#(\d+)\s", re.MULTILINE)
_COVER = re.compile(r" cov: (\d+) ")
_FIND = re.compile(r"^(?:\S*Error|\S*Exception): .*|^==\d+== ?ERROR: .*", re.MULTILINE)
_WRITTEN = re.compile(r"Test unit written to (\S+)")
_MOST_MIB = 2048
_LONGEST_CASE = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one target's run came to; `find` is empty or one line, with the input's file in `input`."""

    target: str
    cases: int
    branches: int
    find: str = ""
    input: str = ""
    escaped: bool = False


def run(
    targets: Sequence[str], folder: Path, *, finds: Path, seconds: int = 0, runs: int = 0
) -> list[Outcome]:
    """Try each target for some seconds or cases; its corpus lies in `folder`, its finds in `finds`."""
    options = [f"-rss_limit_mb={_MOST_MIB}", f"-timeout={_LONGEST_CASE}", f"-artifact_prefix={finds}/"]
    options += ["-print_final_stats=1", "-seed=1"]
    options += [f"-max_total_time={seconds}"] if seconds else []
    options += [f"-runs={runs}"] if runs else []
    command = [sys.executable, "-m", "tests.fuzz.guided", str(folder), *targets, *options]
    # measured as well, a case would take three times as long
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, cwd=ROOT, env=unmeasured, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode("utf-8", "replace"))
    return [_outcome(target, folder / f"{target.replace(' ', '-')}.log") for target in targets]


def _outcome(target: str, log: Path) -> Outcome:
    status, _, told = log.read_text(encoding="utf-8", errors="replace").partition("\n")
    cases = max((int(final or running) for final, running in _UNITS.findall(told)), default=0)
    branches = max(map(int, _COVER.findall(told)), default=0)
    if status == "0":
        return Outcome(target, cases, branches)
    found, written = _FIND.search(told), _WRITTEN.search(told)
    what = found[0] if found else told[-400:].replace("\n", " ")
    return Outcome(target, cases, branches, what[:300], written[1] if written else "", "EscapeError" in told)


def table(outcomes: Sequence[Outcome]) -> str:
    """Write the outcomes, a line each, and the figures."""
    lines = [f"{'target':<28} {'cases':>10} {'branches':>9}  find"]
    for each in outcomes:
        figures = f"{each.target:<28} {each.cases:>10,} {each.branches:>9,}"
        lines.append(f"{figures}  {each.find} {each.input}".rstrip())
    escapes = sum(each.escaped for each in outcomes)
    crashes = sum(bool(each.find) and not each.escaped for each in outcomes)
    lines.append(
        f"fuzz: {sum(each.cases for each in outcomes):,} cases tried over {len(outcomes)} targets, "
        f"{crashes} crashes, {escapes} escapes"
    )
    return "\n".join(lines)
