"""Atheris over every target for a moment: the same table, but led by what the code does with a case."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.fuzz.campaign import run, table
from tests.fuzz.target import TALLY
from tests.fuzz.targets import TARGETS

SECONDS = 1


@pytest.mark.timeout(300)
def test_nothing_is_found_by_looking_for_it(tmp_path: Path) -> None:
    """`python -m tests.fuzz all --seconds 600` looks for longer."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install atheris")
    finds = tmp_path / "finds"
    finds.mkdir()

    outcomes = run([target.name for target in TARGETS], tmp_path, finds=finds, seconds=SECONDS)
    TALLY.cases.update({outcome.target: outcome.cases for outcome in outcomes})
    print(table(outcomes))
    assert not any(outcome.find for outcome in outcomes), table(outcomes)
    assert all(outcome.cases for outcome in outcomes), table(outcomes)
