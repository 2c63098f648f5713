"""From a want to a decision: every source is asked at once, and what comes in time is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Pick, Reading, Want
from bookhopper.search.asking import DEADLINE, Answers, Fault, Line, ask_all, refuse_busy, unanswered
from bookhopper.search.decide import CHOSEN, NEAREST, Decision, Preferences, Resolution, decide, is_readable
from bookhopper.search.language import language_tag
from bookhopper.search.person import SURELY_THE_AUTHOR, authorship, is_nobody
from bookhopper.search.score import (
    AUTHOR_SHARE,
    SURELY_THE_TITLE,
    offered_titles,
    score,
    title_fit,
)
from bookhopper.search.sources.base import Identifier, Query, Source
from bookhopper.search.title import title
from bookhopper.ticket import Ticket

__all__ = ["Decision", "Resolution", "Resolver"]

_AGAIN_SECONDS = 30.0
_WORKS_OF = re.compile(r"(?:(?:all|the) )*(?:books|works) (?:of|by) (\S.{0,80})", re.IGNORECASE)
_USUAL_FORMATS = frozenset(("epub", "pdf"))
"""Where these are taken, there is seldom a book in others only."""

_ALIASES = 12
"""How many other titles of a work are looked for."""


class Resolver:
    """Decides about wants; may be used by several threads at once.

    `accept` is the score from which a candidate is taken, `margin` by how much it must beat the next work;
    `languages` and `formats` are what is taken unattended, best first (empty: any).  `deadlines` are the
    seconds for which a source's answer is waited for, by its name; `identifiers` know what an ISBN names and
    what else a work is called.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        accept: float,
        margin: float,
        languages: Sequence[str],
        formats: Sequence[str],
        deadlines: Mapping[str, float] | None = None,
        identifiers: Sequence[Identifier] = (),
    ) -> None:
        tags = tuple(filter(None, map(language_tag, languages)))
        names = tuple(each.name for each in sources)
        self._preferences = Preferences(accept, margin, tags, tuple(formats), names)
        seconds = deadlines or {}
        self._sources = {Line(each.name, seconds.get(each.name, DEADLINE)): each for each in sources}
        self._identifiers = {Line(each.name, seconds.get(each.name, DEADLINE)): each for each in identifiers}

    def resolve(self, want: Want, ticket: Ticket) -> Resolution:
        """Decide about a want.

        While no source answers, raises HeldError (scope `queue` where none can be asked at all, `job` where
        they were too slow for this want) or TransientError (an answer could not be understood); HeldError
        also while others of ours keep a source busy that may have it.
        """
        if not self._sources:
            return _missing("no source is configured: name one under `sources:`")
        if want.collection is not None:
            return _missing("a collection: the daemon makes a job for each of its books")
        if want.pick is not None:
            return self._resolve_pick(want, want.pick, ticket)
        resolution, faults = self._look(want, ticket)
        named = want
        if want.isbn and resolution.decision is Decision.MISSING:
            identified, unasked = self._identified(want, ticket)
            if identified is not None:
                resolution, faults = self._look(identified, ticket)
                resolution, named = _with_name(resolution, want, identified), identified
            elif not want.title:
                resolution = replace(resolution, reason="no source knows this ISBN: add the title")
            faults = [*faults, *unasked]
        if self._has_nothing_like(named, resolution):
            resolution, unasked = self._under_another_title(named, resolution, ticket)
            faults = [*faults, *unasked]
        if not faults and resolution.decision is Decision.MISSING:
            resolution = self._in_other_formats(want, resolution, ticket)
        if resolution.decision is not Decision.ACCEPT and (author := _WORKS_OF.fullmatch(want.title)):
            hint = f"taken for a title: all books by an author are asked for by `works of: {author[1]}`"
            resolution = replace(resolution, reason=f"{resolution.reason}; {hint}")
        if faults and resolution.decision is not Decision.ACCEPT:
            refuse_busy(faults)
            silent = tuple(dict.fromkeys(fault.source for fault in faults))
            reason = f"{resolution.reason}; not asked, for it did not answer: {', '.join(silent)}"
            return replace(resolution, reason=reason, silent=silent)
        return resolution

    @property
    def source_names(self) -> frozenset[str]:
        """What the sources are called, which is how a pick names them."""
        return frozenset(line.name for line in self._sources)

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
        answers = self._ask(replace(query, languages=tuple(languages) or query.languages), ticket)
        if answers.faults and not answers.values:
            raise _held(answers.faults)
        scored = [_shown_score(want, candidate) for found in answers.values for candidate in found]
        answering = [candidate for candidate in scored if candidate.score > 0]
        return sorted(answering, key=lambda candidate: self._preferences.rank(want, candidate))[:limit]

    def lookup(self, pick: Pick, formats: Sequence[str], ticket: Ticket) -> Sequence[Candidate]:
        """Give the candidates behind a pick, the preferred format first; nothing from an unknown source.

        Raises HeldError, TransientError or PermanentError when the source cannot be asked.
        """
        line = next((line for line in self._sources if line.name == pick.source), None)
        if line is None:
            return ()
        wanted = Want(formats=tuple(formats))
        question = partial(self._sources[line].lookup, pick.key, self._preferences.formats_for(wanted))
        answers = ask_all({line: question}, ticket)
        ticket.check()
        if answers.faults:
            raise answers.faults[0].error
        (found,) = answers.values
        return sorted(found, key=lambda candidate: self._preferences.format_rank(wanted, candidate))

    def close(self) -> None:
        """Stop the threads that ask; the sources stay open."""
        for line in (*self._sources, *self._identifiers):
            line.close()

    def _look(self, want: Want, ticket: Ticket) -> tuple[Resolution, Sequence[Fault]]:
        """Ask every source and decide on what comes; also give those who were silent."""
        answers = self._ask(self._query(want), ticket)
        ticket.check()
        if not answers.values:
            raise unanswered(answers.faults)
        found = [candidate for some in answers.values for candidate in some]
        return decide(want, found, self._preferences), answers.faults

    def _query(self, want: Want) -> Query:
        readings = (Reading(want.title, want.authors), *want.readings) if want.title else ()
        known = tuple(replace(each, authors=_somebody(each.authors)) for each in readings)
        languages, formats = self._preferences.languages_for(want), self._preferences.formats_for(want)
        return Query(known, want.isbn, want.year, languages, formats)

    def _ask(self, query: Query, ticket: Ticket) -> Answers[Sequence[Candidate]]:
        return ask_all(
            {line: partial(source.search, query) for line, source in self._sources.items()}, ticket
        )

    def _identified(self, want: Want, ticket: Ticket) -> tuple[Want | None, Sequence[Fault]]:
        """Give a want also the title and authors that its ISBN stands for; None when nobody knows them."""
        answers = ask_all(
            {line: partial(each.identify, want.isbn) for line, each in self._identifiers.items()}, ticket
        )
        ticket.check()
        known = [reading for reading in answers.values if reading is not None and reading.title]
        if not known:
            return None, answers.faults
        # Those that the want contradicts are looked for only to be shown.
        first, *others = known = [reading for reading in known if _agrees(want, reading)] or known
        if want.title:
            return replace(want, readings=(*want.readings, *known)), ()
        return replace(want, title=first.title, authors=first.authors, readings=tuple(others)), ()

    def _has_nothing_like(self, want: Want, resolution: Resolution) -> bool:
        """Tell whether a plain title was found nowhere, or only in a language that is not wanted."""
        if resolution.decision is Decision.ACCEPT or not (want.title and want.authors and self._identifiers):
            return False
        wanted = title(want.title)  # another title would lose what this one says beside its own
        if wanted.extra or wanted.remarks or wanted.volume or wanted.is_omnibus:
            return False
        languages = self._preferences.languages_for(want)
        return resolution.decision is Decision.MISSING or not is_readable(resolution.near[0], languages)

    def _under_another_title(
        self, want: Want, resolution: Resolution, ticket: Ticket
    ) -> tuple[Resolution, Sequence[Fault]]:
        """Look for a work by what else it is called: `Demons` is also `The Possessed`.

        What is found so is offered and never taken: what catalogues call a work by includes `Poems`, `Works`
        and the books that it was once bound with.  Where nothing fits, what its own title found stands.
        """
        asked = Reading(want.title, want.authors)
        answers = ask_all(
            {line: partial(each.aliases, asked) for line, each in self._identifiers.items()}, ticket
        )
        ticket.check()
        names = list(dict.fromkeys(name for names in answers.values for name in names if name))[:_ALIASES]
        if not names:
            return resolution, answers.faults
        first, *others = names
        named = replace(want, title=first, readings=tuple(Reading(name, want.authors) for name in others))
        found, faults = self._look(named, ticket)
        if found.decision is Decision.ACCEPT:
            reason = f"perhaps the same work as {want.title}"
            return Resolution(Decision.AMBIGUOUS, (), found.near, reason), ()
        return resolution, faults

    def _in_other_formats(self, want: Want, resolution: Resolution, ticket: Ticket) -> Resolution:
        """Say so where a book that was found nowhere is there, but in formats that are not taken.

        That costs another look, which only narrow formats are worth.
        """
        formats = self._preferences.formats_for(want)
        if not formats or frozenset(formats) >= _USUAL_FORMATS:
            return resolution
        answers = self._ask(replace(self._query(want), formats=()), ticket)
        ticket.check()
        found = [candidate for some in answers.values for candidate in some]
        elsewhere = decide(replace(want, formats=()), found, replace(self._preferences, formats=()))
        others = sorted({candidate.format for candidate in elsewhere.chosen}.difference(formats, ("",)))
        if not others:
            return resolution
        return replace(resolution, near=elsewhere.near, reason=f"found only as {', '.join(others)}")

    def _resolve_pick(self, want: Want, pick: Pick, ticket: Ticket) -> Resolution:
        if pick.source not in self.source_names:
            names = ", ".join(line.name for line in self._sources)
            return _missing(f"no source is called {pick.source}; there are: {names}")
        try:
            ranked = tuple(self.lookup(pick, want.formats, ticket))
        except (HeldError, TransientError) as error:
            raise _held([Fault(pick.source, error)]) from error
        except PermanentError as error:
            return _missing(f"{pick.source} refuses {pick.key}: {error}")
        if not ranked:
            return _missing(f"{pick.source} has no book {pick.key} in a wanted format")
        return Resolution(Decision.ACCEPT, ranked[:CHOSEN], ranked[:NEAREST], "picked by hand")


