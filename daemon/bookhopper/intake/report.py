"""The report that answers a request: every line, what became of it, and what a person can do about it.

Plain text for any editor.  All that comes from lists and sources is shown without control characters.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from bookhopper.errors import shortened
from bookhopper.intake.base import plain
from bookhopper.model import UNSETTLED, Candidate, Job, Request, State
from bookhopper.store.queries import Line, LineNote
from bookhopper.units import counted

_WIDTH = 100
_INDENT = " " * 20
_MOST_RAW = 300
_MOST_CHOICES = {State.AMBIGUOUS: 10, State.MISSING: 3, State.FAILED: 3}
_IN_MEMORY = 1 << 20
"""A body beyond this waits on disk, so that a list of 100,000 lines costs no memory."""

_ORDER = (
    (State.OWNED, "already owned"),
    (State.DUPLICATE, "duplicate"),
    (State.EXPANDED, "expanded"),
    (State.AMBIGUOUS, "ambiguous"),
    (State.MISSING, "missing"),
    (State.FAILED, "failed"),
    (State.CANCELLED, "cancelled"),
)
_AGAIN = {
    State.MISSING: "looked for again",
    State.AMBIGUOUS: "looked for again",
    State.FAILED: "tried again",
    State.WANTED: "looked for",
    State.QUEUED: "tried again",
}
_PICK_HELP = (
    "To have one of the books offered under a line, copy its `pick:` line into a new list\n"
    "(a text file whose name ends in .txt) and drop that into the requests folder."
)


BooksOf = Callable[[int], Iterable[Job]]
"""Gives the books of a collection's job, in its order."""


@dataclass(slots=True)
class Tally:
    """How many lines, and books of those lines that became several, stand where.

    A collection whose books are known is counted by these alone; `books` is how many they are.
    """

    states: Counter[State] = field(default_factory=Counter)
    bad: int = 0
    lines: int = 0
    books: int = 0

    @property
    def unsettled(self) -> int:
        """Lines, and books, with neither a file nor a reason yet."""
        return sum(self.states[state] for state in UNSETTLED)


def render(
    request: Request,
    lines: Iterable[tuple[Line, Job | None]],
    names: Mapping[int, str],
    now: float,
    tally: Tally | None = None,
    *,
    books_of: BooksOf = lambda _: (),
) -> Iterator[str]:
    """Give the report line by line; `names` are the delivered file names by job, `now` epoch seconds.

    A collection's line is followed by its books.  A tally that is passed in holds the counts once the first
    line has come out.
    """
    tally = tally if tally is not None else Tally()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", errors="replace") as body:
        choices = False
        for line, job in lines:
            for row in _entry(line, job, names, books_of, tally):
                choices = choices or row.lstrip().startswith("pick: ")
                body.write(f"{row}\n")
        yield from _header(request, tally, now, choices=choices)
        body.seek(0)
        for row in body:
            yield row.rstrip("\n")


def _header(request: Request, tally: Tally, now: float, *, choices: bool) -> Iterator[str]:
    name = plain(request.name)
    yield name
    yield "=" * min(len(name), _WIDTH)
    yield f"taken       {moment(request.created)}"
    yield f"this report {moment(now)}"
    several = f" with {counted(tally.books, 'book')} of collections" if tally.books else ""
    yield from textwrap.wrap(f"{counted(tally.lines, 'line')}{several}: {_summary(tally)}", _WIDTH)
    if tally.unsettled:
        yield f"{tally.unsettled} of them still on the way; this report is rewritten as they go on."
    else:
        yield "Everything on this list is settled for now."
    if choices:
        yield ""
        yield from _PICK_HELP.splitlines()
    yield ""
    yield " line  state"
    yield "-" * 90


def _summary(tally: Tally) -> str:
    parts = [f"{tally.states[State.DONE]} delivered", f"{tally.unsettled} waiting"]
    parts += [f"{tally.states[state]} {word}" for state, word in _ORDER if tally.states[state]]
    if tally.bad:
        parts.append(f"{tally.bad} not understood")
    return ", ".join(parts)


