"""Which mount a path lies on, by tables as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper import mounts
from bookhopper.mounts import Mount, birth_mark, mount_of

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
40 22 0:50 / /mnt/books rw,relatime shared:9 master:1 - cifs //nas/my\040books rw
41 22 0:51 / /mnt/books/in\040here rw - fuse.sshfs me@host: rw
42 22 0:52 / /mnt/old rw - ext4 /dev/sda1 rw
43 22 0:53 / /mnt/old rw - nfs4 nas:/x rw
44 22 0:54 / /mnt/a\134b rw - tmpfs tmpfs rw
"""


@pytest.fixture
def _table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "mountinfo"
    place.write_text(TABLE)
    monkeypatch.setattr(mounts, "_TABLE", place)


@pytest.mark.usefixtures("_table")
@pytest.mark.parametrize(
    ("path", "point", "fstype", "network"),
    [
        ("/", "/", "ext4", False),
        ("/home/x", "/", "ext4", False),
        ("/mnt/books", "/mnt/books", "cifs", True),
        ("/mnt/books/a/b", "/mnt/books", "cifs", True),
        ("/mnt/bookshelf", "/", "ext4", False),
        ("/mnt/books/in here/x", "/mnt/books/in here", "fuse.sshfs", True),
        ("/mnt/old/x", "/mnt/old", "nfs4", True),
        ("/mnt/a\\b/c", "/mnt/a\\b", "tmpfs", False),
    ],
)
def test_the_longest_and_last_mount_counts(path: str, point: str, fstype: str, network: bool) -> None:
    found = mount_of(Path(path))
    assert (found.point, found.fstype, found.is_network) == (point, fstype, network)


@pytest.mark.usefixtures("_table")
def test_a_mount_is_named() -> None:
    assert str(mount_of(Path("/mnt/books/x"))) == "//nas/my books (cifs) on /mnt/books"


def test_without_a_table_it_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_TABLE", tmp_path / "nope")
    assert mount_of(tmp_path) == Mount("/", "unknown", "unknown")


def test_this_machine_s_own_table() -> None:
    assert mount_of(Path("/proc/self")).fstype == "proc"


def test_a_folder_keeps_its_mark_and_a_new_one_has_another(tmp_path: Path) -> None:
    folder = tmp_path / "ingest"
    marks = set()
    for _ in range(3):
        folder.mkdir()
        mark = birth_mark(folder)
        (folder / "book").touch()
        (folder / "book").unlink()
        assert birth_mark(folder.rename(tmp_path / "moved")) == mark
        marks.add(mark)
        (tmp_path / "moved").rmdir()
    assert len(marks) == 3


def test_without_a_time_of_birth_there_is_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_libc", object())
    assert birth_mark(tmp_path) == ""
