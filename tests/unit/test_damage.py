"""The copy of a damaged database: whole or none, one for each damage."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from bookhopper.errors import DamagedError
from bookhopper.store.damage import damaged


def said(path: Path) -> str:
    return str(damaged(path, DamagedError("damaged")))


def test_each_damage_has_a_copy_and_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    for content, name in ((b"first", "queue.db.damaged"), (b"second one", "queue.db.damaged-2")):
        path.write_bytes(content)
        for _ in range(2):
            assert f"a copy of it lies in {tmp_path / name}:" in said(path)
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / "queue.db.damaged").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_copy_that_was_cut_short_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"a database")

    def full(source: Path, goal: Path) -> Any:
        goal.write_bytes(b"a da")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copy2", full)
        assert "a copy of it" not in said(path)
    assert list(tmp_path.iterdir()) == [path]
    assert f"a copy of it lies in {tmp_path / 'queue.db.damaged'}:" in said(path)
    assert (tmp_path / "queue.db.damaged").read_bytes() == b"a database"
