"""Slips of the pen: how many lie between two words, and which words are but a few away.

rapidfuzz is imported only when something is compared: 15 ms and 3 MiB, for which an idle daemon can wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache


def slips(one: str, other: str, most: int) -> int:
    """Count the letters to change, to add, to leave out or to swap; `most` + 1 for more than `most`."""
    return _distance()(one, other, score_cutoff=most)


def tolerated(word: str) -> int:
    """Tell how many slips leave a word recognisable: one, in a long word two."""
    return 1 if len(word) < 8 else 2


def nearest(word: str, words: Sequence[str], limit: int) -> list[tuple[str, int]]:
    """Find at most `limit` of the words that a tolerated number of slips make of one, with that number."""
    from rapidfuzz import process  # noqa: PLC0415

    found = process.extract(word, words, scorer=_distance(), score_cutoff=tolerated(word), limit=limit)
    return [(other, int(apart)) for other, apart, _ in found]


@cache
def _distance() -> Callable[..., int]:
    from rapidfuzz.distance import OSA  # noqa: PLC0415

    return OSA.distance
