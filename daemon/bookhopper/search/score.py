"""How well a candidate answers a want: each field's part, so that a person sees why.

The parts add up to the score: a title that agrees gives up to 0.6, an author up to 0.4, and what speaks
against a candidate takes away.  An ISBN that agrees gives 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from bookhopper.model import Candidate, Reading, Want
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
from bookhopper.search.similarity import Words, similarity, telling_words, weigh
from bookhopper.search.title import Title, title, without_number
from bookhopper.search.words import name_words, title_words

TITLE_SHARE = 0.6
AUTHOR_SHARE = 0.4

AUTHOR_BESIDE_TITLE = 0.96
"""The author's part when a bare line holds the candidate's author before or after the title."""
SURELY_THE_AUTHOR = 0.85
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

_DERIVED = frozenset({
    "abridged", "abridgment", "abridgement", "shortened", "condensed", "simplified", "adapted",
    "adaptation", "retold", "retelling", "selections", "selected", "extracts", "excerpts", "fragment",
    "specimens", "index", "dramatized", "dramatised", "dramatization", "libretto", "opera", "audio",
    "contents", "syllable", "founded", "arranged",
})  # fmt: skip
"""Words beside a title which say that it is not the text itself, or not all of it."""

_SEQUEL = frozenset({"sequel", "continuation"})
"""The same, unless the title itself is the one that was asked for: `Rose in Bloom: A Sequel`."""

_APPARATUS = frozenset({
    "preface", "prefaces", "postscript", "introduction", "prologue", "appendix", "index", "supplement",
    "prospectus", "glossary",
})  # fmt: skip
"""Words with which a subtitle begins when the book is only what stands around the text."""

_ABOUT = frozenset({
    "essay", "study", "studies", "notes", "guide", "summary", "analysis", "commentary", "companion",
    "concordance", "parody", "burlesque", "criticism",
})  # fmt: skip
"""Words beside a title which say that it is a book about that one, unless its own author wrote it."""

_ASKED_KINDS = frozenset({
    "abridged", "abridgment", "abridgement", "shortened", "condensed", "simplified", "adapted",
    "adaptation", "retold", "retelling", "selections", "extracts", "excerpts", "dramatized", "dramatised",
    "dramatization", "screenplay", "libretto", "audio", "audiobook", "guide", "summary", "commentary",
    "companion", "concordance", "workbook", "parody", "sparknotes", "cliffsnotes", "graphic", "comics",
    "manga", "coloring", "colouring",
})  # fmt: skip
"""Words beside the wanted title which say that not the text itself is meant.

Fewer than the offered ones', for many a text calls itself a study, an essay, a fragment.
"""

_ASKED_FIRST = _ASKED_KINDS | {"notes"}
"""The same as the first word of the title: `Selections from X`, `Notes on X`."""

_ASKED_ANYWHERE = frozenset({"abridged", "audiobook", "sparknotes", "cliffsnotes"})
"""Those of them that are no word of a title."""

_SIMPLER = frozenset({"children", "child", "young", "boys", "girls", "school", "schools", "readers"})
"""Words beside a title that may mean a simpler text: where there is another edition, that one is taken."""


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


def title_fit(wanted: Title, offered: Title) -> float:
    """Tell how well two titles agree in any of their forms, from 0 to 1."""
    best = 0.0
    for one, other, worth in _forms(wanted, offered):
        if worth > best:
            best = max(best, worth * similarity(one, other))
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


def edition_doubt(wanted: Title, offered: Title, author: float) -> float:
    """Tell what speaks against an offered book being the wanted text, and all of it."""
    return (
        max(_volume_doubt(wanted, offered), _number_doubt(wanted, offered))
        + max(_kind_doubt(wanted, offered), _text_doubt(wanted, offered, author))
        + _extent_doubt(wanted, offered)
    )


def _volume_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether it is another volume than the one that is wanted, or one where all are."""
    asked, given = wanted.volume, offered.volume
    if given is None:
        return 0.0 if asked is None else 0.2
    if given.is_whole:
        return 0.0
    return 0.0 if given.first == (asked.first if asked else wanted.place) else 0.2


def _number_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether the wanted title ends with the number of a sequel, which this is not."""
    return 0.2 if wanted.sequel and wanted.sequel not in offered.numbers else 0.0


def _kind_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether an adaptation, a part or a book about it is wanted, and this is none."""
    asked = {
        *_ASKED_KINDS.intersection((*wanted.extra, *wanted.remarks)),
        *_ASKED_FIRST.intersection(wanted.main[:1]),
        *_ASKED_ANYWHERE.intersection(wanted.full),
    }
    return 0.2 if asked.difference(offered.full, offered.remarks) else 0.0


def _text_doubt(wanted: Title, offered: Title, author: float) -> float:
    """Tell whether it is an adaptation, a part, or a book about the wanted one."""
    known = {*wanted.full, *wanted.extra, *wanted.remarks}
    beside = {*offered.full, *offered.remarks} - known
    if offered.lead:  # `X, and Selected Stories`: what else it holds takes nothing away
        beside -= {"selected", "selections"}
    if wanted.main != offered.main and beside & _SEQUEL:
        return 0.16
    about = beside if author < SURELY_THE_AUTHOR else beside.intersection(offered.remarks)
    if beside & _DERIVED or about & _ABOUT:
        return 0.16
    if offered.extra and offered.extra[0] in _APPARATUS - known:
        return 0.2
    if "illustrated" in known and "illustrated" not in {*offered.full, *offered.remarks}:
        return 0.03
    return 0.03 if beside & _SIMPLER else 0.0


def _extent_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether more than the offered book is wanted, or it is some piece that a remark names."""
    words = {*offered.full, *offered.remarks}
    doubt = 0.0
    lacks_works = any(not words.issuperset(telling_words(work)) for work in wanted.works)
    lacks_rest = (wanted.is_omnibus and "complete" not in words) or (wanted.lead and not offered.lead)
    if lacks_works or lacks_rest:
        doubt += 0.16
    if offered.remarks and not wanted.remarks and not set(wanted.full).issuperset(offered.remarks):
        is_part = any(word.isdigit() and len(word) < 4 for word in offered.remarks)
        doubt += 0.2 if is_part and "edition" not in offered.remarks else 0.02
    return doubt


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


def _fits(want: Want, candidate: Candidate) -> Iterator[_Fit]:
    offers = offered_titles(candidate.title, candidate.authors)
    for place, reading in enumerate((Reading(want.title, want.authors), *want.readings)):
        if place and _is_read_wrong_way_round(reading, candidate):
            continue
        author = _author_part(reading, candidate, named=bool(want.authors))
        readings = [(title(reading.title), author)]
        if not want.authors and not reading.authors:
            readings += [(bare, AUTHOR_BESIDE_TITLE) for bare in _bare_readings(reading, candidate)]
        for wanted, agreement in readings:
            for offered, worth in offers:
                author = AUTHOR_LEFT_OUT if _says_it_all(wanted, offered, candidate, reading) else agreement
                yield _Fit(worth * title_fit(wanted, offered), author, edition_doubt(wanted, offered, author))


def score(want: Want, candidate: Candidate) -> Candidate:
    """Give the candidate with its score and each field's part in it."""
    parts: dict[str, float] = {}
    if want.title:
        fit = max(_fits(want, candidate), key=lambda fit: fit.total)
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
