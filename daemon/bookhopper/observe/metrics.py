"""Every metric that counts what happens; what merely is, the collector reads when it is asked.

No label carries a title, an author, an address or free text, and every set of labels begins at zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    disable_created_metrics,
)

from bookhopper.model import RUNNING_OF, WAITING_OF, Change, State
from bookhopper.prepare import Filled
from bookhopper.schedule import Run, Standing
from bookhopper.scripts.script import OUTCOMES as SCRIPT_OUTCOMES
from bookhopper.scripts.script import STAGES as SCRIPT_STAGES
from bookhopper.scripts.script import Ended
from bookhopper.search.sources.observed import OPERATIONS, OUTCOMES, SourceCall
from bookhopper.store.base import OPERATIONS as STORE_OPERATIONS

_STAGE_OF = {State.SEARCHING: "search", State.DOWNLOADING: "download", State.PLACED: "deliver"}
_ENDS_OF = {
    "search": (
        "queued",
        "ambiguous",
        "missing",
        "duplicate",
        "owned",
        "expanded",
        "failed",
        "cancelled",
        "put_back",
    ),
    "download": ("placed", "duplicate", "failed", "cancelled", "put_back"),
    "deliver": ("done", "put_back"),
}
_DECISIONS = {State.QUEUED: "accept", State.AMBIGUOUS: "ambiguous", State.MISSING: "missing"}
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
_LONG_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
_STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside every counter, which nobody asks for


class Metrics:
    """The instruments, in a registry of their own, and the listeners that move them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._reload_good = self._gauge(
            "config_last_reload_successful", "Whether the settings could be read when they were last to be."
        )
        self._reload_moment = self._gauge(
            "config_last_reload_success_timestamp_seconds", "When the settings in force were read."
        )
        self.config_read(successful=True)
        self._source_requests = self._counter(
            "source_requests", "Calls to a source.", "source", "operation", "outcome"
        )
        self._source_seconds = self._histogram(
            "source_request_duration_seconds", "How long a source took.", _SECONDS, "source", "operation"
        )
        self._source_results = self._counter("source_results", "Candidates that a source gave.", "source")
        self._source_invalid = self._counter(
            "source_parse_failures",
            "Answers of a source, and entries in them, that could not be understood.",
            "source",
        )
        self._decisions = self._counter("match_decisions", "Decisions about wants.", "decision")
        self._scores = self._histogram("match_score_ratio", "Score of the best candidate.", _SCORES)
        self._waits = self._histogram("queue_wait_seconds", "From queued to claimed.", _LONG_SECONDS)
        self._jobs = self._counter("jobs", "Jobs that left a stage.", "stage", "outcome")
        self._job_seconds = self._histogram(
            "job_duration_seconds", "Time a job spent in a stage.", _SECONDS, "stage"
        )
        self._retries = self._counter("job_retries", "Jobs put back.", "stage", "reason")
        self._deliveries = self._counter("deliveries", "Ends of deliveries.", "format", "outcome")
        self._completion = self._histogram(
            "request_completion_seconds", "From a file seen to the last of its wants settled.", _LONG_SECONDS
        )
        self._store_seconds = self._histogram(
            "store_operation_duration_seconds",
            "How long a change to the store took.",
            _STORE_SECONDS,
            "operation",
        )
        self._notifications = self._counter(
            "notifications", "Tries to send a notification.", "target", "outcome"
        )
        self._missed_runs = self._counter("scheduler_missed_runs", "Scheduled runs that were missed.", "job")
        self._scripts = self._counter("scripts", "Runs of one's own scripts.", "stage", "outcome")
        self._script_seconds = self._histogram(
            "script_duration_seconds", "How long such a run took.", _SECONDS, "stage"
        )
        self._filled = self._counter(
            "metadata_fills", "EPUBs into which a title or author was to be written.", "outcome"
        )
        self._runs = self._counter("scheduler_runs", "Scheduled runs by how they ended.", "job", "outcome")
        self._run_seconds = Summary(
            "bookhopper_scheduler_run_duration_seconds",
            "How long scheduled runs took.",
            ("job",),
            registry=self.registry,
        )
        self._last_run = self._gauge(
            "scheduler_last_run_timestamp_seconds", "When a scheduled run last began; 0: none yet.", "job"
        )
        self._last_good_run = self._gauge(
            "scheduler_last_success_timestamp_seconds",
            "When a scheduled run last went well; 0: none did yet.",
            "job",
        )
        self._attempts: dict[int, int] = {}  # of the running jobs, as they were claimed
        self._begin_at_zero()

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"bookhopper_{name}", what, labels, registry=self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"bookhopper_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"bookhopper_{name}", what, labels, buckets=buckets, registry=self.registry)

    def expect(self, sources: Iterable[str], formats: Iterable[str]) -> None:
        """Begin at zero for what the settings name."""
        for source in sources:
            self._source_results.labels(source)
            self._source_invalid.labels(source)
            for operation in OPERATIONS:
                self._source_seconds.labels(source, operation)
                for outcome in OUTCOMES:
                    self._source_requests.labels(source, operation, outcome)
        for format_ in formats:
            for outcome in ("delivered", "duplicate"):
                self._deliveries.labels(format_, outcome)

    def _begin_at_zero(self) -> None:
        for decision in _DECISIONS.values():
            self._decisions.labels(decision)
        for stage, ends in _ENDS_OF.items():
            self._job_seconds.labels(stage)
            for end in ends:
                self._jobs.labels(stage, end)
            for reason in ("fault", "held"):
                self._retries.labels(stage, reason)
        for operation in STORE_OPERATIONS:
            self._store_seconds.labels(operation)
        for script in SCRIPT_STAGES:
            self._script_seconds.labels(script)
            for ending in SCRIPT_OUTCOMES:
                self._scripts.labels(script, ending)
        for filled in get_args(Filled):
            self._filled.labels(filled)

    # listeners

    def config_read(self, *, successful: bool) -> None:
        """Note that the settings were to be read, as at the start; those that cannot be are not in force."""
        self._reload_good.set(successful)
        if successful:
            self._reload_moment.set_to_current_time()

    def change(self, change: Change) -> None:
        """Count a job's step."""
        if change.before is change.after:
            return
        if change.before in RUNNING_OF and change.after is RUNNING_OF[change.before]:
            self._attempts[change.job.id] = change.job.attempts
        if change.before is State.QUEUED and change.after is State.DOWNLOADING:
            self._waits.observe(change.seconds)
        if change.before is State.SEARCHING:
            self._decided(change)
        stage = _STAGE_OF.get(change.before) if change.before else None
        if stage is None:
            return
        put_back = change.after is WAITING_OF.get(change.before or State.WANTED) or (
            change.before is State.PLACED and change.after is State.QUEUED
        )
        self._jobs.labels(stage, "put_back" if put_back else change.after.value).inc()
        self._job_seconds.labels(stage).observe(change.seconds)
        attempts = self._attempts.pop(change.job.id, change.job.attempts)
        if put_back and change.reason:
            self._retries.labels(stage, "fault" if change.job.attempts > attempts else "held").inc()
        if change.after in (State.DONE, State.DUPLICATE):
            self._delivered(change)

    def _decided(self, change: Change) -> None:
        decision = _DECISIONS.get(change.after)
        if decision is not None:
            self._decisions.labels(decision).inc()
            if change.job.candidates:
                self._scores.observe(change.job.candidates[0].score)

    def _delivered(self, change: Change) -> None:
        good = (candidate for candidate in change.job.candidates if not candidate.fault)
        candidate = next(good, None)
        if candidate is not None and candidate.format:
            outcome = "delivered" if change.after is State.DONE else "duplicate"
            self._deliveries.labels(candidate.format, outcome).inc()

    def source_call(self, call: SourceCall) -> None:
        """Count a call to a source."""
        self._source_requests.labels(call.source, call.operation, call.outcome).inc()
        self._source_seconds.labels(call.source, call.operation).observe(call.seconds)
        self._source_results.labels(call.source).inc(call.results)
        self._source_invalid.labels(call.source).inc(call.dropped + (call.outcome == "invalid"))

    def request_completed(self, request: int, seconds: float) -> None:  # noqa: ARG002 - no label for it
        """Count a request whose last want is settled."""
        self._completion.observe(seconds)

    def store_operation(self, operation: str, seconds: float) -> None:
        """Count a change to the store."""
        self._store_seconds.labels(operation).observe(seconds)

    def script_ran(self, ended: Ended) -> None:
        """Count a run of a script."""
        self._scripts.labels(ended.stage, ended.outcome).inc()
        self._script_seconds.labels(ended.stage).observe(ended.seconds)

    def metadata_filled(self, outcome: Filled) -> None:
        """Count an EPUB that lacked a title or author."""
        self._filled.labels(outcome).inc()

    def expect_targets(self, targets: Iterable[str], outcomes: Iterable[str]) -> None:
        """Begin at zero for those who are told."""
        for target, outcome in product(targets, outcomes):
            self._notifications.labels(target, outcome)

    def notification(self, target: str, outcome: str) -> None:
        """Count a try to send a notification."""
        self._notifications.labels(target, outcome).inc()

    def expect_runs(self, standings: Iterable[Standing]) -> None:
        """Begin at zero for what is scheduled, or at what is known of its runs before the start."""
        for each in standings:
            self._missed_runs.labels(each.name)
            for outcome in ("ok", "failed"):
                self._runs.labels(each.name, outcome)
            self._run_seconds.labels(each.name)
            self._last_run.labels(each.name).set(each.last.started if each.last else 0.0)
            self._last_good_run.labels(each.name).set(each.succeeded or 0.0)

    def missed_run(self, job: str) -> None:
        """Count a scheduled run that was missed."""
        self._missed_runs.labels(job).inc()

    def ran(self, job: str, run: Run) -> None:
        """Count a scheduled run that has ended."""
        self._runs.labels(job, "ok" if run.ok else "failed").inc()
        self._run_seconds.labels(job).observe(run.seconds)
        self._last_run.labels(job).set(run.started)
        if run.ok:
            self._last_good_run.labels(job).set(run.started + run.seconds)
