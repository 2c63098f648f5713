from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper import power_cut
from bookhopper.durable import make_folder, write_file
from bookhopper.power_cut import PowerCut
from tests.queues import Queue


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the kernel names its start."""
    path = tmp_path / "boot_id"
    path.write_text("first\n")
    monkeypatch.setattr(power_cut, "_BOOT", path)
    return path


def test_a_kill_is_no_power_cut(queue: Queue, boot: Path) -> None:
    first = PowerCut(queue.store)
    first.begun()
    assert not first.noticed
    assert not PowerCut(queue.store).noticed


def test_another_boot_after_a_run_without_an_end_is_one(queue: Queue, boot: Path) -> None:
    PowerCut(queue.store).begun()
    boot.write_text("second\n")
    assert PowerCut(queue.store).noticed
    second = PowerCut(queue.store)
    assert second.noticed, "as long as nobody has taken up what was left"
    second.ended()
    assert PowerCut(queue.store).noticed, "a start that came to nothing ends nothing"
    second.begun()
    assert not PowerCut(queue.store).noticed


def test_another_boot_after_an_orderly_end_is_none(queue: Queue, boot: Path) -> None:
    power = PowerCut(queue.store)
    power.begun()
    power.ended()
    boot.write_text("second\n")
    assert not PowerCut(queue.store).noticed


def test_a_system_that_names_no_boot_knows_of_no_power_cut(queue: Queue, boot: Path) -> None:
    boot.unlink()
    for _ in range(2):
        power = PowerCut(queue.store)
        assert not power.noticed
        power.begun()


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("a longer one", "ü"):
        write_file(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    make_folder(deep)
    make_folder(deep)
    assert deep.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "below")
