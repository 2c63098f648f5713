"""What is at rest in the store: which lists are settled for good, and how their jobs are forgotten.

What keeps a book from coming twice stays: the ledger's line, and in `past_wants` the identity of what was
wished for, with the job that brought it, or 0 where none did.  The latest job and request stay as well, so
that no number is given twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bookhopper.model import State
from bookhopper.store.connection import ReadConnections
from bookhopper.store.queries import AtRest, Queries
from bookhopper.store.writer import Transaction

AT_REST = (
    f"(state IN ('{State.DONE}', '{State.OWNED}', '{State.DUPLICATE}', '{State.CANCELLED}', "
    f"'{State.EXPANDED}') OR (state = '{State.FAILED}' AND not_before IS NULL))"
)
"""The condition of jobs that nothing will happen to unless a person asks for it.

Beside `id IN (…)` it wants NOT INDEXED, or a long list of numbers has all settled jobs looked through.
"""

_BROUGHT = (State.DONE, State.DUPLICATE)
_PAGE = 20
_LINES_AT_ONCE = 500
_ALL_AT_REST = (
    "NOT EXISTS (SELECT 1 FROM jobs NOT INDEXED "
    f"WHERE id IN (SELECT job FROM request_jobs WHERE request = requests.id) AND NOT {AT_REST})"
)
_UNREFERRED = (
    "id < (SELECT max(id) FROM jobs) "
    "AND NOT EXISTS (SELECT 1 FROM lines WHERE lines.job = jobs.id AND lines.request <> jobs.request) "
    "AND NOT EXISTS (SELECT 1 FROM books JOIN jobs AS whole ON whole.id = books.collection "
    "WHERE books.job = jobs.id AND whole.request <> jobs.request) "
    "AND NOT EXISTS (SELECT 1 FROM jobs AS book WHERE book.parent = jobs.id)"
)
"""The condition of jobs that no other list names, and that are no collection with books."""


class RestingReader(Queries):
    """The questions about what is at rest."""

    _read: ReadConnections

    def at_rest(self) -> Iterator[AtRest]:
        """List the requests in which nothing is looked for or waits for a person, the oldest first."""
        last = 0
        while page := self._read.all(
            "SELECT id, report, coalesce((SELECT max(changed) FROM jobs NOT INDEXED WHERE id IN "
            "(SELECT job FROM request_jobs WHERE request = requests.id)), created) "
            f"FROM requests WHERE id > ? AND {_ALL_AT_REST} ORDER BY id LIMIT ?",
            (last, _PAGE),
        ):
            yield from (AtRest(*row) for row in page)
            last = page[-1][0]

    def reports(self) -> frozenset[str]:
        """List the names of the reports that are kept up to date."""
        return frozenset(row[0] for row in self._read.all("SELECT report FROM requests WHERE report <> ''"))

    def open_digests(self) -> frozenset[str]:
        """List the digests of the lists that are not at rest."""
        return frozenset(
            row[0] for row in self._read.all(f"SELECT digest FROM requests WHERE NOT {_ALL_AT_REST}")
        )

    def knows(self, identity: bytes) -> bool:
        """Tell whether a want's identity has a job, or had one."""
        row = self._read.one(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE identity = ?1) "
            "OR EXISTS (SELECT 1 FROM past_wants WHERE identity = ?1)",
            (identity,),
        )
        return bool(row and row[0])

    def own_jobs(self, request: int) -> Sequence[int]:
        """List the jobs that a request made, the latest first."""
        found = self._read.all("SELECT id FROM jobs WHERE request = ?", (request,))
        return sorted((row[0] for row in found), reverse=True)


def close_report(transaction: Transaction, request: int) -> bool:
    """Keep a request's report no longer, if all in it is at rest; tells whether."""
    closed = transaction.execute(
        f"UPDATE requests SET report = '' WHERE id = ? AND {_ALL_AT_REST}", (request,)
    )
    return closed.rowcount > 0


def forget(transaction: Transaction, jobs: Sequence[int]) -> int:
    """Forget those of some jobs that are at rest and that nothing refers to; how many."""
    return sum(
        _forget(transaction, jobs, collections=collections)
        for collections in (False, True)  # the books first, since a collection stays for them
    )


def _forget(transaction: Transaction, jobs: Sequence[int], *, collections: bool) -> int:
    kind = "=" if collections else "<>"
    found = transaction.execute(
        f"SELECT id, identity, state FROM jobs NOT INDEXED WHERE id IN ({_marks(jobs)}) "
        f"AND state {kind} '{State.EXPANDED}' AND {AT_REST} AND {_UNREFERRED}",
        tuple(jobs),
    ).fetchall()
    if not found:
        return 0
    numbers = [row[0] for row in found]
    _remember(transaction, found)
    marks = _marks(numbers)
    transaction.execute(f"DELETE FROM books WHERE collection IN ({marks})", tuple(numbers))
    transaction.execute(f"DELETE FROM books WHERE job IN ({marks})", tuple(numbers))
    transaction.execute(f"DELETE FROM jobs WHERE id IN ({marks})", tuple(numbers))
    for _, _, state in found:
        transaction.tally[State(state)] -= 1
    return len(found)


def _remember(transaction: Transaction, forgotten: Sequence[tuple[int, bytes, str]]) -> None:
    """Note what was wished for: of several jobs, one that the ledger knows, else one whose book had come."""
    transaction.connection.executemany(
        "INSERT INTO past_wants VALUES (?1, ?2) "
        "ON CONFLICT (identity) DO UPDATE SET job = ?2 WHERE ?3 OR (?2 <> 0 AND job = 0)",
        [
            (identity, number if state in _BROUGHT else 0, state == State.DONE)
            for number, identity, state in forgotten
        ],
    )


def forget_request(transaction: Transaction, request: int) -> bool:
    """Forget a request that has no jobs, or some of its lines; tells whether there is more to forget."""
    gone = transaction.execute(
        "DELETE FROM lines WHERE request = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE request = ?1) "
        f"AND ordinal IN (SELECT ordinal FROM lines WHERE request = ?1 LIMIT {_LINES_AT_ONCE})",
        (request,),
    ).rowcount
    if gone:
        return True
    transaction.execute(
        "DELETE FROM requests WHERE id = ?1 AND id < (SELECT max(id) FROM requests) "
        "AND NOT EXISTS (SELECT 1 FROM jobs WHERE request = ?1)",
        (request,),
    )
    return False


def past(transaction: Transaction, identities: Sequence[bytes]) -> Mapping[bytes, str]:
    """Find those of some identities whose book came for a job that is forgotten, and say which it was."""
    found = transaction.execute(
        "SELECT identity, past_wants.job, name FROM past_wants "
        "LEFT JOIN ledger ON ledger.job = past_wants.job "
        f"WHERE identity IN ({_marks(identities)}) AND past_wants.job <> 0",
        tuple(identities),
    )
    return {
        identity: f"delivered before, as {name} (job {job})" if name else f"it came before (job {job})"
        for identity, job, name in found
    }


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
