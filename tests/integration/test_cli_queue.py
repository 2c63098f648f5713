"""`bookhopper queue`, `history` and `status` with the real daemon as a process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from bookhopper.api import address
from bookhopper.cli import batch, listing, main, queue, show, status
from bookhopper.client import Client
from tests import books
from tests.daemon import Daemon
from tests.fakes.faulty import faulty, whole

TITLES = ("Emma", "Persuasion", "Sanditon", "Lady Susan")
COMMANDS = ["cancel", "clear", "list", "pause", "priority", "reorder", "resume", "retry", "workers"]
ODD = "ספר מוזר 吾輩は猫である " + "x" * 300
NEVER_MATCHED = "Nothing of the Kind"


class Shop:
    """A daemon with a folder of books, and commands that are called for it."""

    def __init__(self, folder: Path) -> None:
        self.books = folder / "books"
        self.books.mkdir()
        for title in TITLES:
            (self.books / f"{title}.epub").write_bytes(books.epub(title, "Jane Austen"))
        for author in ("Euripides", "Sophocles"):
            (self.books / f"{author}.epub").write_bytes(books.epub("Electra", author))
        source = {"kind": "folder", "name": "shelf", "path": str(self.books)}
        self.home = folder / "home"
        self.daemon = Daemon(self.home, {"sources": [source]})

    def __call__(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [*words, "--config", str(self.home / "daemon.yaml")])
        assert result.exit_code == code, result.output
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        """Call a command with --json and read what it prints."""
        return json.loads(self(*words, "--json", code=code).stdout)

    def order(self) -> list[str]:
        """List the titles of the queue in its order."""
        return [item["title"] for item in self.json("queue", "list")["items"]]

    def ids(self) -> dict[str, str]:
        """Give each title's job."""
        return {item["title"]: str(item["id"]) for item in self.daemon.jobs()}


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Shop]:
    """A daemon that has nothing to do."""
    shop = Shop(tmp_path)
    shop.daemon.start()
    yield shop
    shop.daemon.close()


@pytest.fixture
def shop(idle: Shop) -> Shop:
    """A paused queue of four books, one that is missing and one that is ambiguous."""
    idle("queue", "pause")
    lines = [f"{title} — Jane Austen" for title in TITLES]
    idle.daemon.drop("list.txt", "\n".join([*lines, f"{NEVER_MATCHED} — Nobody", "Electra"]))
    idle.daemon.await_counts(queued=4, missing=1, ambiguous=1)
    return idle


def rows(result: Result) -> list[list[str]]:
    """Split a table into its cells."""
    return [re.split(r"\s{2,}", row.strip()) for row in result.stdout.splitlines()]


def errors(result: Result) -> list[str]:
    lines = result.stderr.splitlines()
    assert all(row.startswith("bookhopper: ") for row in lines)
    return [row.removeprefix("bookhopper: ") for row in lines]


# help and usage


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_has_examples_and_json(name: str) -> None:
    shown = CliRunner().invoke(main, ["queue", name, "--help"]).stdout
    assert re.search(rf"Examples:\n +bookhopper queue {name}\b", shown)
    assert "--json" in shown
    assert queue.command.commands.keys() == set(COMMANDS)
    assert all(
        option.help for option in queue.command.commands[name].params if isinstance(option, click.Option)
    )


def test_the_help_of_the_group_cuts_no_sentence() -> None:
    shown = CliRunner().invoke(main, ["queue", "--help"], terminal_width=80).stdout
    assert re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE) == COMMANDS
    assert "..." not in shown.partition("Commands:")[2].partition("A JOB")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel"], "Missing argument"),
        (["retry"], "name jobs, or give --failed or --missing"),
        (["reorder", "1"], "say where to: one of --before JOB, --first and --last"),
        (["reorder", "1", "--first", "--before", "2"], "say where to"),
        (["reorder", "1", "--first", "--last"], "say where to"),
        (["priority", "high", "1"], "'high' is not a valid integer"),
        (["priority", "1", "--nope"], "No such option '--nope'"),
        (["workers", "0"], "0 is not in the range"),
        (["list", "--state", "nope"], "'nope' is not one of"),
        (["list", "--limit", "0"], "0 is not in the range"),
    ],
)
def test_a_wrong_command_line_is_2(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["queue", *words])
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("words", [["queue", "list"], ["queue", "cancel", "1"], ["history"]])
def test_without_a_daemon_it_is_one_line_and_1(tmp_path: Path, words: list[str]) -> None:
    (line,) = errors(Shop(tmp_path)(*words, code=1))
    assert line.startswith("bookhopper is not running (nothing at ")


# list


