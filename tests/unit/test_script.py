"""A program of somebody's own: what it is given and what not, how it ends, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bookhopper.lock import StateLock
from bookhopper.scripts.script import Ended, Script, environment
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.queues import Queue
from tests.scripts import shell, told_of
from tests.waiting import until

LONG = 60.0

_LEAVING = (
    "import os, sys, time; os.setpgid(0, 0); open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
)
GROUP = f'{sys.executable} -Ic "{_LEAVING}"'
"""A command that leaves the group of those who started it, as jobs of an interactive shell do."""


def run(
    folder: Path,
    text: str,
    *arguments: str,
    facts: Mapping[str, object] | None = None,
    timeout: float = LONG,
    ticket: Ticket | None = None,
) -> Ended:
    """Run a shell script on a book in a folder of its own."""
    place = folder / "place"
    place.mkdir(exist_ok=True)
    book = place / "A Tale.epub"
    book.write_bytes(b"book")
    script = Script("after_verify", (str(shell(folder, text)), *arguments), timeout, 0.5)
    return script.run(book, facts or {}, place, ticket or Ticket(1))


def runs(process: int) -> bool:
    """Whether a process runs, and is more than what is left of one."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("ended", "level"),
    [
        (Ended("after_verify", "passed", 1.0), "DEBUG"),
        (Ended("after_verify", "passed", 1.0, 0, "well", "well"), "INFO"),
        (Ended("after_verify", "refused", 1.0, 3, "no", "no"), "DEBUG"),
        (Ended("after_verify", "refused", 1.0, 3, "no", "found / no"), "INFO"),
        (Ended("after_verify", "not_started", 1.0, 0, "no such file"), "DEBUG"),
        (Ended("after_delivery", "later", 1.0, 75), "DEBUG"),
        (Ended("after_delivery", "refused", 1.0, 3, "no", "no"), "WARNING"),
    ],
)
def test_what_its_job_says_anyway_is_not_told_twice(
    ended: Ended, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ended.say(7)
    (record,) = caplog.records
    assert record.levelname == level
    assert record.getMessage().startswith(f"job 7: script.{ended.stage} {ended.outcome} in 1.0 s")


def test_it_gets_the_file_and_the_facts_and_a_folder_of_its_own(tmp_path: Path) -> None:
    facts = {"stage": "after_verify", "want": {"title": "Ünïcode\n\ud800"}}
    ended = run(tmp_path, told_of(tmp_path), "one", "two words", facts=facts)
    assert (ended.outcome, ended.code, ended.said, ended.output) == ("passed", 0, "", "")
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    assert told["arguments"] == ["one", "two words", str(tmp_path / "place" / "A Tale.epub")]
    assert told["folder"] == str(tmp_path / "place")
    assert json.loads(told["input"]) == facts
    assert os.listdir(tmp_path / "place") == ["A Tale.epub"]  # noqa: PTH208
    assert told["session"] == told["process"] != os.getsid(0)


def test_it_inherits_no_secret_and_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "LC_TIME": "C", "TZ": "Europe/Berlin"}
    secret = (
        "CREDENTIALS_DIRECTORY",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "BOOKHOPPER_HOME_PASSWORD",
        "http_proxy",
    )
    for name in secret:
        monkeypatch.setenv(name, "/secret")
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    lock, queue = StateLock(tmp_path), Queue(tmp_path)
    inheritable = os.dup2(os.open(tmp_path, os.O_RDONLY), 90, inheritable=True)
    try:
        assert run(tmp_path, told_of(tmp_path)).outcome == "passed"
    finally:
        os.close(inheritable)
        queue.close()
        lock.release()
    told = json.loads((tmp_path / "told.json").read_text())
    assert "/secret" not in json.dumps(told["environment"])
    assert told["environment"].items() >= kept.items()
    assert set(told["descriptors"]) == {0, 1, 2}


def test_where_there_is_no_path_the_system_s_own_is_used(tmp_path: Path) -> None:
    assert environment({}, tmp_path) == {"PATH": os.defpath, "TMPDIR": str(tmp_path)}


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        ("exit 0", "passed", "it passed"),
        ("exit 1", "refused", "it ended with 1"),
        ("echo noise; echo 'it  is\tbad' >&2; echo >&2; exit 3", "refused", "it ended with 3: it is bad"),
        ("exit 75", "later", "it asks to be run again later (75)"),
        ("kill -KILL $$", "killed", "it was ended by SIGKILL"),
        ("printf '\\377\\033[31mred' >&2; exit 2", "refused", "it ended with 2: ��[31mred"),
    ],
)  # fmt: skip
def test_how_it_ended_is_told(tmp_path: Path, text: str, outcome: str, reason: str) -> None:
    ended = run(tmp_path, text)
    assert (ended.outcome, ended.reason) == (outcome, reason)


