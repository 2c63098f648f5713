"""A small in-memory index by words, for sources that keep their own list of books."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from bookhopper.search.normalise import isbn13
from bookhopper.search.slips import nearest
from bookhopper.search.sources.base import Query
from bookhopper.search.words import name_words, title_words

Item = TypeVar("Item")

_COMMON = frozenset({
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "my", "of", "on", "or", "the", "to",
    "with", "das", "de", "del", "den", "der", "des", "die", "du", "e", "een", "ein", "eine", "el", "en", "et",
    "het", "il", "la", "las", "le", "les", "los", "o", "os", "un", "una", "une", "und", "y",
})  # fmt: skip
_TYPO_LENGTH = 5
_NEAR_WORDS = 8


def book_words(title: str, authors: Iterable[str] = (), isbns: Iterable[str] = ()) -> frozenset[str]:
    """Give the words by which a book is found: title and names without common words, and its ISBNs."""
    words = frozenset(title_words(title))
    names = (word for name in authors for word in name_words(name))
    return (words - _COMMON or words).union(names, map(isbn13, isbns))


def wanted_words(query: Query) -> frozenset[str]:
    """Give the words of all readings of a query, and its ISBN."""
    words = {word for reading in query.readings for word in book_words(reading.title, reading.authors)}
    return frozenset(words | {isbn13(query.isbn)} if query.isbn else words)


class WordIndex(Generic[Item]):
    """Books by their words; built once and then only read, so any number of threads may."""

    def __init__(self, books: Iterable[tuple[Item, frozenset[str]]]) -> None:
        self._items: list[Item] = []
        self._postings: defaultdict[str, list[int]] = defaultdict(list)
        for place, (item, words) in enumerate(books):
            self._items.append(item)
            for word in words:
                self._postings[word].append(place)
        self._vocabulary = list(self._postings)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def find(self, query: Query) -> Sequence[Item]:
        """Give at most `query.limit` books that share a word with the query, rare and frequent matches first.

        A word that no book has also finds the words that a slip of the finger would have made of it.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        for word in wanted_words(query):
            for known, likeness in self._known(word).items():
                places = self._postings[known]
                weight = likeness * math.log1p(len(self._items) / len(places))
                for place in places:
                    scores[place] += weight
        best = sorted(scores, key=lambda place: (-scores[place], place))[: query.limit]
        return [self._items[place] for place in best]

    def _known(self, word: str) -> Mapping[str, float]:
        if word in self._postings:
            return {word: 1.0}
        if len(word) < _TYPO_LENGTH or word.isdecimal():
            return {}
        near = nearest(word, self._vocabulary, _NEAR_WORDS)
        return {known: 1.0 - apart / len(word) for known, apart in near}
