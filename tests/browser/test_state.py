"""What the page keeps of the daemon's messages, also when counts run ahead of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.test_page import url
from tests.daemon import Daemon

if TYPE_CHECKING:
    from tests.browser.page import Page

_PAGE = 200
_TELL = """const [messages, done] = arguments;
const { State } = await import(new URL("page/state.js", document.baseURI));
const state = new State(() => {});
for (const [way, ...told] of messages) state[way](...told);
const queue = state.list("queue").map(({ id }) => id);
done({ queue, behind: state.behind(), total: state.total("queue") });"""


@pytest.fixture
def told(daemon: Daemon, page: Page) -> Any:
    """Tell a page's state something, call by call, and give what its queue is then."""
    daemon.start()
    page.open(url(daemon))
    return lambda *calls: page.driver.execute_async_script(f"(async () => {{{_TELL}}})(...arguments)", calls)


def job(number: int, state: str = "queued") -> dict[str, Any]:
    return {"id": number, "state": state, "priority": 1, "position": 0, "changed": number}


def status(**counts: int) -> dict[str, Any]:
    return {"counts": {"queued": 0, "wanted": 0, "cancelled": 0, **counts}, "order": "priority"}


def snapshot(queue: Sequence[int], **counts: int) -> list[Any]:
    return [
        "apply",
        {"type": "snapshot", "queue": [job(number) for number in queue], "status": status(**counts)},
    ]


def change(*downloads: dict[str, Any], **counts: int) -> list[Any]:
    return [
        "apply",
        {"type": "change", "downloads": downloads, **({"status": status(**counts)} if counts else {})},
    ]


def test_a_job_whose_count_came_first_is_shown(told: Any) -> None:
    counted = snapshot([1], queued=1, cancelled=1), change(queued=2)
    assert told(*counted, change(job(2))) == {"queue": [1, 2], "behind": 0, "total": 2}
    assert told(*counted, ["told", job(2)])["queue"] == [1, 2]


def test_counts_that_were_told_twice_are_put_right(told: Any) -> None:
    cancelled = job(2, "cancelled")
    begun = snapshot([1, 2], queued=2), change(queued=1, cancelled=1), ["told", cancelled]
    assert told(*begun, change(cancelled, queued=1, cancelled=1)) == {"queue": [1], "behind": 0, "total": 1}


def test_what_lies_behind_a_cut_queue_is_left_out_until_it_is_asked_for(told: Any) -> None:
    head = snapshot(range(1, _PAGE + 1), queued=_PAGE + 1)
    assert told(head)["behind"] == 1
    later = change(job(_PAGE + 2), queued=_PAGE + 2)
    assert told(head, later) == {"queue": [*range(1, _PAGE + 1)], "behind": 2, "total": _PAGE + 2}
    rest = [job(_PAGE + 1), job(_PAGE + 2)]
    widened = head, later, ["widen", rest, _PAGE + 2, True]
    assert told(*widened)["behind"] == 0
    assert told(*widened, change(queued=_PAGE + 3), change(job(_PAGE + 3)))["queue"][-1] == _PAGE + 3
    passed_over = head, later, ["widen", rest[1:], _PAGE + 2, True]
    assert told(*passed_over)["behind"] == 1
