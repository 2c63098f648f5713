"""What a series is known by, however a catalogue or a person writes its name."""

from __future__ import annotations

from bookhopper.search.title import title

_KINDS = frozenset(("series", "novels", "books", "chronicles", "saga", "trilogy", "cycle", "sequence"))
"""What some write behind the name of a series and others do not."""


def series_words(name: str) -> tuple[str, ...]:
    """Give the telling words: the same for `The Barchester Chronicles` and `Barchester`."""
    words = title(name).full if name else ()
    while len(words) > 1 and words[-1] in _KINDS:
        words = words[:-1]
    return words
