"""What it costs the queue that the daemon looks after itself: claims while it forgets a long history.

The peer is the same queue at rest, with the same history.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bookhopper.keep.backups import Backups
from bookhopper.keep.history import History
from bookhopper.keep_settings import DAY
from bookhopper.model import Change, State, Want
from bookhopper.store.base import Move, NewRequest, Wish
from bookhopper.store.sqlite import SqliteStore
from bookhopper.store.upkeep import Upkeep
from bookhopper.store.writer import Transaction
from bookhopper.ticket import Interrupted, Reason, Ticket

LISTS, LINES = 20, 50_000
CLAIMS = 1_000
_PAUSE_SECONDS = 0.005


def run(data: Path) -> int | None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = _filled(Path(folder) / "queue.db")
        print(f"{LISTS * LINES:,} books delivered, in {LISTS} lists")
        _print("a claim, nothing else to do", _claims(store))
        ticket = Ticket(0)
        history = History(store, ticket)
        upkeep = Upkeep(Path(folder) / "queue.db", lambda _: None)
        chores: dict[str, Callable[[], object]] = {
            "while history is forgotten": lambda: history.clear(time.time() + 2 * DAY, age=DAY, number=0),
            "while a backup is made": lambda: Backups(Path(folder), upkeep).make(number=1, keep_free=0),
            "while all is looked through": upkeep.check,
            "while tables are looked at": store.optimise,
        }
        for name, chore in chores.items():
            _print(f"a claim {name}", _claims(store, chore))
        before, begun = store.counts()[State.DONE], time.perf_counter()
        threading.Timer(20, ticket.interrupt, (Reason.SHUTDOWN,)).start()
        _until_interrupted(chores["while history is forgotten"])
        seconds = time.perf_counter() - begun
        print(f"forgotten: {(before - store.counts()[State.DONE]) / seconds:,.0f} books a second")
        store.close()
    return None


def _print(what: str, seconds: list[float]) -> None:
    parts = statistics.quantiles(seconds, n=100)
    middle, rare, most = (1e3 * each for each in (parts[49], parts[98], max(seconds)))
    print(f"{what:<38} p50 {middle:6.2f} ms, p99 {rare:6.2f} ms, max {most:6.2f} ms")


def _claims(store: SqliteStore, chore: Callable[[], object] | None = None) -> list[float]:
    """Give the seconds of claims, one thread asking now and then, while a chore runs beside them."""
    beside = threading.Thread(target=_until_interrupted, args=(chore,), daemon=True) if chore else None
    if beside:
        beside.start()
    seconds = []
    for _ in range(CLAIMS):
        time.sleep(_PAUSE_SECONDS)
        begun = time.perf_counter()
        job = store.claim(State.WANTED)
        seconds.append(time.perf_counter() - begun)
        assert job is not None
        store.move(Move(job.id, State.SEARCHING, State.WANTED))
    return seconds


def _until_interrupted(chore: Callable[[], object]) -> None:
    try:
        chore()
    except Interrupted:
        return


def _filled(path: Path) -> SqliteStore:
    store = SqliteStore(path, _unheard)
    for number in range(LISTS):
        request = NewRequest(f"{number}", f"{number}.txt", "", f"{number}.report.txt")
        store.add_request(request, (_wish(number * LINES + line, line) for line in range(LINES)))
    store.writer.call("spread", _deliver_all)
    store.add_request(
        NewRequest("new", "new.txt", "", ""), (_wish(10**8 + line, line) for line in range(CLAIMS))
    )
    return store


def _wish(number: int, line: int) -> Wish:
    want = Want(title=f"Title {number}", authors=("An Author",), line=line, raw=f"Title {number} — An Author")
    return Wish(want, number.to_bytes(16, "big"))


def _deliver_all(transaction: Transaction) -> None:
    transaction.execute("UPDATE jobs SET state = 'done', candidates = ?", ("x" * 300,))
    transaction.execute(
        "INSERT INTO ledger "
        "(job, source, key, format, name, staged, folder, sha256, size, placed_at, done_at) "
        "SELECT id, 'shelf', id, 'epub', id || '.epub', '', '', id, 1, 1, changed FROM jobs"
    )
    transaction.tally[State.WANTED] -= LISTS * LINES
    transaction.tally[State.DONE] += LISTS * LINES


def _unheard(change: Change) -> None:
    """Nobody listens."""
