"""How well a candidate answers a want: each field's part, so that a person sees why.

The parts add up to the score: a title that agrees gives up to 0.6, an author up to 0.4, and what speaks
against a candidate takes away.  An ISBN that agrees gives 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.edition import edition_doubt
from bookhopper.search.normalise import fold, isbn13
from bookhopper.search.person import (
    Person,
    authorship,
    forms_of,
    is_figure,
    is_nobody,
    is_title,
    person,
)
from bookhopper.search.similarity import Words, similarity, weigh
from bookhopper.search.title import Title, title, without_number
from bookhopper.search.words import name_words, title_words

TITLE_SHARE = 0.6
AUTHOR_SHARE = 0.4

AUTHOR_BESIDE_TITLE = 0.96
"""The author's part when a bare line holds the candidate's author before or after the title."""
SURELY_THE_TITLE = 0.75
BOTH_UNKNOWN = 0.9
AUTHOR_UNKNOWN = 0.75
AUTHOR_NOT_WANTED = 0.7
AUTHOR_NOT_OFFERED = 0.4
AUTHOR_IGNORED = 0.4
"""The same when there is nothing to compare: `Anonymous` on both sides; on the want's; the want names nobody;
the candidate names nobody; the line seems to name somebody, but is read as a title alone."""

AUTHOR_LEFT_OUT = 0.65
"""The author's part when a catalogue names nobody for the very title that was asked for, one of at least
`LONG_TITLE` words of meaning: want-lists name the illustrator or the editor of what has no author."""
LONG_TITLE = 2.6

ISBN_ALONE = 0.75
"""What an ISBN is worth whose title is another one."""

_ENLARGED = 0.84
"""How well at most a title agrees with one that has a word of meaning more at an end: `More X`, `X Revisited`
are other books than `X`, however long it is."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """What one reading of a want gives for one candidate."""

    title: float
    author: float
    doubt: float

    @property
    def total(self) -> float:
        return TITLE_SHARE * self.title + AUTHOR_SHARE * self.author - self.doubt


def _forms(wanted: Title, offered: Title) -> Iterator[tuple[Words, Words, float]]:
    """Pair the forms of two titles, each pair with what an agreement of the two is worth."""
    yield wanted.full, offered.full, 1.0
    if wanted.extra and offered.extra:
        both = 0.9 + 0.08 * similarity(wanted.extra, offered.extra)
    else:
        both = 0.985 if offered.extra else 0.97
    yield wanted.main, offered.main, both
    yield wanted.full, offered.main, 0.98
    yield wanted.main, offered.full, 0.95
    yield wanted.main, offered.core, 0.95
    if not wanted.is_cut:  # `Tom Slade with the Flying Corps` is no `Tom Slade`
        yield wanted.core, offered.main, 0.95
    if wanted.head & offered.head:  # `The Memoirs of X` are not `The Adventures of X`
        yield wanted.core, offered.core, 0.92
    for other in offered.others:
        yield wanted.full, other, 0.96
        yield wanted.main, other, 0.95
    for other in wanted.others:
        yield other, offered.main, 0.95
        yield other, offered.full, 0.95
    for shorter in (offered.lead, offered.first, *offered.shorts):
        if shorter:
            yield wanted.full, shorter, 0.95
            yield wanted.main, shorter, 0.95
    if len(wanted.extra) > 1:
        yield wanted.extra, offered.main, 0.93
    if offered.extra and wanted.series:
        yield wanted.main, offered.extra, 0.8 + 0.15 * similarity(wanted.series, offered.main)


def _unless_enlarged(alike: float, wanted: Words, offered: Words) -> float:
    """Lower the likeness of two forms of which one is another's title with a word before or behind it."""
    before, behind = _beside(wanted, offered)
    more, _ = _beside(offered, wanted)
    return _ENLARGED if max(weigh(before), weigh(behind), weigh(more)) >= 1 else alike


def _beside(longer: Words, shorter: Words) -> tuple[Words, Words]:
    """Give what stands before and behind the shorter of two forms in the longer; nothing where it is none."""
    rest = len(longer) - len(shorter)
    if rest > 0 and longer[rest:] == shorter:
        return longer[:rest], ()
    if rest > 0 and longer[:-rest] == shorter:
        return (), longer[-rest:]
    return (), ()


def title_fit(wanted: Title, offered: Title) -> float:
    """Tell how well two titles agree in any of their forms, from 0 to 1."""
    best = 0.0
    for one, other, worth in _forms(wanted, offered):
        if worth > best:
            alike = similarity(one, other)
            if _ENLARGED < alike < 1:
                alike = _unless_enlarged(alike, one, other)
            best = max(best, worth * alike)
    # Half a title is no title: what falls short counts against it more than in proportion.
    return best * best


def _without_name(text: str, who: Person) -> str:
    """Take an author's name out of a title: `The Analects of Confucius`, `Aesop's Fables`."""
    tokens = text.split()
    if not any(who.is_family(word) for word in name_words(text)):
        return ""
    plain = ["".join(name_words(token)) for token in tokens]
    for start in range(len(tokens)):
        end = start
        while end < len(tokens) and who.admits(plain[end]):
            end += 1
        if not any(who.is_family(word) for word in plain[start:end]):
            continue
        owned = tokens[end - 1].endswith(("'s", "’s", "s'", "s’"))
        linked = start > 0 and plain[start - 1] in {"of", "by"}
        if owned or linked or start == 0 or end == len(tokens):
            joint = [":"] if tokens[end - 1][-1] in ":;," and end < len(tokens) else []
            return " ".join(tokens[: start - linked] + joint + tokens[end:])
    return ""


