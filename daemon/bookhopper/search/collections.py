"""From a want for a collection to its books: an author's works, a series, what a feed lists.

Each book comes with the source and the key that it was found under, so that its job fetches that very book.
What is by somebody else, or about the author, is left out; editions of one work count once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from textwrap import shorten

from bookhopper.errors import PermanentError
from bookhopper.model import MOST_BOOKS, Candidate, Collection, Pick, Reading, Want
from bookhopper.net.addresses import safe_url
from bookhopper.search.asking import DEADLINE, Answers, Fault, Line, ask_all, refuse_busy, unanswered
from bookhopper.search.decide import Preferences
from bookhopper.search.language import language_tag, same_language
from bookhopper.search.normalise import fold
from bookhopper.search.person import authorship, person, same_person
from bookhopper.search.series import near_series, series_words
from bookhopper.search.similarity import Words, similarity
from bookhopper.search.sources.base import Collections, Query, Source
from bookhopper.search.title import title
from bookhopper.search.words import title_words
from bookhopper.ticket import Ticket
from bookhopper.units import counted

_PAGES_SECONDS = 600.0
"""For how long a source may turn pages; one collection is as much work as hundreds of searches."""

_MORE = 4
_MANY = 400
"""More books are asked for than are wanted, up to so many: some are editions, or in other languages."""

_SURELY = 0.95
_PERHAPS = 0.85
"""How well a name must agree to be the author's; a slip of the pen is taken where only one person is near."""

_SAME_AUTHORS = 0.7
_SAME_SUBTITLE = 0.6
_MOST_NAMES = 5
_SHOWN_NAME = 80
_MOST_AUTHORS = 4
"""With more than these a book is an anthology, and nobody's work."""

_EDITION_WORDS = frozenset({
    "complete", "unabridged", "illustrated", "annotated", "edition", "illustrations", "pictures",
    "introduction", "preface", "notes", "translated", "edited",
})  # fmt: skip
_OTHER_TEXTS = frozenset({
    "index", "quotations", "quotes", "dramatization", "dramatized", "dramatised", "adapted", "retold",
    "syllable", "libretto", "founded",
})  # fmt: skip
"""What catalogues put under an author's name although somebody else made it of the works."""


@dataclass(frozen=True, slots=True)
class Books:
    """What a collection holds: a want for each book, in order, and one line about it for a person.

    `unclear`: there is none because the collection's name may mean several; `silent` are the sources that may
    have more and did not answer.
    """

    wants: tuple[Want, ...]
    reason: str
    unclear: bool = False
    silent: tuple[str, ...] = ()


