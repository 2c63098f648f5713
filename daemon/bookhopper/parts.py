"""The parts that work once the daemon is READY: sources, pools, metrics, reports, schedule, server."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

from prometheus_client import generate_latest

from bookhopper.acquire import Acquire
from bookhopper.api.server import Server, application
from bookhopper.api.view import View
from bookhopper.core import Core
from bookhopper.deliver import Deliverer
from bookhopper.download import Downloader
from bookhopper.errors import BookhopperError, HeldError
from bookhopper.ingest import IngestFolder
from bookhopper.model import State
from bookhopper.observe.collector import DaemonCollector, Sources
from bookhopper.observe.collector import Parts as Observed
from bookhopper.observe.logs import log_change
from bookhopper.observe.metrics import Metrics
from bookhopper.part import Limits
from bookhopper.schedule import Chore, Schedule
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources import registry
from bookhopper.search.sources.base import Source
from bookhopper.search.sources.observed import ObservedSource, SourceCall
from bookhopper.searching import Search
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.worker import Pool

log = logging.getLogger("bookhopper")

_INGEST = "ingest-folder"  # this machine's, and so in its state folder and not in the store
_WEEK = 7 * 86400.0
_REFRESH_RETRY_SECONDS = 900.0
_SEARCH_ATTEMPTS = 5
_LAST_SECONDS = 3.0  # of the grace time are kept for those who tell what happened
_NEWS = {
    True: (logging.INFO, "source %s answers again"),
    False: (logging.WARNING, "source %s cannot be asked; wants that it may have wait"),
}


class Parts:
    """Built around the core; `start` and `stop` keep the order in which parts need one another."""

    def __init__(self, core: Core) -> None:
        settings = core.settings
        self._core = core
        self._sources = registry.build(settings.sources, settings.folders.state)
        self._metrics = Metrics((source.name for source in self._sources.sources), settings.formats)
        core.store.observe(self._metrics.store_operation)
        self._answers = Sources(
            {source.name: True for source in self._sources.sources},
            {},
            lambda name: self._sources.hosts.waited(self._sources.allowed[name]),
        )
        observed = [ObservedSource(source, self._source_called) for source in self._sources.sources]
        self._resolver = Resolver(
            observed,
            accept=settings.match.accept,
            margin=settings.match.margin,
            languages=settings.languages,
            formats=settings.formats,
        )
        download = settings.download
        opener = registry.Opener(self._sources, (download.connect_timeout, download.timeout))
        self._downloader = Downloader(
            opener, Limits(download.max_size, download.keep_free), self._sources.roots
        )
        self._identity_path = settings.folders.state / _INGEST
        self._ingest = self._ingest_folder()
        self._deliverer = Deliverer(core.store, self._ingest, core.parts_folder)
        self._acquire = Acquire(
            core.store, self._downloader, self._deliverer, parts=core.parts_folder, formats=settings.formats
        )
        self._searchers = Pool(
            core.store,
            State.WANTED,
            Search(core.store, self._resolver),
            size=settings.match.searchers,
            attempts=_SEARCH_ATTEMPTS,
        )
        self._fetchers = Pool(
            core.store, State.QUEUED, self._acquire, size=download.workers, attempts=download.attempts
        )
        self._metrics.registry.register(DaemonCollector(self._observed()))
        self._sources.hosts.on_recovery = self._fetchers.go_on
        self._refreshing = Ticket(0)
        self._refresh_due = dict.fromkeys((source.name for source in self._sources.sources), 0.0)
        chores = self._chores()
        self._metrics.expect_runs(chore.name for chore in chores)
        self._schedule = Schedule(chores, self._metrics.missed_run)
        view = View(
            store=core.store,
            searchers=self._searchers,
            fetchers=self._fetchers,
            health=self._health,
            metrics=partial(generate_latest, self._metrics.registry),
            held_hosts=self._sources.hosts.held,
        )
        self._server = Server(application(view, core.token), core.listener)

    def _ingest_folder(self) -> IngestFolder:
        settings = self._core.settings
        return IngestFolder(
            settings.folders.ingest,
            mode=settings.deliver.permissions,
            require_mount=settings.deliver.require_mount,
            expected=_read_text(self._identity_path),
        )

    def _observed(self) -> Observed:
        folders = self._core.settings.folders
        return Observed(
            store=self._core.store,
            watcher=self._core.watcher,
            tally=self._core.tally,
            pools=(self._searchers, self._fetchers),
            acquire=self._acquire,
            traffic=self._downloader.traffic,
            sources=self._answers,
            folders={"requests": folders.requests, "ingest": folders.ingest, "state": folders.state},
        )

    def _source_called(self, call: SourceCall) -> None:
        self._metrics.source_call(call)
        answered = call.outcome in {"found", "nothing"}
        if answered != self._answers.available[call.source]:
            log.log(*_NEWS[answered], call.source)
        self._answers.available[call.source] = answered
        if answered:
            self._answers.last_success[call.source] = time.time()

    def _health(self) -> dict[str, bool]:
        return {
            "watcher": self._core.watcher.alive,
            "writer": self._core.store.alive,
            "searchers": self._searchers.alive(),
            "fetchers": self._fetchers.alive(),
        }

    def start(self) -> None:
        """Start everything: first who listens, then what was left behind, then who works."""
        try:
            self._ingest.ready()
        except HeldError as error:
            log.warning("books will wait: %s", error)
        reporter = self._core.reporter
        self._core.events.start(log_change, self._metrics.change, reporter.changed)
        self._core.on_completed = self._metrics.request_completed
        reporter.start()
        self._take_up()
        self._fetchers.start()
        self._searchers.start()
        self._schedule.start()
        self._server.start()

    def _take_up(self) -> None:
        """Go on with what the last run left between placing and its end."""
        try:
            if cleared := self._deliverer.clear_strays():
                log.info("%d half-placed books of the last run removed; they are fetched again", cleared)
            if finished := self._finish_placed():
                log.info("%d placed books of the last run taken up", finished)
            self._acquire.clear_parts()
        except (BookhopperError, OSError) as error:
            log.warning("what the last run left in ingest waits: %s", error)

    def stop(self, deadline: float) -> None:
        """Stop by a moment of the monotonic clock: who lets work in first, who tells of it last."""
        self._refreshing.interrupt(Reason.SHUTDOWN)
        self._schedule.stop()
        self._core.watcher.stop()
        self._server.stop(deadline)
        pools = (self._searchers, self._fetchers)
        for pool in pools:
            pool.stop()
        last = deadline - min(_LAST_SECONDS, self._core.settings.grace / 4)
        ended = [pool.join(last) for pool in pools]
        if not all(ended):
            log.warning("a worker did not end in time; what it had claimed is taken up at the next start")
        self._core.watcher.join(deadline)
        self._core.events.stop()
        self._core.reporter.stop()
        self._core.reporter.join(deadline)
        self._deliverer.close()
        self._resolver.close()
        self._sources.close()

    # chores

    def _chores(self) -> list[Chore]:
        core = self._core
        return [
            Chore("rescan", core.settings.intake.rescan, core.watcher.rescan),
            Chore("look_again", 60.0, self._look_again, delay=1.0),
            Chore("placed", 15.0, self._finish_placed),
            Chore("catalogues", 60.0, self._refresh_sources, delay=0.0),
            Chore("lease", 10.0, core.store.renew),
            Chore("parts", 3600.0, self._acquire.clear_parts),
        ]

    def _look_again(self) -> None:
        while self._core.store.wake_due(time.time()):
            pass

    def _finish_placed(self) -> int:
        finished = self._deliverer.finish_placed()
        known = self._ingest.expected
        if known and known != _read_text(self._identity_path):
            self._identity_path.write_text(known, encoding="utf-8")
        return finished

    def _refresh_sources(self) -> None:
        """Refresh each source once a week, or soon again where that failed."""
        for source in self._sources.sources:
            if time.monotonic() >= self._refresh_due[source.name]:
                self._refresh_due[source.name] = time.monotonic() + _REFRESH_RETRY_SECONDS
                good = self._refresh(source)
                pause = _WEEK if good else _REFRESH_RETRY_SECONDS
                self._refresh_due[source.name] = time.monotonic() + pause

    def _refresh(self, source: Source) -> bool:
        try:
            if source.refresh(self._refreshing):
                log.info("source %s: %s", source.name, source.check(self._refreshing).detail)
                self._searchers.go_on()
        except Interrupted:
            return False
        except BookhopperError as error:
            log.warning("source %s cannot be brought up to date: %s", source.name, error)
            return False
        return True


def _read_text(path: Path) -> str:
    """Read a small file of the daemon's own; nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
