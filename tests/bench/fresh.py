"""Cases drawn from the catalogue itself, by a seed: others than those that the rules were made on.

A clean or a messy line asks for a book that is there; a near miss is a book that nobody wrote, made of a
title and an author that are; a missing one is there, but hidden from the search.
"""

from __future__ import annotations

import random
import re
import string
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bookhopper.search.normalise import fold
from bookhopper.search.sources.gutenberg_catalogue import Record, open_catalogue, read_catalogue
from bookhopper.ticket import Ticket

Case = dict[str, Any]

EACH = 150
"""Books of each kind."""

_PLAIN = re.compile(
    r"(?!.*\b(?:vol|volume|part|book|no|number|series|tome|bulletin|magazine)\b)[^\d(\[—?.]+", re.IGNORECASE
)
_VOLUME = re.compile(r"\b(?:v|vol|volume|num|no|part|book)\b\.? ?[\dIVX]", re.IGNORECASE)
_SUBTITLE = re.compile(r"\s*(?:[:;].*|,? or,? .*)$", re.IGNORECASE | re.DOTALL)
_ARTICLE = re.compile(r"^(?:the|an?) ", re.IGNORECASE)
_NAME = re.compile(r"[A-Z][\w.'-]*(?: [\w.'-]+){0,2} (?!Jr|Sr)[A-Z][\w'-]+")

Change = Callable[[random.Random, str, str], str]
"""Makes a line of a title and an author."""


def _typo(dice: random.Random, text: str) -> str:
    """Slip once within a word of at least five letters."""
    places = [
        found.start() + dice.randrange(1, len(found[0])) for found in re.finditer(r"[^\W\d_]{5,}", text)
    ]
    if not places:
        return text
    place = dice.choice(places)
    slips = (
        text[:place] + text[place + 1 :],
        text[:place] + text[place] + text[place:],
        text[:place] + dice.choice(string.ascii_lowercase) + text[place + 1 :],
        text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :],
    )
    return dice.choice(slips)


def _initials(author: str) -> str:
    *given, family = author.split()
    return " ".join([*(f"{name[0]}." for name in given), family])


def _inverted(author: str) -> str:
    *given, family = author.split()
    return f"{family}, {' '.join(given)}"


def _surname(author: str) -> str:
    return author.rsplit(maxsplit=1)[-1]


MESSES: dict[str, Change] = {
    "lower, comma": lambda _, title, author: f"{title}, {author}".lower(),
    "caps": lambda _, title, author: f"{title} - {author}".upper(),
    "by": lambda _, title, author: f"{title} by {author}",
    "author first": lambda _, title, author: f"{author} - {title}",
    "author first, colon": lambda _, title, author: f"{_surname(author)}: {title}",
    "author first, dot": lambda _, title, author: f"{_inverted(author)}. {title}.",
    "inverted": lambda _, title, author: f"{title} by {_inverted(author)}",
    "inverted, slash": lambda _, title, author: f"{title} / {_inverted(author)}",
    "initials": lambda _, title, author: f"{title}, {_initials(author)}",
    "initials run together": lambda _, title, author: f"{title} - {_initials(author).replace('. ', '.', 1)}",
    "surname": lambda _, title, author: f"{title} - {_surname(author)}",
    "surname, lower": lambda _, title, author: f"{title} {_surname(author)}".lower(),
    "no separator": lambda _, title, author: f"{title} {author}".lower(),
    "bracketed author": lambda _, title, author: f"{title} ({author})",
    "typo in the title": lambda dice, title, author: f"{_typo(dice, title)} - {author}",
    "typo in the name": lambda dice, title, author: f"{title} by {_typo(dice, author)}",
    "no article": lambda _, title, author: f"{_ARTICLE.sub('', title, count=1)} - {author}",
    "other article": lambda _, title, author: f"The {_ARTICLE.sub('', title, count=1)} - {author}",
    "no apostrophe": lambda _, title, author: f"{title} - {author}".replace("'", "").replace("’", ""),
    "ampersand": lambda _, title, author: f"{title} - {author}".replace(" and ", " & "),
    "year": lambda dice, title, author: f"{title} ({dice.randrange(1850, 1920)}) {author}",
    "series": lambda dice, title, author: f"{title} (Classics, #{dice.randrange(1, 9)}) by {author}",
    "publisher": lambda _, title, author: f"{title} (Penguin Classics) - {author}",
    "format": lambda _, title, author: f"{title} - {author} [epub]",
    "edition": lambda _, title, author: f"{title} (Kindle Edition) by {author}",
    "genre": lambda _, title, author: f"{title} - {author} - novel",
    "honorific": lambda _, title, author: f"{title}, Mr. {author}",
}  # fmt: skip