class Collector:
    """Finds the books of collections; may be used by several threads at once.

    `languages` and `formats` are what is taken, best first (empty: any), unless the want names others.
    `deadlines` are the seconds for which each page of a source is waited for, by its name.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        languages: Sequence[str],
        formats: Sequence[str],
        deadlines: Mapping[str, float] | None = None,
    ) -> None:
        seconds = deadlines or {}
        self._sources = {
            Line(each.name, seconds.get(each.name, DEADLINE), pages=_PAGES_SECONDS): each for each in sources
        }
        tags = tuple(filter(None, map(language_tag, languages)))
        self._preferences = Preferences(accept=0.0, margin=0.0, languages=tags, formats=tuple(formats))

    def books(self, want: Want, ticket: Ticket) -> Books:
        """Find the books of a want's collection.

        Raises what `unanswered` gives while no source answers, and what a feed's source raises where the feed
        cannot be had: PermanentError also where no source is configured that it belongs to.
        """
        collection = want.collection
        assert collection is not None
        if not self._sources:
            return Books((), "no source is configured: name one under `sources:`")
        most = max(collection.limit, min(_MORE * collection.limit, _MANY))
        answers = self._ask(want, collection, most, ticket)
        ticket.check()
        if not answers.values:
            raise _held(answers.faults, collection)
        refuse_busy(answers.faults)
        offered = [book for some in answers.values for book in some]
        found = [book for book in offered if self._is_wanted(want, book)]
        if not any(_is_of_series(want, book) for book in offered) and (near := near_series(want, offered)):
            named = f"no source has the series {collection.value}; did you mean {_or(near)}?"
            return Books((), named, unclear=True, silent=tuple(fault.source for fault in answers.faults))
        if collection.kind == "author":
            found, names = _by_author(collection.value, found)
            if len(names) > 1:
                return Books((), f"several authors may be meant: {_listed(names)}", unclear=True)
        silent = tuple(fault.source for fault in answers.faults)
        books = self._once_each(want, found)
        if collection.kind == "author":
            books.sort(key=lambda book: title(book.title).full)
        elif collection.kind == "series":
            books.sort(key=lambda book: inf if book.position is None else book.position)
        wants = tuple(_want_for(want, book) for book in books[: collection.limit])
        whole = not silent and all(len(some) < most for some in answers.values)
        reason = _reason(collection, len(books), whole=whole)
        if not books and (others := self._only_otherwise(want, collection, offered)):
            reason += f" that is taken: found only {others}"
        if silent:
            reason += f"; it did not answer: {', '.join(silent)}"
        return Books(wants, reason, silent=silent)

    def close(self) -> None:
        """Stop the threads that ask; the sources stay open."""
        for line in self._sources:
            line.close()

    def _ask(
        self, want: Want, collection: Collection, most: int, ticket: Ticket
    ) -> Answers[Sequence[Candidate]]:
        """Ask the sources that list collections for this one, and the others for the author or the series."""
        reading = Reading("" if collection.kind == "author" else collection.value, want.authors)
        languages, formats = self._preferences.languages_for(want), self._preferences.formats_for(want)
        query = Query((reading,), languages=languages, formats=formats, limit=most)
        calls = {}
        for line, source in self._sources.items():
            if isinstance(source, Collections) and source.holds(collection):
                calls[line] = partial(source.works, collection, most)
            elif collection.kind != "feed":
                calls[line] = partial(source.search, query)
        if not calls:
            raise PermanentError(
                f"{safe_url(collection.value)} belongs to no source: name its catalogue under `sources:` "
                "(kind: opds), then try again"
            )
        return ask_all(calls, ticket)

    def _is_wanted(self, want: Want, book: Candidate) -> bool:
        """Tell whether a book can be had, in a language and a format that is taken, and is of the series."""
        return (
            _is_of_series(want, book) and self._is_in_language(want, book) and self._is_in_format(want, book)
        )

    def _is_in_language(self, want: Want, book: Candidate) -> bool:
        languages = self._preferences.languages_for(want)
        return not (languages and book.language) or any(
            same_language(tag, book.language) for tag in languages
        )

    def _is_in_format(self, want: Want, book: Candidate) -> bool:
        formats = self._preferences.formats_for(want)
        return not formats or book.format in formats

    def _only_otherwise(self, want: Want, collection: Collection, offered: Sequence[Candidate]) -> str:
        """Say in which languages, or else formats, a collection's books are there, of which none is taken."""
        books = [book for book in offered if _is_of_series(want, book)]
        if collection.kind == "author":
            books, names = _by_author(collection.value, books)
            books = books if len(names) == 1 else []
        strange = {book.language for book in books if not self._is_in_language(want, book)}
        if strange:
            return f"in {', '.join(sorted(strange))}"
        formats = {book.format for book in books if book.format and not self._is_in_format(want, book)}
        return f"as {', '.join(sorted(formats))}" if formats else ""

    def _once_each(self, want: Want, found: Iterable[Candidate]) -> list[Candidate]:
        """Give of each work the edition to be preferred, in the order in which the works were found.

        Its single volumes are left out where it is there as a whole.
        """
        volumes: defaultdict[Words, defaultdict[str, list[list[Candidate]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        order: list[tuple[Words, str, list[Candidate]]] = []
        for book in found:
            name, volume = _work(book.title)
            alike = volumes[name][volume]
            work = next((some for some in alike if all(_same_work(book, other) for other in some)), None)
            if work is None:
                work = []
                alike.append(work)
                order.append((name, volume, work))
            work.append(book)
        return [
            min(work, key=lambda book: self._rank(want, book))
            for name, volume, work in order
            if not volume or not any(_same_authors(work[0], whole[0]) for whole in volumes[name][""])
        ]

    def _rank(self, want: Want, book: Candidate) -> tuple[object, ...]:
        """Sort editions: the plain title first, then as editions are always preferred."""
        named = title(book.title)
        _, tongue, *rest = self._preferences.rank(want, book)
        return tongue, bool(named.remarks), len(named.extra), *rest


def _by_author(wanted: str, found: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Pick out the books by an author, and give the names of all whom the wanted name may mean.

    Where a catalogue has the very name, another number of given names is another person's.
    """
    names = {name: same_person(person(wanted), person(name)) for book in found for name in book.authors}
    words = sorted(person(wanted).words)
    sure = [name for name, agreement in names.items() if agreement >= _SURELY]
    if any(sorted(person(name).words) == words for name in sure):
        own = {name for name in sure if _is_as_long(wanted, name)}
    else:
        own = set(sure or (name for name, agreement in names.items() if agreement >= _PERHAPS))
    persons: list[str] = []
    for name in sorted(own, key=lambda name: (-names[name], name)):
        if all(max(_agreement(name, other), _agreement(other, name)) < _PERHAPS for other in persons):
            persons.append(name)
    return [book for book in found if not own.isdisjoint(book.authors) and _is_a_work(book)], persons


def _is_of_series(want: Want, book: Candidate) -> bool:
    """Tell whether a book can be had and is of the series that is wanted, if one is."""
    if book.fault or (want.series and series_words(book.series) != series_words(want.series)):
        return False
    return not want.series or not want.authors or authorship(want.authors, book.authors) >= _PERHAPS


def _or(names: Sequence[str]) -> str:
    """Write names as alternatives; what a catalogue calls its series may be of any length."""
    return " or ".join(shorten(name, _SHOWN_NAME, placeholder="…") for name in names)


def _is_a_work(book: Candidate) -> bool:
    """Tell whether a book is its authors' own text: no anthology, no index of works, no play made of one."""
    return len(book.authors) <= _MOST_AUTHORS and _OTHER_TEXTS.isdisjoint(title_words(book.title))


def _is_as_long(wanted: str, name: str) -> bool:
    mine, other = person(wanted), person(name)
    return len(mine.words) == len(other.words) or (mine.alias is not None and mine.alias == other.alias)


def _agreement(one: str, other: str) -> float:
    return same_person(person(one), person(other))


def _same_work(one: Candidate, other: Candidate) -> bool:
    """Tell whether two books whose main titles agree are editions of one: two subtitles are two books."""
    mine, theirs = _subtitle(one.title), _subtitle(other.title)
    same = not mine or not theirs or similarity(mine, theirs) >= _SAME_SUBTITLE
    return same and _same_authors(one, other)


def _same_authors(one: Candidate, other: Candidate) -> bool:
    """Tell whether nothing in the authors of two books speaks against their being the same."""
    return not (one.authors and other.authors) or authorship(one.authors, other.authors) >= _SAME_AUTHORS


def _work(text: str) -> tuple[Words, str]:
    """Give the words by which a work is known, and which volume of it a title names; empty: the whole."""
    named = title(text)
    words = named.main
    while len(words) > 1 and words[-1] in _EDITION_WORDS:
        words = words[:-1]
    return words, named.volume.first if named.volume and not named.volume.is_whole else ""


def _subtitle(text: str) -> Words:
    """Give the words of a subtitle that tells of the work and not of this edition."""
    extra = title(text).extra
    return () if _EDITION_WORDS.intersection(extra) else extra


def _want_for(whole: Want, book: Candidate) -> Want:
    """Make the want for a book of a collection; its own line reads as a list would have said it."""
    name = fold(book.title) and book.title
    return replace(
        whole,
        title=name or book.key,
        authors=book.authors,
        isbn="",
        year=None,
        series=book.series,
        pick=Pick(book.source, book.key),
        raw=" — ".join(filter(None, (name or book.key, ", ".join(book.authors)))),
        readings=(),
        collection=None,
    )


def _reason(collection: Collection, books: int, *, whole: bool) -> str:
    """Tell how many books there are, as far as that is known: not `whole`, there may be any number more."""
    if not books:
        named = {"author": "works of", "series": "the series", "feed": "books in"}[collection.kind]
        return f"no source has {named} {collection.value}"
    if books > collection.limit:
        higher = "" if collection.limit >= MOST_BOOKS else "; a higher `limit:` takes more"
        of_all = f"{collection.limit} of {books:,} books"
        return f"the first {of_all if whole else counted(collection.limit, 'book')}{higher}"
    return counted(books, "book")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more + "; write the whole name"


def _held(faults: Sequence[Fault], collection: Collection) -> Exception:
    """Say why nobody answered; of a feed, its own source says what is to become of the job."""
    if collection.kind == "feed":
        return faults[0].error
    return unanswered(faults)
