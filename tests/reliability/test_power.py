"""The power fails at every step: what was not synced is gone, and still nothing is lost, or doubled unsaid.

The folders lie on file systems of the test's own, shut down without a flush; see `power_disk`.  All of them
are on one disk, or each is on its own, where no sync of one folder carries another one along.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Figures
from tests.daemon import Daemon
from tests.fakes.opds_server import FakeCatalogue
from tests.reliability.consumer import Consumer
from tests.reliability.crash_steps import COPYING, DELIVERY, FETCHING, INTAKE, STEPS, SUB_FOLDERS
from tests.reliability.crash_sweep import Sweep
from tests.reliability.crash_wants import List, Wants, shelves
from tests.reliability.power_disk import Disk, disk
from tests.reliability.witness import Seen, witness

_FOLDERS = ("requests", "ingest", "state")
_BOOT = "/proc/sys/kernel/random/boot_id"
_OF_A_SUB_FOLDER = (
    "placed, not in the ledger",
    "in the ledger, not renamed",
    "renamed, the folder not synced",
    "renamed, not DONE",
)
_DOUBT = "the machine went down while this book was handed over"


class PowerSweep(Sweep):
    """Loses the power whenever the daemon is killed; the consumer eats until then."""

    def __init__(
        self,
        disks: list[Disk],
        boot: Path,
        daemon: Daemon,
        wants: Wants,
        catalogue: FakeCatalogue,
        *,
        impatient: bool,
    ) -> None:
        self.careless = False
        """Whether lists are dropped as most programs do it, none of which syncs them."""
        self.returned = 0
        """How many books the consumer's own deletion had not yet taken from the disk."""
        self._disks = disks
        self._boot = boot
        self._opened = ExitStack()
        daemon.under = _booted_as(boot)
        consumer = Consumer(daemon.ingest, wants.is_whole)
        super().__init__(daemon, wants, catalogue, consumer, impatient=impatient)
        self._begin()

    def _begin(self) -> None:
        self._boot.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        self.consumer.restart()
        for name in books_in(self.daemon):
            if name in self.consumer.names:  # its name was on the disk, and that it was eaten was not
                (self.daemon.ingest / name).unlink()
                self.returned += 1
            else:
                self.consumer.saw(Seen("moved_to", name))
        self._opened.enter_context(witness(self.daemon.ingest, self.consumer.saw))

    def drop(self, wanted: List) -> None:
        """Drop a list that is on the disk from the beginning, so that every line has to be answered."""
        if self.careless:
            super().drop(wanted)
            return
        hidden = self.daemon.requests / f".{wanted.name}.tmp"
        hidden.write_text(wanted.text, encoding="utf-8")
        hidden.rename(self.daemon.requests / wanted.name)
        for path in (self.daemon.requests / wanted.name, self.daemon.requests):
            sync(path)

    def left(self) -> list[str]:
        """List the books alone: what else a power cut has left stays until the consumer removes it."""
        return books_in(self.daemon)

    def killed(self) -> None:
        super().killed()
        self.cut()

    def cut(self) -> None:
        """Lose the power, and start the machine again."""
        self._opened.close()
        for each in self._disks:
            each.lose_power()
        for each in self._disks:
            each.renew()
        self._begin()

    def close(self) -> None:
        self._opened.close()


def _booted_as(boot: Path) -> tuple[str, ...]:
    """Run a program so that it finds the machine booted when this file says."""
    other = f"mount --bind '{boot}' {_BOOT} && exec \"$@\""
    return ("unshare", "--mount", "--propagation", "slave", "sh", "-c", other, "sh")


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


