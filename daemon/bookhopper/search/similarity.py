"""How alike the words of two titles are, each weighed by how much it says."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from bookhopper.search.person import sound
from bookhopper.search.slips import slips
from bookhopper.search.words import title_words

Words = tuple[str, ...]

_SMALL_WORDS = frozenset({
    "the", "a", "an", "of", "and", "in", "on", "to", "or", "for", "from", "with", "by", "at", "as", "its",
    "der", "die", "das", "und", "von", "le", "la", "les", "et", "du", "des", "de", "el", "y", "il", "e",
    "en", "s",
})  # fmt: skip
"""Words that join others and say nothing."""

_COMMON_WORDS = frozenset({
    "story", "stories", "tale", "tales", "history", "life", "adventure", "adventures", "book", "books",
    "novel", "romance", "works", "work", "poems", "letters", "essays", "great", "new", "little", "old",
    "man", "strange", "memoirs", "journal", "case", "king", "other", "being", "volume", "edition",
})  # fmt: skip
"""Words that half the titles share, so that sharing them says little."""

_FILLERS = frozenset({"his", "her", "their", "my", "our", "holy", "sacred"})
"""Words that one edition has where another has an article: `His Masterpiece`, `The Holy Bible`."""

_EDITION_WORDS = frozenset({"complete", "unabridged", "illustrated", "annotated", "version"})
"""Words that say what kind of edition it is, and nothing about the work."""

_ADDRESSES = frozenset({"doctor", "mister", "mrs", "miss", "sir", "saint", "lady", "lord", "captain"})
"""Words before names, which one edition has and another leaves out."""


def weigh(words: Iterable[str]) -> float:
    """Tell how much words of a title say; 1 for a word of meaning, less for what many titles share."""
    return sum(map(_weight, words))


def telling_words(words: Words) -> frozenset[str]:
    """Give the words of a title that mean something."""
    return frozenset(word for word in words if word not in _SMALL_WORDS)


def is_telling(words: Words) -> bool:
    """Tell whether the first words of a title are enough to know it by: two of meaning, or a long one."""
    return weigh(words) >= 1.7 or any(len(word) > 9 and word not in _COMMON_WORDS for word in words)


def _weight(word: str) -> float:
    if word in _SMALL_WORDS or word in _ADDRESSES or word in _EDITION_WORDS:
        return 0.12
    if word in _FILLERS:
        return 0.3
    return 0.6 if word in _COMMON_WORDS else 1.0


def _alike(one: str, other: str) -> float:
    """Compare two words of titles: a slip of the pen counts nearly as the word, another number does not."""
    longer, shorter = max(len(one), len(other)), min(len(one), len(other))
    if longer < 4 or longer - shorter > 2:
        return 0.0
    if one.isdigit() or other.isdigit() or (one in _COMMON_WORDS and other in _COMMON_WORDS):
        return 0.0
    apart = slips(one, other, 2)
    if apart == 1:
        return 0.88 if longer < 6 else 0.92
    if apart == 2 and longer >= 6 and len(sound(one)) > 2 and sound(one) == sound(other):
        return 0.88
    return 0.85 if apart == 2 and longer >= 8 else 0.0


@lru_cache(maxsize=16384)
def word_ends(text: str) -> frozenset[str]:
    """Give the first and the last letters of a title's telling words: alike words share one of the two."""
    telling = [word for word in title_words(text) if word not in _SMALL_WORDS] or title_words(text)
    ends = {f"{word[:3] if len(word) > 5 else word[:2]}-" for word in telling}
    return frozenset(ends.union(f"-{word[-3:]}" for word in telling))


def _nearest(word: str, pool: Iterable[str]) -> tuple[float, str]:
    best, twin = 0.0, ""
    for other in pool:
        # A slip seldom hits both ends of a word.
        if word[0] == other[0] or word[-1] == other[-1]:
            worth = _alike(word, other)
            if worth > best:
                best, twin = worth, other
    return best, twin


@lru_cache(maxsize=65536)
def similarity(one: Words, other: Words) -> float:
    """Compare two forms by the words they share, weighed by how much a word says: 0 to 1."""
    if one == other:
        return 1.0 if one else 0.0
    pool = list(other)
    rest: list[str] = []
    shared = 0.0
    for word in one:
        if word in pool:
            pool.remove(word)
            shared += 2 * _weight(word)
        else:
            rest.append(word)
    whole = weigh(one) + weigh(other)
    if shared < 0.25 * whole and len(one) > 2:
        return shared / whole
    for word in rest:
        worth, twin = _nearest(word, pool)
        if worth:
            pool.remove(twin)
            shared += worth * (_weight(word) + _weight(twin))
    if rest and pool and "".join(one) == "".join(other):
        return 0.99
    return shared / whole
