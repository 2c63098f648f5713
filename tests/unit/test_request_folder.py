from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper.intake.folder import RequestFolder


@pytest.fixture
def folder(tmp_path: Path) -> RequestFolder:
    (tmp_path / "list.txt").write_text("Emma\n")
    (tmp_path / "accepted").mkdir()
    (tmp_path / "reports").mkdir()
    return RequestFolder(tmp_path)


def test_a_file_is_filed_over_the_empty_one_that_a_crash_left_and_over_no_other(
    folder: RequestFolder,
) -> None:
    accepted = folder.path / "accepted"
    (accepted / "list.txt").write_text("Dune\n")
    (accepted / "list (2).txt").touch()
    assert folder.file_away("list.txt", "accepted", "list.txt") == "list (2).txt"
    assert (accepted / "list (2).txt").read_text() == "Emma\n"
    assert (accepted / "list.txt").read_text() == "Dune\n"


def test_a_link_is_nobodys_empty_file(folder: RequestFolder) -> None:
    (folder.path / "accepted" / "list.txt").symlink_to("/dev/null")
    assert folder.file_away("list.txt", "accepted", "list.txt") == "list (2).txt"


@pytest.mark.parametrize("left", ["", "reading (1)\n", "reading (1)\nmore\n"])
def test_a_name_is_reserved_over_what_an_earlier_try_left(folder: RequestFolder, left: str) -> None:
    (folder.path / "reports" / "a.txt").write_text(left)
    assert folder.reserve("reports", "a", ".txt", "reading (1)\n") == "a.txt"
    assert (folder.path / "reports" / "a.txt").read_text().startswith("reading (1)\n")
    assert folder.reserve("reports", "a", ".txt", "reading (2)\n") == "a (2).txt"
