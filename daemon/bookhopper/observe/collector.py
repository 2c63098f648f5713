"""The metrics of what merely is: read from the daemon's parts whenever somebody asks."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bookhopper import __version__
from bookhopper.acquire import Acquire
from bookhopper.beneath import files
from bookhopper.delivery.naming import STAGED_SUFFIX
from bookhopper.delivery.nudge import Nudges
from bookhopper.errors import BookhopperError
from bookhopper.intake.tally import Tally
from bookhopper.intake.watch import Watcher
from bookhopper.store.base import OPERATIONS, Store
from bookhopper.ticket import Ticket
from bookhopper.transfer import Traffic
from bookhopper.worker import Pool

_PREFIX = "bookhopper_"
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Sources:
    """When each source last answered, and whether it answers now; kept by whoever observes the calls.

    `waited` gives the seconds that a source's hosts were spared so far, `held` for how many more seconds one
    of them is left alone: it is down, or asked for a pause.
    """

    available: dict[str, bool]
    last_success: dict[str, float]
    waited: Callable[[str], float]
    held: Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Observed:
    """The parts that are read; `folders` names the folders whose free space is shown."""

    store: Store
    watcher: Watcher
    tally: Tally
    pools: tuple[Pool, ...]
    acquire: Acquire
    nudges: Nudges
    traffic: Traffic
    sources: Callable[[], Sources]
    folders: Mapping[str, Path]


class DaemonCollector(Collector):
    """Reads the daemon's parts."""

    def __init__(self, parts: Observed) -> None:
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand, so that registering it reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        yield _gauge("build_info", "The version that runs.", {(__version__,): 1.0}, ("version",))
        yield from self._intake()
        yield from self._queue()
        yield from self._workers()
        yield from self._downloads()
        yield from self._sources()
        yield from self._surroundings()

    def _intake(self) -> Iterator[Metric]:
        watcher, tally = self._parts.watcher, self._parts.tally
        yield _counter("request_files", "Request files by what became of them.", tally.files(), ("outcome",))
        yield _counter("request_lines", "Lines of request files.", tally.lines(), ("outcome",))
        yield _gauge("watcher_up", "Whether the requests folder is watched.", {(): float(watcher.alive)})
        yield _gauge("watcher_polling", "Whether it is polled instead.", {(): float(watcher.polling)})
        yield _counter("watcher_breaks", "How often watching broke off.", {(): watcher.breaks})
        yield _counter("watcher_rescan_found", "Files that only a rescan found.", {(): watcher.rescan_found})
        yield _gauge(
            "watcher_last_scan_timestamp_seconds", "When it was last looked through.", {(): watcher.last_scan}
        )

    def _queue(self) -> Iterator[Metric]:
        store = self._parts.store
        with suppress(BookhopperError):  # what cannot be read is left out, so that the rest is told
            counts = {(state.value,): float(number) for state, number in store.counts().items()}
            yield _gauge("queue_items", "Jobs by state.", counts, ("state",))
            yield _gauge(
                "queue_oldest_item_timestamp_seconds",
                "Since when the longest waiting job waits.",
                {} if (oldest := store.oldest()) is None else {(): oldest},
            )
            yield _gauge(
                "delivery_last_success_timestamp_seconds",
                "When a book was last delivered; 0: none was yet.",
                {(): store.last_delivered() or 0.0},
            )
        paused = any(pool.paused for pool in self._parts.pools)
        yield _gauge("queue_paused", "Whether downloads are held back.", {(): float(paused)})
        failures = {(name,): 0.0 for name in OPERATIONS}
        failures |= {(name,): float(number) for name, number in store.failures().items()}
        yield _counter("store_failures", "Changes that the store could not make.", failures, ("operation",))

    def _workers(self) -> Iterator[Metric]:
        pools = self._parts.pools
        yield _gauge("workers", "Workers.", {(pool.stage,): pool.size for pool in pools}, ("stage",))
        busy = {(pool.stage,): len(pool.tickets()) for pool in pools}
        yield _gauge("workers_busy", "Workers that have a job.", busy, ("stage",))
        beats = {(name,): beat for pool in pools for name, beat in pool.heartbeats().items()}
        yield _gauge(
            "worker_heartbeat_timestamp_seconds",
            "When each worker last showed a sign of life.",
            beats,
            ("worker",),
        )

    def _downloads(self) -> Iterator[Metric]:
        tickets: list[Ticket] = [ticket for pool in self._parts.pools for ticket in pool.tickets().values()]
        running = sum(ticket.stage == "download" for ticket in tickets)
        yield _gauge("downloads_in_progress", "Downloads that run.", {(): running})
        traffic = self._parts.traffic
        received = {(source,): 0 for source in self._parts.sources().available}
        received |= {(source,): number for source, number in traffic.received().items()}
        yield _counter("download_received_bytes", "Bytes received.", received, ("source",))
        resumes = {(outcome,): number for outcome, number in traffic.resumes().items()}
        yield _counter("download_resumes", "Broken-off downloads taken up again.", resumes, ("outcome",))
        yield _counter(
            "download_verifications",
            "Verified files by the check that decided.",
            self._parts.acquire.verifications(),
            ("check", "outcome"),
        )

    def _sources(self) -> Iterator[Metric]:
        sources = self._parts.sources()
        available = {(name,): float(up) for name, up in sources.available.items()}
        yield _gauge("source_available", "Whether a source answered when last asked.", available, ("source",))
        answered = {(name,): sources.last_success.get(name, 0.0) for name in sources.available}
        yield _gauge(
            "source_last_success_timestamp_seconds",
            "When a source last answered; 0: not since the start.",
            answered,
            ("source",),
        )
        waited = {(name,): sources.waited(name) for name in sources.available}
        yield _counter("rate_limit_wait_seconds", "Waited so as not to ask too hard.", waited, ("source",))
        held = {(name,): sources.held(name) for name in sources.available}
        yield _gauge("source_held_seconds", "For how long its servers are left alone.", held, ("source",))

    def _surroundings(self) -> Iterator[Metric]:
        pending, oldest = _pending(self._parts.folders["ingest"])
        yield _gauge("ingest_pending_files", "Books that lie in ingest.", {(): pending})
        yield _gauge(
            "ingest_oldest_file_timestamp_seconds",
            "Since when the oldest lies there.",
            {} if oldest is None else {(): oldest},
        )
        yield _counter(
            "ingest_nudges", "Books put into ingest once more, to be noticed.", {(): self._parts.nudges.given}
        )
        free = {
            (name,): number
            for name, path in self._parts.folders.items()
            if (number := _free(path)) is not None
        }
        yield _gauge("filesystem_avail_bytes", "Free bytes where a folder lies.", free, ("folder",))
        yield _gauge("memory_limit_bytes", "The memory that may be used.", {(): _memory_limit()})
        yield _gauge("threads", "Threads that run.", {(): threading.active_count()})


