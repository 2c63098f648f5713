"""Watching the requests folder: whatever happens in it or to it, every list is found, and taken once.

The real daemon, in a user namespace of its own where it is to have other limits or mounts than the machine.
The points of `reference/folder-watching.md`, and what holds each:

   1 integration/test_watch.py      test_what_lies_there_at_the_start_and_what_comes_is_taken
   2 integration/test_watch.py      test_a_file_settles_when_nothing_happened_for_the_settle_time
   2 integration/test_watch.py      test_a_settle_time_of_nothing_takes_what_is_moved_in_at_once
   2 reliability/test_watching.py   test_a_list_that_grows_over_many_settle_times_is_taken_whole
   3 integration/test_watch.py      test_moved_in_and_renamed_files_count
   3 reliability/test_watching.py   test_a_storm_of_renames_loses_and_doubles_nothing
   4 integration/test_watch.py      test_the_rescan_finds_what_no_event_told_of
   4 reliability/test_watching.py   test_ten_thousand_lists_at_once_run_the_queue_over
   4 reliability/test_watching.py   test_lists_whose_events_were_all_lost_are_found_without_the_rescan
   4 reliability/test_watching.py   test_lists_from_the_other_side_of_a_share_are_found
   5 integration/test_watch.py      test_an_entry_is_dropped_with_its_path_so_that_the_name_can_come_again
   5 reliability/test_watching.py   test_the_same_name_used_again_and_again_is_a_request_each_time
   6 reliability/test_watching.py   test_without_inotify_it_polls_and_says_so_once
   7 integration/test_watch.py      test_network_file_systems_are_polled
   7 integration/test_watch.py      test_busy_files_are_left_for_later
   7 reliability/test_watching.py   test_lists_from_the_other_side_of_a_share_are_found
   8 integration/test_watch.py      test_each_thread_that_dies_is_noticed_and_replaced
   8 integration/test_watch.py      test_a_folder_that_may_not_be_read_is_not_taken_for_a_quiet_one
   8 reliability/test_watching.py   test_a_folder_that_is_replaced_or_remounted_is_watched_anew
   9 integration/test_watch.py      test_ignored_names
   9 integration/test_watch.py      test_ignored_files_stay_untouched
  10 integration/test_watch.py      test_what_takes_the_place_of_a_filed_list_is_not_taken
  10 integration/test_bad_input.py  test_a_link_inside_the_folder_is_refused_too_and_its_goal_taken
  10 integration/test_bad_input.py  test_folders_of_ours_that_lead_elsewhere_are_not_followed
  10 integration/test_bad_input.py  test_refused_with_place_and_reason
  10 integration/test_bad_input.py  test_too_many_lines
  11 integration/test_bad_input.py  test_refused_with_place_and_reason
  11 integration/test_bad_input.py  test_unreadable_file_stays_and_is_taken_once_it_can_be_read
  11 integration/test_bad_input.py  test_a_bad_line_leaves_the_others_alone
  12 integration/test_watch.py      test_the_same_name_again_is_another_request
  12 integration/test_watch.py      test_a_crash_around_the_commit_neither_loses_nor_doubles
  12 integration/test_watch.py      test_a_file_written_to_while_it_was_stored_is_read_again
  12 integration/test_watch.py      test_leftovers_are_taken_up_by_the_next_start
  12 e2e/test_life.py               test_kill_while_a_list_is_taken_takes_it_once
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

from tests.conftest import Figures
from tests.daemon import Daemon
from tests.fakes import inotify
from tests.namespaces import in_namespace, run_in_namespace, seen_by
from tests.points import check_points
from tests.waiting import until

_NEVER = "1h"
"""A rescan that does not come while a test runs."""

MakeWatching = Callable[..., Daemon]
Measured = dict[str, object]


@pytest.fixture(scope="module")
def measured(figures: Figures) -> Iterator[Measured]:
    """What was found, how, and in how many seconds, for the end of the run."""
    found: Measured = {}
    yield found
    figures("watching: lists, how they were found, seconds until the last was taken", found)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: how fast a disk is says nothing of watching."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bookhopper-", dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture
def make_daemon(folder: Path) -> Iterator[MakeWatching]:
    """Make daemons that only take lists: their one source has no book."""
    (folder / "shelf").mkdir()
    made: list[Daemon] = []

    def make(under: str = "", requests: Path | None = None, **intake: Any) -> Daemon:
        home = folder / "home"
        settings: dict[str, Any] = {
            "sources": [{"kind": "folder", "name": "shelf", "path": str(folder / "shelf")}],
            "intake": {"settle": "0.2s", "rescan": _NEVER} | intake,
            "log_level": "info",
        }
        if requests is not None:
            places = {"requests": requests, "ingest": home / "ingest", "state": home / "state"}
            settings["folders"] = {name: str(path) for name, path in places.items()}
        daemon = Daemon(home, settings)
        if under:
            daemon.under = in_namespace(under)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.close()


def write(folder: Path, number: int, title: str = "") -> None:
    """Write a list of one want."""
    (folder / f"{number:05}.txt").write_text(f"{title or 'The Same Book'} — Nobody\n")


def filed(requests: Path) -> list[str]:
    """List what was filed as taken."""
    accepted = requests / "accepted"
    return sorted(os.listdir(accepted)) if accepted.is_dir() else []  # noqa: PTH208 - ten thousand names


def await_filed(requests: Path, number: int, daemon: Daemon, seconds: float = 45.0) -> float:
    """Wait until so many lists were filed; gives for how long."""
    begun = time.monotonic()
    until(
        lambda: len(filed(requests)) >= number,
        lambda: f"{number} lists filed, not {len(filed(requests))}\n{daemon.log[-3000:]}",
        seconds,
    )
    return time.monotonic() - begun


def assert_taken_once(daemon: Daemon, names: list[str], requests: Path | None = None) -> None:
    """Fail unless these lists, and nothing else, were taken, each once and with its one want."""
    assert filed(requests or daemon.requests) == names
    until(lambda: daemon.metric("request_files_total") >= len(names))
    assert daemon.metric("request_files_total", outcome="accepted") == len(names)
    assert daemon.metric("request_files_total") == len(names)
    assert daemon.metric("request_lines_total") == len(names)


def test_every_point_has_a_test() -> None:
    check_points(__doc__, 12)


# more than the kernel keeps in mind


@pytest.mark.timeout(300)
def test_ten_thousand_lists_at_once_run_the_queue_over(make_daemon: MakeWatching, measured: Measured) -> None:
    number = 10_000
    daemon = make_daemon(rescan="3s")
    daemon.start()
    witness = inotify.Inotify(daemon.requests)
    daemon.signal(SIGSTOP)
    for each in range(number):
        write(daemon.requests, each)
    queued = witness.pending()
    witness.close()
    daemon.signal(SIGCONT)
    seconds = await_filed(daemon.requests, number, daemon, seconds=240)
    assert queued[-1].mask & inotify.OVERFLOW, "so many files were to be too many"
    assert_taken_once(daemon, [f"{each:05}.txt" for each in range(number)])
    rescan = daemon.metric("watcher_rescan_found_total")
    measured["at once, the queue run over"] = (
        f"{number:,} lists, {len(queued) - 1:,} events kept: {number - rescan:,.0f} without the rescan, "
        f"{rescan:,.0f} by it only, {seconds:.1f} s"
    )
    assert daemon.stop() == 0


def test_lists_whose_events_were_all_lost_are_found_without_the_rescan(
    make_daemon: MakeWatching, measured: Measured
) -> None:
    number = 100
    daemon = make_daemon()
    for name in (".one", ".two"):
        (daemon.requests / name).touch()
    daemon.start()
    daemon.signal(SIGSTOP)
    for each in range(20_000):  # in turn, for the kernel makes one event of two that are equal
        os.utime(daemon.requests / (".one", ".two")[each % 2])
    for each in range(number):
        write(daemon.requests, each)
    daemon.signal(SIGCONT)
    seconds = await_filed(daemon.requests, number, daemon)
    assert_taken_once(daemon, [f"{each:05}.txt" for each in range(number)])
    assert daemon.metric("watcher_breaks_total") == 1
    assert daemon.metric("watcher_rescan_found_total") == 0
    assert daemon.log.count("more happened at once than the kernel keeps in mind") == 1
    measured["every event lost"] = f"{number} lists: all without the rescan, {seconds:.1f} s"
    assert daemon.stop() == 0


def test_a_storm_of_renames_loses_and_doubles_nothing(make_daemon: MakeWatching, measured: Measured) -> None:
    number, times = 200, 30
    daemon = make_daemon()
    daemon.start()

    def storm(each: int) -> None:
        names = [f"{each:05}.txt{suffix}" for suffix in ("", ".part", "~", ".csv.txt")]
        path = daemon.requests / names[1]
        path.write_text(f"Title {each} — Nobody\n")
        for turn in range(times):
            goal = daemon.requests / names[turn % len(names)]
            try:
                path = path.rename(goal)
            except FileNotFoundError:
                return  # it rested for long enough under a name that counts
        path.rename(daemon.requests / names[0])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(storm, range(number)))
    seconds = await_filed(daemon.requests, number, daemon)
    until(lambda: sum(daemon.counts().values()) == number)
    assert daemon.metric("request_files_total") == len(filed(daemon.requests)) == number
    assert daemon.metric("request_lines_total", outcome="new") == number
    assert daemon.metric("watcher_rescan_found_total") == 0
    measured["a storm of renames"] = f"{number} lists, {times} times each: all by events, {seconds:.1f} s"
    assert daemon.stop() == 0


# time


def test_a_list_that_grows_over_many_settle_times_is_taken_whole(
    make_daemon: MakeWatching, measured: Measured
) -> None:
    settle, lines = 1.0, 60
    daemon = make_daemon(settle=f"{settle}s")
    daemon.start()
    begun = last = time.monotonic()
    longest = 0.0
    with (daemon.requests / "slow.txt").open("w") as written:
        for each in range(lines):
            until(lambda each=each: time.monotonic() >= begun + each * settle / 10)  # type: ignore[misc]
            written.write(f"Title {each} — Nobody\n")
            written.flush()
            last, longest = time.monotonic(), max(longest, time.monotonic() - last)
    grown = last - begun
    until(lambda: daemon.metric("request_lines_total", outcome="new") == lines, lambda: daemon.log[-2000:])
    until(lambda: filed(daemon.requests) == ["slow.txt"])
    taken = daemon.metric("request_files_total")
    if longest < settle:  # else the machine stood still, and it was rightly taken in between
        assert taken == 1
    measured["growing"] = f"1 list, for {grown / settle:.0f} settle times: taken {taken:.0f} time"
    assert daemon.stop() == 0


def test_the_same_name_used_again_and_again_is_a_request_each_time(
    make_daemon: MakeWatching, measured: Measured
) -> None:
    times = 25
    daemon = make_daemon(settle="0s")
    daemon.start()
    path = daemon.requests / "list.txt"
    begun = time.monotonic()
    for each in range(times):
        until(lambda: not path.exists(), "the name to be free again")
        daemon.drop(path.name, f"Title {each} — Nobody\n")
    await_filed(daemon.requests, times, daemon)
    names = ["list.txt", *(f"list ({each}).txt" for each in range(2, times + 1))]
    assert_taken_once(daemon, sorted(names))
    assert daemon.metric("request_lines_total", outcome="new") == times
    assert len(list((daemon.requests / "reports").glob("list*.report.txt"))) == times
    measured["one name again and again"] = f"{times} lists: all by events, {time.monotonic() - begun:.1f} s"
    assert daemon.stop() == 0


# where inotify is not to be had, or hears nothing


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("max_inotify_instances", "the limit of inotify instances is reached"),
        ("max_inotify_watches", "the limit of inotify watches is reached"),
    ],
)
def test_without_inotify_it_polls_and_says_so_once(
    make_daemon: MakeWatching, limit: str, message: str, measured: Measured
) -> None:
    number = 50
    daemon = make_daemon(f"echo 0 > /proc/sys/user/{limit}")
    daemon.start()
    for each in range(number):
        write(daemon.requests, each)
    seconds = await_filed(daemon.requests, number, daemon)
    assert_taken_once(daemon, [f"{each:05}.txt" for each in range(number)])
    assert daemon.log.count(message) == 1
    assert (daemon.metric("watcher_up"), daemon.metric("watcher_polling")) == (1, 1)
    assert daemon.metric("watcher_rescan_found_total") == 0
    measured[f"{limit} at 0"] = f"{number} lists: all by polling, {seconds:.1f} s"
    assert daemon.stop() == 0


@pytest.mark.parametrize("polling", ["never", "always"])
def test_lists_from_the_other_side_of_a_share_are_found(
    make_daemon: MakeWatching, folder: Path, polling: str, measured: Measured
) -> None:
    """What is written to the lower side of an overlay is there, and inotify says nothing, as on a share."""
    number = 200
    near, far, work, empty = (folder / name for name in ("near", "far", "work", "empty"))
    for place in (near, far / "requests", work, empty):
        place.mkdir(parents=True)
    mount = f"mount -t overlay overlay -o lowerdir={empty},upperdir={far},workdir={work} {near}"
    rescan = "1s" if polling == "never" else _NEVER
    daemon = make_daemon(mount, near / "requests", polling=polling, rescan=rescan)
    daemon.start()
    until(lambda: daemon.metric("watcher_up") == 1)
    for each in range(number):
        write(far / "requests", each)
    seconds = await_filed(far / "requests", number, daemon)
    assert_taken_once(daemon, [f"{each:05}.txt" for each in range(number)], far / "requests")
    found = daemon.metric("watcher_rescan_found_total")
    assert found == (number if polling == "never" else 0)
    how = "by the rescan only" if polling == "never" else "by polling"
    measured[f"a share, polling: {polling}"] = f"{number} lists: all {how}, {seconds:.1f} s"
    assert daemon.stop() == 0


# the folder itself


def test_a_folder_that_is_replaced_or_remounted_is_watched_anew(
    make_daemon: MakeWatching, measured: Measured
) -> None:
    daemon = make_daemon(":")
    daemon.start()
    place = daemon.requests
    seen = seen_by(daemon.pid, place)
    steps = {
        "deleted and made again": f"rm -r {place}; mkdir {place}",
        "moved away": f"mv {place} {place}.old; mkdir {place}",
        "mounted over": f"mount -t tmpfs one {place}",
        "unmounted and mounted again at once": f"umount -l {place}; mount -t tmpfs two {place}",
        "unmounted": f"umount -l {place}",
    }
    for number, (step, script) in enumerate(steps.items()):
        until(lambda: daemon.metric("watcher_up") == 1)
        run_in_namespace(daemon.pid, script)
        before = filed(seen)
        (seen / f"{number}.txt").write_text(f"Title {number} — Nobody\n")
        until(
            lambda number=number: f"{number}.txt" in filed(seen),  # type: ignore[misc]
            lambda step=step: f"the list after it was {step}\n{daemon.log[-2000:]}",  # type: ignore[misc]
        )
        assert len(filed(seen)) == len(before) + 1
    assert daemon.metric("request_lines_total", outcome="new") == len(steps)
    assert daemon.metric("watcher_rescan_found_total") == 0
    measured["the folder itself"] = f"{len(steps)} lists, after it was {', '.join(steps)}"
    assert daemon.stop() == 0
