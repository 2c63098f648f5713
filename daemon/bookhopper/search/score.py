"""How well a candidate answers a want: each field's part, so that a person sees why.

The parts add up to the score: a title that agrees gives up to 0.6, an author up to 0.4, and what speaks
against a candidate takes away.  An ISBN that agrees gives 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.normalise import isbn13
from bookhopper.search.person import Person, authorship, is_nobody, person
from bookhopper.search.title import Title, Words, similarity, title
from bookhopper.search.words import name_words

TITLE_SHARE = 0.6
AUTHOR_SHARE = 0.4

_DERIVED = frozenset(
    {"abridged", "abridgment", "abridgement", "shortened", "condensed", "simplified", "adapted", "adaptation"}
    | {
        "retold",
        "retelling",
        "selections",
        "selected",
        "selection",
        "extracts",
        "excerpts",
        "fragment",
        "specimens",
    }
    | {
        "essay",
        "study",
        "studies",
        "notes",
        "guide",
        "summary",
        "analysis",
        "commentary",
        "companion",
        "index",
    }
    | {"concordance", "parody", "burlesque", "dramatized", "dramatised", "dramatization", "libretto", "opera"}
    | {"audio", "children", "contents", "sequel", "continuation", "criticism"}
)
"""Words beside a title which say that it is not the text itself, or not all of it."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """What one reading of a want gives for one candidate."""

    title: float
    author: float
    doubt: float = 0.0
    by_author: bool = False

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
    for other in offered.others:
        yield wanted.full, other, 0.96
        yield wanted.main, other, 0.95
    for other in wanted.others:
        yield other, offered.main, 0.95
        yield other, offered.full, 0.95
    if offered.lead:
        yield wanted.full, offered.lead, 0.95
        yield wanted.main, offered.lead, 0.95
    if len(wanted.extra) > 1:
        yield wanted.extra, offered.main, 0.93


def title_fit(wanted: Title, offered: Title) -> float:
    """Tell how well two titles agree in any of their forms, from 0 to 1."""
    best = max(worth * similarity(one, other) for one, other, worth in _forms(wanted, offered))
    # Half a title is no title: what falls short counts against it more than in proportion.
    return best * best


def edition_doubt(wanted: Title, offered: Title) -> float:
    """Tell what speaks against an offered book being the wanted text, and all of it."""
    doubt = 0.0
    asked, given = wanted.volume, offered.volume
    if given is not None and not given.is_whole and (asked is None or asked.first != given.first):
        doubt += 0.2
    elif asked is not None and given is None:
        doubt += 0.15
    known = {*wanted.full, *wanted.extra, *wanted.remarks}
    if any(word in _DERIVED and word not in known for word in (*offered.full, *offered.remarks)):
        doubt += 0.12
    if wanted.is_omnibus or (wanted.lead and not offered.lead):
        doubt += 0.15
    elif offered.remarks and not wanted.remarks:
        doubt += 0.02
    return doubt


def _author_at_edge(words: Words, who: Person) -> Iterator[Words]:
    """Give what is left of a bare line when the author's name is taken off its end or its beginning."""
    for ordered in (words, words[::-1]):
        count = 0
        while count < len(ordered) - 1 and who.admits(ordered[count]):
            count += 1
        while count and not any(who.is_named(word) for word in ordered[:count]):
            count -= 1
        if count and any(len(word) > 2 and who.is_named(word) for word in ordered[:count]):
            rest = ordered[count:]
            yield rest if ordered is words else rest[::-1]


def _bare_fits(reading: Reading, candidate: Candidate, offered: Title) -> Iterator[_Fit]:
    """Read a line without an author as title and author in any order, by the candidate's own author."""
    words = name_words(reading.title)
    for name in candidate.authors[:4]:
        who = person(name)
        for rest in _author_at_edge(words, who):
            wanted = title(" ".join(rest))
            yield _Fit(title_fit(wanted, offered), 0.96, edition_doubt(wanted, offered), by_author=True)


def _fits(want: Want, candidate: Candidate) -> Iterator[_Fit]:
    offered = title(candidate.title)
    for reading in (Reading(want.title, want.authors), *want.readings):
        wanted = title(reading.title)
        authors = [name for name in reading.authors if not is_nobody(name)]
        doubt = edition_doubt(wanted, offered)
        if authors and candidate.authors:
            author = authorship(authors, candidate.authors)
            yield _Fit(title_fit(wanted, offered), author, doubt, by_author=author > 0.5)
        elif authors:
            yield _Fit(title_fit(wanted, offered), 0.4, doubt)
        elif reading.authors:
            yield _Fit(title_fit(wanted, offered), 0.75 if candidate.authors else 0.9, doubt)
        else:
            yield _Fit(title_fit(wanted, offered), 0.7, doubt)
            yield from _bare_fits(reading, candidate, offered)


def score(want: Want, candidate: Candidate) -> Candidate:
    """Give the candidate with its score and each field's part in it."""
    parts: dict[str, float] = {}
    if want.title:
        fit = max(_fits(want, candidate), key=lambda fit: fit.total)
        parts = {"title": TITLE_SHARE * fit.title, "author": AUTHOR_SHARE * fit.author}
        if fit.doubt:
            parts["edition"] = -fit.doubt
    if want.isbn and want.isbn in map(isbn13, candidate.isbns):
        parts["isbn"] = 1.0 - sum(parts.values())
    if want.year and candidate.year and abs(want.year - candidate.year) > 1:
        parts["year"] = -0.02
    total = min(1.0, max(0.0, sum(parts.values())))
    return replace(
        candidate,
        score=round(total, 4),
        parts={name: round(part, 4) for name, part in parts.items()},
    )
