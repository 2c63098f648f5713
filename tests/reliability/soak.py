"""A long run under load: lists, downloads, faults, polls, live clients and cancelled jobs, round after round.

Each round ends at rest, with every want of the round settled, and a sample of what the process holds.  A leak
of a file, a thread or a connection shows as a count that does not come back; a leak of memory as a trend that
the later rounds have as well as the earlier ones.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from urllib.error import URLError

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests import books
from tests.daemon import Daemon
from tests.fakes.faulty import Answer, Asked, cut, faulty, rest, status, torn, whole
from tests.waiting import until

BOOKS = 24
"""How many are wished for in a round; the same ones each time, as forced wants."""

_PLATE_BYTES = 60_000
_FEED = '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>Books</title>{}</feed>'
_ENTRY = """<entry><id>urn:{0}</id><title>Voyage {0} of {0}</title><author><name>Sailor {0}</name></author>
<link rel="http://opds-spec.org/acquisition/open-access" type="application/epub+zip" href="/{0}.epub"/>
</entry>"""
_IDLE_SECONDS = 12.0
_LEAST_ROUNDS = 6
_WARM_ROUNDS = 3
_CROWD = 60
_POLLED = ("/api/downloads?limit=100", "/api/downloads/status", "/healthz", "/api/history?limit=20")


@dataclass(frozen=True)
class Sample:
    """What the process held at the end of a round, `at` seconds after the first one."""

    at: float
    resident: int
    threads: int
    files: int


@dataclass(frozen=True)
class Figures:
    """A soak's samples: at rest after the first round, busy after each other one, and at rest again."""

    baseline: Sample
    busy: tuple[Sample, ...]
    end: Sample


def sample(pid: int, begun: float) -> Sample:
    """Read what a process holds from /proc."""
    process = Path("/proc") / str(pid)
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    return Sample(
        time.monotonic() - begun,
        int(fields["VmRSS"].split()[0]) * 1024,
        int(fields["Threads"]),
        len(list((process / "fd").iterdir())),
    )


def slope(samples: Sequence[Sample]) -> float:
    """Give the growth of memory in bytes a second by Theil and Sen: the median over every pair of samples.

    Up to 29 % of the samples may lie anywhere without moving it far, such as those of a garbage collection.
    """
    return statistics.median(
        (later.resident - earlier.resident) / (later.at - earlier.at)
        for earlier, later in combinations(samples, 2)
    )


