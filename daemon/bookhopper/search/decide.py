"""From what the sources offer to a decision, which never takes a wrong book.

Accept means that one work stands out; ambiguous that a person has to choose, or that nothing fits well
enough to be taken unattended; missing that nothing comes near.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bookhopper.model import Candidate, Reading, Want
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.person import authorship
from bookhopper.search.score import AUTHOR_NOT_WANTED, AUTHOR_SHARE, offered_titles, score, title_fit
from bookhopper.search.similarity import Words, telling_words, weigh, word_ends
from bookhopper.search.title import named_language, title

NEAREST = 8
"""How many candidates are kept to show."""

_SHOWN_TITLE = 0.1
_SHOWN_AUTHOR = 0.36
"""Parts of a score below which a candidate shares next to nothing with the want, and is not even shown."""

MIDDLING = 0.7
"""From this score on a candidate is worth a person's look; below it the want is missing."""

CHOSEN = 8
"""How many editions are kept to be fetched, each in case the one before it is broken."""

_SAME_TITLE = 0.8
_SAME_AUTHORS = 0.7
_TIE = 0.001
_HINT = 0.6
"""From this score on a candidate whose author a line names shows that the line is no bare title."""


_SAYS_ALL = 2.6
"""From how many words of meaning on a bare title is enough."""

_KNOWN = 2
"""How many editions make a book known by a shorter title."""


class Decision(StrEnum):
    """What came of a want; the value is what JSON shows."""

    ACCEPT = "accept"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A decision with what it rests on.

    `chosen` may be fetched unattended, best first: the pick, then equal editions of the same work for when
    the first is broken; it is empty unless the decision is to accept.  `near` are the nearest candidates,
    best first, to show.  `reason` is one line for a person; `silent` are the sources that may have the book
    and did not answer, so that another look is worth it soon.
    """

    decision: Decision
    chosen: tuple[Candidate, ...]
    near: tuple[Candidate, ...]
    reason: str
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """What may be taken unattended.

    `accept` is the score from which a candidate is taken, `margin` by how much it must beat the next work;
    `languages` (BCP 47 tags), `formats` and `sources` (names) are in order of preference, empty: any.
    """

    accept: float
    margin: float
    languages: tuple[str, ...]
    formats: tuple[str, ...]
    sources: tuple[str, ...] = ()

    def languages_for(self, want: Want) -> tuple[str, ...]:
        """Give the language that a want names, be it in a remark, or else the preferred ones."""
        titles = (want.title, *(reading.title for reading in want.readings))
        named = language_tag(want.language) or next(filter(None, map(named_language, titles)), "")
        return (named,) if named else self.languages

    def formats_for(self, want: Want) -> tuple[str, ...]:
        """Give the formats that a want names, or else the preferred ones."""
        return want.formats or self.formats

    def rank(self, want: Want, candidate: Candidate) -> tuple[float, ...]:
        """Give what candidates are sorted by.

        Score, then what can be fetched at all, language, fewer names, format, source, newest.
        """
        languages = self.languages_for(want)
        tongue = next(
            (place for place, tag in enumerate(languages) if same_language(tag, candidate.language)),
            len(languages),
        )
        return (
            -candidate.score,
            bool(candidate.fault),
            tongue,
            len(candidate.authors),
            self.format_rank(want, candidate),
            _place(candidate.source, self.sources),
            *_newest_first(candidate),
        )

    def format_rank(self, want: Want, candidate: Candidate) -> int:
        """Give a format's place in the order of preference."""
        return _place(candidate.format, self.formats_for(want))