def test_an_idle_queue(idle: Shop) -> None:
    assert idle("queue", "list").stdout == "nothing waits\n"
    assert idle("queue", "list", "--state", "failed").stdout == "there is no such job\n"
    assert idle("history").stdout == "nothing is settled yet\n"


def test_list_shows_the_queue_in_its_order_and_what_lies_aside(shop: Shop) -> None:
    paused, heads, *jobs, aside = rows(shop("queue", "list"))
    assert paused == ["the queue is paused: `bookhopper queue resume` lets it go on"]
    assert heads == ["job", "book", "state", "priority", "what it does"]
    assert [row[1:] for row in jobs] == [[f"{title} — Jane Austen", "queued", "1"] for title in TITLES]
    assert aside == ["aside: 1 ambiguous, 1 missing (--state shows them)"]


def test_a_collection_says_how_far_it_is() -> None:
    item = dict.fromkeys(("asked", "stage", "not_before", "parent")) | {
        "paused": True,
        "error": "",
        "children": {},
    }
    assert listing.reason(item, 0.0).plain == "paused"
    item["children"] = {"done": 1, "owned": 1, "queued": 3}
    assert listing.reason(item, 0.0).plain == "paused; 2 of 5 books there"
    assert listing.reason(item | {"children": None, "parent": 7}, 0.0).plain == "paused; of the collection 7"


def test_list_in_pages(shop: Shop) -> None:
    assert "… and 2 more: --offset 2\n" in shop("queue", "list", "--limit", "2").stdout
    page = shop.json("queue", "list", "--limit", "2", "--offset", "2")
    assert [item["title"] for item in page["items"]] == list(TITLES[2:])
    assert (page["total"], page["limit"], page["offset"], page["running"]) == (4, 2, 2, [])
    assert page["status"]["counts"]["queued"] == 4
    assert "there are 4 only\n" in shop("queue", "list", "--offset", "9").stdout


def test_list_of_states(shop: Shop) -> None:
    shown = shop("queue", "list", "--state", "missing", "--state", "ambiguous").stdout
    assert f"{NEVER_MATCHED} — Nobody" in shown
    assert "Electra" in shown
    assert "again in " in shown
    assert "Emma" not in shown
    page = shop.json("queue", "list", "--state", "pending")
    assert (len(page["items"]), page["total"]) == (4, 4)


# changes


def test_pause_and_resume_of_jobs(shop: Shop) -> None:
    ids = shop.ids()
    first, second = ids["Emma"], ids["Persuasion"]
    assert shop("queue", "pause", first, second).stdout == f"paused: {first}, {second}\n"
    assert [row[-1] for row in rows(shop("queue", "list"))].count("paused") == 2
    page = shop.json("queue", "list", "--state", "paused")
    assert {item["title"] for item in page["items"]} == {"Emma", "Persuasion"}
    assert shop("queue", "resume", first).stdout == f"resumed: {first}\n"
    shop("queue", "resume")
    shop.daemon.await_counts(done=3, queued=1, missing=1, ambiguous=1)


def test_pause_and_resume_of_the_queue(idle: Shop) -> None:
    assert idle("queue", "pause").stdout == "the queue is paused: `bookhopper queue resume` lets it go on\n"
    assert idle.json("queue", "pause")["paused"] is True
    assert idle("queue", "resume").stdout == "the queue goes on\n"
    assert idle.json("queue", "resume")["paused"] is False


def test_cancel_tells_of_each_job_that_it_could_not(shop: Shop) -> None:
    emma = shop.ids()["Emma"]
    result = shop("queue", "cancel", emma, "999", "shelf:nope", code=1)
    assert result.stdout == f"cancelled: {emma}\n"
    unknown, nope = errors(result)
    assert unknown.startswith("999: ")
    assert nope.startswith("shelf:nope: ")
    found = shop.json("queue", "cancel", emma, "999", code=1)["results"]
    assert [entry["ok"] for entry in found] == [False, False]
    assert found[0]["error"]


def test_nothing_done_prints_errors_only(idle: Shop) -> None:
    result = idle("queue", "retry", "999", code=1)
    assert result.stdout == ""
    assert len(errors(result)) == 1


