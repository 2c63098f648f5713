"""Every fault of the network in one daemon: what is seen of it, and that its book comes, or a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.daemon import ROOT, Daemon
from tests.fakes.tls_server import new_authority
from tests.reliability.faults_impatient import MODULE
from tests.reliability.faults_network import AUTHOR, FAULTS, NetworkFault, Stage, content_of, table
from tests.waiting import until


@dataclass
class Run:
    """What became of the faults: the jobs by title, the report and the log."""

    jobs: Mapping[str, dict[str, Any]]
    report: str
    log: str
    delivered: Collection[str]
    """The sha256 of each book in ingest."""

    def said_of(self, fault: NetworkFault) -> str:
        """What the log says of a fault's job."""
        number = self.jobs[fault.title]["id"]
        return "\n".join(line for line in self.log.splitlines() if f"job {number} " in line)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("network")
    authority = new_authority(folder / "authority")
    with ExitStack() as stack:
        sources = []
        stages = {}
        for number, fault in enumerate(FAULTS):
            stage = Stage(folder, stack, fault.title, content_of(fault.title), authority)
            stages[fault] = stage
            sources.append({"name": f"fault-{number}", **fault.set_up(stage)})
        settings = {
            "sources": sources,
            "download": {"workers": 16, "attempts": 3, "timeout": "1 s", "keep_free": 0},
            "match": {"searchers": 4},
        }
        daemon = Daemon(folder / "home", settings)
        daemon.program = ("-m", MODULE)
        daemon.environment["REQUESTS_CA_BUNDLE"] = str(authority.bundle)
        stack.callback(daemon.close)
        daemon.start()
        catalogues = [source["name"] for source in sources if source["kind"] == "gutenberg"]
        until(lambda: all(f"source {name}: " in daemon.log for name in catalogues), lambda: daemon.log)
        yield _play(daemon, stages)


def _play(daemon: Daemon, stages: Mapping[NetworkFault, Stage]) -> Run:
    """Wish for every book, mend what has been seen, and wait for each one's end."""
    daemon.drop("faults.txt", "".join(f"{fault.title} — {AUTHOR}\n" for fault in stages))
    unmended = set(stages)

    def ended() -> bool:
        jobs = _by_title(daemon)
        for fault in [fault for fault in unmended if _is_seen(fault, jobs)]:
            stages[fault].mend()
            unmended.discard(fault)
        return all(_has_ended(fault, jobs) for fault in stages)

    until(ended, lambda: "\n".join([*_unended(daemon, stages), daemon.log]))
    jobs = _by_title(daemon)
    assert daemon.stop() == 0
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in daemon.ingest.iterdir()}
    return Run(jobs, daemon.report("faults.txt"), daemon.log, digests)


def _by_title(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {job["title"]: job for job in daemon.jobs()}


def _is_seen(fault: NetworkFault, jobs: Mapping[str, Mapping[str, Any]]) -> bool:
    return fault.title in jobs and fault.seen in (jobs[fault.title]["error"] or "")


def _has_ended(fault: NetworkFault, jobs: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether its job is where it ends, which for one that waits is when it says why."""
    if fault.title not in jobs or jobs[fault.title]["state"] != fault.state:
        return False
    return fault.state != "queued" or _is_seen(fault, jobs)


def _unended(daemon: Daemon, stages: Mapping[NetworkFault, Stage]) -> list[str]:
    jobs = _by_title(daemon)
    return [f"{fault.name}: {jobs.get(fault.title)}" for fault in stages if not _has_ended(fault, jobs)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_network_is_said_and_survived(fault: NetworkFault, run: Run) -> None:
    job = run.jobs[fault.title]
    assert fault.seen in run.said_of(fault)
    assert job["state"] == fault.state
    came = hashlib.sha256(content_of(fault.title)).hexdigest() in run.delivered
    assert came == (fault.state == "done")
    if fault.state != "done":
        assert fault.seen in _of_line(run.report, fault.title)
    if "no attempt counted" in fault.delivered:
        assert job["attempts"] == 0


def test_nothing_else_is_delivered_and_no_fault_is_bookhopper_s_own(run: Run) -> None:
    assert len(run.delivered) == sum(fault.state == "done" for fault in FAULTS)
    assert "Traceback" not in run.log
    assert "fault of bookhopper" not in run.log


def test_the_readme_shows_this_table() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first, *_ = table().splitlines()
    begin = lines.index(first)
    assert lines[begin : begin + 2 + len(FAULTS)] == table().splitlines()
    assert not lines[begin + 2 + len(FAULTS)].startswith("|")


def _of_line(report: str, title: str) -> str:
    """Give what a report says of a title, its line breaks undone."""
    _, _, rest = report.partition(title)
    return " ".join(rest.partition(f" — {AUTHOR}\n")[2].split()) or " ".join(rest.split())
