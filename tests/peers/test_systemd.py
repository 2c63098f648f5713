"""The unit that `bookhopper service install` writes, under a systemd that really runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import books
from tests.booted import Booted, booted
from tests.daemon import ROOT
from tests.waiting import until

CONFIG = "/etc/bookhopper/bookhopper.yaml"
FOLDERS = {
    "requests": "/srv/bookhopper/requests",
    "ingest": "/srv/bookhopper/ingest",
    "state": "/var/lib/bookhopper",
}
SHELF = {"kind": "folder", "name": "shelf", "path": "/srv/shelf"}
DROP_IN = "/etc/systemd/system/bookhopper.service.d/20-test.conf"


def configure(machine: Booted, **sections: Any) -> None:
    whole = {"folders": FOLDERS, "sources": [SHELF], "server": {"listen": "127.0.0.1:0"}, **sections}
    machine.path(CONFIG).write_text(yaml.safe_dump(whole), encoding="utf-8")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A systemd with bookhopper installed as a person would."""
    with booted(tmp_path_factory.mktemp("tree")) as machine:
        shelf = machine.path("/srv/shelf")
        shelf.mkdir(parents=True)
        for name, author in (("Emma", "Austen, Jane"), ("Persuasion", "Austen, Jane")):
            (shelf / f"{name}.epub").write_bytes(books.epub(name, author))
        machine.path("/etc/bookhopper").mkdir()
        configure(machine)
        bookhopper(machine, "service", "install")
        drop_in = machine.path(DROP_IN)
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text(
            f"[Service]\nEnvironment=PYTHONPATH={ROOT / 'daemon'}\nWatchdogSec=3\nRestartSec=1\n"
        )
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/bookhopper.conf")
        machine.run("systemctl", "daemon-reload")
        yield machine


def bookhopper(machine: Booted, *arguments: str) -> str:
    return machine.run(sys.executable, "-m", "bookhopper", *arguments).stdout


@pytest.fixture
def service(machine: Booted) -> Iterator[Booted]:
    """The service, started; each test gets it anew."""
    configure(machine)
    machine.run("systemctl", "reset-failed", "bookhopper", check=False)
    started = machine.run("systemctl", "start", "bookhopper", check=False)
    assert started.returncode == 0, machine.log("bookhopper")
    yield machine
    machine.run("systemctl", "stop", "bookhopper", check=False)
    print(machine.log("bookhopper")[-8_000:])


def state(machine: Booted) -> dict[str, str]:
    return machine.show(
        "bookhopper", "ActiveState", "SubState", "Result", "MainPID", "NRestarts", "StatusText",
        "ExecMainStatus", "User",
    )  # fmt: skip


def status(machine: Booted) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bookhopper(machine, "status", "--json", "--config", CONFIG))
    return found


def drop(machine: Booted, name: str, text: str) -> None:
    folder = machine.path(FOLDERS["requests"])
    (folder / f".{name}").write_text(text, encoding="utf-8")
    (folder / f".{name}").rename(folder / name)


def delivered(machine: Booted) -> list[str]:
    """List the books in the ingest folder that have their names."""
    return sorted(
        path.name for path in machine.path(FOLDERS["ingest"]).iterdir() if path.suffix != ".uploading"
    )


def test_it_delivers_from_within_its_bounds(service: Booted) -> None:
    now = state(service)
    assert (now["ActiveState"], now["SubState"], now["User"]) == ("active", "running", "bookhopper")
    assert now["StatusText"] == f"watching {FOLDERS['requests']}"
    drop(service, "list.txt", "Emma — Jane Austen")
    until(lambda: delivered(service), lambda: service.log("bookhopper"))
    owners = service.run("stat", "--format=%U:%G", f"{FOLDERS['ingest']}/{delivered(service)[0]}").stdout
    assert owners == "bookhopper:bookhopper\n"
    facts = service.run("cat", f"/proc/{now['MainPID']}/status").stdout
    bounds = dict(line.split(":\t", 1) for line in facts.splitlines() if ":\t" in line)
    assert (bounds["NoNewPrivs"], bounds["Seccomp"], int(bounds["CapBnd"], 16)) == ("1", "2", 0)
    inside = ("nsenter", "--mount", f"--target={now['MainPID']}")
    assert service.run(*inside, "touch", "/usr/mark", check=False).returncode != 0
    assert service.run(*inside, "ls", "/home", check=False).stdout == ""


def test_the_journal_holds_what_each_line_belongs_to(service: Booted) -> None:
    """`journalctl` selects by request, job and source, and by what a line means."""
    drop(service, "of mine.txt", "A Book That Is Not There — Nobody\nSense and Sensibility — Jane Austen\n")
    until(lambda: status(service)["counts"]["missing"] >= 2, lambda: service.log("bookhopper"))
    told = entries(service, "BOOKHOPPER_REQUEST=of mine.txt")
    assert any(entry["MESSAGE"].startswith("of mine.txt taken: 2 new") for entry in told)
    assert {entry["PRIORITY"] for entry in told} == {"6"}
    assert {entry["SYSLOG_IDENTIFIER"] for entry in told} == {"bookhopper"}
    assert {entry["_SYSTEMD_UNIT"] for entry in told} == {"bookhopper.service"}
    jobs = {entry["BOOKHOPPER_JOB"] for entry in told if "BOOKHOPPER_JOB" in entry}
    assert len(jobs) == 2
    for job in jobs:
        (line,) = entries(service, f"BOOKHOPPER_JOB={job}")
        assert line["MESSAGE"].startswith(f"job {job} missing: ")
        assert line["LOGGER"] == "bookhopper.jobs"
    assert entries(service, "BOOKHOPPER_SOURCE=shelf")


