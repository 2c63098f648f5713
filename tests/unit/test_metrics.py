"""What each change moves in the metrics, and the collector's corners."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bookhopper.model import Candidate, Change, Job, State, Want
from bookhopper.observe import collector
from bookhopper.observe.metrics import Metrics
from bookhopper.schedule import Run, Standing
from bookhopper.search.sources.observed import SourceCall

EPUB = Candidate("shelf", "1", "A Tale", format="epub", score=0.9)


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.expect(["shelf"], ["epub", "pdf"])
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"bookhopper_{name}", labels)


def moved(metrics: Metrics, metric: str) -> dict[tuple[str, ...], float]:
    """Give the samples of a counter that have left zero, by their label values."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"bookhopper_{metric}" and sample.value
    }


def change(
    before: State | None,
    after: State,
    *candidates: Candidate,
    seconds: float = 2.0,
    reason: str = "",
    attempts: int = 0,
) -> Change:
    job = Job(1, 1, Want("A Tale"), after, candidates=candidates, attempts=attempts)
    return Change(job, before, after, seconds, reason)


@pytest.mark.parametrize(
    ("told", "stage", "outcome"),
    [
        (change(State.SEARCHING, State.QUEUED, EPUB), "search", "queued"),
        (change(State.SEARCHING, State.AMBIGUOUS, EPUB), "search", "ambiguous"),
        (change(State.SEARCHING, State.MISSING), "search", "missing"),
        (change(State.SEARCHING, State.WANTED, reason="down"), "search", "put_back"),
        (change(State.SEARCHING, State.DUPLICATE, EPUB), "search", "duplicate"),
        (change(State.SEARCHING, State.FAILED), "search", "failed"),
        (change(State.DOWNLOADING, State.PLACED, EPUB), "download", "placed"),
        (change(State.DOWNLOADING, State.QUEUED, reason="down"), "download", "put_back"),
        (change(State.DOWNLOADING, State.CANCELLED), "download", "cancelled"),
        (change(State.DOWNLOADING, State.DUPLICATE, EPUB), "download", "duplicate"),
        (change(State.PLACED, State.DONE, EPUB), "deliver", "done"),
        (change(State.PLACED, State.QUEUED, reason="gone"), "deliver", "put_back"),
    ],
)
def test_a_job_leaves_a_stage(metrics: Metrics, told: Change, stage: str, outcome: str) -> None:
    assert value(metrics, "jobs_total", stage=stage, outcome=outcome) == 0, "it began at zero"
    metrics.change(told)
    assert moved(metrics, "jobs_total") == {(stage, outcome): 1}
    assert value(metrics, "job_duration_seconds_sum", stage=stage) == 2


@pytest.mark.parametrize(
    "told",
    [
        change(State.DOWNLOADING, State.DOWNLOADING, reason="a note"),
        change(State.QUEUED, State.DOWNLOADING),
        change(State.WANTED, State.SEARCHING),
        change(State.MISSING, State.WANTED),
        change(None, State.WANTED),
    ],
)
def test_what_leaves_no_stage(metrics: Metrics, told: Change) -> None:
    metrics.change(told)
    assert moved(metrics, "jobs_total") == {}


def test_the_wait_for_a_worker(metrics: Metrics) -> None:
    metrics.change(change(State.QUEUED, State.DOWNLOADING, seconds=7))
    assert value(metrics, "queue_wait_seconds_sum") == 7


@pytest.mark.parametrize(
    ("after", "decision"),
    [(State.QUEUED, "accept"), (State.AMBIGUOUS, "ambiguous"), (State.MISSING, "missing")],
)
def test_decisions_and_scores(metrics: Metrics, after: State, decision: str) -> None:
    metrics.change(change(State.SEARCHING, after, EPUB))
    assert moved(metrics, "match_decisions_total") == {(decision,): 1}
    assert value(metrics, "match_score_ratio_sum") == 0.9
    metrics.change(change(State.SEARCHING, State.MISSING))
    assert value(metrics, "match_score_ratio_count") == 1


@pytest.mark.parametrize(
    ("claimed", "put_back", "reason"), [(0, 0, "held"), (0, 1, "fault"), (2, 2, "held"), (2, 3, "fault")]
)
def test_retries_have_a_reason(metrics: Metrics, claimed: int, put_back: int, reason: str) -> None:
    metrics.change(change(State.QUEUED, State.DOWNLOADING, attempts=claimed))
    metrics.change(change(State.DOWNLOADING, State.DOWNLOADING, attempts=claimed, reason="a note"))
    metrics.change(change(State.DOWNLOADING, State.QUEUED, attempts=put_back, reason="it broke off"))
    assert moved(metrics, "job_retries_total") == {("download", reason): 1}


def test_what_the_last_run_left_is_no_fault(metrics: Metrics) -> None:
    metrics.change(change(State.DOWNLOADING, State.QUEUED, attempts=2, reason="its worker is gone"))
    assert moved(metrics, "job_retries_total") == {("download", "held"): 1}


