"""Words of titles and names in the one form that the index keeps and the scores compare."""

from __future__ import annotations

import re
from functools import lru_cache

from bookhopper.search.normalise import fold

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_ROMAN = re.compile(r"x{0,3}(?:ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10}
_GROUPED_DIGITS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b", re.IGNORECASE)


def _roman(word: str) -> int:
    """Give the value of a Roman numeral below forty, else 0: larger ones are mostly words (`mix`, `civil`)."""
    if not _ROMAN.fullmatch(word):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in word]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _numerals(words: list[str]) -> list[str]:
    """Write every number in digits: `twenty thousand leagues` and `20000 leagues`, `henry iv` and `henry 4`."""
    plain: list[str] = []
    total = current = 0
    counting = False
    for word in [*words, ""]:
        if word in _SMALL and not (counting and 0 < current % 100 < 20):
            current, counting = current + _SMALL[word], True
            continue
        if counting and word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                current = max(current, 1) * scale
            else:
                total, current = total + max(current, 1) * scale, 0
            continue
        if counting:
            plain.append(str(total + current))
            total = current = 0
            counting = False
        if word in _SMALL:
            current, counting = _SMALL[word], True
        elif word:
            value = _roman(word) if len(word) > 1 or plain else 0
            plain.append(str(value) if value else word.lstrip("0") if word.isdecimal() else word)
    return [word for word in plain if word]


@lru_cache(maxsize=8192)
def title_words(text: str) -> tuple[str, ...]:
    """Split a title into plain words, numbers in digits."""
    return tuple(_numerals(fold(_GROUPED_DIGITS.sub("", text)).split()))


@lru_cache(maxsize=8192)
def name_words(text: str) -> tuple[str, ...]:
    """Split a name into plain words."""
    return tuple(fold(_POSSESSIVE.sub("", text)).split())