Values = Mapping[Any, float]
"""Label values, a tuple, and the number that goes with them."""


def _gauge(name: str, what: str, values: Values, labels: tuple[str, ...] = ()) -> Metric:
    return _filled(GaugeMetricFamily(_PREFIX + name, what, labels=labels), values)


def _counter(name: str, what: str, values: Values, labels: tuple[str, ...] = ()) -> Metric:
    return _filled(CounterMetricFamily(_PREFIX + name, what, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _pending(folder: Path) -> tuple[int, float | None]:
    """Count the visible files of ingest and its sub-folders, and tell since when the oldest lies there."""
    number, oldest = 0, None
    try:
        for name, entry in files(folder):
            if not name.endswith(STAGED_SUFFIX):
                number += 1
                moment = entry.stat(follow_symlinks=False).st_ctime
                oldest = moment if oldest is None else min(oldest, moment)
    except OSError:
        pass  # it is away, which deliveries say; a file that is eaten meanwhile does not count
    return number, oldest


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _memory_limit() -> int:
    """Tell how many bytes may be used: what the unit or the container allows, else what the machine has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((machine, *_cgroup_limits()))


def _cgroup_limits() -> Iterator[int]:
    """Read the limits of this process's control group and of those that it lies in."""
    try:
        lines = _OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    for group in (_CGROUPS / own, *(_CGROUPS / parent for parent in Path(own).parents)):
        try:
            limit = (group / "memory.max").read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdigit():  # else it is `max`
            yield int(limit)
