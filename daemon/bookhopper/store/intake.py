"""How a request's entries become lines and jobs: the part of the store that runs once for each want-list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count, islice
from typing import Any

from bookhopper.model import BadLine, LeftOut, Pick, State, Want
from bookhopper.store import control, rest, rows
from bookhopper.store.base import Entry, Intake, NewRequest, UnfitError, UnknownJobError, Wish
from bookhopper.store.codec import want_to_json
from bookhopper.store.numbers import last_job
from bookhopper.store.queries import LineNote
from bookhopper.store.writer import Transaction

_CHUNK = 100  # so few that a chunk is gone again before Python's collector of garbage wakes

_ADD_JOB = (
    "INSERT INTO jobs "
    "(id, request, ordinal, owner, identity, want, state, error, priority, position, created, changed) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WANTED, _DUPLICATE = State.WANTED.value, State.DUPLICATE.value  # a plain text is bound sooner
_ADD_LINE = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def add_request(transaction: Transaction, request: NewRequest, entries: Iterable[Entry]) -> Intake:
    """Store a request, its lines, and a job for each new identity; a known token adds nothing."""
    known = transaction.execute(
        f"SELECT {rows.REQUEST} FROM requests WHERE token = ?",
        (request.token,),
    ).fetchone()
    if known:
        return _again(transaction, known)
    (number,) = transaction.execute("SELECT coalesce(max(id), 0) + 1 FROM requests").fetchone()
    row = (number, request.name, request.digest, request.owner, request.report, 0, transaction.now)
    transaction.execute(
        "INSERT INTO requests (id, token, name, digest, owner, report, wants, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, request.token, *row[1:]),
    )
    filing = _Filing(transaction, number, request.owner, request.only_owner)
    remaining = iter(entries)
    while chunk := list(islice(remaining, _CHUNK)):
        filing.add(chunk)
    wants = filing.counts[LineNote.NEW] + filing.counts[LineNote.KNOWN] + filing.counts[LineNote.PICKED]
    transaction.execute("UPDATE requests SET wants = ? WHERE id = ?", (wants, number))
    return Intake(
        request=rows.request((*row[:5], wants, row[6])),
        new=filing.counts[LineNote.NEW],
        known=filing.counts[LineNote.KNOWN] + filing.counts[LineNote.PICKED],
        bad=filing.counts[LineNote.BAD],
    )


def _again(transaction: Transaction, row: tuple[Any, ...]) -> Intake:
    (new,) = transaction.execute(
        "SELECT count(*) FROM jobs WHERE request = ? AND ordinal IS NOT NULL", (row[0],)
    ).fetchone()
    notes = dict(
        transaction.execute("SELECT note, count(*) FROM lines WHERE request = ? GROUP BY note", (row[0],))
    )
    return Intake(
        request=rows.request(row),
        new=new,
        known=notes.get(LineNote.KNOWN, 0) + notes.get(LineNote.PICKED, 0),
        bad=notes.get(LineNote.BAD, 0),
        repeated=True,
    )


def jobs_of(transaction: Transaction, identities: Sequence[bytes]) -> dict[bytes, int]:
    """Find the latest job of each identity that has one; a few hundred at once."""
    marks = ",".join("?" * len(identities))
    return dict(
        transaction.execute(
            f"SELECT identity, max(id) FROM jobs WHERE identity IN ({marks}) GROUP BY identity",
            tuple(identities),
        )
    )


class _Filing:
    """The state of one request's filing: the next free job number, and which wishes have their job."""

    def __init__(self, transaction: Transaction, request: int, owner: str, only_owner: str | None) -> None:
        self.transaction = transaction
        self.request = request
        self.owner = owner
        self.only_owner = only_owner
        self.counts = dict.fromkeys(LineNote, 0)
        self._ordinals = count(1)
        last = last_job(transaction)
        self._numbers = count(last + 1)
        self._jobs_of: dict[bytes, int] = {}
        self._had_jobs = last > 0
        self._positions: dict[int, int] = {}

    def add(self, entries: list[Entry]) -> None:
        """File a chunk of entries."""
        had: Mapping[bytes, str] = {}
        if self._had_jobs:
            identities = [each.identity for each in entries if isinstance(each, Wish)]
            for identity, job in jobs_of(self.transaction, identities).items():
                self._jobs_of.setdefault(identity, job)
            had = rest.past(self.transaction, identities)
        request, owner, now = self.request, self.owner, self.transaction.now
        jobs: list[tuple[Any, ...]] = []
        lines: list[tuple[Any, ...]] = []
        doubles = 0
        for entry, ordinal in zip(entries, self._ordinals, strict=False):
            if not isinstance(entry, Wish) or not self._is_new(entry):
                lines.append((request, ordinal, *self._line(entry)))
                continue
            number, identity, want = next(self._numbers), entry.identity, entry.want
            self._jobs_of[identity] = number
            text, position = want_to_json(want), self._position(want.priority)
            state, error = _WANTED, ""
            if identity in had and not want.force:
                state, error = _DUPLICATE, had[identity]
                doubles += 1
            row = (number, request, ordinal, owner, identity, text, state, error, want.priority, position)
            jobs.append((*row, now, now))
        self.counts[LineNote.NEW] += len(jobs)
        self.transaction.tally[State.DUPLICATE] += doubles
        self.transaction.tally[State.WANTED] += len(jobs) - doubles
        self.transaction.connection.executemany(_ADD_JOB, jobs)
        self.transaction.connection.executemany(_ADD_LINE, lines)

    def _position(self, priority: int) -> int:
        """Give the position of new jobs of a priority: behind all others of it, wherever they were moved."""
        if priority not in self._positions:
            self._positions[priority] = control.end_of(self.transaction, priority)
        return self._positions[priority]

    def _is_new(self, wish: Wish) -> bool:
        want = wish.want
        if want.pick is not None and want.pick.job is not None:
            return False
        return want.force or wish.identity not in self._jobs_of

    def _line(self, entry: Entry) -> tuple[Any, ...]:
        """Give the line of an entry that makes no job."""
        if isinstance(entry, BadLine):
            self.counts[LineNote.BAD] += 1
            return (entry.line, entry.column, entry.raw, LineNote.BAD, None, entry.reason)
        if isinstance(entry, LeftOut):
            return (entry.line, 1, entry.raw, LineNote.LEFT_OUT, None, entry.reason)
        want = entry.want
        if want.pick is not None and want.pick.job is not None:
            note, job, reason = self._pick(want, want.pick, want.pick.job)
        else:
            note, job, reason = LineNote.KNOWN, self._jobs_of[entry.identity], ""
        self.counts[note] += 1
        return (want.line, 1, want.raw, note, job, reason)

    def _pick(self, line: Want, picked: Pick, number: int) -> tuple[LineNote, int | None, str]:
        """Send the picked job back to WANTED with the book that was picked for it."""
        try:
            job = control.find(self.transaction, number)
            if self.only_owner is not None and job.owner != self.only_owner:
                return LineNote.BAD, None, f"job {number} was queued by somebody else"
            control.pick(self.transaction, number, picked, priority=line.priority)
        except UnknownJobError as error:
            return LineNote.BAD, None, f"{error}: take the pick line as the report gives it"
        except UnfitError as error:
            return LineNote.BAD, None, str(error)
        return LineNote.PICKED, number, ""
