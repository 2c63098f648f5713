"""The commands as a person calls them: help, output, exit codes, and errors of one line."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from bookhopper import __version__, app, client
from bookhopper.api import address
from bookhopper.cli import COMMANDS, main, run, status
from bookhopper.client import Client
from bookhopper.errors import BookhopperError
from tests import books
from tests.commands import calls, every_command, understood
from tests.fakes.faulty import faulty, whole
from tests.fakes.faulty import status as answer_status
from tests.integration.test_parts import Running
from tests.ordinary import ordinary
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """A configuration, and commands called with it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.config = base / "bookhopper.yaml"
        self.configure()
        for name in ("books", "ingest"):
            (base / name).mkdir(exist_ok=True)

    def configure(self, **sections: Any) -> None:
        plain = {
            "folders": {name: str(self.base / name) for name in ("requests", "ingest", "state")},
            "sources": [{"kind": "folder", "name": "shelf", "path": str(self.base / "books")}],
            "download": {"keep_free": 0},
        }
        self.config.write_text(yaml.safe_dump(plain | sections), encoding="utf-8")

    def __call__(
        self, *words: str, status: int = 0, config: bool = True, typed: str | bytes | None = None
    ) -> Result:
        chosen = ["--config", str(self.config)] if config else []
        result = CliRunner().invoke(main, [words[0], *chosen, *words[1:]], input=typed)
        assert result.exit_code == status, result.output
        return result


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return Shell(tmp_path)


