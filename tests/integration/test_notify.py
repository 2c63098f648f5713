"""Word to people outside, through the real apprise to real servers: taken, refused, hanging, flooded."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from pathlib import Path

import pytest
from click.testing import CliRunner

from bookhopper.cli import main
from bookhopper.errors import PermanentError, TransientError
from bookhopper.model import Change, Job, State
from bookhopper.notify.digest import Sight, last_slot
from bookhopper.notify.messages import Message
from bookhopper.notify.notifications import Notifications
from bookhopper.notify.sender import NOT_INSTALLED, Sender
from bookhopper.notify.target import Target
from bookhopper.notify_settings import Event, NotifySettings
from bookhopper.observe.metrics import Metrics
from tests.fakes.inbox import Inbox, inbox
from tests.fakes.server import answering, free_port
from tests.queues import Queue, want
from tests.waiting import until

pytest.importorskip("apprise", reason="apprise is not installed")

TOKEN = "s3cr3t-t0pic"
HELLO = Message("bookhopper: hello", "- Emma")


@pytest.fixture
def box() -> Iterator[Inbox]:
    with inbox() as opened:
        yield opened


def refused(url: str, message: Message = HELLO, **limits: float) -> str:
    """Send a message that does not get through; gives why."""
    with pytest.raises(TransientError) as fault:
        Sender(url, **limits).send(message)
    return str(fault.value)


# one message


def test_a_message_arrives_as_plain_text(box: Inbox) -> None:
    sender = Sender(f"{box.url}/{TOKEN}")
    assert sender.service == "JSON"
    sender.send(Message("bookhopper: <b>", "- & *\n- second", urgent=True))
    (message,) = box.messages
    assert (message["title"], message["message"], message["type"]) == (
        "bookhopper: <b>",
        "- & *\n- second",
        "warning",
    )


def test_a_refusal_is_told_by_its_status_alone(box: Inbox) -> None:
    box.status = 403
    assert refused(f"{box.url}/{TOKEN}") == "the server answered 403 (Forbidden)"


def test_a_server_that_is_not_there() -> None:
    fault = refused(f"json://user:{TOKEN}@127.0.0.1:{free_port()}/{TOKEN}")
    assert fault == "the server cannot be reached, or did not answer in time"


def test_a_server_that_says_nothing(release: threading.Event) -> None:
    with answering(silent(release)) as url:
        fault = refused(url.replace("http", "json") + "/?rto=0.2")
        assert fault == "the server cannot be reached, or did not answer in time"
        release.set()


def test_a_server_that_drips_is_left_behind(release: threading.Event) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not release.wait(0.02):
            connection.sendall(b".")

    with answering(drip) as url:
        sender = Sender(url.replace("http", "json"), limit=0.3)
        with pytest.raises(TransientError, match="no answer within 0 s"):
            sender.send(HELLO)
        with pytest.raises(TransientError, match="the last message still hangs there"):
            sender.send(HELLO)
        release.set()


def silent(release: threading.Event) -> Callable[[socket.socket], None]:
    def hang(_: socket.socket) -> None:
        release.wait()

    return hang


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"nosuch://{TOKEN}/x", "apprise knows no service at `nosuch://`"),
        (f"https://example.org/{TOKEN}", "apprise knows no service at `https://`"),
        (f"tgram://{TOKEN}/", "apprise cannot use this tgram:// address"),
        (f"json://:{TOKEN}", "apprise cannot use this json:// address"),
    ],
)
def test_an_address_that_apprise_does_not_take(
    url: str, words: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    with pytest.raises(PermanentError) as fault:
        Sender(url)
    assert str(fault.value).startswith(words)
    assert TOKEN not in str(fault.value) + caplog.text + "".join(capfd.readouterr())


def test_nothing_that_libraries_log_while_sending_comes_out(
    box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    Sender(f"{box.url}/{TOKEN}?+X-Key={TOKEN}").send(HELLO)
    box.status = 500
    refused(f"{box.url}/{TOKEN}?+X-Key={TOKEN}")
    told = [record for record in caplog.records if not record.name.startswith("uvicorn")]  # the server's own
    assert TOKEN not in "\n".join(record.getMessage() for record in told)


def test_apprise_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(PermanentError, match=r"-m pip install apprise$"):
        Sender("json://127.0.0.1")


def test_by_mail_it_is_plain_text() -> None:
    mails: list[str] = []
    with mail_server(mails) as port:
        Sender(f"mailto://127.0.0.1:{port}?from=a@x.example&to=b@x.example&mode=insecure").send(
            Message("bookhopper: 1 delivered", "Delivered:\n- <b>Emma</b> & more")
        )
    mail = message_from_string(mails[0], policy=policy.default)
    assert mail["To"] == "b@x.example"
    assert mail["Subject"] == "bookhopper: 1 delivered"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "- <b>Emma</b> & more" in body.get_content()


# somebody who is told


class Told:
    """Targets over one file, as restarts make them, and how their tries ended."""

    def __init__(self, folder: Path) -> None:
        self.kept = folder / "notify" / "phone.json"
        self.outcomes: list[str] = []
        self.targets: list[Target] = []

    def start(self, url: str, pauses: tuple[float, ...] = (0.01, 0.01, 0.01), **fields: object) -> Target:
        target = Target(
            self.settings(url, **fields),
            url,
            self.kept,
            lambda _, outcome: self.outcomes.append(outcome),
            pauses=pauses,
        )
        self.targets.append(target)
        target.start()
        return target

    @staticmethod
    def settings(url: str, **fields: object) -> NotifySettings:
        plain = {"name": "phone", "url": url, "every": 0.05, "events": tuple(Event)}
        return NotifySettings.model_validate(plain | fields)

    def waiting(self) -> dict[str, int]:
        """Count what the file says is still to be told."""
        kept = json.loads(self.kept.read_text(encoding="utf-8")) if self.kept.exists() else {"bundle": {}}
        return {event: entry["count"] for event, entry in kept["bundle"].items()}


def stopped(target: Target, seconds: float = 30.0) -> bool:
    target.stop()
    return target.join(time.monotonic() + seconds)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    for target in told.targets:
        assert stopped(target)


def test_ten_thousand_changes_keep_nobody_waiting_and_are_one_message(told: Told, box: Inbox) -> None:
    target = told.start(box.url, every=0.3)
    for number in range(10_000):
        target.add(Event.DELIVERED, f"Book {number}")
    (message,) = box.await_(1)
    assert message["title"] == "bookhopper: 10,000 delivered"
    assert message["message"].endswith("- Book 4\n- and 9,995 more")
    assert stopped(target)
    assert (len(box.messages), told.outcomes) == (1, ["sent"])


def test_ten_thousand_changes_of_jobs_are_counted(tmp_path: Path, box: Inbox) -> None:
    queue, metrics = Queue(tmp_path), Metrics()
    sight = Sight(queue.store, dict, {}, lambda: 0)
    told = Notifications(tmp_path / "notify", sight, metrics)
    target = NotifySettings.model_validate(
        {"name": "phone", "url": box.url, "events": "missed", "every": 3600}
    )
    told.start([target])
    for number in range(10_000):
        job = Job(number, 1, want(f"Book {number}"), State.MISSING, looks=1, not_before=9.0)
        told.changed(Change(job, State.SEARCHING, State.MISSING, 1.0))
    told.stop(time.monotonic() + 30)
    queue.close()
    assert box.titles == ["10,000 found nowhere"]
    sent = metrics.registry.get_sample_value(
        "bookhopper_notifications_total", {"target": "phone", "outcome": "sent"}
    )
    assert sent == 1


def test_what_is_not_wanted_is_not_told(told: Told, box: Inbox) -> None:
    target = told.start(box.url, events=("failed",))
    target.add(Event.DELIVERED, "Emma")
    target.add(Event.FAILED, "Persuasion")
    assert stopped(target)
    assert box.titles == ["1 failed"]


def test_a_stop_sends_what_waits_and_the_next_start_nothing(told: Told, box: Inbox) -> None:
    first = told.start(box.url, every=3600)
    first.add(Event.MISSED, "Emma")
    assert stopped(first)
    assert (box.titles, told.waiting()) == (["1 found nowhere"], {})
    assert stopped(told.start(box.url))
    assert len(box.messages) == 1


def test_what_does_not_get_through_at_a_stop_does_after_the_next_start(
    told: Told, box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    box.status = 503
    first = told.start(box.url, pauses=(3600.0,))
    first.add(Event.MISSED, "Emma")
    until(lambda: box.tried == 1)
    first.add(Event.FAILED, "Persuasion")
    assert stopped(first)
    assert told.waiting() == {"missed": 1, "failed": 1}
    assert "1 message did not get through, and is kept for the next start" in caplog.text
    box.status = 200
    told.start(box.url)
    box.await_(1)
    assert box.titles == ["1 failed, 1 found nowhere"]
    until(lambda: told.waiting() == {})


def test_a_kill_loses_nothing_that_was_written_down(told: Told, box: Inbox, tmp_path: Path) -> None:
    killed = told.start(box.url, every=3600)
    killed.add(Event.MISSED, "Emma")
    until(lambda: told.waiting() == {"missed": 1}, "what waits is written down by itself")
    copy = tmp_path / "copy.json"
    copy.write_bytes(told.kept.read_bytes())  # as a kill leaves it
    after = Told(tmp_path / "x")
    after.kept = copy
    second = after.start(box.url)
    box.await_(1)
    assert stopped(second)
    assert box.titles == ["1 found nowhere"]


def test_one_that_is_never_taken_is_dropped_with_one_warning(
    told: Told, box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box.status = 400
    target = told.start(box.url)
    for number in range(2):
        target.add(Event.FAILED, "Emma")
        until(lambda number=number: told.outcomes.count("dropped") == number + 1)  # type: ignore[misc]
    assert told.outcomes == ["failed", "failed", "failed", "dropped"] * 2
    box.status = 200
    target.add(Event.FAILED, "Persuasion")
    box.await_(1)
    until(lambda: "all is well again" in caplog.text)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "notify phone: the server answered 400 (Bad Request) (4 tries): a message is dropped"
    ]
    assert "Persuasion" in box.messages[0]["message"]
    assert "Emma" not in box.messages[0]["message"]


def test_what_happens_while_one_is_tried_again_is_the_next_one(told: Told, box: Inbox) -> None:
    box.status = 500
    target = told.start(box.url, pauses=(0.01,) * 1000)
    target.add(Event.FAILED, "Emma")
    until(lambda: box.tried >= 2)
    target.add(Event.MISSED, "Persuasion")
    box.status = 200
    box.await_(2)
    assert box.titles == ["1 failed", "1 found nowhere"]


def test_one_who_hangs_at_the_stop_does_not_hold_it_up(told: Told, release: threading.Event) -> None:
    with answering(silent(release)) as url:
        target = told.start(url.replace("http", "json") + "/?rto=60")
        target.add(Event.FAILED, "Emma")
        assert not stopped(target, 0.3), "it ends before its server answers"
        assert told.waiting() == {"failed": 1}, "which the next start tries again"
        release.set()


def test_other_settings_are_heeded_for_what_waits(told: Told, box: Inbox) -> None:
    with inbox() as other:
        target = told.start(box.url, every=3600)
        target.add(Event.FAILED, "Emma")
        target.change(told.settings(other.url, every=0), other.url)
        other.await_(1)
        assert (other.titles, box.messages) == (["1 failed"], [])


def test_one_who_is_told_no_more_gets_what_waits_and_leaves_nothing(told: Told, box: Inbox) -> None:
    target = told.start(box.url, every=3600)
    target.add(Event.FAILED, "Emma")
    until(told.kept.exists)
    target.stop(retired=True)
    assert target.join(time.monotonic() + 30)
    assert box.titles == ["1 failed"]
    assert not told.kept.exists()


def test_without_apprise_it_says_so_once_and_goes_on(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    target = told.start("json://127.0.0.1")
    target.add(Event.FAILED, "Emma")
    until(lambda: "dropped" in told.outcomes)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        f"notify phone: {NOT_INSTALLED}; what would be sent to it is dropped until that is mended"
    ]


def test_a_folder_that_cannot_be_written_is_told_of(
    told: Told, box: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notify").write_text("a file stands there")
    target = told.start(box.url)
    target.add(Event.FAILED, "Emma")
    box.await_(1)
    assert stopped(target)
    assert "phone.json cannot be written: " in caplog.text


# the digest


def day(target: Target, now: float, text: str = "what came") -> None:
    target.look(now, lambda _since, _now: Message("bookhopper: digest", text))


def test_a_digest_comes_once_a_day_over_restarts(told: Told, box: Inbox) -> None:
    now = time.time()
    slot = last_slot(now, 8 * 60)
    first = told.start(box.url)
    day(first, now)
    assert stopped(first)
    assert box.messages == [], "the first one is of a day that it saw"
    for moment, number in ((slot + 86400 + 60, 1), (slot + 86400 + 7200, 1), (slot + 3 * 86400 + 60, 2)):
        target = told.start(box.url)
        day(target, moment)
        day(target, moment)
        assert stopped(target)
        assert len(box.messages) == number


def test_a_digest_that_did_not_get_through_comes_after_the_next_start(told: Told, box: Inbox) -> None:
    tomorrow = last_slot(time.time(), 8 * 60) + 86400 + 3600 * 2
    box.status = 500
    first = told.start(box.url, pauses=(3600.0,))
    day(first, tomorrow)
    until(lambda: box.tried == 1)
    assert stopped(first)
    box.status = 200
    second = told.start(box.url)
    day(second, tomorrow + 60)
    assert stopped(second)
    assert box.titles == ["digest"]


def test_a_clock_that_was_wrong_does_not_end_the_digests(told: Told, box: Inbox) -> None:
    now = time.time()
    target = told.start(box.url)
    day(target, now + 4000 * 86400)
    until(lambda: told.outcomes == ["sent"])
    day(target, now)
    day(target, last_slot(now, 8 * 60) + 86400 + 7200)
    box.await_(2)


def test_who_has_no_digest_among_his_events_gets_none(told: Told, box: Inbox) -> None:
    target = told.start(box.url, events=("list",))
    day(target, time.time() + 10 * 86400)
    assert stopped(target)
    assert box.messages == []


def test_a_digest_with_nothing_to_say_counts_as_given(told: Told, box: Inbox) -> None:
    tomorrow = last_slot(time.time(), 8 * 60) + 86400 + 60
    asked: list[float] = []

    def nothing(since: float, now: float) -> None:
        asked.append(since)

    target = told.start(box.url)
    target.look(tomorrow, nothing)
    target.look(tomorrow + 60, nothing)
    assert len(asked) == 1


@contextmanager
def mail_server(mails: list[str]) -> Iterator[int]:
    """Take one mail on a free port of loopback, which it gives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take_mail, args=(listener, mails), daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(30)