@contextmanager
def powered(
    folder: Path, disks: int, most: int, workers: int = 3, sub_folder: str = ""
) -> Iterator[PowerSweep]:
    """Make a daemon whose folders lie on one disk, or each on its own."""
    home = folder / "home"
    home.mkdir()
    with ExitStack() as opened:
        made = [opened.enter_context(disk(folder / f"disk-{number}")) for number in range(disks)]
        for number, name in enumerate(_FOLDERS):
            place = made[number % disks].path / name
            place.mkdir()
            (home / name).symlink_to(place)
            sync(place.parent)
        wants = Wants(folder, most)
        served, catalogue = opened.enter_context(shelves(wants))
        settings = {
            "sources": wants.sources(served, catalogue),
            "formats": ["epub", "pdf"],
            "download": {"workers": workers, "keep_free": 0},
            "naming": {"folder": sub_folder},
        }
        daemon = Daemon(home, settings)
        boot = folder / "boot"
        sweep = PowerSweep(made, boot, daemon, wants, catalogue, impatient=bool(sub_folder))
        opened.callback(sweep.close)
        opened.callback(daemon.close)
        yield sweep


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("disks", [1, 3], ids=["one disk", "a disk for each folder"])
def test_a_power_cut_at_any_step_loses_nothing(
    disks: int, tmp_path: Path, pytestconfig: pytest.Config, figures: Figures
) -> None:
    steps = (*INTAKE, *FETCHING, *(COPYING if disks > 1 else ()), *DELIVERY)
    cuts = pytestconfig.getoption("--kills") // 2
    with powered(tmp_path, disks, 8 * (cuts + 60)) as sweep:
        sweep.run(steps, cuts)
        judge(sweep, f"power cuts, {disks} disks", figures)


@pytest.mark.timeout(24 * 3600)
def test_a_power_cut_loses_nothing_in_sub_folders(
    tmp_path: Path, pytestconfig: pytest.Config, figures: Figures
) -> None:
    cuts = pytestconfig.getoption("--kills") // 40
    with powered(tmp_path, 1, 8 * (cuts + 60), sub_folder="{author}") as sweep:
        sweep.run([*SUB_FOLDERS, *(STEPS[name] for name in _OF_A_SUB_FOLDER)], cuts)
        judge(sweep, "power cuts, books in sub-folders", figures)


def judge(sweep: PowerSweep, name: str, figures: Figures) -> None:
    """See what has come of it: what came twice is what is said to be in doubt."""
    measured = sweep.figures()
    doubled = sweep.consumer.eaten - sweep.wants.expected
    said = {name for each in sweep.wants.lists for name in doubted(sweep.daemon.report(each.name))}
    figures(name, {**measured, "books said to be in doubt": len(said), "back, though eaten": sweep.returned})
    assert sweep.consumer.partial == []
    assert sweep.consumer.foreign == []
    assert sweep.wants.expected - sweep.consumer.eaten == {}
    assert sweep.unsettled() == []
    assert doubled.keys() <= {sweep.consumer.digest_of[name] for name in said}
    assert max(doubled.values(), default=1) == 1


@pytest.mark.timeout(600)
def test_a_book_that_was_eaten_before_its_rename_was_on_the_disk_comes_twice_and_that_is_said(
    tmp_path: Path,
) -> None:
    with powered(tmp_path, disks=3, most=600, workers=1) as sweep:
        sweep.index()
        sweep.kill_at(STEPS["renamed, the folder not synced"])
        (first,) = sweep.consumer.eaten
        sweep.settle()
        assert sweep.consumer.eaten - sweep.wants.expected == {first: 1}
        assert sweep.wants.expected - sweep.consumer.eaten == {}
        (wanted,) = sweep.wants.lists
        (told,) = doubted(sweep.daemon.report(wanted.name))
        assert told == sweep.consumer.names[0] == sweep.consumer.names[1]
        sweep.daemon.start()
        (shown,) = [
            item for item in sweep.daemon.get("/api/history")["items"] if item["delivery"] and item["error"]
        ]
        assert shown["delivery"]["name"] == told
        assert shown["error"].startswith(_DOUBT)
        assert sweep.daemon.stop() == 0


@pytest.mark.timeout(600)
def test_a_list_that_was_taken_is_on_the_disk_though_nobody_had_put_it_there(tmp_path: Path) -> None:
    with powered(tmp_path, disks=3, most=600) as sweep:
        sweep.index()
        sweep.careless = True
        sweep.kill_at(STEPS["parsed, report reserved, not stored"])
        sweep.settle()
        assert sweep.consumer.eaten == sweep.wants.expected


def doubted(report: str) -> set[str]:
    """Give the books of which a report says that they may have come twice."""
    return set(re.findall(rf"-> (.*)\n +{_DOUBT}", report))


def books_in(daemon: Daemon) -> list[str]:
    """List the books in ingest, by their names from there."""
    found = [path for path in daemon.ingest.rglob("*") if path.is_file() and path.suffix != ".uploading"]
    return sorted(str(path.relative_to(daemon.ingest)) for path in found)