def called(
    *words: str, before: Sequence[str] = (), stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call the program as a process of its own."""
    return subprocess.run(
        [*before, sys.executable, "-m", "bookhopper", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon"), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


def one_line(result: Result) -> str:
    """Give the only line that an error is."""
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("bookhopper: ")
    return line.removeprefix("bookhopper: ")


# the program


def test_the_version() -> None:
    ended = called("--version")
    assert (ended.returncode, ended.stdout) == (0, f"bookhopper, version {__version__}\n")


def test_help_names_every_command_and_the_exit_codes(shell: Shell) -> None:
    shown = shell("--help", config=False).output
    assert re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE) == list(COMMANDS)
    assert "Exit codes: 0 all went well; 1 something was found wrong" in shown
    assert "bookhopper demo" in shown


@pytest.mark.parametrize("ctx", list(every_command()), ids=lambda ctx: ctx.command_path)
def test_the_help_of_each_command(ctx: click.Context) -> None:
    shown = ctx.get_help()
    assert re.search(rf"Examples:\n(?:.*\n)*? +(sudo )?{ctx.command_path}\b", shown)
    for words in calls(ctx.command.epilog or ""):
        understood(words)
    for option in ctx.command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.endswith((".", ")")), option.help
            assert " TEXT " not in shown, "a metavar says what it is"
    assert (ctx.command.get_short_help_str(1000)).endswith(".")
    assert max(map(len, shown.splitlines())) <= 110


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["status", "--nope"], "No such option"),
        (["verify"], "Missing argument"),
        (["add"], "Missing argument"),
        (["search"], "give either a wish or --from LIST"),
        (["search", "--from", __file__, "and a wish"], "give either a wish or --from LIST"),
        (["search", "--from", "/nope.txt"], "does not exist"),
    ],
)
def test_a_wrong_command_line_is_2(shell: Shell, words: list[str], said: str) -> None:
    assert said in shell(*words, status=2, config=False).output


def test_every_fault_of_a_configuration_is_a_line_and_2(shell: Shell) -> None:
    shell.config.write_text("download:\n  workers: 0\n  atempts: 3\n")
    for command in (["run"], ["check"], ["status"], ["add", "x"], ["search", "x"]):
        result = shell(*command, status=2)
        assert result.stderr.splitlines() == [
            f"bookhopper: {shell.config}:2:3: download.workers: it must be greater than or equal to 1",
            f"bookhopper: {shell.config}:3:3: unknown key `atempts`: did you mean `attempts`?",
        ]
        assert result.stdout == ""


def test_as_a_process_an_error_is_no_traceback(shell: Shell) -> None:
    (shell.base / "state").write_text("in the way")
    said = f"{shell.base}/state cannot be made: "
    ended = called("run", "--config", str(shell.config))
    assert ended.returncode == 1
    last = [json.loads(line) for line in ended.stderr.splitlines()][-1]
    assert (last["level"], last["message"].startswith(said), "exception" in last) == ("error", True, False)
    with shell.config.open("a", encoding="utf-8") as file:
        file.write("log_format: human\n")
    ended = called("run", "--config", str(shell.config))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"bookhopper: {said}")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("unbuffered", "where"), [("", "standard output: "), ("1", "")])
@pytest.mark.parametrize("words", [["search", "--json", "Emma"], ["search", "Emma"], ["verify", __file__]])
def test_an_output_that_takes_nothing_is_one_line(
    shelf: Shell, words: list[str], unbuffered: str, where: str
) -> None:
    chosen = [] if words[0] == "verify" else ["--config", str(shelf.config)]
    with Path("/dev/full").open("wb") as full:
        ended = called(words[0], *chosen, *words[1:], stdout=full.fileno(), PYTHONUNBUFFERED=unbuffered)
    assert [line for line in ended.stderr.splitlines() if line.strip()][-1:] == [
        f"bookhopper: {where}No space left on device"
    ]
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 1


# run


def test_run_hands_its_configuration_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(app, "run", lambda *given: seen.extend(given))
    monkeypatch.setattr(run, "_leave", lambda: None)
    shell("run")
    assert seen[0].folders.requests == shell.base / "requests"
    assert seen[1]() == seen[0], "which is how it is read again"


@pytest.mark.parametrize("hangs", [False, True])
def test_run_ends_although_a_thread_hangs(monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(60,), daemon=True)
    ended: list[int] = []
    monkeypatch.setattr(run, "_LAST_SECONDS", 0.0)
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    thread.start()
    others = [thread] if hangs else []
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread(), *others])
    run._leave()
    go.set()
    thread.join()
    assert ended == ([0] if hangs else [])


def test_a_second_daemon_is_1(shell: Shell) -> None:
    running = Running(shell.base)
    running.start()
    line = one_line_of_log(shell("run", status=1))
    assert "works in this state folder: stop it first" in line
    running.stop()


def one_line_of_log(result: Result) -> str:
    return result.stderr.splitlines()[-1]


# add


def test_add_drops_a_list(shell: Shell) -> None:
    result = shell("add", "Jane Eyre — Charlotte Brontë", "! 9780141441146\nx")
    (path,) = (shell.base / "requests").iterdir()
    assert path.read_text(encoding="utf-8") == "Jane Eyre — Charlotte Brontë\n! 9780141441146 x\n"
    assert result.stdout == f"{path}: 2 wishes\n"
    assert result.stderr == "The daemon of this configuration does not run; it takes the list when it does.\n"
    assert path.suffix == ".txt"


def test_add_tells_scripts_which_file_it_is(shell: Shell) -> None:
    told = json.loads(shell("add", "--json", "Emma", "Dracula").stdout)
    assert Path(told["file"]).read_text(encoding="utf-8") == "Emma\nDracula\n"
    assert told["wishes"] == 2


def test_one_wish_is_one_wish(shell: Shell) -> None:
    assert shell("add", "Emma").stdout.endswith(": 1 wish\n")


def test_a_list_reaches_a_daemon_whose_secrets_only_it_can_read(shell: Shell) -> None:
    with shell.config.open("a", encoding="utf-8") as file:
        file.write(f"notify: [{{name: phone, url_file: {shell.base}/not-for-you}}]\n")
    shell("add", "Emma", status=2)
    (shell.base / "state").mkdir()
    (shell.base / "state" / "server.json").touch()
    assert shell("add", "Emma").stderr == ""


@pytest.mark.parametrize("wish", ["", "  ", "# a comment", "!!"])
def test_add_refuses_what_says_nothing(shell: Shell, wish: str) -> None:
    assert "there is nothing to wish for" in shell("add", "Emma", wish, status=2).stderr
    assert not (shell.base / "requests").exists()


def test_add_says_what_keeps_it_from_writing(shell: Shell) -> None:
    (shell.base / "requests").write_text("in the way")
    line = one_line(shell("add", "Emma", status=1))
    remedy = "check folders.requests and your right to write there"
    assert line == f"{shell.base}/requests: File exists: {remedy}"


# verify


def test_verify_tells_good_from_bad(shell: Shell, tmp_path: Path) -> None:
    good, bad, gone = tmp_path / "good.epub", tmp_path / "bad.epub", tmp_path / "gone.epub"
    good.write_bytes(books.epub())
    bad.write_bytes(books.html())
    assert shell("verify", str(good), config=False).output == f"{good}: good (epub)\n"
    shown = shell("verify", str(good), str(bad), str(gone), status=1, config=False).output.splitlines()
    assert shown[0] == f"{good}: good (epub)"
    assert shown[1].startswith(f"{bad}: refused: ")
    assert shown[2] == f"{gone}: refused: cannot be read: No such file or directory"


def test_verify_for_scripts(shell: Shell, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pdf", tmp_path / "bad.pdf"
    good.write_bytes(books.pdf())
    bad.write_bytes(b"%PDF-1.4 and no more")
    output = shell("verify", "--json", str(good), str(bad), str(tmp_path), status=1, config=False).output
    first, second, third = map(json.loads, output.splitlines())
    assert first == {"file": str(good), "ok": True, "format": "pdf", "reason": None}
    assert (second["file"], second["ok"], bool(second["reason"])) == (str(bad), False, True)
    assert (third["ok"], third["format"], third["reason"]) == (False, None, "not a regular file")


def test_verify_goes_on_after_what_cannot_be_read(tmp_path: Path) -> None:
    good, locked, pipe = tmp_path / "good.epub", tmp_path / "locked.epub", tmp_path / "pipe.epub"
    for path in (good, locked):
        path.write_bytes(books.epub())
    locked.chmod(0)
    os.mkfifo(pipe)
    ended = called("verify", *map(str, (pipe, locked, good)), before=ordinary())
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.splitlines() == [
        f"{pipe}: refused: not a regular file",
        f"{locked}: refused: cannot be read: Permission denied",
        f"{good}: good (epub)",
    ]


# search


@pytest.fixture
def shelf(shell: Shell) -> Shell:
    for title in ("Emma", "Persuasion"):
        (shell.base / "books" / f"{title}.epub").write_bytes(books.epub(title, "Jane Austen"))
    return shell


def test_search_shows_candidates_and_each_field_s_part(shelf: Shell) -> None:
    shown = shelf("search", "Emma — Jane Austen").stdout
    assert re.search(r"^Emma — Jane Austen +accept", shown)
    assert re.search(r"→ +[01]\.\d\d +Emma +Jane Austen +en epub +shelf:\S+ +.*title [01]\.\d\d", shown)


def test_search_says_what_is_missing(shelf: Shell) -> None:
    assert "missing" in shelf("search", "Nothing of the Kind — Nobody").stdout


def test_search_says_what_it_did_not_understand(shelf: Shell) -> None:
    assert re.search(r"\?\?\? +not understood: .+", shelf("search", "???").stdout)


def test_search_markup_is_not_ours_to_follow(shelf: Shell) -> None:
    assert "[red]Emma[/]" in shelf("search", "[red]Emma[/] — [bold]X").stdout


def test_search_a_list_for_scripts(shelf: Shell) -> None:
    listed = shelf.base / "list.txt"
    listed.write_text("# mine\n\nEmma — Jane Austen\n???\nNothing — Nobody\n", encoding="utf-8")
    output = shelf("search", "--from", str(listed), "--json").stdout
    emma, bad, nothing = map(json.loads, output.splitlines())
    assert (emma["number"], emma["line"], emma["decision"]) == (3, "Emma — Jane Austen", "accept")
    assert emma["pick"].keys() == {"source", "key", "score", "title", "authors", "language", "format"}
    assert (emma["pick"]["source"], emma["pick"]["title"]) == ("shelf", "Emma")
    assert (emma["pick"]["authors"], emma["pick"]["format"]) == (["Jane Austen"], "epub")
    assert isinstance(emma["pick"]["key"], str)
    assert 0 <= emma["pick"]["score"] <= 1
    assert emma["candidates"][0].keys() >= {"source", "key", "score", "parts"}
    assert (bad["number"], bad["decision"], bad["pick"]) == (4, "missing", None)
    assert bad["reason"]
    assert (nothing["number"], nothing["decision"], nothing["candidates"]) == (5, "missing", [])


def test_search_reads_a_list_from_standard_input(shelf: Shell) -> None:
    output = shelf("search", "--from", "-", "--json", typed="Emma — Jane Austen\nNothing — Nobody\n").stdout
    assert [json.loads(line)["decision"] for line in output.splitlines()] == ["accept", "missing"]
    refused = shelf("search", "--from", "-", status=1, typed=b"\xff\xfe\x00\x01").stderr
    assert refused.splitlines()[-1].startswith("bookhopper: standard input")


def test_search_for_a_pick_shows_no_score(shelf: Shell) -> None:
    output = shelf("search", "Emma — Jane Austen", "--json").stdout
    shown = shelf("search", f"pick: shelf:{json.loads(output)['pick']['key']}").stdout
    assert "picked by hand" in shown
    assert not re.search(r"\b\d\.\d\d\b", shown)


def test_search_lists_the_books_of_a_collection(shelf: Shell) -> None:
    shown = shelf("search", "works of: Jane Austen").stdout
    assert re.search(r"works of: Jane Austen +accept: \d+ books?", shown)
    assert re.search(r"Emma +Jane Austen +shelf:\S+", shown)
    found = json.loads(shelf("search", "works of: Jane Austen", "--json").stdout)
    assert "Emma" in {each["title"] for each in found["candidates"]}
    assert "missing: no source has works of Nobody" in shelf("search", "works of: Nobody Whosoever").stdout


def test_search_refuses_a_list_that_is_none(shelf: Shell) -> None:
    listed = shelf.base / "list.txt"
    listed.write_bytes(b"\xff\xfe\x00\x01")
    line = shelf("search", "--from", str(listed), status=1).stderr.splitlines()[-1]
    assert line.startswith(f"bookhopper: {listed}: ")


# status


@pytest.fixture
def daemon(shelf: Shell) -> Iterator[Running]:
    running = Running(shelf.base)
    running.start()
    yield running
    running.stop()


def test_status_without_a_daemon_is_1(shell: Shell) -> None:
    line = one_line(shell("status", status=1))
    assert line == (
        f"bookhopper is not running (nothing at {shell.base}/state/server.json): "
        "start it with `bookhopper run`"
    )


def test_status_of_a_daemon_that_was_killed(shell: Shell) -> None:
    (shell.base / "state").mkdir()
    address.leave_address(shell.base / "state", "http://127.0.0.1:9", "x")
    line = one_line(shell("status", "--json", status=1))
    remedy = "start it (`bookhopper run`) or see its log"
    assert line == f"bookhopper does not answer at http://127.0.0.1:9: {remedy}"


def test_status_with_another_daemon_s_token(daemon: Running, shelf: Shell) -> None:
    address.leave_address(shelf.base / "state", daemon.core.url, "another's")
    line = one_line(shelf("status", status=1))
    assert line == "the daemon refuses /api/downloads/status: the token is wrong"


@pytest.mark.usefixtures("daemon")
def test_status_of_an_idle_daemon(shelf: Shell) -> None:
    assert shelf("status").stdout.startswith("nothing wished for yet: drop a list into the requests folder\n")
    found = json.loads(shelf("status", "--json").stdout)
    assert found["counts"]["done"] == found["total"] == 0
    assert (found["downloads"], found["held"]) == ([], {})


def test_status_counts_and_says_what_waits(daemon: Running, shelf: Shell) -> None:
    until(lambda: daemon.value("source_available") == 1)
    daemon.drop("Emma — Jane Austen", "Nothing — Nobody")
    until(lambda: daemon.counts() == {"done": 1, "missing": 1})
    assert shelf("status", "--once").stdout.startswith("1 done, 1 missing\n")
    (shelf.base / "ingest" / "Emma - Jane Austen.epub").unlink()
    (shelf.base / "ingest").rmdir()
    daemon.drop("Persuasion — Jane Austen")
    until(lambda: "waiting: the ingest folder" in shelf("status").stdout)


ITEM = {
    "id": 7,
    "state": "downloading",
    "title": "Emma [bold]",
    "authors": ["Jane Austen", "Somebody"],
    "stage": "download",
    "received": 2048,
    "percent": 25.0,
    "speed": 1024,
    "eta": 6.2,
}


def picture(
    monkeypatch: pytest.MonkeyPatch, shell: Shell, item: dict[str, Any], *words: str, terminal: bool = False
) -> str:
    """Show the status of a daemon that is just what it says."""
    counts = {"downloading": 1, "queued": 1200, "done": 0}
    achieved = {
        "completed": 1200,
        "failed": 300,
        "success_rate": 0.8,
        "bytes": 5 * 1024**3,
        "mean_speed": 2048.0,
    }
    none = {"completed": 0, "failed": 0, "success_rate": None, "bytes": 0, "mean_speed": None}
    answers = {
        "/api/downloads/status": {
            "paused": False,
            "counts": counts,
            "held": {},
            "configuration": {"ok": False, "loaded_at": 0.0, "faults": ["bookhopper.yaml:1:1: no good"]},
            "hosts": {"mirror.example": 30},
        },
        "/api/statistics": {"active": 1, "queued": 1200, "all_time": achieved, "last_24h": none},
    }

    class Fixed:
        def __init__(self, _: Path | None) -> None:
            pass

        def get(self, path: str) -> Any:
            return answers.get(path, {"items": [item]})

    looks = iter(range(3))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "daemon_of", Fixed)
    monkeypatch.setattr(status, "is_terminal", lambda: terminal)
    monkeypatch.setattr(time, "sleep", sleep)
    return shell("status", *words).stdout


def test_status_shows_how_far_a_download_is(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = picture(monkeypatch, shell, ITEM)
    assert shown.splitlines()[:3] == [
        "1 downloading, 1,200 queued",
        "the configuration cannot be used, and the old one stays: bookhopper.yaml:1:1: no good",
        "waiting: mirror.example is left alone for 30 s",
    ]
    assert re.search(r"7 +Emma \[bold\] — Jane Austen +download +25 % +1\.0 kB/s +6 seconds", shown)
    assert shown.endswith(
        "last 24 h: 0 delivered\nall time: 1,200 delivered, 300 failed (success 80.0 %), 5.4 GB at 2.0 kB/s\n"
    )


def test_status_shows_a_download_of_unknown_size(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    item = ITEM | {"percent": None, "speed": None, "eta": None, "stage": None}
    assert re.search(r"Jane Austen +downloading +2\.0 kB", picture(monkeypatch, shell, item))


def test_status_on_a_terminal_lives_until_it_is_stopped(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Emma" in picture(monkeypatch, shell, ITEM, terminal=True)
    assert "Emma" in picture(monkeypatch, shell, ITEM, "--once", terminal=True)


# the client


def test_a_client_names_what_it_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(client, "_READ_SECONDS", 20.0)
    with faulty() as server:
        address.leave_address(tmp_path, server.url, "the token")
        asked = Client(tmp_path)
        server.at("/ok", whole(b'{"a": 1}'))
        assert asked.get("/ok") == {"a": 1}
        assert server.asked[0].headers["authorization"] == "Bearer the token"
        server.at("/html", answer_status(500, b"<html>"))
        with pytest.raises(BookhopperError, match="the daemon refuses /html: status 500"):
            asked.get("/html")
        for path, answer in (
            ("/text", whole(b"hello")),
            ("/raw", lambda wire, _: wire.sendall(b"SSH-2.0-x\r\n")),
        ):
            server.at(path, answer)
            with pytest.raises(BookhopperError, match="bookhopper does not answer at"):
                asked.get(path)
        server.at("/list", answer_status(400, b"[]"))
        with pytest.raises(BookhopperError, match="the daemon refuses /list: status 400"):
            asked.get("/list")


# check


def test_check_finds_all_well(shelf: Shell) -> None:
    shown = shelf("check", "--json").stdout
    found = {finding["what"]: finding for finding in map(json.loads, shown.splitlines())}
    assert found["configuration"]["detail"] == str(shelf.config)
    assert found["folder ingest"]["ok"] is True
    assert found["folder requests"]["ok"] is None
    assert found["source shelf"]["ok"] is True
    assert re.search(r"^ok +folder ingest +/", shelf("check").stdout, re.MULTILINE)
    assert not list((shelf.base / "ingest").iterdir())


def test_check_of_a_fault_is_1_and_has_a_remedy(shelf: Shell) -> None:
    (shelf.base / "ingest").rmdir()
    shown = shelf("check", status=1).stdout
    assert re.search(r"^fault +folder ingest .* is not there: create it, or mount it *$", shown, re.MULTILINE)


def test_check_without_a_configuration_says_so(
    shelf: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bookhopper.cli.check.findings", lambda _: [])
    shown = shelf("check", config=False).stdout
    assert f"none ({tmp_path}/none/bookhopper/bookhopper.yaml is not there): the defaults hold" in shown


def test_check_on_a_terminal_shows_that_it_asks(shelf: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookhopper.cli.check.is_terminal", lambda: True)
    assert "folder ingest" in shelf("check").stdout