def _entry(
    line: Line, job: Job | None, names: Mapping[int, str], books_of: BooksOf, tally: Tally
) -> Iterator[str]:
    """Show a line, and the books of its collection, and count them."""
    raw = _cut(line.raw)
    if line.note is LineNote.LEFT_OUT:
        yield f"{'':<7}{'left out':<13}{raw}"
        yield from _wrapped(line.reason)
        return
    tally.lines += 1
    if job is None or line.note is LineNote.BAD:
        tally.bad += 1
        yield f"{line.number:>5}  {'bad':<13}{raw}"
        yield from _wrapped(f"{line.number}:{line.column}: {line.reason}")
        return
    number = f"  (job {job.id})" if job.want.collection is not None else ""
    yield f"{line.number:>5}  {_state(job):<13}{raw}{number}"
    if line.note is LineNote.PICKED:
        yield from _wrapped(f"picked for {_title(job)}")
    elif line.note is LineNote.KNOWN:
        yield f"{_INDENT}asked for before (job {job.id})"
    yield from _fate(job, names)
    known = tally.books
    for book in books_of(job.id) if job.want.collection is not None else ():
        yield f"{'':<7}{_state(book):<13}- {_cut(book.want.raw)}"
        if book.parent != job.id:
            yield f"{_INDENT}asked for before (job {book.id})"
        yield from _fate(book, names)
        tally.books += 1
        tally.states[book.state] += 1
    if tally.books == known or job.state in UNSETTLED:
        tally.states[job.state] += 1


def _state(job: Job) -> str:
    return f"{job.state}*" if job.paused else str(job.state)


def _cut(text: str) -> str:
    return shortened(plain(text), _MOST_RAW)


def _fate(job: Job, names: Mapping[int, str]) -> Iterator[str]:
    """Tell what became of a job's book, and what a person can do about it."""
    if job.paused:
        yield f"{_INDENT}* paused"
    if job.id in names and job.state in {State.DONE, State.PLACED}:
        book = next((candidate for candidate in job.candidates if not candidate.fault), None)
        unsure = "" if book is None or book.language or job.want.pick else "  (its language is not known)"
        yield f"{_INDENT}-> {plain(names[job.id])}{unsure}"
    if job.error:
        yield from _wrapped(job.error)
    if job.not_before is not None and job.state in _AGAIN:
        yield f"{_INDENT}{_AGAIN[job.state]} {moment(job.not_before)}"
    yield from _choices(job)


def _choices(job: Job) -> Iterator[str]:
    most = _MOST_CHOICES.get(job.state, 0)
    offered = job.candidates[:most]
    if offered and job.state is State.MISSING:
        yield f"{_INDENT}nearest, none of them near enough to be taken unasked:"
    for candidate in offered:
        if not candidate.fault:
            yield f"{_INDENT}{_pick_line(job, candidate)}"
        elif candidate.fault not in job.error:
            yield from _wrapped(f"given up: {candidate.source}:{candidate.key}: {candidate.fault}")


def _pick_line(job: Job, candidate: Candidate) -> str:
    authors = ", ".join(candidate.authors[:3])
    about = ", ".join(
        part
        for part in (
            f"{candidate.title} — {authors}" if authors else candidate.title,
            candidate.language,
            candidate.format,
            f"{candidate.score:.2f}",
        )
        if part
    )
    key = candidate.key
    # A key with a remark's mark in it would be read back as another key.
    if key != plain(key) or " #" in key:
        return f"- {plain(about)} ({plain(candidate.source)})"
    return f"pick: {job.id} {candidate.source}:{key}    # {plain(about)}"


def _title(job: Job) -> str:
    want = job.want
    return plain(want.raw or want.title or want.isbn)[:_MOST_RAW]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        plain(text),
        _WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def moment(seconds: float) -> str:
    """Write a moment (epoch seconds) in local time, with its zone."""
    return _minute(int(seconds // 60))


@lru_cache(maxsize=1024)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60).astimezone().strftime("%Y-%m-%d %H:%M %Z")
