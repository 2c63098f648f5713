"""Words of titles and names in the one form that the index keeps and the scores compare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from bookhopper.search.normalise import fold

TITLES = frozenset({
    "sir", "dr", "mr", "mrs", "ms", "miss", "lord", "lady", "dame", "saint", "st", "rev", "reverend",
    "prof", "professor", "captain", "capt", "general", "gen", "colonel", "col", "major", "count",
    "countess", "graf", "comte", "baron", "baroness", "duke", "prince", "princess", "madame", "mme",
    "monsieur", "brother", "hon", "sister", "father", "pope", "king", "queen", "emperor", "abbot", "by",
})  # fmt: skip
"""Words before a person's name that some catalogues write and others leave out."""

RANKS_OF_FIGURES = frozenset({
    "saint", "st", "captain", "capt", "prince", "princess", "brother", "sister", "father", "pope", "king",
    "queen", "emperor",
})  # fmt: skip
"""Those of them that with one more word name somebody in a book, seldom its author: `King John`."""

SUFFIXES = frozenset({"jr", "sr", "esq", "phd", "md", "ii", "iii"})
"""The same after a name."""

PARTICLES = frozenset({
    "de", "du", "da", "das", "di", "del", "della", "des", "der", "den", "van", "von", "und", "y", "of",
    "la", "le", "al", "el", "ibn", "bin", "ap", "af",
})  # fmt: skip
"""Small words inside family names."""

EPITHETS = frozenset({"of", "the"})
"""Words that follow the only name somebody has."""

NO_AUTHOR = frozenset({
    "", "anonymous", "anon", "unknown", "various", "various authors", "unknown author", "traditional", "n a",
})  # fmt: skip
"""What catalogues and lists write where no author is known."""

_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
_UNITS += ["twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALES = {"thousand": 1_000, "million": 1_000_000}
_ROMAN = re.compile(r"x{0,3}(?:ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10}
_GROUPED_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b", re.IGNORECASE)


def _roman(word: str) -> int:
    """Give the value of a Roman numeral below forty, else 0: larger ones are mostly words (`mix`)."""
    if not _ROMAN.fullmatch(word):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in word]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _adds(current: int, value: int, *, begun: bool) -> bool:
    """Tell whether a number goes on: twenty + three, hundred + seventeen, thousand + forty."""
    if current % 100 == 0:
        return begun
    return value < 10 and current % 100 >= 20 and current % 10 == 0


def _spelt_number(words: Sequence[str], start: int) -> tuple[int, int]:
    """Read the number that is spelt from `start` on: its value and the place after it."""
    total, current, place = 0, _SMALL[words[start]], start + 1
    while place < len(words):
        word = words[place]
        value = _SMALL.get(word)
        if (
            word == "and"
            and current + total >= 100
            and words[place + 1 : place + 2]
            and words[place + 1] in _SMALL
        ):
            place += 1
            continue
        if value is not None and _adds(current, value, begun=bool(current or total)):
            current += value
        elif value is not None and 10 < current < 100 and value >= 10:
            current = 100 * current + value  # a year: nineteen eighty-four
        elif word == "hundred" and current < 100:
            current *= 100
        elif word in _SCALES:
            total, current = total + current * _SCALES[word], 0
        else:
            break
        place += 1
    return total + current, place


def _numerals(words: Sequence[str]) -> Iterator[str]:
    """Write every number in digits: `twenty thousand` is `20000`, `henry iv` is `henry 4`."""
    place = 0
    while place < len(words):
        word = words[place]
        if word in _SMALL:
            value, place = _spelt_number(words, place)
            yield str(value)
            continue
        # A lone letter at the head is a pronoun or an initial: `I, Robot`.
        value = _roman(word) if len(word) > 1 or place else 0
        yield str(value or (int(word) if word.isdecimal() and len(word) < 10 else word))
        place += 1


@lru_cache(maxsize=8192)
def title_words(text: str) -> tuple[str, ...]:
    """Split a title into plain words, numbers in digits."""
    return tuple(_numerals(fold(_GROUPED_DIGITS.sub("", text)).split()))


@lru_cache(maxsize=8192)
def name_words(text: str) -> tuple[str, ...]:
    """Split a name into plain words."""
    return tuple(fold(_POSSESSIVE.sub("", text)).split())
