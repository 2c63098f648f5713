"""A daemon's outside for tests: every part that the HTTP server sees, served over a real socket.

The parts are real (store, control, resolver over a folder of books, desk, copies); only the workers' step is
the test's own: it downloads a quarter of something and stays there until it is let go.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from bookhopper.api import listener
from bookhopper.api.auth import gate_for
from bookhopper.api.live import Live
from bookhopper.api.server import Server, application
from bookhopper.api.sign_in.gate import Gate
from bookhopper.api.view import View
from bookhopper.control import Control
from bookhopper.delivery.copies import Copies
from bookhopper.intake.desk import Desk
from bookhopper.intake.folder import RequestFolder
from bookhopper.model import Job, State
from bookhopper.reload import Configuration, Outcome
from bookhopper.schedule import Chore, Schedule
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources.folder import FolderSource
from bookhopper.settings import ServerSettings, Settings
from bookhopper.store.base import Move
from bookhopper.ticket import Ticket
from bookhopper.worker import Pool
from tests.books import epub
from tests.queues import Queue, candidate, want
from tests.waiting import until

TOKEN = "the token"
SOURCE = "shelf"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def serving(app: ASGIApp, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Serve an application while the block runs; gives the socket that it listens on."""
    bound = listener.bind(host, 0)
    server = Server(app, bound)
    assert not server.alive
    server.start()
    try:
        yield bound
    finally:
        server.stop(time.monotonic() + 20)
        assert not server.alive


class Site:
    """The parts of a daemon under one folder; `running_site` serves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests = _made(folder / "requests")
        self.ingest = _made(folder / "ingest")
        self.books = _made(folder / "books")
        self.copies_folder = folder / "copies"
        self.queue = Queue(folder)
        self.store = self.queue.store
        self.go = threading.Event()
        self.port = 0
        self.health = {"watcher": True, "writer": True}
        self.searchers = Pool(self.store, State.WANTED, self.step, size=2, attempts=3)
        self.fetchers = Pool(self.store, State.QUEUED, self.step, size=3, attempts=3)
        self.control = Control(self.store, self.searchers, self.fetchers, preempt=False)
        self.source = FolderSource(SOURCE, self.books)
        self.resolver = Resolver(
            [self.source], accept=0.85, margin=0.05, languages=("en",), formats=("epub", "pdf")
        )
        self.copies = Copies(self.copies_folder, keep=3600.0, keep_free=0)
        self.schedule = Schedule(
            [
                Chore("rescan", 300.0, lambda: "2 lists found", delay=0.0, does="look through the folder"),
                Chore("later", 86400.0, lambda: None),
            ],
            lambda _: None,
        )
        self.view = View(
            store=self.store,
            control=self.control,
            searchers=self.searchers,
            fetchers=self.fetchers,
            resolver=self.resolver,
            desk=Desk(RequestFolder(self.requests), self.store),
            copies=self.copies,
            ingest=self.ingest,
            health=lambda: self.health,
            metrics=lambda: b"a_metric 1\n",
            configuration=Configuration(Settings(), Settings),
            reload=lambda: Outcome(applied=("match.accept",)),
            schedule=self.schedule,
            max_list=1024**2,
        )
        self.live = Live(self.view)

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    def step(self, job: Job, ticket: Ticket) -> Move:
        """Download a quarter of something, and stay there until `go` is set or somebody interrupts."""
        ticket.stage = "download"
        ticket.progress(0, 1000)
        ticket.progress(250, 1000)
        while not self.go.is_set():
            ticket.wait(0.01)
        return Move(job.id, job.state, State.FAILED, "let go")

    def ask(self, path: str, method: str = "GET", body: bytes | str | None = None, **headers: str) -> Answer:
        """Make a request; header names are given with `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def send(self, path: str, data: Any, method: str = "POST", **headers: str) -> Answer:
        """Make a request with a JSON body."""
        return self.ask(path, method, json.dumps(data), **headers)

    def exchange(self, sent: bytes, *, hang_up: bool = False) -> bytes:
        """Send bytes as they are (and, with `hang_up`, no more), and read until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(sent)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                return answer.read()

    def run_one(self) -> int:
        """Let a fetcher work on a new job until `go` is set."""
        job = self.queue.queued(want("On its way"), candidate())
        self.fetchers.start()
        until(lambda: job in self.fetchers.tickets() and self.fetchers.tickets()[job].stage)
        return job

    def close(self) -> None:
        """End the workers and close everything."""
        self.go.set()
        self.schedule.stop()
        for pool in (self.fetchers, self.searchers):
            pool.stop()
            assert pool.join(time.monotonic() + 20)
        self.resolver.close()
        self.queue.close()


@contextmanager
def running_site(folder: Path, gate: Gate | None = None) -> Iterator[Site]:
    """Serve a site while the block runs; without a gate, anybody on this machine may do anything."""
    site = Site(folder)
    try:
        gate = gate or gate_for(ServerSettings(), folder, TOKEN)
        with serving(application(site.view, gate, site.live)) as bound:
            site.port = bound.getsockname()[1]
            yield site
    finally:
        site.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def in_every_state(site: Site) -> dict[str, int]:
    """Bring jobs to every state, to a pause and to a mark, and books to where they are served from.

    Gives a job for each state and for `running`, `paused` and `asked`; the order matters, since a worker
    takes what is queued as soon as the first is to run.
    """
    queue, store = site.queue, site.store
    book = site.books / "Jane Austen - Pride and Prejudice.epub"
    book.write_bytes(epub("Pride and Prejudice", "Jane Austen"))
    jobs: dict[str, int] = {}
    for state in (State.DONE, State.PLACED):
        offered = candidate(state.value, state.value, author="Jane Austen")
        job = queue.downloading(want(f"A book that is {state}"), offered)
        queue.place(job, offered)
        jobs[state] = job.id
    store.complete(jobs[State.DONE])
    placed = site.folder / "placed"
    placed.write_bytes(b"ten bytes!")  # which is what the ledger says
    site.copies.keep(jobs[State.DONE], placed)
    aside = (State.MISSING, State.AMBIGUOUS, State.FAILED, State.CANCELLED)
    for state in (State.OWNED, State.DUPLICATE, *aside):
        job = queue.downloading(want(f"A book that is {state}"), candidate(state.value))
        store.move(Move(job.id, State.DOWNLOADING, state, f"it is {state}"))
        jobs[state] = job.id
    jobs["asked"] = queue.downloading(want("Nobody's"), candidate("nobody")).id
    site.control.cancel(jobs["asked"])
    jobs["running"] = jobs[State.DOWNLOADING] = site.run_one()
    for number in range(2 + 4):  # the first two find a worker
        jobs[State.QUEUED] = queue.queued(want(f"Queued {number}"), candidate(f"queued {number}"))
    jobs["paused"] = queue.queued(want("Paused"), candidate("paused"))
    site.control.pause(jobs["paused"])
    jobs[State.SEARCHING], jobs[State.WANTED] = queue.add(want("Searched for"), want("Wanted"))
    claimed = store.claim(State.WANTED)
    assert claimed is not None
    assert claimed.id == jobs[State.SEARCHING]
    return jobs