def entries(machine: Booted, *matches: str) -> list[dict[str, str]]:
    """Read from the journal what matches."""
    machine.run("journalctl", "--sync")
    found = machine.run("journalctl", "--output=json", "--unit=bookhopper", *matches).stdout
    return [json.loads(line) for line in found.splitlines()]


def test_reload_applies_and_a_broken_file_is_told(service: Booted) -> None:
    before = state(service)["MainPID"]
    configure(service, download={"workers": 7})
    service.run("systemctl", "reload", "bookhopper")
    until(lambda: status(service)["workers"] == 7, lambda: service.log("bookhopper"))
    configure(service, download={"wrokers": 7})
    service.run("systemctl", "reload", "bookhopper")
    until(lambda: "the old one stays" in state(service)["StatusText"], lambda: str(state(service)))
    now = state(service)
    assert (now["ActiveState"], now["SubState"], now["MainPID"]) == ("active", "running", before)
    assert status(service)["configuration"]["ok"] is False
    configure(service)
    service.run("systemctl", "reload", "bookhopper")
    until(lambda: "the old one stays" not in state(service)["StatusText"], lambda: str(state(service)))
    assert (state(service)["NRestarts"], state(service)["MainPID"]) == ("0", before)


def test_stop_is_in_order_and_keeps_everything(service: Booted) -> None:
    drop(service, "more.txt", "Persuasion — Jane Austen")
    until(lambda: "Persuasion" in " ".join(delivered(service)), lambda: service.log("bookhopper"))
    service.run("systemctl", "stop", "bookhopper")
    now = state(service)
    assert (now["ActiveState"], now["Result"], now["ExecMainStatus"]) == ("inactive", "success", "0")
    assert "]: stopped" in service.log("bookhopper")
    service.run("systemctl", "start", "bookhopper")
    assert status(service)["counts"]["done"] >= 1


@pytest.mark.parametrize(("signal", "result"), [("STOP", "watchdog"), ("KILL", "signal")])
def test_one_that_hangs_or_dies_is_started_again(service: Booted, signal: str, result: str) -> None:
    """A process that is stopped pings no watchdog."""
    before = state(service)
    service.run("kill", f"-{signal}", before["MainPID"])
    until(lambda: state(service)["NRestarts"] not in {"0", before["NRestarts"]}, lambda: str(state(service)))
    until(lambda: state(service)["SubState"] == "running", lambda: service.log("bookhopper"))
    assert state(service)["MainPID"] != before["MainPID"]
    assert f"Failed with result '{result}'" in service.log("bookhopper")
    assert status(service)["counts"] is not None


def test_a_wrong_configuration_is_not_tried_again(machine: Booted) -> None:
    machine.run("systemctl", "reset-failed", "bookhopper", check=False)
    configure(machine, download={"wrokers": 7})
    assert machine.run("systemctl", "start", "bookhopper", check=False).returncode != 0
    now = state(machine)
    assert (now["ActiveState"], now["ExecMainStatus"], now["NRestarts"]) == ("failed", "2", "0")
    assert "wrokers" in machine.log("bookhopper")


def test_folders_in_a_home_and_secrets_of_root_s_are_reached(machine: Booted) -> None:
    """Homes are shut off but for the folders, and a password's file is read by systemd alone."""
    home = machine.path("/home/reader")
    for name in ("My wants", "ingest", "shelf"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "private").write_text("of nobody's concern")
    (home / "shelf/Emma.epub").write_bytes(books.epub("Emma", "Austen, Jane"))
    machine.run("chown", "-R", "bookhopper:", "/home/reader/My wants", "/home/reader/ingest")
    machine.run("chmod", "0700", "/home/reader")
    secret = machine.path("/etc/bookhopper/home.password")
    secret.write_text("secret\n")
    secret.chmod(0o600)
    folders = {
        "requests": "/home/reader/My wants",
        "ingest": "/home/reader/ingest",
        "state": "/var/lib/books",
    }
    sources = [
        {**SHELF, "path": "/home/reader/shelf"},
        {"kind": "opds", "name": "home", "url": "http://127.0.0.1:9/", "username": "reader",
         "password_file": "/etc/bookhopper/home.password"},
    ]  # fmt: skip
    configure(machine, folders=folders, sources=sources, deliver={"require_mount": False})
    machine.run("systemctl", "reset-failed", "bookhopper", check=False)
    assert "wrote /etc/systemd/system/bookhopper.service" in bookhopper(machine, "service", "install")
    machine.run("systemctl", "daemon-reload")
    assert machine.run("systemctl", "start", "bookhopper", check=False).returncode == 0, machine.log(
        "bookhopper"
    )
    process = state(machine)["MainPID"]
    inside = machine.run("nsenter", "--mount", f"--target={process}", "ls", "/home/reader").stdout
    assert inside.splitlines() == ["My wants", "ingest", "shelf"]
    (home / "My wants/list.txt").write_text("Emma — Jane Austen")
    until(lambda: any((home / "ingest").iterdir()), lambda: machine.log("bookhopper"))
    machine.run("systemctl", "stop", "bookhopper")


def test_uninstalling_leaves_what_is_yours(machine: Booted) -> None:
    machine.path(DROP_IN).unlink()
    before = delivered(machine)
    bookhopper(machine, "service", "uninstall")
    assert not machine.path("/etc/systemd/system/bookhopper.service").exists()
    assert machine.path(CONFIG).exists()
    assert machine.path("/var/lib/bookhopper/queue.db").exists()
    assert delivered(machine) == before
