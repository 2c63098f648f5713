"""Every target with the same cases each time: none crashes, hangs or escapes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import cases
from tests.fuzz.target import Target, attempt
from tests.fuzz.targets import TARGETS

EXAMPLES = 100


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_crashes_hangs_or_escapes(target: Target) -> None:
    seeds = target.seeds()
    with target.opened() as case:
        for seed in seeds:
            attempt(target, case, seed)

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def tried(data: st.DataObject) -> None:
            attempt(target, case, data.draw(cases(target, seeds)))

        tried()