def test_a_shutdown_is_no_retry(metrics: Metrics) -> None:
    metrics.change(change(State.DOWNLOADING, State.QUEUED))
    assert moved(metrics, "job_retries_total") == {}


def test_deliveries_by_the_candidate_that_was_good(metrics: Metrics) -> None:
    bad = Candidate("shelf", "0", "A Tale", format="pdf", fault="torn")
    metrics.change(change(State.PLACED, State.DONE, bad, EPUB))
    metrics.change(change(State.DOWNLOADING, State.DUPLICATE, EPUB))
    metrics.change(change(State.DOWNLOADING, State.DUPLICATE))
    metrics.change(change(State.PLACED, State.DONE, Candidate("shelf", "1", "A Tale")))
    assert moved(metrics, "deliveries_total") == {("epub", "delivered"): 1, ("epub", "duplicate"): 1}


def test_calls_to_a_source(metrics: Metrics) -> None:
    metrics.source_call(SourceCall("shelf", "search", "found", 0.5, 3, dropped=2))
    metrics.source_call(SourceCall("shelf", "lookup", "invalid", 0.1))
    assert moved(metrics, "source_requests_total") == {
        ("shelf", "search", "found"): 1,
        ("shelf", "lookup", "invalid"): 1,
    }
    assert value(metrics, "source_results_total", source="shelf") == 3
    assert value(metrics, "source_parse_failures_total", source="shelf") == 2 + 1
    assert value(
        metrics, "source_request_duration_seconds_sum", source="shelf", operation="search"
    ) == pytest.approx(0.5)


def test_scheduled_runs(metrics: Metrics) -> None:
    known = Standing("backup", "", 86400, False, 0, Run(50.0, 2.0, False, "no room"), 7.0, None)
    metrics.expect_runs([Standing("rescan", "", 300, False, 0, None, None, None), known])
    assert value(metrics, "scheduler_missed_runs_total", job="rescan") == 0
    metrics.missed_run("rescan")
    assert value(metrics, "scheduler_missed_runs_total", job="rescan") == 1
    for outcome in ("ok", "failed"):
        assert value(metrics, "scheduler_runs_total", job="rescan", outcome=outcome) == 0
    assert value(metrics, "scheduler_last_success_timestamp_seconds", job="rescan") == 0
    assert value(metrics, "scheduler_last_run_timestamp_seconds", job="backup") == 50
    assert value(metrics, "scheduler_last_success_timestamp_seconds", job="backup") == 7
    metrics.ran("rescan", Run(100.0, 0.5, True))
    metrics.ran("rescan", Run(200.0, 0.25, False, "no room"))
    assert value(metrics, "scheduler_runs_total", job="rescan", outcome="ok") == 1
    assert value(metrics, "scheduler_runs_total", job="rescan", outcome="failed") == 1
    assert value(metrics, "scheduler_last_run_timestamp_seconds", job="rescan") == 200
    assert value(metrics, "scheduler_last_success_timestamp_seconds", job="rescan") == 100.5
    assert value(metrics, "scheduler_run_duration_seconds_sum", job="rescan") == 0.75


def test_requests_and_the_store(metrics: Metrics) -> None:
    metrics.request_completed(1, 90)
    assert value(metrics, "store_operation_duration_seconds_count", operation="claim") == 0
    metrics.store_operation("claim", 0.002)
    assert value(metrics, "request_completion_seconds_sum") == 90
    assert value(metrics, "store_operation_duration_seconds_count", operation="claim") == 1


def test_settings_that_cannot_be_read(metrics: Metrics) -> None:
    assert value(metrics, "config_last_reload_successful") == 1, "those of the start are in force"
    begun = value(metrics, "config_last_reload_success_timestamp_seconds")
    assert begun == pytest.approx(time.time(), abs=60)
    metrics.config_read(successful=False)
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == begun
    metrics.config_read(successful=True)
    assert value(metrics, "config_last_reload_successful") == 1
    assert (value(metrics, "config_last_reload_success_timestamp_seconds") or 0) >= (begun or 0)


def test_what_lies_in_ingest(tmp_path: Path) -> None:
    assert collector._pending(tmp_path) == (0, None)
    (tmp_path / "a.epub").write_bytes(b"x")
    (tmp_path / "b.epub.uploading").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.epub").symlink_to(tmp_path / "a.epub")
    number, oldest = collector._pending(tmp_path)
    assert (number, oldest) == (1, (tmp_path / "a.epub").stat().st_ctime)
    (tmp_path / "folder" / "inner").mkdir()
    (tmp_path / "folder" / "c.epub.uploading").write_bytes(b"x")
    (tmp_path / "folder" / "inner" / "d.epub").write_bytes(b"x")
    (tmp_path / "linked").symlink_to(tmp_path / "folder")
    assert collector._pending(tmp_path) == (2, oldest)
    (tmp_path / "a.epub").unlink()
    inner = (tmp_path / "folder" / "inner" / "d.epub").stat().st_ctime
    assert collector._pending(tmp_path) == (1, inner)
    assert collector._pending(tmp_path / "nope") == (0, None)
    assert collector._free(tmp_path / "nope") is None