def take_mail(listener: socket.socket, mails: list[str]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rw", encoding="utf-8", newline="\r\n") as wire:

        def say(line: str) -> None:
            wire.write(f"{line}\n")
            wire.flush()

        say("220 mail.example")
        for line in wire:
            match line.split()[0].upper():
                case "DATA":
                    say("354 go on")
                    mails.append("".join(iter(wire.readline, ".\r\n")))
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 well")


# as a person meets it


def command(folder: Path, *words: str, targets: list[dict[str, str]] | None = None) -> tuple[int, str]:
    """Call a command of a configuration with these targets; gives its exit code and what it says."""
    for name in ("ingest", "books"):
        (folder / name).mkdir(exist_ok=True)
    config = folder / "bookhopper.yaml"
    settings = {
        "folders": {name: str(folder / name) for name in ("requests", "ingest", "state")},
        "sources": [{"kind": "folder", "path": str(folder / "books")}],
        "notify": targets or [],
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    result = CliRunner().invoke(main, [*words, "--config", str(config)])
    return result.exit_code, result.output


def test_a_test_message_and_how_it_went(tmp_path: Path, box: Inbox) -> None:
    good, bad = {"name": "phone", "url": box.url}, {"name": "odd", "url": f"nosuch://{TOKEN}"}
    assert command(tmp_path, "notify", "test", targets=[good]) == (0, "phone: the message was taken\n")
    assert box.titles == ["a test"]
    status, said = command(tmp_path, "notify", "test", "--json", targets=[good, bad])
    assert status == 1
    first, second = map(json.loads, said.splitlines())
    assert first == {"name": "phone", "ok": True, "fault": None}
    assert second["fault"].startswith("apprise knows no service at `nosuch://`")
    assert TOKEN not in said
    box.status = 401
    status, said = command(tmp_path, "notify", "test", "phone", targets=[good, bad])
    assert (status, said) == (1, "phone: the server answered 401 (Unauthorized)\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("test",), "told is nobody: name somebody under `notify:`"),
        (("test", "phone"), "nobody is told by that name; known: nobody"),
    ],
)
def test_a_test_message_to_nobody(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    status, output = command(tmp_path, "notify", *words)
    assert status == 2
    assert said in output


def test_check_looks_at_addresses_and_sends_nothing(tmp_path: Path, box: Inbox) -> None:
    good, bad = {"name": "phone", "url": box.url}, {"name": "odd", "url": f"nosuch://{TOKEN}"}
    status, said = command(tmp_path, "check", "--json", targets=[good, bad])
    rows = {row["what"]: row for row in map(json.loads, said.splitlines())}
    assert status == 1
    assert rows["notify phone"]["ok"] is True
    assert rows["notify phone"]["detail"].startswith("JSON, of list, ambiguous, failed")
    assert rows["notify odd"]["ok"] is False
    assert box.messages == []
    assert TOKEN not in said


def test_check_tells_how_apprise_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    _, said = command(tmp_path, "check", "--json", targets=[{"name": "phone", "url": "json://127.0.0.1"}])
    assert NOT_INSTALLED in said
