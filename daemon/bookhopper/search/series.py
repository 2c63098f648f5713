"""What a series is known by, however a catalogue or a person writes its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bookhopper.model import Candidate, Want
from bookhopper.search.person import authorship
from bookhopper.search.similarity import similarity, telling_words
from bookhopper.search.title import title

KINDS = frozenset((
    "series", "novels", "novel", "books", "book", "chronicles", "chronicle", "saga", "trilogy", "tetralogy",
    "quartet", "quintet", "cycle", "sequence",
))  # fmt: skip
"""What some write behind the name of a series, or as `Chronicles of X` before it, and others do not."""

_ARTICLES = frozenset(("the", "a", "an"))
_NEAR = 0.5
"""How well two names must agree for one to be worth asking whether it is meant."""

_PERHAPS_THE_AUTHOR = 0.85
_MOST_SERIES = 3
_BEGINNING = 4
"""From how many letters on a word may be the beginning of another, or the same."""


def series_words(name: str) -> tuple[str, ...]:
    """Give the telling words: the same for `The Barset Chronicles`, `Chronicles of Barset` and `Barsets`."""
    words = title(name).full if name else ()
    while len(words) > 1 and words[-1] in KINDS:
        words = words[:-1]
    if len(words) > 2 and words[0] in KINDS and words[1] == "of":
        words = words[2:]
    while len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return tuple(_singular(word) for word in words)


def is_near(wanted: str, offered: str) -> bool:
    """Tell whether one name of a series may be a slip of the pen for another, or a part of it."""
    mine, theirs = series_words(wanted), series_words(offered)
    if not (mine and theirs):
        return False
    begins = any(
        one.startswith(other) or other.startswith(one)
        for one in telling_words(mine)
        for other in telling_words(theirs)
        if min(len(one), len(other)) >= _BEGINNING
    )
    return begins or similarity(mine, theirs) >= _NEAR


def near_series(want: Want, offered: Sequence[Candidate]) -> list[str]:
    """Give the names of the series that may be meant: near ones, or the author's own; the likeliest first."""
    if not want.series:
        return []
    by_words: dict[tuple[str, ...], str] = {}
    times: Counter[tuple[str, ...]] = Counter()
    for book in offered:
        name, author = series_words(book.series), want.authors
        by_author = bool(author) and authorship(author, book.authors) >= _PERHAPS_THE_AUTHOR
        if name and (by_author or (not author and is_near(want.series, book.series))):
            by_words.setdefault(name, book.series)
            times[name] += 1
    wanted = series_words(want.series)
    likely = sorted(times, key=lambda name: (-similarity(wanted, name), -times[name], name))
    return [by_words[name] for name in likely[:_MOST_SERIES]]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("ss") else word
