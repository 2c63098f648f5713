"""A run of atheris over targets, each in a process of its own, and what came of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.daemon import ROOT

_UNITS = re.compile(r"stat::number_of_executed_units:\s+(\d+)|^#(\d+)\s", re.MULTILINE)
_COVER = re.compile(r" cov: (\d+) ")
_FIND = re.compile(r"^(?:\S*Error|\S*Exception|[\w.]+): .*|^==\d+== ?ERROR: .*", re.MULTILINE)
_INPUTS = ("crash-", "timeout-", "oom-", "leak-")
_GRACE_SECONDS = 90.0
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


def run(target: str, folder: Path, *, seconds: int = 0, runs: int = 0, finds: Path | None = None) -> Outcome:
    """Run a target for some seconds or cases; its corpus lies in `folder`, what was found in `finds`."""
    corpus = folder / target.replace(" ", "-")
    corpus.mkdir(parents=True, exist_ok=True)
    finds = finds or folder
    before = set(finds.iterdir())
    options = [f"-rss_limit_mb={_MOST_MIB}", f"-timeout={_LONGEST_CASE}", f"-artifact_prefix={finds}/"]
    options += ["-print_final_stats=1", "-seed=1"]
    options += [f"-max_total_time={seconds}"] if seconds else []
    options += [f"-runs={runs}"] if runs else []
    command = [sys.executable, "-m", "tests.fuzz.guided", target, str(corpus), *options]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=seconds + _GRACE_SECONDS if seconds else None,
    )
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    return _outcome(target, told, done.returncode, sorted(set(finds.iterdir()) - before))


def _outcome(target: str, told: str, status: int, left: Sequence[Path]) -> Outcome:
    cases = max((int(final or running) for final, running in _UNITS.findall(told)), default=0)
    branches = max(map(int, _COVER.findall(told)), default=0)
    inputs = [
        path for path in left if path.name.startswith(("crash-", "timeout-", "oom-", "slow-unit-", "leak-"))
    ]
    if status == 0:
        return Outcome(target, cases, branches)
    found = _FIND.search(told)
    what = found[0] if found else told[-400:].replace("\n", " ")
    kept = next((str(path) for path in inputs), "")
    return Outcome(target, cases, branches, what[:300], kept, "EscapeError" in told)


def table(outcomes: Sequence[Outcome]) -> str:
    """Write the outcomes, a line each, and the figures."""
    lines = [f"{'target':<28} {'cases':>10} {'branches':>9}  find"]
    lines += [
        f"{o.target:<28} {o.cases:>10,} {o.branches:>9,}  {o.find} {o.input}".rstrip() for o in outcomes
    ]
    escapes = sum(each.escaped for each in outcomes)
    crashes = sum(bool(each.find) and not each.escaped for each in outcomes)
    lines.append(
        f"fuzz: {sum(each.cases for each in outcomes):,} cases tried over {len(outcomes)} targets, "
        f"{crashes} crashes, {escapes} escapes"
    )
    return "\n".join(lines)
