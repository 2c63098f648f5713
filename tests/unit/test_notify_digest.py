"""The daily digest: when it is due by the local clock, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from bookhopper.model import State
from bookhopper.notify.digest import Sight, digest, due_slot, last_slot
from bookhopper.store.base import Move
from tests.queues import Queue, candidate, want

MORNING = 8 * 60
DAY = 86400.0


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time of a place whose clocks leap at 2:00 on 2026-03-29 and go back at 3:00 on 2026-10-25."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(moment: str) -> float:
    """Give a moment that is written with its offset, in epoch seconds."""
    return datetime.fromisoformat(moment).timestamp()


@pytest.mark.parametrize(
    ("now", "minute", "slot"),
    [
        ("2026-06-10T12:00+02:00", MORNING, "2026-06-10T08:00+02:00"),
        ("2026-06-10T08:00+02:00", MORNING, "2026-06-10T08:00+02:00"),
        ("2026-06-10T07:59+02:00", MORNING, "2026-06-09T08:00+02:00"),
        ("2026-06-01T00:00+02:00", MORNING, "2026-05-31T08:00+02:00"),
        ("2026-01-01T00:00+01:00", MORNING, "2025-12-31T08:00+01:00"),
        # the night in which the clocks leap, and the one in which they go back
        ("2026-03-29T09:00+02:00", MORNING, "2026-03-29T08:00+02:00"),
        ("2026-03-29T01:00+01:00", MORNING, "2026-03-28T08:00+01:00"),
        ("2026-10-25T07:30+01:00", MORNING, "2026-10-24T08:00+02:00"),
        ("2026-10-25T09:00+01:00", MORNING, "2026-10-25T08:00+01:00"),
    ],
)
def test_the_slot_is_the_local_clock_s(berlin: None, now: str, minute: int, slot: str) -> None:
    assert last_slot(at(now), minute) == at(slot)


@pytest.mark.parametrize("minute", [0, 2 * 60 + 30, MORNING, 23 * 60 + 59])
@pytest.mark.parametrize("first", ["2026-03-26T12:00+01:00", "2026-10-22T12:00+02:00"])
def test_there_is_one_digest_a_day_whatever_the_clocks_do(berlin: None, first: str, minute: int) -> None:
    now = at(first)
    told, given = last_slot(now, minute), []
    for step in range(7 * 24 * 4):  # a week of quarters of an hour
        if (slot := due_slot(told, now + step * 900, minute)) is not None:
            told = slot
            given.append(time.strftime("%m-%d", time.localtime(slot)))
    assert len(given) == len(set(given)) == 7


def test_one_that_was_missed_comes_once() -> None:
    now = time.time()
    told = last_slot(now, MORNING) - 5 * DAY
    slot = due_slot(told, now, MORNING)
    assert slot == last_slot(now, MORNING)
    assert due_slot(slot, now, MORNING) is None


class Scene:
    """A queue, and what else a digest looks at."""

    def __init__(self, folder: Path) -> None:
        self.queue = Queue(folder)
        self.available: dict[str, bool] = {"gutenberg": True}
        self.keep_free = 0
        self.sight = Sight(
            self.queue.store,
            self._available,
            {"state": folder, "ingest": folder / "gone"},
            lambda: self.keep_free,
            "https://books.example.org/",
        )

    def _available(self) -> Mapping[str, bool]:
        return self.available

    def deliver(self, title: str) -> None:
        of = candidate(title, title)
        job = self.queue.downloading(want(title), of)
        self.queue.place(job, of)
        self.queue.store.complete(job.id)

    def put_aside(self, title: str, after: State, reason: str = "") -> None:
        (number,) = self.queue.add(want(title))
        job = self.queue.store.claim(State.WANTED)
        assert job is not None
        self.queue.store.move(Move(number, State.SEARCHING, after, reason))

    def text(self, since: float = 0.0) -> str:
        message = digest(self.sight, since, time.time())
        assert message is not None
        return f"{message.title}\n{message.body}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.queue.close()


def test_it_tells_what_came_and_how_things_stand(scene: Scene) -> None:
    for number in range(7):
        scene.deliver(f"Book {number}")
    scene.put_aside("Broken @here", State.FAILED, "no <b>good</b>")
    scene.put_aside("Nowhere", State.MISSING)
    scene.put_aside("Several", State.AMBIGUOUS)
    scene.queue.add(want("Waiting"))
    scene.available["home"] = False
    text = scene.text()
    assert text.startswith("bookhopper: 7 delivered, 1 failed\nSince ")
    assert "Delivered: 7\n- Book 6 — Ann Author\n" in text
    assert "- and 2 more\nFailed: 1\n- Broken ＠here — Ann Author: no ‹b›good‹/b›\n" in text
    assert (
        "Now: 1 in the queue, 1 to choose from (https://books.example.org/), 1 found nowhere yet.\n"
        "1 source silent: home.\nFree: state "
    ) in text


@pytest.mark.parametrize(
    "happens",
    [
        lambda scene: scene.deliver("Emma"),
        lambda scene: scene.queue.add(want("Emma")),
        lambda scene: scene.put_aside("Emma", State.AMBIGUOUS),
        lambda scene: scene.available.update(gutenberg=False),
        lambda scene: setattr(scene, "keep_free", 2**62),
    ],
)
def test_it_is_silent_where_nothing_is_to_be_said(scene: Scene, happens: Callable[[Scene], object]) -> None:
    assert digest(scene.sight, 0.0, time.time()) is None
    scene.put_aside("Nowhere", State.MISSING)
    assert digest(scene.sight, 0.0, time.time()) is None, "which was told when it was new"
    happens(scene)
    assert "Since " in scene.text()


def test_what_the_last_one_told_is_not_told_again(scene: Scene) -> None:
    scene.deliver("Emma")
    assert digest(scene.sight, time.time(), time.time()) is None


def test_it_does_not_look_back_for_ever(scene: Scene) -> None:
    scene.deliver("Emma")
    scene.queue.add(want("Waiting"))
    message = digest(scene.sight, 0.0, time.time())
    assert message is not None
    week = time.strftime("%Y-%m-%d", time.localtime(time.time() - 7 * DAY))
    assert f"Since {week}" in message.body