def test_retry_of_jobs_and_of_all_that_is_missing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    emma = shop.ids()["Emma"]
    shop("queue", "cancel", emma)
    assert shop("queue", "retry", emma).stdout == f"looked for anew: {emma}\n"
    shop.daemon.await_counts(queued=4, missing=1, ambiguous=1)
    shop.daemon.drop("more.txt", "\n".join(f"{NEVER_MATCHED} {number} — Nobody" for number in range(12)))
    shop.daemon.await_counts(queued=4, missing=13, ambiguous=1)
    for title in range(12):
        (shop.books / f"{title}.epub").write_bytes(books.epub(f"{NEVER_MATCHED} {title}", "Nobody"))
    monkeypatch.setattr(batch, "_BATCH", 5)
    monkeypatch.setattr(batch, "_LARGEST_PAGE", 4)
    assert shop("queue", "retry", "--missing", "--failed").stdout == "looked for anew: 13 jobs\n"


def test_retry_of_nothing(idle: Shop) -> None:
    assert idle("queue", "retry", "--failed").stdout == "looked for anew: 0 jobs\n"
    assert idle.json("queue", "retry", "--failed") == {"results": []}


def test_priority_may_be_negative(shop: Shop) -> None:
    ids = shop.ids()
    assert shop("queue", "priority", "-1", ids["Lady Susan"]).stdout == f"priority -1: {ids['Lady Susan']}\n"
    shop("queue", "priority", "2", ids["Emma"])
    assert shop.order() == ["Lady Susan", "Persuasion", "Sanditon", "Emma"]


def test_a_job_goes_by_its_book_s_id_too(shop: Shop) -> None:
    item = shop.json("queue", "list")["items"][0]
    assert shop("queue", "pause", item["book_id"]).stdout == f"paused: {item['book_id']}\n"


def test_reorder(shop: Shop) -> None:
    emma, persuasion, sanditon, susan = (shop.ids()[title] for title in TITLES)
    assert shop("queue", "reorder", susan, sanditon, "--first").stdout == f"moved: {susan}, {sanditon}\n"
    assert shop.order() == ["Lady Susan", "Sanditon", "Emma", "Persuasion"]
    shop("queue", "reorder", persuasion, "--before", sanditon)
    assert shop.order() == ["Lady Susan", "Persuasion", "Sanditon", "Emma"]
    shop("queue", "reorder", susan, persuasion, "--last")
    assert shop.order() == ["Sanditon", "Emma", "Lady Susan", "Persuasion"]
    found = shop.json("queue", "reorder", emma, "999", "--first", code=1)["results"]
    assert [(entry["id"], entry["ok"]) for entry in found] == [(emma, True), ("999", False)]
    assert shop.order()[0] == "Emma"
    shop("queue", "reorder", emma, sanditon, susan, persuasion, "--first")
    assert shop.order() == ["Emma", "Sanditon", "Lady Susan", "Persuasion"]


def test_a_job_put_first_takes_the_priority_of_the_first(shop: Shop) -> None:
    ids = shop.ids()
    shop("queue", "priority", "0", ids["Sanditon"])
    shop("queue", "reorder", ids["Lady Susan"], "--first")
    first = shop.json("queue", "list")["items"][0]
    assert (first["title"], first["priority"]) == ("Lady Susan", 0)


def test_workers(idle: Shop) -> None:
    assert idle("queue", "workers").stdout == "3 workers, 0 busy, at most 32\n"
    assert idle("queue", "workers", "8").stdout == "8 workers, 0 busy, at most 32\n"
    assert idle.json("queue", "workers") == {"workers": 8, "busy": 0, "limit": 32}
    (line,) = errors(idle("queue", "workers", "33", code=1))
    assert line.startswith("the daemon refuses /api/workers: ")
    assert "32" in line


def test_clear_and_history(shop: Shop) -> None:
    susan = shop.ids()["Lady Susan"]
    shop("queue", "cancel", susan)
    shop("queue", "resume")
    shop.daemon.await_counts(done=3, cancelled=1, missing=1, ambiguous=1)
    heads, *settled = rows(shop("history"))
    assert heads == ["when", "book", "outcome", "file or reason", "size", "speed"]
    assert {(row[1], row[2]) for row in settled} == {
        *((f"{title} — Jane Austen", "done") for title in TITLES[:3]),
        ("Lady Susan — Jane Austen", "cancelled"),
    }
    done = next(row for row in settled if row[1].startswith("Emma"))
    assert done[3].endswith(".epub")
    assert re.fullmatch(r"\d\d-\d\d \d\d:\d\d", done[0])
    assert re.fullmatch(r"[\d.]+ (Bytes|[kM]B)", done[4])
    assert "… and 3 more: --offset 1\n" in shop("history", "--limit", "1").stdout
    page = shop.json("history", "--offset", "1")
    assert (len(page["items"]), page["total"]) == (3, 4)
    assert re.fullmatch(r"cleared: \d jobs\n", shop("queue", "clear").stdout)
    assert shop("queue", "list", "--state", "done").stdout == "there is no such job\n"
    assert shop.json("queue", "clear")["status"] == "cleared"
    assert shop.json("history")["total"] == 4


