"""Scripts and filled metadata in the real daemon: what they hear, and what stops, kills and reloads do."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import books
from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon
from tests.scripts import shell, told_of
from tests.waiting import until

HOUND_LINE = "The Hound of the Baskervilles — Arthur Conan Doyle"
HOUND = "The Hound of the Baskervilles - Arthur Conan Doyle.epub"
DRACULA, DRACULA_LINE = "Dracula - Bram Stoker.epub", "Dracula — Bram Stoker"
WAITING = 'echo $$ > "$0.pid"; trap "" TERM; until [ -e "$0.go" ]; do sleep 0.02; done'


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder


def with_script(make_daemon: MakeDaemon, **section: Any) -> Daemon:
    daemon = make_daemon(script=section)
    daemon.start()
    return daemon


def process_of(script: Path) -> int:
    """Wait until a script that waits is at work, and give its number."""
    pid = script.with_name(f"{script.name}.pid")
    until(lambda: pid.exists() and pid.read_text().strip(), "the script at work")
    return int(pid.read_text())


def is_running(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def owed(daemon: Daemon) -> list[str]:
    return [path.name for path in (daemon.state / "scripts-owed").glob("*")]


def test_both_scripts_hear_of_a_book_and_of_no_secret(
    make_daemon: MakeDaemon, scripts: Path, tmp_path: Path
) -> None:
    (scripts / "first").mkdir()
    (scripts / "second").mkdir()
    daemon = make_daemon(
        script={
            "after_verify": str(shell(scripts / "first", told_of(scripts / "first"))),
            "after_delivery": [str(shell(scripts / "second", told_of(scripts / "second"))), "--told"],
        }
    )
    daemon.environment = {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "BOOKHOPPER_GUTENBERG_PROXY": "",
        "HOME_PASSWORD": "pl4nted",
        "LC_ALL": "C.UTF-8",
    }
    daemon.start()
    daemon.drop("list.txt", DRACULA_LINE)
    daemon.await_counts(done=1)
    until(lambda: (scripts / "second" / "told.json").exists() and not owed(daemon))
    for name, stage in (("first", "after_verify"), ("second", "after_delivery")):
        told = json.loads((scripts / name / "told.json").read_text())
        facts = json.loads(told["input"])
        assert facts["stage"] == stage
        assert facts["want"]["line"] == DRACULA_LINE
        assert facts["book"]["source"] == "gutenberg"
        assert Path(told["arguments"][-1]).name == DRACULA
        assert set(told["environment"]) <= {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR", "PWD", "LC_CTYPE", "SHLVL", "_", "OLDPWD"}  # fmt: skip # noqa: E501
        assert "pl4nted" not in json.dumps(told)
        assert told["descriptors"] == [0, 1, 2]
    assert facts["book"]["name"] == DRACULA
    assert told["arguments"][0] == "--told"
    assert daemon.metric("scripts_total", stage="after_verify", outcome="passed") == 1
    until(lambda: daemon.metric("scripts_total", stage="after_delivery", outcome="passed") == 1)
    assert daemon.metric("scripts_total", stage="after_delivery", outcome="timeout") == 0
    assert daemon.stop() == 0


@pytest.mark.parametrize("stage", ["after_verify", "after_delivery"])
def test_a_kill_while_a_script_runs_doubles_and_loses_nothing(
    make_daemon: MakeDaemon, scripts: Path, stage: str
) -> None:
    script = shell(scripts, f'{WAITING}; echo told >> "$0.told"')
    daemon = with_script(make_daemon, **{stage: str(script)})
    daemon.drop("list.txt", DRACULA_LINE)
    left = process_of(script)
    daemon.kill()
    os.kill(left, signal.SIGKILL)  # as systemd would
    assert daemon.delivered() == ([] if stage == "after_verify" else [DRACULA])
    script.with_name(f"{script.name}.go").touch()
    daemon.start()
    daemon.await_counts(done=1)
    until(lambda: not owed(daemon))
    assert daemon.delivered() == [DRACULA]
    assert script.with_name(f"{script.name}.told").read_text() == "told\n"
    assert daemon.stop() == 0
    assert not list((daemon.state / "scratch").iterdir())


@pytest.mark.parametrize("stage", ["after_verify", "after_delivery"])
def test_a_stop_ends_a_script_that_will_not_and_the_next_start_goes_on(
    make_daemon: MakeDaemon, scripts: Path, stage: str
) -> None:
    script = shell(scripts, WAITING)
    daemon = make_daemon(script={stage: str(script)}, grace="2s")
    daemon.start()
    daemon.drop("list.txt", DRACULA_LINE)
    process = process_of(script)
    assert daemon.stop() == 0
    assert not is_running(process)
    assert "did not end in time" not in daemon.log
    script.with_name(f"{script.name}.go").touch()
    daemon.start()
    daemon.await_counts(done=1)
    until(lambda: not owed(daemon))
    assert daemon.delivered() == [DRACULA]
    assert daemon.stop() == 0


def test_a_job_is_cancelled_while_its_script_runs(make_daemon: MakeDaemon, scripts: Path) -> None:
    script = shell(scripts, WAITING)
    daemon = with_script(make_daemon, after_verify=str(script))
    daemon.drop("list.txt", DRACULA_LINE)
    process = process_of(script)
    (running,) = daemon.get("/api/downloads")["items"]
    assert running["stage"] == "script"
    daemon.ask("POST", f"/api/downloads/{running['id']}/cancel")
    daemon.await_counts(cancelled=1)
    assert not is_running(process)
    assert daemon.delivered() == []
    assert daemon.stop() == 0


def test_what_a_script_came_to_stands_in_the_report(make_daemon: MakeDaemon, scripts: Path) -> None:
    refuse = shell(scripts, 'echo "Eicar FOUND" >&2; exit 1', "refuse.sh")
    fail = shell(scripts, 'echo "no route" >&2; exit 4', "fail.sh")
    daemon = with_script(make_daemon, after_verify=str(refuse))
    daemon.drop("list.txt", DRACULA_LINE)
    daemon.await_counts(failed=1)
    until(lambda: "script.after_verify: it ended with 1: Eicar FOUND" in daemon.report("list.txt"))
    settings = {"sources": sources(daemon), "script": {"after_delivery": str(fail)}}
    daemon.configure(settings)
    daemon.signal(signal.SIGHUP)
    until(lambda: "the configuration is read again: script.after_verify, script.after_delivery" in daemon.log)
    daemon.drop("more.txt", HOUND_LINE)
    daemon.await_counts(failed=1, done=1)
    until(lambda: "script.after_delivery: it ended with 4: no route" in daemon.report("more.txt"))
    assert daemon.delivered() == [HOUND]
    assert daemon.metric("scripts_total", stage="after_verify", outcome="refused") == 1
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log


def sources(daemon: Daemon) -> Any:
    return yaml.safe_load(daemon.config.read_text())["sources"]


def test_metadata_is_filled_in_after_a_reload(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    bare = {}
    for title in ("Persuasion", "Emma"):
        package = books.package("", "", identifier=title)
        bare[title] = books.epub(files={"OEBPS/content.opf": package})
        (shelf / f"{title} - Jane Austen.epub").write_bytes(bare[title])
    sources = [{"kind": "folder", "name": "shelf", "path": str(shelf)}]
    daemon = make_daemon(sources=sources)
    daemon.start()
    daemon.drop("list.txt", "Persuasion — Jane Austen")
    daemon.await_counts(done=1)
    daemon.configure({"sources": sources, "deliver": {"fill_metadata": True}})
    daemon.signal(signal.SIGHUP)
    until(lambda: "the configuration is read again: deliver.fill_metadata" in daemon.log)
    daemon.drop("more.txt", "Emma — Jane Austen")
    daemon.await_counts(done=2)
    delivered = {path.name: path.read_bytes() for path in daemon.ingest.iterdir()}
    assert delivered["Persuasion - Jane Austen.epub"] == bare["Persuasion"]
    assert delivered["Emma - Jane Austen.epub"] != bare["Emma"]
    assert daemon.metric("metadata_fills_total", outcome="filled") == 1
    assert daemon.stop() == 0