def test_what_it_writes_is_bounded_and_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, "yes spam | head -c 3000000; yes eggs | head -c 3000000 >&2; echo done >&2")
    assert ended.outcome == "passed"
    assert ended.said == "done"
    assert ended.output.endswith("eggs / done")
    assert len(ended.output) < 400


def test_one_that_reads_nothing_is_not_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, "exec <&-; exit 0", facts={"long": "x" * 1_000_000}).outcome == "passed"


def test_one_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, "exec >&- 2>&-; sleep 0.3; exit 4").code == 4


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: path.chmod(0o600), "Permission denied"),
        (lambda path: path.write_text("echo no first line"), "Exec format error"),
        (lambda path: path.write_text("#!/nowhere/sh\n"), "No such file or directory"),
    ],
)
def test_one_that_cannot_be_run_is_named(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    path = shell(tmp_path, "exit 0")
    make(path)
    ended = Script("after_delivery", (str(path),), LONG, 0.5).run(tmp_path / "x", {}, tmp_path, Ticket(1))
    assert ended.outcome == "not_started"
    assert ended.reason == f"it cannot be run: {path}: {why}: `bookhopper check` tells more"


@pytest.mark.parametrize(
    "text",
    [
        "echo $$ > {pids}; sleep 600",
        "trap '' TERM; echo $$ > {pids}; while :; do sleep 0.1; done",
        "(trap '' TERM; sleep 600; echo late) & echo $! > {pids}; wait",
        "setsid sh -c 'echo $$ > {pids}; trap \"\" TERM; sleep 600; echo late' & sleep 600",
        f"{GROUP} {{pids}} > {{pids}}.out 2>&1 & sleep 600",
        "setsid sh -c 'echo $$ > {pids}; exec sleep 600' > {pids}.out 2>&1 & sleep 600",
        "setsid env -i sh -c 'echo $$ > {pids}; exec sleep 600' & sleep 600",
    ],
    ids=[
        "plain",
        "deaf",
        "a deaf child",
        "a child of another session that holds the pipe",
        "a child of another group",
        "a child of another session that holds nothing",
        "a child that was told nothing",
    ],
)
def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, text: str) -> None:
    pids = tmp_path / "pids"
    ended = run(
        tmp_path, f"until [ -s {pids} ]; do sleep 0.01; done & " + text.format(pids=pids), timeout=1.0
    )
    assert ended.outcome == "timeout"
    assert ended.reason == "it took longer than script.timeout allows"
    until(lambda: not runs(int(pids.read_text())), "the end of what it started")


@pytest.mark.parametrize("start", ["sleep 600 & echo $! > {}", GROUP + " {} > /dev/null 2>&1 &"])
def test_what_it_leaves_running_goes_with_it(tmp_path: Path, start: str) -> None:
    pid = tmp_path / "pid"
    ended = run(tmp_path, f"{start.format(pid)}\nuntil [ -s {pid} ]; do sleep 0.01; done; echo fine; exit 0")
    assert (ended.outcome, ended.output) == ("passed", "fine")
    until(lambda: not runs(int(pid.read_text())), "the end of what it started")


def test_what_has_left_its_session_stays_where_it_ended_in_order(tmp_path: Path) -> None:
    """It was meant to: a player, say, or a notice on the desktop."""
    pid = tmp_path / "pid"
    text = f"setsid sh -c 'echo $$ > {pid}; exec sleep 600' > /dev/null 2>&1 & until [ -s {pid} ]; do :; done"
    assert run(tmp_path, text).outcome == "passed"
    process = int(pid.read_text())
    assert runs(process)
    os.kill(process, signal.SIGKILL)


def test_a_chatterbox_that_has_left_its_session_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    ended = run(
        tmp_path, f"setsid sh -c 'echo $$ > {pid}; exec yes' & until [ -s {pid} ]; do :; done; exit 0"
    )
    assert ended.outcome == "passed"
    until(lambda: not runs(int(pid.read_text())), "its end, since nobody reads it any more")


@pytest.mark.parametrize("reason", [Reason.CANCEL, Reason.PAUSE, Reason.SHUTDOWN])
def test_an_interruption_ends_it(tmp_path: Path, reason: Reason) -> None:
    pid, ticket = tmp_path / "pid", Ticket(1)

    def interrupt() -> None:
        until(lambda: pid.exists() and pid.read_text())
        ticket.interrupt(reason)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(Interrupted) as interrupted:
        run(tmp_path, f"trap '' TERM; echo $$ > {pid}; sleep 600", ticket=ticket)
    other.join()
    assert interrupted.value.reason is reason
    until(lambda: not runs(int(pid.read_text())))


def test_it_hears_the_usual_signals(tmp_path: Path) -> None:
    """Python ignores some, which a program would inherit."""
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    assert run(tmp_path, "kill -PIPE $$").reason == "it was ended by SIGPIPE"
