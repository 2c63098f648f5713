"""The parts that work once the daemon is READY: sources, pools, metrics, reports, schedule, server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from humanize import precisedelta
from prometheus_client import generate_latest

from bookhopper.acquire import Verifications
from bookhopper.api.auth import gate_for
from bookhopper.api.live import Live
from bookhopper.api.server import Server, application
from bookhopper.api.view import View
from bookhopper.chores import Scheduled, chores
from bookhopper.control import Control
from bookhopper.core import LISTS, Core
from bookhopper.delivering import Delivering
from bookhopper.engine import Engine, Engines, Making, Watched, watched_as
from bookhopper.errors import BookhopperError
from bookhopper.housekeeping import Housekeeping
from bookhopper.intake.lists import Lists
from bookhopper.model import State
from bookhopper.observe.collector import DaemonCollector, Observed
from bookhopper.observe.logs import ChangeLog
from bookhopper.observe.metrics import Metrics
from bookhopper.reload import Configuration, Outcome
from bookhopper.schedule import Schedule
from bookhopper.search.sources.registry import SourceSet
from bookhopper.settings import Settings
from bookhopper.silence import Silence
from bookhopper.telling import notifications
from bookhopper.transfer import Traffic
from bookhopper.watchdog import Beat
from bookhopper.worker import Pool

log = logging.getLogger("bookhopper")

_SEARCH_ATTEMPTS = 5
_PATIENCE_SECONDS = 300.0  # in which a slow disk has answered
_STEP_SECONDS = 1800.0  # more than any step of a job takes without a sign of life
_LAST_SECONDS = 3.0  # of the grace time are kept for those who tell what happened


class Parts:
    """Built around the core; `start` and `stop` keep the order in which parts need one another."""

    def __init__(self, core: Core, configuration: Configuration, reload: Callable[[], Outcome]) -> None:
        """Build everything around the core; `reload` is how whoever asks has the configuration read again."""
        settings = core.settings
        self._core = core
        self._configuration = configuration
        self._reload = reload
        self._pulse = time.monotonic()
        self._metrics = Metrics()
        core.store.observe(self._metrics.store_operation)
        self._delivering = Delivering(core)
        self._engines = Engines()
        self._traffic = Traffic()
        self._making = Making(
            core.store,
            self._delivering.deliverer,
            core.parts_folder,
            self._traffic,
            Verifications(),
            self._delivering.hooks(self._metrics),
        )
        self._searchers = Pool(
            core.store,
            State.WANTED,
            self._engines.search,
            size=settings.match.searchers,
            attempts=_SEARCH_ATTEMPTS,
        )
        self._fetchers = Pool(
            core.store,
            State.QUEUED,
            self._engines.fetch,
            size=settings.download.workers,
            attempts=settings.download.attempts,
        )
        first = self._engine(settings)
        self._engines.exchange(first)
        self._acquire = first.acquire
        self._hosts = first.watched.set.hosts
        self._hosts.on_recovery = self._fetchers.go_on
        self._control = Control(core.store, self._searchers, self._fetchers, preempt=settings.queue.preempt)
        self._metrics.registry.register(DaemonCollector(self._observed()))
        self._lists = self._make_lists()
        self._notifications = notifications(core, configuration, self._metrics, self._engines.answers)
        self._housekeeping = Housekeeping(
            core, self._acquire, self._delivering.copies, lambda: self._control.paused
        )
        self._schedule = self._make_schedule()
        view = self._view()
        self._live = Live(view)
        gate = gate_for(settings.server, settings.folders.state, core.token)
        self._server = Server(application(view, gate, self._live), core.listener)

    def _engine(self, settings: Settings, before: Watched | None = None) -> Engine:
        """Make what searches and fetches; raises OSError and ConfigError for a source that cannot be made."""
        watched = watched_as(settings, self._core.settings.folders.state, before, self._watched)
        self._metrics.expect((source.name for source in watched.set.sources), settings.formats)
        return Engine(settings, watched, self._making)

    def _watched(self, sources: SourceSet) -> Watched:
        store = self._core.store
        return Watched(
            sources, lambda available: Silence(store, self._searchers, available), self._metrics.source_call
        )

    def reload(self) -> Outcome:
        """Read the configuration again; never raises, and says what came of it."""
        outcome = self._configuration.reload(self._apply)
        self._metrics.config_read(successful=outcome.ok)
        return outcome

    def _apply(self, settings: Settings) -> None:
        """Take other settings for what begins from now on; what runs goes on with those that it began with.

        Raises OSError and ConfigError, having changed nothing.
        """
        before, newest = self._configuration.settings, self._engines.newest
        engine = self._engine(settings, newest.watched)
        fresh = engine.watched is not newest.watched
        self._engines.exchange(engine)
        self._core.limit(settings.intake)
        download = settings.download
        self._delivering.heed(settings)
        self._housekeeping.limit(settings)
        self._schedule.set_every("backup", settings.keep.backup_every)
        self._fetchers.attempts = download.attempts
        if before.download.workers != download.workers:  # else the number that was set at run time stays
            self._fetchers.resize(download.workers)
        if before.match.searchers != settings.match.searchers:
            self._searchers.resize(settings.match.searchers)
        self._notifications.configure(settings.notify)
        if fresh:
            self._schedule.soon("catalogues")
            self._go_on()

    def _make_lists(self) -> Lists:
        core = self._core
        return Lists(
            core.settings.lists,
            self._hosts,
            core.desk,
            core.store.knows,
            folder=core.settings.folders.state / LISTS,
            limits=core.limits,
        )

    def _make_schedule(self) -> Schedule:
        core = self._core
        scheduled = chores(
            Scheduled(
                store=core.store,
                renew_lease=self._renew_lease,
                watcher=core.watcher,
                rescan=core.settings.intake.rescan,
                control=self._control,
                placing=self._delivering.placing,
                nudges=self._delivering.nudges,
                refresh=self._engines.refresh,
                refresh_all=self._engines.refresh_all,
                end_silence=self._engines.end_silence,
                lists=self._lists,
                digest=self._notifications.look,
                clean_up=self._housekeeping.chores(),
            )
        )
        schedule = Schedule(
            scheduled, self._metrics.missed_run, ran=self._metrics.ran, memory=self._core.store
        )
        self._metrics.expect_runs(schedule.standings())
        return schedule

    def _view(self) -> View:
        settings = self._core.settings
        return View(
            store=self._core.store,
            control=self._control,
            searchers=self._searchers,
            fetchers=self._fetchers,
            resolver=self._engines,
            desk=self._core.desk,
            copies=self._delivering.copies,
            ingest=settings.folders.ingest,
            health=self._health,
            configuration=self._configuration,
            reload=self._reload,
            schedule=self._schedule,
            metrics=partial(generate_latest, self._metrics.registry),
            held_hosts=self._hosts.held,
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
            nudges=self._delivering.nudges,
            traffic=self._traffic,
            sources=self._engines.answers,
            folders={"requests": folders.requests, "ingest": folders.ingest, "state": folders.state},
        )

    def _health(self) -> dict[str, bool]:
        return {
            "watcher": self._core.watcher.alive,
            "writer": self._core.store.alive,
            "searchers": self._searchers.alive(),
            "fetchers": self._fetchers.alive(),
        }

    def beats(self) -> list[Beat]:
        """Give the heartbeats without which the daemon does not do what it is there for."""
        workers = {**self._searchers.heartbeats(), **self._fetchers.heartbeats()}
        longest = _STEP_SECONDS + self._configuration.settings.download.timeout
        return [
            Beat("the watcher", self._core.watcher.heartbeat, _PATIENCE_SECONDS),
            Beat("the schedule, or the queue's writer", self._pulse, _PATIENCE_SECONDS),
            *(Beat(f"the worker {name}", beat, longest) for name, beat in workers.items()),
        ]

    def _renew_lease(self) -> None:
        """Say in the queue that this daemon lives: it takes the schedule and the writer to do so."""
        try:
            self._core.store.renew()
        finally:  # a full disk is no death
            self._pulse = time.monotonic()

    def start(self) -> None:
        """Start everything: first who listens, then what was left behind, then who works."""
        self._delivering.start()
        reporter = self._core.reporter
        self._core.events.start(
            ChangeLog(self._core.store.request_name),
            self._metrics.change,
            reporter.changed,
            self._acquire.changed,
            self._control.changed,
            self._live.changed,
            self._delivering.after.changed,
            self._notifications.changed,
        )
        self._core.on_completed = self._completed
        self._notifications.start(self._core.settings.notify)
        self._core.on_taken = self._live.renew
        reporter.start()
        self._take_up()
        self._fetchers.start()
        self._searchers.start()
        self._schedule.start()
        self._server.start()

    def _completed(self, request: int, seconds: float) -> None:
        self._metrics.request_completed(request, seconds)
        self._notifications.completed(request, seconds)

    def _take_up(self) -> None:
        """Go on with what the last run left between placing and its end."""
        try:
            if self._core.power.noticed:
                log.warning("the machine went down under the last run: its unfinished downloads begin anew")
                self._acquire.distrust_parts()
            self._delivering.take_up()
            self._acquire.clear_parts()
        except (BookhopperError, OSError) as error:
            log.warning("what the last run left in ingest waits: %s", error)

    def clock_was_set(self, by: float) -> None:
        """Look at once after what waits for a moment, which may be far away now; `by` is in seconds."""
        way = "forward" if by > 0 else "back"
        how_far = precisedelta(round(abs(by)))
        log.warning("the clock was set %s by %s; what waits is looked at now", way, how_far)
        self._schedule.renew()
        self._go_on()

    def _go_on(self) -> None:
        """Try at once what waits for a moment."""
        try:
            self._searchers.go_on()
            self._fetchers.go_on()
        except BookhopperError as error:
            log.warning("what waits for a moment still does: %s", error)

    def stop(self, deadline: float) -> None:
        """Stop by a moment of the monotonic clock: who lets work in first, who tells of it last."""
        self._engines.stop()
        self._lists.stop()
        self._housekeeping.stop()
        self._schedule.stop()
        self._core.watcher.stop()
        self._server.stop(deadline)
        pools = (self._searchers, self._fetchers)
        for pool in pools:
            pool.stop()
        self._delivering.after.stop()
        last = deadline - min(_LAST_SECONDS, self._core.settings.grace / 4)
        ended = [pool.join(last) for pool in pools]
        self._delivering.after.join(last)
        if not all(ended):
            log.warning("a worker did not end in time; what it had claimed is taken up at the next start")
        self._core.watcher.join(deadline)
        self._core.events.stop()
        self._core.reporter.stop()
        self._core.reporter.join(deadline)
        self._notifications.stop(deadline)
        self._delivering.deliverer.close()
        try:
            self._core.power.ended()
        except BookhopperError as error:
            log.warning("the next start will take this stop for a power cut: %s", error)
        self._lists.close()
        self._engines.close()