def _somebody(authors: Sequence[str]) -> tuple[str, ...]:
    """Leave out who is nobody: catalogues have thousands of books by `Anonymous`."""
    return tuple(name for name in authors if not is_nobody(name))


def _shown_score(want: Want, candidate: Candidate) -> Candidate:
    """Score a candidate for show, by its author where the want names no more."""
    if want.title or want.isbn:
        return score(want, candidate)
    return replace(candidate, score=AUTHOR_SHARE * authorship(want.authors, candidate.authors))


def _with_name(resolution: Resolution, want: Want, identified: Want) -> Resolution:
    """Tell which book an ISBN stands for that could not be taken, or that the want contradicts."""
    known = Reading(identified.title, identified.authors)
    if want.title:
        known = identified.readings[len(want.readings)]
    named = f"the ISBN is that of {' — '.join(filter(None, (known.title, ' & '.join(known.authors))))}"
    if not _agrees(want, known):
        reason = f"title and author are of another book; {named}"
        return replace(resolution, decision=Decision.AMBIGUOUS, chosen=(), reason=reason)
    if want.title or resolution.decision is Decision.ACCEPT:
        return resolution
    return replace(resolution, reason=f"{resolution.reason}; {named}")


def _agrees(want: Want, known: Reading) -> bool:
    """Tell whether an ISBN's book may be the wanted one, by its author or its title; an ISBN alone may."""
    readings = [each for each in (Reading(want.title, want.authors), *want.readings) if each != Reading("")]
    return not readings or any(
        authorship(reading.authors, known.authors) >= SURELY_THE_AUTHOR
        or any(
            title_fit(title(reading.title), offered) >= SURELY_THE_TITLE
            for offered, _ in offered_titles(known.title, known.authors)
        )
        for reading in readings
    )


def _missing(reason: str) -> Resolution:
    return Resolution(Decision.MISSING, (), (), reason)


def _held(faults: Sequence[Fault]) -> HeldError:
    reasons = "; ".join(f"source {fault.source} cannot be asked: {fault.error}" for fault in faults)
    errors: list[BookhopperError] = [fault.error for fault in faults]
    seconds = min((error.seconds for error in errors if isinstance(error, HeldError)), default=_AGAIN_SECONDS)
    return HeldError(reasons, seconds=seconds)