# what a terminal is shown


@pytest.mark.parametrize("width", [80, 120])
def test_no_title_breaks_a_table(idle: Shop, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    idle("queue", "pause")
    idle.daemon.drop("odd.txt", f"{ODD} — {ODD}\n\x1b[2J\u202eabc[red]d — :smile:\nEmma — Jane Austen\n")
    idle.daemon.await_counts(queued=1, missing=2)
    monkeypatch.setattr(listing, "table_width", lambda: width)
    lines = idle("queue", "list", "--state", "missing", "--state", "queued").stdout.splitlines()
    heads = lines[0].index("state")
    assert all(cell_len(line) <= width and line.isprintable() for line in lines)
    for line in lines:
        if found := re.search(r"(missing|queued) ", line):
            assert cell_len(line[: found.start()]) == heads
    assert any("[red]d — :smile:" in line for line in lines)


@pytest.mark.parametrize("text", ["\x1b[31mred\x9b2J", "a\u202eb\u2066", "a\nb\tc\r\u2028d", "x" * 10_000])
def test_a_text_from_outside_is_one_printable_line(text: str) -> None:
    assert show.line(text).plain.isprintable()
    assert len(show.line(text).plain) <= 201


WAITING = {
    "asked": None,
    "stage": None,
    "percent": None,
    "paused": False,
    "error": None,
    "not_before": None,
    "children": None,
    "parent": None,
}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({}, ""),
        ({"stage": "search"}, "search"),
        ({"stage": "download", "percent": 41.3, "asked": "pause"}, "will be paused; download 41 %"),
        ({"asked": "cancel"}, "will be cancelled"),
        ({"paused": True, "error": "the host is away"}, "paused; the host is away"),
        ({"error": "status 503", "not_before": 340.0}, "status 503; again in 4 minutes"),
        ({"error": "status 503", "not_before": 99.0}, "status 503"),
    ],
)
def test_what_a_job_does_or_why_it_waits(item: dict[str, Any], said: str) -> None:
    assert listing.reason(WAITING | item, now=100.0).plain == said


# status


def test_status_tells_of_the_pause_and_what_was_achieved(shop: Shop) -> None:
    shown = shop("status").stdout
    assert "the queue is paused: `bookhopper queue resume` lets it go on\n" in shown
    assert "last 24 h: 0 delivered\nall time: 0 delivered\n" in shown
    shop("queue", "resume")
    shop.daemon.await_counts(done=4, missing=1, ambiguous=1)
    shown = shop("status").stdout
    assert "paused" not in shown
    assert re.search(r"^all time: 4 delivered, [\d.]+ [kM]B( at [\d.]+ [kMG]B/s)?$", shown, re.MULTILINE)
    found = shop.json("status")
    assert (found["counts"]["done"], found["downloads"], found["paused"]) == (4, [], False)
    assert found["statistics"]["last_24h"]["completed"] == 4


def test_the_live_status_survives_a_restart(idle: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    idle("queue", "pause")

    def restart() -> None:
        idle.daemon.start()
        idle.daemon.drop("list.txt", "Emma — Jane Austen")
        idle.daemon.await_counts(queued=1)

    def interrupt() -> None:
        raise KeyboardInterrupt

    between: Iterator[Callable[[], object]] = iter((idle.daemon.stop, restart, interrupt))
    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=lambda _: next(between)()))
    monkeypatch.setattr(status, "is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = idle("status").stdout
    frames = ("nothing wished for yet", "waiting for the daemon … (bookhopper is not running", "1 queued")
    places = [shown.find(frame) for frame in frames]
    assert -1 < places[0] < places[1] < places[2]


# the client


def test_a_client_sends_what_it_is_given(tmp_path: Path) -> None:
    with faulty() as server:
        address.leave_address(tmp_path, server.url, "the token")
        asked = Client(tmp_path)
        server.at("/x", whole(b'{"a": 1}'))
        assert asked.post("/x") == asked.put("/x", {"n": 1}) == asked.delete("/x") == {"a": 1}
        first, second, third = (seen.headers for seen in server.asked)
        assert (first["content-length"], second["content-length"]) == ("0", "8")
        assert second["content-type"] == "application/json"
        assert third["authorization"] == "Bearer the token"


def test_a_client_finds_the_daemon_anew(tmp_path: Path) -> None:
    asked = Client(tmp_path)
    for body in (b"1", b"2"):
        with faulty() as server:
            server.at("/x", whole(body))
            address.leave_address(tmp_path, server.url, "the token")
            assert asked.get("/x") == int(body)