@lru_cache(maxsize=16384)
def offered_titles(text: str, authors: tuple[str, ...]) -> tuple[tuple[Title, float], ...]:
    """Give a book's title as it stands and without its author's name, each with what it is worth."""
    titles = [(title(text), 1.0)]
    for name in authors[:2]:
        without = (_without_name(text, who) for who in forms_of(name))
        shorter = next((rest for rest in without if title_words(rest)), "")
        if shorter:
            titles.append((title(shorter), 0.98))
    return tuple(titles)


def _author_at_edge(words: Words, who: Person) -> Iterator[Words]:
    """Give what is left of a bare line when the author's name is taken off its end or its beginning."""
    for ordered in (words, words[::-1]):
        count = 0
        while count < len(ordered) - 1 and who.admits(ordered[count]):
            count += 1
        # `The Prince Machiavelli`, `A Little Princess Frances Burnett`: no title of a person after all.
        for taken in {count, count - (count > 0 and is_title(ordered[count - 1]))}:
            if any(len(word) > 2 and who.is_family(word) for word in ordered[:taken]):
                rest = ordered[taken:]
                yield rest if ordered is words else rest[::-1]


def _bare_readings(reading: Reading, candidate: Candidate) -> Iterator[Title]:
    """Read a line without an author as title and author in any order, by the candidate's own author."""
    words = name_words(without_number(reading.title))
    for name in candidate.authors[:4]:
        for who in forms_of(name):
            for rest in _author_at_edge(words, who):
                yield title(" ".join(rest))


def _author_part(reading: Reading, candidate: Candidate, *, named: bool) -> float:
    """Tell how far the authors agree; without one on a side, what the title alone is good for."""
    authors = [name for name in reading.authors if not is_nobody(name)]
    if authors:
        return authorship(authors, candidate.authors) if candidate.authors else AUTHOR_NOT_OFFERED
    if reading.authors:  # "Anonymous"
        return AUTHOR_UNKNOWN if candidate.authors else BOTH_UNKNOWN
    return AUTHOR_IGNORED if named else AUTHOR_NOT_WANTED


def _is_authors_name(text: str, candidate: Candidate) -> bool:
    words = name_words(text)
    return any(all(map(person(name).is_named, words)) for name in candidate.authors[:4])


def _is_read_wrong_way_round(reading: Reading, candidate: Candidate) -> bool:
    """Tell whether what is read as title and author is author and title: `Life of X — X`, `King John — X`."""
    return bool(reading.authors) and (
        _is_authors_name(reading.title, candidate) or all(map(is_figure, reading.authors))
    )


def _says_it_all(wanted: Title, offered: Title, candidate: Candidate, reading: Reading) -> bool:
    """Tell whether the title alone shows that a book without any author is the one that is wanted."""
    return (
        bool(reading.authors)
        and not candidate.authors
        and wanted.full == offered.full
        and weigh(wanted.full) >= LONG_TITLE
    )


def _readings(want: Want, candidate: Candidate) -> Iterator[tuple[Reading, Title, float]]:
    """Give the ways to read a want, each with its title and how far its author is the candidate's."""
    for place, reading in enumerate((Reading(want.title, want.authors), *want.readings)):
        if place and _is_read_wrong_way_round(reading, candidate):
            continue
        yield reading, title(reading.title), _author_part(reading, candidate, named=bool(want.authors))
        if not want.authors and not reading.authors:
            for bare in _bare_readings(reading, candidate):
                yield reading, bare, AUTHOR_BESIDE_TITLE


def _best_fit(want: Want, candidate: Candidate) -> _Fit:
    """Give the best that any reading makes of a candidate; what cannot become the best is not worked out."""
    best = _Fit(0.0, 0.0, 1.0)
    offers = offered_titles(candidate.title, candidate.authors)
    for reading, wanted, agreement in _readings(want, candidate):
        for offered, worth in offers:
            author = AUTHOR_LEFT_OUT if _says_it_all(wanted, offered, candidate, reading) else agreement
            if TITLE_SHARE * worth + AUTHOR_SHARE * author <= best.total:
                continue
            fit = worth * title_fit(wanted, offered)
            if TITLE_SHARE * fit + AUTHOR_SHARE * author > best.total:
                found = _Fit(fit, author, edition_doubt(wanted, offered, author))
                best = found if found.total > best.total else best
    return best


def score(want: Want, candidate: Candidate) -> Candidate:
    """Give the candidate with its score and each field's part in it."""
    parts: dict[str, float] = {}
    if want.title:
        fit = _best_fit(want, candidate)
        parts = {"title": TITLE_SHARE * fit.title, "author": AUTHOR_SHARE * fit.author}
        if fit.doubt:
            parts["edition"] = -fit.doubt
    if want.isbn and isbn13(want.isbn) in map(isbn13, candidate.isbns):
        # An ISBN of quite another title is a slip in one of the two.
        worth = 1.0 if not want.title or parts["title"] > TITLE_SHARE / 3 else ISBN_ALONE
        parts["isbn"] = max(0.0, worth - sum(parts.values()))
    if want.year and candidate.year and abs(want.year - candidate.year) > 1:
        parts["year"] = -0.02
    if want.series and candidate.series and fold(want.series) == fold(candidate.series):
        parts["series"] = 0.02
    total = min(1.0, max(0.0, sum(parts.values())))
    return replace(
        candidate,
        score=round(total, 4),
        parts={name: round(part, 4) for name, part in parts.items()},
    )
