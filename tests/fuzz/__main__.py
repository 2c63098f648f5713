"""Looks for input that breaks something: `python -m tests.fuzz TARGET|all [--seconds N | --runs N]`.

`python -m tests.fuzz TARGET FILE…` tries single inputs again, such as one that was found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import run, table
from tests.fuzz.target import TALLY, attempt
from tests.fuzz.targets import TARGETS, named


def main() -> int:
    """Run what the command line asks for; the exit status is 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help=f"all, or one of: {', '.join(target.name for target in TARGETS)}")
    parser.add_argument("inputs", nargs="*", type=Path, help="inputs to try again")
    parser.add_argument("--seconds", type=int, default=0, help="for how long each target is tried (60)")
    parser.add_argument("--runs", type=int, default=0, help="how many cases of each target are tried")
    parser.add_argument("--corpus", type=Path, help="a folder in which the corpora stay and grow")
    given = parser.parse_args()
    names = [target.name for target in TARGETS] if given.target == "all" else [given.target]
    if given.inputs:
        return _again(names[0], given.inputs)
    seconds = given.seconds or (0 if given.runs else 60)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = run(names, folder.absolute(), finds=Path.cwd(), seconds=seconds, runs=given.runs)
    print(table(outcomes))
    return 1 if any(outcome.find for outcome in outcomes) else 0


def _again(name: str, inputs: list[Path]) -> int:
    target = named(name)
    with target.opened() as case:
        for path in inputs:
            attempt(target, case, path.read_bytes())
    print(", ".join(f"{value} {name}" for name, value in TALLY.figures().items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