class Soak:
    """One daemon, its catalogue with faults, and who makes work for it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._server = stack.enter_context(faulty())
        feed = _FEED.format("".join(map(_ENTRY.format, range(BOOKS)))).encode()
        url = self._server.at("/opds", whole(feed, Content_Type="application/atom+xml;profile=opds-catalog"))
        self._books = {
            number: books.epub(
                f"Voyage {number} of {number}",
                f"Sailor {number}",
                files={"OEBPS/plate.jpg": books.jpeg(_PLATE_BYTES, number)},
            )
            for number in range(BOOKS)
        }
        self.daemon = Daemon(
            folder,
            {
                "sources": [{"kind": "opds", "url": url}],
                "download": {"keep_free": 0, "workers": 4, "attempts": 4},
                "deliver": {"keep_copies": 0},
                "log_level": "warning",
            },
        )
        stack.callback(self.daemon.close)
        self._rounds = 0
        self._forget()

    def _forget(self) -> None:
        """Forget what was asked, which would else be most of what grows here."""
        self._server.asked.clear()

    def round(self) -> None:
        """Drop lists, cancel some of their jobs, eat the books, and wait until all are settled."""
        self._rounds += 1
        for number, content in self._books.items():
            self._server.at(f"/{number}.epub", *_answers(number + self._rounds, content))
        before = sum(self.daemon.counts().values())
        for half in (range(BOOKS // 2), range(BOOKS // 2, BOOKS)):
            lines = [f"- title: Voyage {n} of {n}\n  author: Sailor {n}\n  force: true\n" for n in half]
            self.daemon.drop(f"list-{self._rounds}-{half.start}.yaml", "".join(lines))
        until(lambda: sum(self.daemon.counts().values()) == before + BOOKS, lambda: self.daemon.log)
        self._cancel_some()
        until(lambda: not self._unsettled(), lambda: f"{self._unsettled()}\n{self.daemon.log}")
        for book in self.daemon.ingest.iterdir():
            book.unlink()
        self._forget()

    def _cancel_some(self) -> None:
        waiting = [job["id"] for job in self.daemon.jobs() if job["state"] in {"wanted", "queued"}]
        for job in waiting[::6]:
            with suppress(URLError):  # settled in the meantime
                self.daemon.ask("DELETE", f"/api/download/{job}/cancel")

    def _unsettled(self) -> dict[str, int]:
        ended = {"done", "cancelled", "failed"}
        return {state: number for state, number in self.daemon.counts().items() if state not in ended}

    def visited_round(self) -> None:
        """Play a round while clients come and go."""
        with self._visited():
            self.round()

    @contextmanager
    def _visited(self) -> Iterator[None]:
        """Let clients poll, look on and hang up for the block."""
        over = threading.Event()
        visitors = [threading.Thread(target=visit, args=(over,)) for visit in (self._poll, self._look_on)]
        for visitor in visitors:
            visitor.start()
        try:
            yield
        finally:
            over.set()
            for visitor in visitors:
                visitor.join()

    def _poll(self, over: threading.Event) -> None:
        while not over.wait(0.05):
            for path in _POLLED:
                with suppress(OSError):
                    self.daemon.get(path)

    def _look_on(self, over: threading.Event) -> None:
        address = json.loads((self.daemon.state / "server.json").read_text(encoding="utf-8"))
        place = address["url"].replace("http:", "ws:") + "/api/events"
        bearer = {"Authorization": f"Bearer {address['token']}"}
        while not over.wait(0.05):
            with (
                suppress(OSError, WebSocketException, TimeoutError),
                connect(place, additional_headers=bearer, max_size=None) as client,
            ):
                client.recv(timeout=1)

    def warm_up(self) -> None:
        """Bring everything into being that stays: each worker's connection, and those of a crowd of callers.

        SQLite keeps a file that was closed for the next connection to it, since closing it would drop the
        locks of the others; so there stay as many as there ever were at once.
        """
        for _ in range(_WARM_ROUNDS):
            self.visited_round()
        crowd = [threading.Thread(target=self._ask_often) for _ in range(_CROWD)]
        for caller in crowd:
            caller.start()
        for caller in crowd:
            caller.join()

    def _ask_often(self) -> None:
        for _ in range(5):
            self.daemon.get(_POLLED[0])

    def at_rest(self, begun: float, baseline: Sample | None = None) -> Sample:
        """Sample the process once its server has let go of the threads that answered (after 10 s idle).

        With a baseline, waits until there are as few files and threads again.
        """
        least = sample(self.daemon.pid, begun)
        since = time.monotonic()

        def rested() -> bool:
            nonlocal least
            self.daemon.get("/healthz")  # which is when it looks for threads that have been idle for long
            least = sample(self.daemon.pid, begun)
            idle = time.monotonic() - since > _IDLE_SECONDS
            return idle if baseline is None else _as_few(least, baseline, self._chores_run())

        until(rested, lambda: f"{baseline}, and now {least}\n{self._open_files()}")
        return least

    def _chores_run(self) -> int:
        """Count the chores that have run, of which several may have been due at once."""
        return sum(chore["runs"] > 0 for chore in self.daemon.get("/api/schedule")["chores"])

    def _open_files(self) -> str:
        folder = Path(f"/proc/{self.daemon.pid}/fd")
        return "\n".join(sorted(str(each.readlink()) for each in folder.iterdir()))


def _as_few(now: Sample, baseline: Sample, chores_run: int) -> bool:
    """Whether there is no more than at first, but for threads of the scheduler.

    It starts one for each chore that is due while all that it has are busy, and keeps it; by the first sample
    it has one at least.  Such a thread has a connection to the database, which is two files.
    """
    started = now.threads - baseline.threads
    return started < chores_run and now.files <= baseline.files + 2 * max(0, started)


def _answers(number: int, content: bytes) -> list[Answer]:
    """Give a book's answers: most are whole at once, some go wrong first, one always."""
    good = rest(content, ETag='"one"')
    wrong: dict[int, list[Answer]] = {
        0: [cut(content, 20_000, ETag='"one"'), good],
        1: [torn(content, 20_000, ETag='"one"'), good],
        2: [status(500), good],
        3: [status(404)],
        4: [_slowly(content)],
    }
    return wrong.get(number % 10, [good])


def _slowly(content: bytes) -> Answer:
    def answer(connection: object, asked: Asked) -> None:
        threading.Event().wait(0.2)
        whole(content)(connection, asked)  # type: ignore[arg-type]

    return answer


def run(folder: Path, seconds: float) -> Figures:
    """Soak for so many seconds at least."""
    with ExitStack() as stack:
        soak = Soak(folder, stack)
        soak.daemon.start()
        begun = time.monotonic()
        soak.warm_up()
        baseline = soak.at_rest(begun)
        samples: list[Sample] = []
        while time.monotonic() - begun < seconds or len(samples) < _LEAST_ROUNDS:
            soak.visited_round()
            samples.append(sample(soak.daemon.pid, begun))
        end = soak.at_rest(begun, baseline)
        assert soak.daemon.stop() == 0
        assert "Traceback" not in soak.daemon.log, soak.daemon.log
        return Figures(baseline, tuple(samples), end)
