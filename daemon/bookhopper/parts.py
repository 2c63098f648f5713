"""The parts that work once the daemon is READY: sources, pools, metrics, reports, schedule, server."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

from humanize import precisedelta
from prometheus_client import generate_latest

from bookhopper.acquire import Acquire
from bookhopper.api.auth import gate_for
from bookhopper.api.live import Live
from bookhopper.api.server import Server, application
from bookhopper.api.view import View
from bookhopper.chores import Parts as Scheduled
from bookhopper.chores import Placing, Refreshing, chores, read_identity
from bookhopper.control import Control
from bookhopper.copies import Copies
from bookhopper.core import Core
from bookhopper.deliver import Deliverer
from bookhopper.download import Downloader
from bookhopper.errors import BookhopperError, HeldError
from bookhopper.ingest import IngestFolder
from bookhopper.intake.lists import Lists
from bookhopper.model import State
from bookhopper.nudge import Nudges
from bookhopper.observe.collector import DaemonCollector, Sources
from bookhopper.observe.collector import Parts as Observed
from bookhopper.observe.logs import log_change
from bookhopper.observe.metrics import Metrics
from bookhopper.owned import CalibreLibrary
from bookhopper.part import Limits
from bookhopper.schedule import Schedule
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources import registry
from bookhopper.search.sources.observed import ObservedIdentifier, ObservedSource, SourceCall
from bookhopper.searching import Search
from bookhopper.silence import Silence
from bookhopper.worker import Pool

log = logging.getLogger("bookhopper")

_COPIES = "copies"
_LISTS = "lists"
_INGEST = "ingest-folder"  # this machine's, and so in its state folder and not in the store
_SEARCH_ATTEMPTS = 5
_LAST_SECONDS = 3.0  # of the grace time are kept for those who tell what happened


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
            self._sources.waited,
            self._sources.held,
        )
        self._resolver = self._make_resolver()
        self._collector = self._make_collector()
        self._downloader = self._make_downloader()
        identity = settings.folders.state / _INGEST
        self._ingest = self._make_ingest(identity)
        download = settings.download
        self._copies = Copies(
            settings.folders.state / _COPIES,
            settings.deliver.keep_copies,
            keep_free=download.keep_free + download.max_size,  # so that copies never keep a download waiting
        )
        self._deliverer = Deliverer(core.store, self._ingest, core.parts_folder, self._copies)
        self._placing = Placing(self._deliverer, self._ingest, identity)
        self._nudges = Nudges(core.store, self._ingest, settings.deliver.nudge_after)
        library = self._make_library()
        self._acquire = Acquire(
            core.store,
            self._downloader,
            self._deliverer,
            parts=core.parts_folder,
            formats=settings.formats,
            locators=self._sources.locators,
            library=library,
        )
        self._searchers = Pool(
            core.store,
            State.WANTED,
            Search(
                core.store,
                self._resolver,
                self._collector,
                library,
                collections=max(1, settings.match.searchers - 1),
            ),
            size=settings.match.searchers,
            attempts=_SEARCH_ATTEMPTS,
        )
        self._fetchers = Pool(
            core.store,
            State.QUEUED,
            self._acquire,
            size=settings.download.workers,
            attempts=settings.download.attempts,
        )
        self._sources.hosts.on_recovery = self._fetchers.go_on
        self._control = Control(core.store, self._searchers, self._fetchers, preempt=settings.queue.preempt)
        self._metrics.registry.register(DaemonCollector(self._observed()))
        self._silence = Silence(core.store, self._searchers, self._answers.available)
        self._refreshing = Refreshing(self._sources.sources, self._silence)
        self._lists = self._make_lists()
        self._schedule = self._make_schedule()
        view = self._view()
        self._live = Live(view)
        gate = gate_for(settings.server, settings.folders.state, core.token)
        self._server = Server(application(view, gate, self._live), core.listener)

    def _make_resolver(self) -> Resolver:
        settings = self._core.settings
        return Resolver(
            [ObservedSource(source, self._source_called) for source in self._sources.sources],
            accept=settings.match.accept,
            margin=settings.match.margin,
            languages=settings.languages,
            formats=settings.formats,
            deadlines={each.name: each.deadline for each in settings.sources},
            identifiers=[ObservedIdentifier(each, self._source_called) for each in self._sources.identifiers],
        )

    def _make_collector(self) -> Collector:
        return Collector(
            [ObservedSource(source, self._source_called) for source in self._sources.sources],
            languages=self._core.settings.languages,
            formats=self._core.settings.formats,
            deadlines={each.name: each.deadline for each in self._core.settings.sources},
        )

    def _make_library(self) -> CalibreLibrary | None:
        settings = self._core.settings
        if settings.calibre_library is None:
            return None
        return CalibreLibrary(
            settings.calibre_library,
            accept=settings.match.accept,
            margin=settings.match.margin,
            languages=settings.languages,
        )

    def _make_downloader(self) -> Downloader:
        download = self._core.settings.download
        opener = registry.Opener(self._sources, (download.connect_timeout, download.timeout))
        return Downloader(opener, Limits(download.max_size, download.keep_free), self._sources.roots)

    def _make_ingest(self, identity: Path) -> IngestFolder:
        settings = self._core.settings
        return IngestFolder(
            settings.folders.ingest,
            mode=settings.deliver.permissions,
            require_mount=settings.deliver.require_mount,
            expected=read_identity(identity),
        )

    def _make_lists(self) -> Lists:
        core = self._core
        return Lists(
            core.settings.lists,
            self._sources.hosts,
            core.desk,
            core.store.job_of,
            folder=core.settings.folders.state / _LISTS,
            limits=core.limits,
        )

    def _make_schedule(self) -> Schedule:
        core = self._core
        scheduled = chores(
            Scheduled(
                store=core.store,
                watcher=core.watcher,
                rescan=core.settings.intake.rescan,
                acquire=self._acquire,
                copies=self._copies,
                control=self._control,
                placing=self._placing,
                nudges=self._nudges,
                refreshing=self._refreshing,
                silence=self._silence,
                lists=self._lists,
            )
        )
        self._metrics.expect_runs(chore.name for chore in scheduled)
        return Schedule(scheduled, self._metrics.missed_run)

    def _view(self) -> View:
        settings = self._core.settings
        return View(
            store=self._core.store,
            control=self._control,
            searchers=self._searchers,
            fetchers=self._fetchers,
            resolver=self._resolver,
            desk=self._core.desk,
            copies=self._copies,
            ingest=settings.folders.ingest,
            health=self._health,
            metrics=partial(generate_latest, self._metrics.registry),
            held_hosts=self._sources.hosts.held,
            order=settings.queue.order,
            status_timeout=settings.server.status_timeout,
            max_list=settings.intake.max_size,
        )

    def _observed(self) -> Observed:
        folders = self._core.settings.folders
        return Observed(
            store=self._core.store,
            watcher=self._core.watcher,
            tally=self._core.tally,
            pools=(self._searchers, self._fetchers),
            acquire=self._acquire,
            nudges=self._nudges,
            traffic=self._downloader.traffic,
            sources=self._answers,
            folders={"requests": folders.requests, "ingest": folders.ingest, "state": folders.state},
        )

    def _source_called(self, call: SourceCall) -> None:
        self._metrics.source_call(call)
        answered, before = call.outcome in {"found", "nothing"}, self._answers.available[call.source]
        self._answers.available[call.source] = answered
        if answered:
            self._answers.last_success[call.source] = time.time()
        if answered and not before:
            log.info("source %s answers again", call.source)
            self._silence.answered(call.source)
        elif before and not answered:
            what = "source %s cannot be asked; wants that it may have wait: %s"
            log.warning(what, call.source, call.reason)

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
        self._core.events.start(
            log_change,
            self._metrics.change,
            reporter.changed,
            self._acquire.changed,
            self._control.changed,
            self._live.changed,
        )
        self._core.on_completed = self._metrics.request_completed
        self._core.on_taken = self._live.renew
        reporter.start()
        self._take_up()
        self._fetchers.start()
        self._searchers.start()
        self._schedule.start()
        self._server.start()

    def _take_up(self) -> None:
        """Go on with what the last run left between placing and its end."""
        try:
            power = self._core.power
            if power.noticed:
                log.warning("the machine went down under the last run: its unfinished downloads begin anew")
                self._acquire.distrust_parts()
                self._deliverer.doubt_placed()
            power.begun()
            if cleared := self._deliverer.clear_strays():
                log.info("%d half-placed books of the last run removed; they are fetched again", cleared)
            if finished := self._placing.finish():
                log.info("%d placed books of the last run taken up", finished)
            self._acquire.clear_parts()
        except (BookhopperError, OSError) as error:
            log.warning("what the last run left in ingest waits: %s", error)

    def clock_was_set(self, by: float) -> None:
        """Look at once after what waits for a moment, which may be far away now; `by` is in seconds."""
        way = "forward" if by > 0 else "back"
        log.warning("the clock was set %s by %s; what waits is looked at now", way, precisedelta(abs(by)))
        self._schedule.renew()
        try:
            self._searchers.go_on()
            self._fetchers.go_on()
        except BookhopperError as error:
            log.warning("what waits for a moment of the old clock still does: %s", error)

    def stop(self, deadline: float) -> None:
        """Stop by a moment of the monotonic clock: who lets work in first, who tells of it last."""
        self._refreshing.stop()
        self._lists.stop()
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
        try:
            self._core.power.ended()
        except BookhopperError as error:
            log.warning("the next start will take this stop for a power cut: %s", error)
        self._resolver.close()
        self._collector.close()
        self._lists.close()
        self._sources.close()
