"""From a want to a decision: ask the sources, score what they offer, and never take a wrong book.

Accept means that one work stands out; ambiguous that a person has to choose, or that nothing fits well
enough to be taken unattended; missing that nothing comes near.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from bookhopper.errors import BookhopperError, HeldError, PermanentError, Scope, TransientError
from bookhopper.model import Candidate, Pick, Reading, Want
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.person import authorship
from bookhopper.search.score import AUTHOR_NOT_WANTED, AUTHOR_SHARE, offered_titles, score, title_fit
from bookhopper.search.sources.base import Query, Source
from bookhopper.search.title import is_telling, title, word_ends
from bookhopper.search.words import title_words
from bookhopper.ticket import Interrupted, Ticket

NEAREST = 8
"""How many candidates are kept to show."""

MIDDLING = 0.7
"""From this score on a candidate is worth a person's look; below it the want is missing."""

_CHOSEN = 8
_AGAIN_SECONDS = 30.0
_SAME_TITLE = 0.8
_SAME_AUTHORS = 0.7
_TIE = 0.001
_TAIL = re.compile(r"\s*(?:[;:(\[]|,?\s+or,?\s).*$", re.IGNORECASE | re.DOTALL)
_HINT = 0.6
"""From this score on a candidate whose author a line names shows that the line is no bare title."""


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
    best first, to show.  `reason` is one line for a person; not `complete`: a source that may have the book
    did not answer, so that another look is worth it soon.
    """

    decision: Decision
    chosen: tuple[Candidate, ...]
    near: tuple[Candidate, ...]
    reason: str
    complete: bool = True


class Resolver:
    """Decides about wants; may be used by several threads at once.

    `accept` is the score from which a candidate is taken, `margin` by how much it must beat the next work;
    `languages` and `formats` are what is taken unattended, best first (empty: any).
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        accept: float,
        margin: float,
        languages: Sequence[str],
        formats: Sequence[str],
    ) -> None:
        self._sources = tuple(sources)
        self._accept = accept
        self._margin = margin
        self._languages = tuple(filter(None, map(language_tag, languages)))
        self._formats = tuple(formats)
        self._pool = ThreadPoolExecutor(4 * len(self._sources), "search") if len(self._sources) > 1 else None

    def resolve(self, want: Want, ticket: Ticket) -> Resolution:
        """Decide about a want.

        Raises HeldError (scope `queue`) while no source can be asked: ask again later.
        """
        if not self._sources:
            return _missing("no source is configured: name one under `sources:`")
        if want.pick is not None:
            return self._resolve_pick(want, ticket)
        found, faults = self._ask(self._query(want), ticket)
        ticket.check()
        if len(faults) == len(self._sources):
            raise _held(faults)
        resolution = self._decide(want, found)
        if faults and resolution.decision is not Decision.ACCEPT:
            silent = ", ".join(name for name, _ in faults)
            reason = f"{resolution.reason}; not asked, for it did not answer: {silent}"
            return replace(resolution, reason=reason, complete=False)
        return resolution

    @property
    def source_names(self) -> frozenset[str]:
        """What the sources are called, which is how a pick names them."""
        return frozenset(source.name for source in self._sources)

    def offers(
        self, want: Want, ticket: Ticket, limit: int = 50, *, languages: Sequence[str] = ()
    ) -> Sequence[Candidate]:
        """Give the candidates that answer a want at all, best first, for a person to choose from.

        Unlike a want that is to be decided about, this one may name no more than an author; what a source
        does not say in time is left out.  `languages` are preferred to the want's.  Raises HeldError when no
        source answers.
        """
        if want.pick is not None:
            return self.lookup(want.pick, want.formats, ticket)[:limit]
        query = self._query(want)
        if want.authors and not want.title:
            query = replace(query, readings=(Reading("", want.authors),))
        found, faults = self._ask(replace(query, languages=tuple(languages) or query.languages), ticket)
        if faults and len(faults) == len(self._sources):
            raise _held(faults)
        scored = [_shown_score(want, candidate) for candidate in found]
        answering = [candidate for candidate in scored if candidate.score > 0]
        return sorted(answering, key=lambda candidate: self._rank(want, candidate))[:limit]

    def lookup(self, pick: Pick, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Give the candidates behind a pick, the preferred format first; nothing from an unknown source.

        Raises HeldError, TransientError or PermanentError when the source cannot be asked.
        """
        source = next((source for source in self._sources if source.name == pick.source), None)
        wanted = tuple(formats) or self._formats
        found = source.lookup(pick.key, wanted, ticket) if source else ()
        return sorted(found, key=lambda candidate: self._format_rank(Want(formats=wanted), candidate))

    def close(self) -> None:
        """Stop the threads that ask; the sources stay open."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _query(self, want: Want) -> Query:
        readings = (Reading(want.title, want.authors), *want.readings) if want.title else ()
        return Query(
            readings, want.isbn, want.year, self._wanted_languages(want), want.formats or self._formats
        )

    def _wanted_languages(self, want: Want) -> tuple[str, ...]:
        named = language_tag(want.language)
        return (named,) if named else self._languages

    def _ask(self, query: Query, ticket: Ticket) -> tuple[list[Candidate], list[tuple[str, BookhopperError]]]:
        """Ask every source; those that could not answer, or not in time, come back with their reason."""
        found: list[Candidate] = []
        faults: list[tuple[str, BookhopperError]] = []
        for source, answer in self._answers(query, ticket):
            try:
                found.extend(answer())
            except (HeldError, TransientError, PermanentError) as error:
                faults.append((source.name, error))
            except Interrupted:  # of a want that is decided about, its ticket tells right after this
                faults.append((source.name, HeldError("it took too long")))
        return found, faults

    def _answers(
        self, query: Query, ticket: Ticket
    ) -> list[tuple[Source, Callable[[], Sequence[Candidate]]]]:
        if self._pool is None:
            return [(source, partial(source.search, query, ticket)) for source in self._sources]
        return [(source, self._pool.submit(source.search, query, ticket).result) for source in self._sources]

    def _resolve_pick(self, want: Want, ticket: Ticket) -> Resolution:
        pick = want.pick
        assert pick is not None
        if pick.source not in self.source_names:
            names = ", ".join(source.name for source in self._sources)
            return _missing(f"no source is called {pick.source}; there are: {names}")
        try:
            ranked = tuple(self.lookup(pick, want.formats, ticket))
        except (HeldError, TransientError) as error:
            raise _held([(pick.source, error)], scope="job") from error
        except PermanentError as error:
            return _missing(f"{pick.source} refuses {pick.key}: {error}")
        if not ranked:
            return _missing(f"{pick.source} has no book {pick.key} in a wanted format")
        return Resolution(Decision.ACCEPT, ranked[:_CHOSEN], ranked[:NEAREST], "picked by hand")

    def _decide(self, want: Want, found: Sequence[Candidate]) -> Resolution:
        scored = [score(want, candidate) for candidate in _worth_scoring(want, found)]
        ranked = sorted(scored, key=lambda candidate: self._rank(want, candidate))
        near = tuple(ranked[:NEAREST])
        if not ranked or ranked[0].score < MIDDLING:
            return Resolution(Decision.MISSING, (), near, "no source has anything close to it")
        languages = self._wanted_languages(want)
        readable = [candidate for candidate in ranked if _readable(candidate, languages)]
        if not readable or readable[0].score < self._accept:
            if ranked[0].score >= self._accept:
                return Resolution(Decision.AMBIGUOUS, (), near, f"found only in {ranked[0].language}")
            return Resolution(Decision.AMBIGUOUS, (), near, "nothing fits well enough to be taken unattended")
        best = self._leading(readable)
        if _names_its_language(want, best, ranked[0]):
            return Resolution(Decision.AMBIGUOUS, (), near, f"fits better in {ranked[0].language}")
        same = [candidate for candidate in readable if _same_work(best, candidate)]
        rivals = [
            candidate
            for candidate in readable
            if candidate not in same and candidate.score > best.score - self._margin
        ]
        if rivals and not _prevails(same, rivals):
            return Resolution(Decision.AMBIGUOUS, (), near, "several works fit about as well")
        if not _by_author(best) and not _is_known_by_title(want, best, ranked):
            return Resolution(Decision.AMBIGUOUS, (), near, "a title alone does not tell which book is meant")
        if _is_one_of_several(want, best, same):
            return Resolution(Decision.AMBIGUOUS, (), near, "several works fit equally well")
        least = max(self._accept, best.score - self._margin)
        others = [other for other in same if other.score >= least and _same_edition(best, other)]
        chosen = [best, *(other for other in others if other is not best)]
        return Resolution(Decision.ACCEPT, tuple(chosen[:_CHOSEN]), near, "")

    def _leading(self, readable: Sequence[Candidate]) -> Candidate:
        """Give the best candidate; among equal titles, the most printed work."""
        first = readable[0]
        if _by_author(first):
            return first
        least = max(self._accept, first.score - self._margin)
        close = [other for other in readable if other.score >= least]
        return max(close, key=lambda one: sum(_same_work(one, other) for other in close))

    def _rank(self, want: Want, candidate: Candidate) -> tuple[float, int, int, int, int]:
        languages = self._wanted_languages(want)
        tongue = next(
            (place for place, tag in enumerate(languages) if same_language(tag, candidate.language)),
            len(languages),
        )
        newest = -int(candidate.key) if candidate.key.isdecimal() and len(candidate.key) < 18 else 0
        return (-candidate.score, tongue, len(candidate.authors), self._format_rank(want, candidate), newest)

    def _format_rank(self, want: Want, candidate: Candidate) -> int:
        formats = want.formats or self._formats
        return formats.index(candidate.format) if candidate.format in formats else len(formats)


def _shown_score(want: Want, candidate: Candidate) -> Candidate:
    """Score a candidate for show, by its author where the want names no more."""
    if want.title or want.isbn:
        return score(want, candidate)
    return replace(candidate, score=AUTHOR_SHARE * authorship(want.authors, candidate.authors))


def _missing(reason: str) -> Resolution:
    return Resolution(Decision.MISSING, (), (), reason)


def _held(faults: Sequence[tuple[str, BookhopperError]], scope: Scope = "queue") -> HeldError:
    reasons = "; ".join(f"source {name} cannot be asked: {error}" for name, error in faults)
    seconds = min(
        (error.seconds for _, error in faults if isinstance(error, HeldError)), default=_AGAIN_SECONDS
    )
    return HeldError(reasons, scope=scope, seconds=seconds)


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


def _readable(candidate: Candidate, languages: Sequence[str]) -> bool:
    """Tell whether a candidate may be taken as for its language; an ISBN names one edition anyway."""
    if not languages or not candidate.language or "isbn" in candidate.parts:
        return True
    return any(same_language(tag, candidate.language) for tag in languages)


def _same_work(one: Candidate, other: Candidate) -> bool:
    """Tell whether two candidates are editions of one work: same author, same title in one of its forms."""
    if one.authors and other.authors and authorship(one.authors, other.authors) < 0.7:
        return False
    return any(
        title_fit(mine, theirs) >= _SAME_TITLE
        for mine, _ in offered_titles(one.title, one.authors)
        for theirs, _ in offered_titles(other.title, other.authors)
    )


def _is_one_of_several(want: Want, best: Candidate, same: Sequence[Candidate]) -> bool:
    """Tell whether another title fits just as well, and neither is the very one that was asked for."""
    asked = {_main_words(text) for text in (want.title, *(reading.title for reading in want.readings))}
    offered = {_main_words(other.title) for other in same if other.score > best.score - _TIE}
    return len(offered) > 1 and not offered & asked


def _same_edition(one: Candidate, other: Candidate) -> bool:
    """Tell whether one may stand in for the other unasked: `Tom Sawyer, Detective` is no `Tom Sawyer`."""
    if _main_words(one.title) != _main_words(other.title):
        return False
    return (
        not (one.authors and other.authors)
        or min(authorship(one.authors, other.authors), authorship(other.authors, one.authors))
        >= _SAME_AUTHORS
    )


def _main_words(text: str) -> tuple[str, ...]:
    """Give a title's words without subtitle, alternative title and brackets."""
    return tuple(title_words(_TAIL.sub("", text)))


def _names_its_language(want: Want, best: Candidate, other: Candidate) -> bool:
    """Tell whether a subtitle shows that the edition in another language is the one that is meant."""
    readings = (want.title, *(reading.title for reading in want.readings if reading.authors))
    return other.score > best.score + 0.01 and any(title(reading).extra for reading in readings)


def _prevails(same: Sequence[Candidate], rivals: Sequence[Candidate]) -> bool:
    """Tell whether a work is so much better known than its namesakes that a bare title means it."""
    return not _by_author(same[0]) and len(same) >= 3 * len(rivals)


def _by_author(candidate: Candidate) -> bool:
    """Tell whether the author took part in the decision, be it as somebody unknown."""
    return candidate.parts.get("author", 1.0) > AUTHOR_SHARE * AUTHOR_NOT_WANTED + 0.001


def _is_known_by_title(want: Want, best: Candidate, ranked: Sequence[Candidate]) -> bool:
    """Tell whether a bare title is enough: it says much or has several editions, and no other author fits."""
    if any(_by_author(other) and other.score > _HINT for other in ranked):
        return False
    editions = sum(_same_work(best, other) for other in ranked if other.authors)
    return editions > 1 or is_telling(title(want.title).full)
