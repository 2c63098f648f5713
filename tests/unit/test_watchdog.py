"""When the service manager's watchdog is pinged, over a real datagram socket."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from bookhopper.observe.sdnotify import notify_reloading, watchdog_seconds
from bookhopper.watchdog import Beat, Watchdog


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = f"bookhopper-test-{secrets.token_hex(8)}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.setblocking(False)
        yield manager


def heard(manager: socket.socket) -> list[str]:
    told = []
    try:
        while True:
            told.append(manager.recv(4096).decode())
    except BlockingIOError:
        return told


def test_it_pings_while_every_heartbeat_moves(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    beats = {"the watcher": 1.0, "the writer": 1.0}
    watchdog = Watchdog(lambda: [Beat(name, beat, 30.0) for name, beat in beats.items()], lambda: now)
    assert watchdog.look()
    for moment in (20.0, 40.0, 60.0):
        now = moment
        beats = {name: beat + 1 for name, beat in beats.items()}
        assert watchdog.look()
    assert heard(manager) == ["WATCHDOG=1"] * 4
    for moment in (80.0, 90.0):
        now = moment
        beats["the writer"] += 1
        assert watchdog.look()
    for moment in (91.0, 120.0):
        now = moment
        beats["the writer"] += 1
        assert not watchdog.look()
    assert heard(manager) == ["WATCHDOG=1"] * 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "said once"
    assert "the watcher shows no sign of life" in caplog.text
    beats["the watcher"] += 1
    assert watchdog.look()
    assert heard(manager) == ["WATCHDOG=1"]


def test_a_heartbeat_of_another_age_is_one(manager: socket.socket) -> None:
    now, beat = 0.0, 1_000_000.0
    watchdog = Watchdog(lambda: [Beat("a worker", beat, 30.0)], lambda: now)
    assert watchdog.look()
    now, beat = 25.0, -1_000_000.0  # the time was set back
    assert watchdog.look()
    now = 50.0
    assert watchdog.look()
    now = 56.0
    assert not watchdog.look()
    assert len(heard(manager)) == 3


def test_a_worker_that_is_dismissed_is_not_missed(manager: socket.socket) -> None:
    now = 0.0
    beats = [Beat("a worker", 1.0, 30.0)]
    watchdog = Watchdog(lambda: beats, lambda: now)
    assert watchdog.look()
    now, beats = 100.0, []
    assert watchdog.look()
    assert len(heard(manager)) == 2


@pytest.mark.parametrize(
    ("period", "owner", "seconds"),
    [
        ("60000000", None, 60.0),
        ("500000", "own", 0.5),
        ("60000000", "1", None),
        ("0", None, None),
        ("often", None, None),
        (None, None, None),
    ],
)
def test_how_often_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, period: str | None, owner: str | None, seconds: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", period), ("WATCHDOG_PID", owner)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)
    assert watchdog_seconds() == seconds


def test_a_reload_is_told_with_its_moment(manager: socket.socket) -> None:
    assert notify_reloading()
    (told,) = heard(manager)
    first, second = told.splitlines()
    assert first == "RELOADING=1"
    assert second.partition("=")[0] == "MONOTONIC_USEC"
    assert second.partition("=")[2].isdecimal()
