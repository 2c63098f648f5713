"""Tables in the docstrings of test modules: a point of a reference, and the tests that hold it.

A line of a table is the point's number, a test module under `tests/`, and a test in it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

_TESTS = Path(__file__).resolve().parent
_LINE = re.compile(r"^ +(?P<point>\d+) +(?P<module>[\w/]+\.py) +(?P<test>test_\w+)$", re.MULTILINE)


def check_points(table: str | None, points: int) -> None:
    """Fail unless each of the points from 1 has a test, and each test that is named exists."""
    lines = list(_LINE.finditer(table or ""))
    assert {int(line["point"]) for line in lines} == set(range(1, points + 1))
    missing = [line[0].strip() for line in lines if line["test"] not in _tests_in(_TESTS / line["module"])]
    assert missing == []


def _tests_in(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
