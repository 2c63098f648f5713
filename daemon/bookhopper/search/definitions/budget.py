"""What reading one page may cost, since both the page and the definition may come from strangers."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bookhopper.errors import TransientError

PATTERN_SECONDS = 2.0
"""For all regular expressions on one page together; a hundred rows take some hundredths of that."""

STEPS = 200_000
"""Template steps on one page; a hundred rows of twenty fields take about ten thousand."""

MAX_TEXT = 64 * 1024
"""Characters in one value: longer ones are no field of a book."""


class BudgetError(TransientError):
    """Reading a page by its definition costs more than it may."""


@dataclass(slots=True)
class Budget:
    """What is left for one page: seconds for regular expressions, and template steps."""

    seconds: float = PATTERN_SECONDS
    steps: int = STEPS

    def step(self) -> None:
        """Pay for one step of a template; raises BudgetError."""
        self.steps -= 1
        if self.steps < 0:
            raise BudgetError(f"the templates take more than {STEPS:,} steps on one page")

    def bounded(self, text: str) -> str:
        """Give a value that is no longer than one may be; raises BudgetError."""
        self.fits(len(text))
        return text

    def fits(self, length: int) -> None:
        """Raise BudgetError when a value of so many characters would be too long."""
        if length > MAX_TEXT:
            raise BudgetError(f"a value grows beyond {MAX_TEXT:,} characters")


class Timed:
    """Takes the time that a block needs from a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._begun = 0.0

    def __enter__(self) -> float:
        """Give the seconds that are left."""
        self._begun = time.monotonic()
        return max(self._budget.seconds, 0.001)

    def __exit__(self, *_: object) -> None:
        self._budget.seconds -= time.monotonic() - self._begun
