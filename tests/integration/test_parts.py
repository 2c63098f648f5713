"""All parts in one process: from a dropped list to a delivered book, as HTTP and metrics tell it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bookhopper import __version__, app
from bookhopper.core import Core
from bookhopper.delivery.deliver import Deliverer
from bookhopper.errors import BookhopperError, HeldError, StoreError
from bookhopper.model import State
from bookhopper.observe import collector
from bookhopper.parts import Parts
from bookhopper.reload import Configuration, Outcome
from bookhopper.settings import Settings
from bookhopper.store.sqlite import SqliteStore
from tests import books
from tests.waiting import until

NAMES = {
    "build_info": ("gauge", {"version"}),
    "config_last_reload_successful": ("gauge", set()),
    "config_last_reload_success_timestamp_seconds": ("gauge", set()),
    "request_files": ("counter", {"outcome"}),
    "request_lines": ("counter", {"outcome"}),
    "watcher_up": ("gauge", set()),
    "watcher_polling": ("gauge", set()),
    "watcher_breaks": ("counter", set()),
    "watcher_rescan_found": ("counter", set()),
    "watcher_last_scan_timestamp_seconds": ("gauge", set()),
    "source_requests": ("counter", {"source", "operation", "outcome"}),
    "source_request_duration_seconds": ("histogram", {"source", "operation"}),
    "source_results": ("counter", {"source"}),
    "source_parse_failures": ("counter", {"source"}),
    "source_available": ("gauge", {"source"}),
    "source_last_success_timestamp_seconds": ("gauge", {"source"}),
    "rate_limit_wait_seconds": ("counter", {"source"}),
    "source_held_seconds": ("gauge", {"source"}),
    "match_decisions": ("counter", {"decision"}),
    "match_score_ratio": ("histogram", set()),
    "queue_items": ("gauge", {"state"}),
    "queue_oldest_item_timestamp_seconds": ("gauge", set()),
    "queue_paused": ("gauge", set()),
    "queue_wait_seconds": ("histogram", set()),
    "jobs": ("counter", {"stage", "outcome"}),
    "job_duration_seconds": ("histogram", {"stage"}),
    "job_retries": ("counter", {"stage", "reason"}),
    "workers": ("gauge", {"stage"}),
    "workers_busy": ("gauge", {"stage"}),
    "worker_heartbeat_timestamp_seconds": ("gauge", {"worker"}),
    "downloads_in_progress": ("gauge", set()),
    "download_received_bytes": ("counter", {"source"}),
    "download_resumes": ("counter", {"outcome"}),
    "download_verifications": ("counter", {"check", "outcome"}),
    "deliveries": ("counter", {"format", "outcome"}),
    "delivery_last_success_timestamp_seconds": ("gauge", set()),
    "request_completion_seconds": ("histogram", set()),
    "ingest_nudges": ("counter", set()),
    "ingest_pending_files": ("gauge", set()),
    "ingest_oldest_file_timestamp_seconds": ("gauge", set()),
    "store_operation_duration_seconds": ("histogram", {"operation"}),
    "store_failures": ("counter", {"operation"}),
    "filesystem_avail_bytes": ("gauge", {"folder"}),
    "memory_limit_bytes": ("gauge", set()),
    "threads": ("gauge", set()),
    "notifications": ("counter", {"target", "outcome"}),
    "scheduler_missed_runs": ("counter", {"job"}),
    "scripts": ("counter", {"stage", "outcome"}),
    "script_duration_seconds": ("histogram", {"stage"}),
    "metadata_fills": ("counter", {"outcome"}),
    "scheduler_runs": ("counter", {"job", "outcome"}),
    "scheduler_run_duration_seconds": ("summary", {"job"}),
    "scheduler_last_run_timestamp_seconds": ("gauge", {"job"}),
    "scheduler_last_success_timestamp_seconds": ("gauge", {"job"}),
}
"""The names that dashboards and alerts are built on, as the parser gives them: counters without `_total`."""


class Running:
    """Core and parts in a folder, with a folder of books as the only source."""

    def __init__(self, base: Path) -> None:
        self.base = base
        for name in ("books", "ingest"):
            (base / name).mkdir(exist_ok=True)
        self.settings = Settings.model_validate(
            {
                "folders": {name: str(base / name) for name in ("requests", "ingest", "state")},
                "sources": [{"kind": "folder", "name": "shelf", "path": str(base / "books")}],
                "intake": {"settle": 0.05},
                "download": {"keep_free": 0},
                "server": {"listen": "127.0.0.1:0"},
            }
        )

    def start(self) -> None:
        self.core = Core(self.settings)
        self.parts = Parts(self.core, Configuration(self.settings, lambda: self.settings), Outcome)
        self.parts.start()

    def stop(self) -> None:
        self.parts.stop(time.monotonic() + 20)
        self.core.close()

    def get(self, path: str) -> str:
        with build_opener(ProxyHandler({})).open(self.core.url + path, timeout=20) as answer:
            return str(answer.read().decode())

    def counts(self) -> dict[str, int]:
        found: dict[str, Any] = json.loads(self.get("/api/downloads/status"))
        return {state: number for state, number in found["counts"].items() if number}

    def metrics(self) -> dict[str, Metric]:
        return {family.name: family for family in text_string_to_metric_families(self.get("/metrics"))}

    def value(self, name: str, **labels: str) -> float:
        family = self.metrics()[f"bookhopper_{name.removesuffix('_total')}"]
        return sum(
            sample.value
            for sample in family.samples
            if sample.name in {f"bookhopper_{name}", f"bookhopper_{name}_count"}
            and labels.items() <= sample.labels.items()
        )

    def drop(self, *lines: str) -> None:
        whole = self.base / "list.tmp"
        whole.write_text("\n".join(lines), encoding="utf-8")
        whole.rename(self.base / "requests" / "list.txt")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    for title in ("Emma", "Persuasion"):
        (tmp_path / "books" / f"{title}.epub").write_bytes(books.epub(title, "Jane Austen"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def delivered(running: Running) -> Running:
    until(lambda: running.value("source_available") == 1)
    running.drop("Emma — Jane Austen", "Persuasion — Jane Austen", "Nothing of the Kind — Nobody", "???")
    until(lambda: running.counts() == {"done": 2, "missing": 1})
    return running


def test_a_dropped_list_becomes_books(delivered: Running) -> None:
    names = sorted(path.name for path in (delivered.base / "ingest").iterdir())
    assert names == ["Emma - Jane Austen.epub", "Persuasion - Jane Austen.epub"]
    assert json.loads(delivered.get("/healthz"))["ok"] is True
    assert json.loads(delivered.get("/readyz")) == {"ready": True}
    assert delivered.base.joinpath("requests/accepted/list.txt").exists()
    left = [path.name for path in (delivered.base / "state" / "parts").iterdir()]
    assert left == ["staging.log"]


def test_every_metric_has_its_name_type_and_labels(delivered: Running) -> None:
    found = delivered.metrics()
    ours = {name for name in found if name.startswith("bookhopper_")}
    assert {name.removeprefix("bookhopper_") for name in ours} == NAMES.keys()
    for name, (kind, labels) in NAMES.items():
        family = found[f"bookhopper_{name}"]
        assert family.type == kind, name
        assert family.documentation.endswith("."), name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels, name
    assert {"process_resident_memory_bytes", "process_open_fds"} <= found.keys()


def test_the_metrics_tell_what_happened(delivered: Running) -> None:
    value = delivered.value
    until(lambda: value("request_completion_seconds") == 1)
    assert value("build_info", version=__version__) == 1
    assert value("request_files_total", outcome="partial") == 1
    assert value("request_lines_total", outcome="new") == 3
    assert value("request_lines_total", outcome="bad") == 1
    assert (value("watcher_up"), value("watcher_polling")) == (1, 0)
    assert value("watcher_last_scan_timestamp_seconds") > time.time() - 300
    assert value("match_decisions_total", decision="accept") == 2
    assert value("match_decisions_total", decision="missing") == 1
    assert value("match_score_ratio") >= 2
    assert value("queue_items", state="done") == 2
    assert value("queue_items", state="queued") == 0
    assert value("queue_wait_seconds") == 2
    assert value("jobs_total", stage="download", outcome="placed") == 2
    assert value("jobs_total", stage="deliver", outcome="done") == 2
    assert value("jobs_total", stage="search", outcome="missing") == 1
    assert value("job_retries_total") == 0
    assert value("workers", stage="download") == 3
    assert value("workers_busy") == 0
    assert value("download_received_bytes_total", source="shelf") > 2000
    assert value("download_verifications_total", outcome="passed") == 2
    assert value("deliveries_total", format="epub", outcome="delivered") == 2
    assert value("delivery_last_success_timestamp_seconds") > time.time() - 300
    assert value("ingest_pending_files") == 2
    assert value("ingest_oldest_file_timestamp_seconds") > time.time() - 300
    assert value("store_operation_duration_seconds", operation="claim") >= 2
    assert value("source_requests_total", source="shelf", operation="search", outcome="found") >= 2
    assert value("source_results_total", source="shelf") >= 2
    assert value("source_last_success_timestamp_seconds", source="shelf") > time.time() - 300
    assert value("filesystem_avail_bytes", folder="state") > 0
    assert value("memory_limit_bytes") > value("threads") > 1
    assert value("config_last_reload_successful") == 1
    assert value("config_last_reload_success_timestamp_seconds") > time.time() - 300


def test_label_sets_begin_at_zero(running: Running) -> None:
    found = running.metrics()
    absent = {name for name in NAMES if not found[f"bookhopper_{name}"].samples}
    moments = {"queue_oldest_item_timestamp_seconds", "ingest_oldest_file_timestamp_seconds"}
    assert absent == moments | {"notifications"}, (
        "where nothing waits there is no moment since which it does, and here nobody is told of anything"
    )
    for name in ("delivery_last_success_timestamp_seconds", "source_last_success_timestamp_seconds"):
        (sample,) = found[f"bookhopper_{name}"].samples
        assert sample.value == 0, f"{name}: never yet"
    states = {sample.labels["state"] for sample in found["bookhopper_queue_items"].samples}
    assert states == set(State)
    verifications = found["bookhopper_download_verifications"].samples
    assert {(sample.labels["check"], sample.labels["outcome"]) for sample in verifications} == {
        ("book", "passed"),
        *(
            (check, "failed")
            for check in ("size", "type", "container", "checksum", "structure", "protection")
        ),
    }


def test_a_store_that_cannot_be_read_hides_only_its_own(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> None:
        raise StoreError("it cannot be read")

    monkeypatch.setattr(SqliteStore, "counts", failing)
    hidden = {"queue_items", "queue_oldest_item_timestamp_seconds", "delivery_last_success_timestamp_seconds"}
    assert NAMES.keys() - {name.removeprefix("bookhopper_") for name in running.metrics()} == hidden


def test_no_label_says_what_is_read(delivered: Running) -> None:
    for family in delivered.metrics().values():
        for sample in family.samples:
            shown = " ".join(sample.labels.values()).lower()
            assert not any(word in shown for word in ("emma", "austen", "persuasion", "/", "list.txt"))


def test_a_second_start_goes_on_where_it_was(delivered: Running) -> None:
    delivered.stop()
    delivered.start()
    assert delivered.counts() == {"done": 2, "missing": 1}
    delivered.drop("Emma — Jane Austen")
    until(lambda: delivered.value("request_lines_total", outcome="known") == 1)
    assert delivered.counts() == {"done": 2, "missing": 1}
    assert not (delivered.base / "requests" / "list.txt").exists()


def test_a_second_daemon_is_refused(running: Running) -> None:
    with pytest.raises(BookhopperError, match="works in this state folder: stop it first"):
        Core(running.settings)
    assert json.loads(running.get("/healthz"))["ok"] is True


def test_a_start_that_fails_lets_go_of_everything(tmp_path: Path) -> None:
    running = Running(tmp_path)
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(BookhopperError, match=r"cannot be made: .*: make it yourself, or name another"):
        Core(running.settings)
    (tmp_path / "state").unlink()
    running.start()
    taken = running.core.url.rsplit(":", 1)[1]
    other = tmp_path / "other"
    other.mkdir()
    second = Running(other)
    second.settings = second.settings.model_copy(
        update={"server": running.settings.server.model_copy(update={"listen": f"127.0.0.1:{taken}"})}
    )
    for _ in range(2):
        with pytest.raises(BookhopperError, match="cannot listen on"):
            Core(second.settings)
    running.stop()


def test_what_the_last_run_left_is_taken_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = Running(tmp_path)
    parts = tmp_path / "state" / "parts"
    parts.mkdir(parents=True)
    (parts / "staging.log").write_text("7\ta.epub.uploading\n")
    (parts / "9.part").write_bytes(b"x")
    (tmp_path / "ingest" / "a.epub.uploading").write_bytes(b"half")
    caplog.set_level(logging.INFO)
    running.start()
    assert list((tmp_path / "ingest").iterdir()) == []
    assert [path.name for path in parts.iterdir()] == ["staging.log"]
    assert (parts / "staging.log").read_bytes() == b""
    assert "1 half-placed book of the last run removed" in caplog.text
    running.stop()


def test_books_wait_for_an_ingest_folder_that_is_away(running: Running) -> None:
    until(lambda: running.value("source_available") == 1)
    ingest = running.base / "ingest"
    ingest.rmdir()
    running.drop("Emma — Jane Austen")
    until(lambda: json.loads(running.get("/api/downloads/status"))["held"])
    held = json.loads(running.get("/api/downloads/status"))["held"]
    assert held == {"download": f"the ingest folder {ingest} is not there: create it, or mount it again"}
    assert running.value("ingest_pending_files") == 0
    assert "ingest" not in {
        sample.labels["folder"] for sample in running.metrics()["bookhopper_filesystem_avail_bytes"].samples
    }
    until(lambda: running.counts() == {"queued": 1}, "its move back, which comes after the hold is told")


def test_a_source_that_cannot_be_brought_up_to_date_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(tmp_path)
    source = {"kind": "gutenberg", "name": "pg", "catalogue": str(tmp_path / "nope.csv.gz")}
    running.settings = Settings.model_validate(
        running.settings.model_dump(exclude={"sources"}) | {"sources": [source]}
    )
    running.start()
    until(lambda: "source pg cannot be brought up to date: " in caplog.text)
    running.drop("Emma — Jane Austen")
    until(lambda: running.value("request_lines_total", outcome="new") == 1)
    assert running.counts().keys() <= {"wanted", "searching"}, "it waits for its source"
    running.stop()


def test_what_cannot_be_taken_up_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> int:
        raise HeldError("the queue cannot be written")

    monkeypatch.setattr(Deliverer, "clear_strays", failing)
    running = Running(tmp_path)
    running.start()
    assert "what the last run left in ingest waits: the queue cannot be written" in caplog.text
    running.stop()


def test_run_starts_and_stops_by_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`run` itself, with the signal handlers taken down to the event that they set."""
    running = Running(tmp_path)
    handlers: dict[int, Any] = {}
    told: list[str] = []
    ready = threading.Event()

    def notify(*lines: str) -> bool:
        told.append(lines[0])
        if lines[0] == "READY=1":
            ready.set()
        return True

    monkeypatch.setattr(app.signal, "signal", handlers.__setitem__)  # type: ignore[attr-defined]
    monkeypatch.setattr(app, "notify", notify)
    monkeypatch.setattr(app.logs, "configure", lambda *_: None)  # type: ignore[attr-defined]
    caplog.set_level(logging.INFO)
    thread = threading.Thread(target=app.run, args=(running.settings,))
    thread.start()
    assert ready.wait(30)
    handlers[signal.SIGTERM](15, None)
    thread.join(30)
    assert not thread.is_alive()
    assert told == ["READY=1", "STOPPING=1"]
    assert f"bookhopper {__version__} starts" in caplog.text
    assert caplog.messages[-1] == "stopped"
    assert not (tmp_path / "state" / "server.json").exists()


MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/\n", {"": "1048576\n"}, 1048576),
        ("0::/\n", {"": "max\n"}, MACHINE),
        ("0::/\n", {"": str(2**62)}, MACHINE),
        ("1:cpu:/else\n0::/system.slice/ours.service\n", {"system.slice/ours.service": "5000"}, 5000),
        ("0::/user.slice/ours.service\n", {"user.slice": "4000", "user.slice/ours.service": "max"}, 4000),
        ("9:memory:/old\n", {}, MACHINE),
        (None, {"": "1048576\n"}, MACHINE),
    ],
)
def test_the_memory_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, limits: dict[str, str], expected: int
) -> None:
    for group, limit in limits.items():
        (tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / group / "memory.max").write_text(limit)
    if own is not None:
        (tmp_path / "own").write_text(own)
    monkeypatch.setattr(collector, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(collector, "_OWN_CGROUP", tmp_path / "own")
    assert collector._memory_limit() == expected


def test_an_idle_daemon_loads_nothing_for_what_nobody_asked_of_it() -> None:
    heavy = (
        "apprise",
        "bs4",
        "dns",
        "langcodes",
        "lxml",
        "pypdf",
        "rapidfuzz",
        "regex",
        "rich",
        "stdnum",
        "werkzeug",
    )
    program = f"import sys, bookhopper.cli.run, bookhopper.parts; print(*set({heavy}) & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "\n"