_BEFORE = (
    *("Beyond", "More", "After", "Return to", "Son of", "The Sequel to", "Before", "Against", "Notes on"),
    *("The Making of", "A Reader's Guide to", "Selections from", "The Ghost of", "Farewell to", "Another"),
)
_BEHIND = (
    *(" Revisited", ", Volume 2 and Other Poems", " II", ": The Graphic Novel", " (SparkNotes)", " Retold"),
    *(": A Study Guide", " Cookbook", " Returns", " Again", " and Zombies", ": The Sequel", " in Space"),
    *(": The Screenplay", ", Part 2", " (Abridged)"),
)


def _with(*, before: str = "", behind: str = "") -> Change:
    return lambda _, title, author: f"{before}{title}{behind} — {author}"


NEAR_MISSES: dict[str, Change] = {
    **{f"{words} X": _with(before=f"{words} ") for words in _BEFORE},
    **{f"X{words}": _with(behind=words) for words in _BEHIND},
    "wrong initials": lambda _, title, author: f"{title} — Q. V. {_surname(author)}",
    "a relative": lambda _, title, author: f"{title} — Tiffany {_surname(author)}",
    "somebody else": lambda _, title, _author: f"{title} — Tiffany Brockmeier",
}


def _plain_title(record: Record) -> str:
    return _SUBTITLE.sub("", record.title).strip()


def _key(text: str) -> str:
    return _ARTICLE.sub("", fold(text), count=1)


class _Shelf:
    """The catalogue's books by their authors."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_author: defaultdict[str, list[Record]] = defaultdict(list)
        self.usable: list[Record] = []
        for record in records:
            for author in record.authors:
                self._by_author[author].append(record)
            title = _plain_title(record)
            if (
                record.language == "en"
                and len(record.authors) == 1
                and _NAME.fullmatch(record.authors[0])
                and _PLAIN.fullmatch(title)
                and not _VOLUME.search(record.title)
                and 3 < len(title) < 60
            ):
                self.usable.append(record)

    def editions(self, record: Record) -> list[int]:
        """Give the author's English books of that very title."""
        asked = _key(_plain_title(record))
        return [
            other.id
            for other in self._by_author[record.authors[0]]
            if other.language == "en"
            and not _VOLUME.search(other.title)
            and asked in {_key(_plain_title(other)), _key(other.title)}
        ]

    def relatives(self, record: Record) -> list[int]:
        """Give the author's books of which a title holds the other: a part, a volume, a collection."""
        asked = set(_key(_plain_title(record)).split())
        words = {other.id: set(fold(other.title).split()) for other in self._by_author[record.authors[0]]}
        return [key for key, held in words.items() if asked <= held or held <= asked]

    def holds(self, line: str) -> bool:
        """Tell whether a line's author has a book of that title after all."""
        title, _, author = line.partition(" — ")
        return any(_key(_plain_title(other)) == _key(title) for other in self._by_author[author])


def fresh_cases(catalogue: Path, seed: int) -> dict[str, list[Case]]:
    """Draw cases by a seed, in the form of bench/dev; `hidden` are records that the search must not see."""
    with open_catalogue(catalogue) as stream:
        shelf = _Shelf(record for record in read_catalogue(stream, Ticket(0)) if record is not None)
    dice = random.Random(seed)
    return {
        "positives": [_present(shelf, record, "clean", _clean(record)) for record in _draw(dice, shelf)],
        "messy": list(_changed(dice, shelf, MESSES)),
        "near_misses": list(_near_misses(dice, shelf)),
        "missing": [_absent(record, "hidden", _clean(record), shelf.editions(record), shelf.relatives(record))
                    for record in _draw(dice, shelf)],
    }  # fmt: skip


def _draw(dice: random.Random, shelf: _Shelf, count: int = EACH) -> Sequence[Record]:
    return dice.sample(shelf.usable, count)


def _clean(record: Record) -> str:
    return f"{_plain_title(record)} — {record.authors[0]}"


def _present(shelf: _Shelf, record: Record, note: str, line: str) -> Case:
    return {
        "raw_line": line,
        "accept": shelf.editions(record),
        "tolerate": shelf.relatives(record),
        "note": note,
        "book_id": record.id,
        "hidden": [],
    }


def _absent(record: Record, note: str, line: str, hidden: list[int], tolerate: list[int]) -> Case:
    return {
        "raw_line": line,
        "accept": [],
        "tolerate": tolerate,
        "note": note,
        "book_id": record.id,
        "hidden": hidden,
    }


def _changed(dice: random.Random, shelf: _Shelf, changes: dict[str, Change]) -> Iterator[Case]:
    for record in _draw(dice, shelf, 2 * EACH):
        name, change = dice.choice(list(changes.items()))
        line = change(dice, _plain_title(record), record.authors[0])
        yield _present(shelf, record, name, line)


def _near_misses(dice: random.Random, shelf: _Shelf) -> Iterator[Case]:
    for record in _draw(dice, shelf, 3 * EACH):
        name, change = dice.choice(list(NEAR_MISSES.items()))
        line = change(dice, _plain_title(record), record.authors[0])
        if not shelf.holds(line):
            yield _absent(record, name, line, [], [])