def decide(want: Want, found: Sequence[Candidate], preferences: Preferences) -> Resolution:
    """Decide about a want by the candidates that were found for it."""
    scored = [score(want, candidate) for candidate in _worth_scoring(want, found)]
    ranked = sorted(scored, key=lambda candidate: preferences.rank(want, candidate))
    near = tuple(candidate for candidate in ranked[:NEAREST] if _is_worth_showing(candidate))
    if not ranked or ranked[0].score < MIDDLING:
        return Resolution(Decision.MISSING, (), near, "no source has anything close to it")
    languages = preferences.languages_for(want)
    readable = [candidate for candidate in ranked if is_readable(candidate, languages)]
    if not readable or readable[0].score < preferences.accept:
        if ranked[0].score >= preferences.accept:
            return Resolution(Decision.AMBIGUOUS, (), near, f"found only in {_tongue(ranked[0])}")
        return Resolution(Decision.AMBIGUOUS, (), near, "nothing fits well enough to be taken unattended")
    best = _leading(readable, preferences)
    if doubt := _doubt(want, best, ranked, readable, preferences.margin):
        return Resolution(Decision.AMBIGUOUS, (), near, doubt)
    least = max(preferences.accept, best.score - preferences.margin)
    others = [
        other
        for other in readable
        if other is not best
        and other.score >= least
        and _same_edition(best, other)
        and _same_work(best, other)
    ]
    chosen = [best, *others]
    if languages:  # an edition that may be in any language comes behind those that are surely in a wanted one
        chosen.sort(key=lambda candidate: not (candidate.language or "isbn" in candidate.parts))
    return Resolution(Decision.ACCEPT, tuple(chosen[:CHOSEN]), near, "")


def _doubt(
    want: Want, best: Candidate, ranked: Sequence[Candidate], readable: Sequence[Candidate], margin: float
) -> str:
    """Tell why the best candidate cannot be taken unattended although it fits; empty: it can."""
    if _names_its_language(want, best, ranked[0]):
        return f"fits better in {_tongue(ranked[0])}"
    same = [candidate for candidate in readable if _same_work(best, candidate)]
    rivals = [
        candidate for candidate in readable if candidate not in same and candidate.score > best.score - margin
    ]
    if rivals and not _prevails(same, rivals):
        return "several works fit about as well"
    if not (_by_author(best) or "isbn" in best.parts or _is_known_by_title(want, best, ranked)):
        return "a title alone does not tell which book is meant"
    if _is_one_of_several(want, best, same):
        return "several works fit equally well"
    return ""


def _is_worth_showing(candidate: Candidate) -> bool:
    parts = candidate.parts
    return "isbn" in parts or parts.get("title", 0) >= _SHOWN_TITLE or parts.get("author", 0) > _SHOWN_AUTHOR


def _tongue(candidate: Candidate) -> str:
    return candidate.language or named_language(candidate.title)


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _newest_first(candidate: Candidate) -> tuple[int, int]:
    """Give what sorts two editions of one source: a catalogue that counts its books gives later ones more."""
    number = int(candidate.key) if candidate.key.isdecimal() and len(candidate.key) < 18 else 0
    return -(candidate.year or 0), -number


def _leading(readable: Sequence[Candidate], preferences: Preferences) -> Candidate:
    """Give the best candidate; among equal titles, the most printed work."""
    first = readable[0]
    if _by_author(first):
        return first
    least = max(preferences.accept, first.score - preferences.margin)
    close = [other for other in readable if other.score >= least]
    return max(close, key=lambda one: _editions(other for other in close if _same_work(one, other)))


def bare_title(want: Want) -> Words:
    """Give the words of a title that stands alone, by its plainest reading: `Emma epub` says `Emma`."""
    titles = (want.title, *(reading.title for reading in want.readings if not reading.authors))
    return min((title(text).full for text in titles), key=weigh)


def _worth_scoring(want: Want, found: Sequence[Candidate]) -> list[Candidate]:
    """Leave out what shares nothing but the author with the want: scoring is the dear part of a search."""
    readings = (Reading(want.title, want.authors), *want.readings)
    ends = {
        end for reading in readings if reading.authors or not want.authors for end in word_ends(reading.title)
    }
    near = [
        candidate for candidate in found if candidate.isbns or not ends.isdisjoint(word_ends(candidate.title))
    ]
    far = [candidate for candidate in found if candidate not in near] if len(near) < NEAREST else []
    return near + far[: NEAREST - len(near)]


def is_readable(candidate: Candidate, languages: Sequence[str]) -> bool:
    """Tell whether a candidate may be taken as for its language; an ISBN names one edition anyway."""
    language = _tongue(candidate)
    if not languages or not language or "isbn" in candidate.parts:
        return True
    return any(same_language(tag, language) for tag in languages)


def _same_work(one: Candidate, other: Candidate) -> bool:
    """Tell whether two candidates are editions of one work: same author, same title in one of its forms."""
    if one.authors and other.authors and authorship(one.authors, other.authors) < 0.7:
        return False
    return any(
        mine.core == theirs.core or title_fit(mine, theirs) >= _SAME_TITLE
        for mine, _ in offered_titles(one.title, one.authors)
        for theirs, _ in offered_titles(other.title, other.authors)
    )


def _is_one_of_several(want: Want, best: Candidate, same: Sequence[Candidate]) -> bool:
    """Tell whether another title fits just as well, and neither is the very one that was asked for."""
    readings = (want.title, *(reading.title for reading in want.readings))
    asked = {telling_words(title(text).main) for text in readings}
    offered = {_name_of_work(other) for other in same if other.score > best.score - _TIE}
    return len(offered) > 1 and not offered & asked


def _same_edition(one: Candidate, other: Candidate) -> bool:
    """Tell whether one may stand in for the other unasked: `Tom Sawyer, Detective` is no `Tom Sawyer`."""
    if _name_of_work(one) != _name_of_work(other):
        return False
    return (
        not (one.authors and other.authors)
        or min(authorship(one.authors, other.authors), authorship(other.authors, one.authors))
        >= _SAME_AUTHORS
    )


def _name_of_work(candidate: Candidate) -> frozenset[str]:
    """Give the words that tell a work from its author's others: no subtitle, no small words, no own name."""
    plainest, _ = offered_titles(candidate.title, candidate.authors)[-1]
    return telling_words(plainest.main)


def _names_its_language(want: Want, best: Candidate, other: Candidate) -> bool:
    """Tell whether a subtitle shows that the edition in another language is the one that is meant."""
    readings = (want.title, *(reading.title for reading in want.readings if reading.authors))
    return other.score > best.score + 0.01 and any(title(reading).extra for reading in readings)


def _prevails(same: Sequence[Candidate], rivals: Sequence[Candidate]) -> bool:
    """Tell whether a work is so much better known than its namesakes that a bare title means it."""
    if _by_author(same[0]):
        return False
    works: list[list[Candidate]] = []
    for rival in rivals:
        work = next((work for work in works if _same_work(work[0], rival)), None)
        if work is None:
            works.append([rival])
        else:
            work.append(rival)
    return _editions(same) >= 3 * sum(map(_editions, works))


def _editions(candidates: Iterable[Candidate]) -> int:
    """Tell how often a work was printed: the most editions that one source has in one format.

    A format more, or a second source, offers the same edition again; so does another file with its ISBN.
    """
    shelves: defaultdict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for candidate in candidates:
        shelves[candidate.source, candidate.format].add(candidate.isbns or (candidate.key,))
    return max(map(len, shelves.values()), default=0)


def _by_author(candidate: Candidate) -> bool:
    """Tell whether the author took part in the decision, be it as somebody unknown."""
    return candidate.parts.get("author", 1.0) > AUTHOR_SHARE * AUTHOR_NOT_WANTED + 0.001


def _is_known_by_title(want: Want, best: Candidate, ranked: Sequence[Candidate]) -> bool:
    """Tell whether a bare title is enough: long, often printed or known to all, and no other author fits.

    `Cabin Fever` names many a book; that a catalogue has one of them shows nothing.
    """
    if any(_by_author(other) and other.score > _HINT for other in ranked):
        return False
    if best.known or weigh(bare_title(want)) >= _SAYS_ALL:
        return True
    # The volumes of one edition are not several.
    whole = (each for each in ranked if each.authors and "edition" not in each.parts)
    return _editions(each for each in whole if _same_work(best, each)) >= _KNOWN
