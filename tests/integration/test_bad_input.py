"""Bad input gets a clear error and loses nothing: the cases that a want-list folder meets."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bookhopper.intake import names
from bookhopper.intake.base import Limits
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.taking import Again, Filed, Taker
from bookhopper.model import State
from bookhopper.store.queries import LineNote
from bookhopper.store.sqlite import SqliteStore
from tests.requests_folder import running_intake
from tests.waiting import until


def _write(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)


def _outside(path: Path) -> None:
    path.symlink_to("/etc/hostname")


BOMB = b"- &a0 [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"- &a%d [%s]\n" % (n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)
)

REFUSED = [
    ("empty.txt", _write(b""), "line 1, column 1: there is no want in it"),
    (
        "binary.txt",
        _write(b"\x7fELF\0\0\x01"),
        r"line 1, column \d+: not a text file \(a NUL at byte offset 4\)",
    ),
    ("picture.list", _write(b"\x89PNG\r\n\x1a\n\0"), "line 1, column 1: not UTF-8 text .*byte offset 0"),
    ("huge.txt", _sparse, "line 1, column 1: 100,000,000 bytes, more than 20,000,000; split the list"),
    ("bomb.yaml", _write(BOMB), "line 4, column 40: too many alias expansions"),
    ("latin1.txt", _write("Emma\nPère\n".encode("latin-1")), "line 2, column 2: not UTF-8 .*byte offset 6"),
    ("broken.yaml", _write(b"- Emma\n- {title: [x\n"), "line 3, column 1: not YAML"),
    ("tagged.yml", _write(b"!!python/object/apply:os.system [id]\n- x"), r"line \d+, column \d+: "),
    ("books.odt", _write(b"title,author\n"), r"names of lists end in .*\.csv .*\.txt .*\.yaml \.yml"),
    ("books.csv", _write(b"notes\nx\n"), "line 1, column 1: the column .notes. is not known"),
    ("no suffix", _write(b"Emma\n"), "no list by its name"),
    ("link.txt", _outside, "symbolic link"),
]


@pytest.mark.parametrize(("name", "make", "reason"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused_with_place_and_reason(
    name: str, make: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    """The file lies in rejected/ with the answer beside it, nothing was stored, and intake goes on."""
    with running_intake(tmp_path) as intake:
        make(intake.path / name)
        assert re.search(reason, intake.error(name)), intake.error(name)
        until(lambda: len(intake.taken) == 1)
        assert os.path.lexists(intake.path / "rejected" / name)
        assert not os.path.lexists(intake.path / name)
        (intake.path / "good.txt").write_text("Emma\n")
        intake.accepted("good.txt")
        assert intake.wanted() == 1
        assert intake.names() == ["accepted", "rejected", "reports"]
        assert intake.names("reports") == ["good.txt.report.txt"]


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


NO_FILES = [
    ("link.txt", _outside),
    ("dangling.txt", lambda path: path.symlink_to("nowhere")),
    ("folder.txt", Path.mkdir),
    ("full.txt", lambda path: (path / "inner").mkdir(parents=True)),
    ("socket.txt", _socket),
    ("pipe.txt", os.mkfifo),
]


@pytest.mark.parametrize(("name", "make"), NO_FILES, ids=[case[0] for case in NO_FILES])
def test_no_file_under_a_private_name_is_refused(
    name: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requests").mkdir()
    monkeypatch.chdir(tmp_path / "requests")  # the path of a socket has to be short
    make(Path(names.private_name(name)))
    with running_intake(tmp_path) as intake:
        assert "not a regular file" in intake.error(name)
        until(lambda: len(intake.taken) == 1)
        assert os.path.lexists(intake.path / "rejected" / name)
        assert intake.names() == ["rejected"]


@pytest.mark.parametrize(("name", "make"), NO_FILES, ids=[case[0] for case in NO_FILES])
def test_what_takes_a_file_s_place_between_look_and_rename_is_refused(
    name: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = tmp_path / "requests"
    requests.mkdir()
    monkeypatch.chdir(requests)
    real = RequestFolder.rename

    def late(folder: RequestFolder, old: str, new: str) -> None:
        Path(old).unlink()
        make(Path(old))
        real(folder, old, new)

    monkeypatch.setattr(RequestFolder, "rename", late)
    with running_intake(tmp_path) as intake:
        Path(f".{name}").write_text("Emma\n")
        Path(f".{name}").replace(name)
        assert "not a regular file" in intake.error(name)
        until(lambda: len(intake.taken) == 1)
        assert os.path.lexists(intake.path / "rejected" / name)
        assert intake.names() == ["rejected"]
        assert intake.wanted() == 0


def test_a_link_that_takes_a_file_s_place_before_it_is_read_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("Outside\n")
    folder = RequestFolder(tmp_path)
    real = RequestFolder.read

    def late(folder: RequestFolder, name: str, limit: int) -> object:
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to(outside)
        return real(folder, name, limit)

    monkeypatch.setattr(RequestFolder, "read", late)
    (tmp_path / "list.txt").write_text("Emma\n")
    store = SqliteStore(tmp_path / "queue.sqlite", lambda _: None)
    taker = Taker(folder, store)
    again = taker.take("list.txt")
    assert isinstance(again, Again)
    assert taker.take(again.name) is None
    assert store.counts()[State.WANTED] == 0
    store.close()
    assert (tmp_path / "rejected" / "list.txt").is_symlink()
    assert "not a regular file" in (tmp_path / "rejected" / "list.txt.error.txt").read_text()
    assert outside.read_text() == "Outside\n"


STAYS = [
    ("x.yaml", Path.mkdir, "this is a directory"),
    ("pipe.txt", os.mkfifo, "this is a FIFO"),
]


@pytest.mark.parametrize(("name", "make", "reason"), STAYS, ids=[case[0] for case in STAYS])
def test_what_is_no_file_stays_and_is_answered_once(
    name: str, make: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    with running_intake(tmp_path) as intake:
        make(intake.path / name)
        assert reason in intake.error(name)
        (intake.path / "good.txt").write_text("Emma\n")
        intake.accepted("good.txt")
        scanned = intake.watcher.last_scan
        intake.watcher.rescan()
        until(lambda: intake.watcher.last_scan > scanned)
        (intake.path / "better.txt").write_text("Dune\n")
        intake.accepted("better.txt")
        assert (intake.path / name).exists()
        assert sum(taken.intake is None for taken in intake.taken) == 1


def test_a_link_inside_the_folder_is_refused_too_and_its_goal_taken(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        (intake.path / "real.txt").write_text("Emma\n")
        (intake.path / "alias.txt").symlink_to("real.txt")
        assert "symbolic link" in intake.error("alias.txt")
        intake.accepted("real.txt")
        assert (intake.path / "rejected" / "alias.txt").is_symlink()


def test_folders_of_ours_that_lead_elsewhere_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "accepted").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "requests" / "list.txt").write_text("Emma\n")
    store = SqliteStore(tmp_path / "queue.sqlite", lambda _: None)
    again = Taker(RequestFolder(tmp_path / "requests"), store).take("list.txt")
    store.close()
    assert again is not None
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "requests" / again.name).read_text() == "Emma\n"


UNREADABLE = """
import os, sys
from pathlib import Path
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.path[:0] = sys.argv[2:]
from tests.requests_folder import running_intake
from tests.waiting import until
with running_intake(Path(sys.argv[1])) as intake:
    path = intake.path / "secret.txt"
    path.write_text("Emma\\n")
    path.chmod(0)
    assert "may not read" in intake.error("secret.txt")
    assert path.exists()
    path.chmod(0o600)
    intake.accepted("secret.txt")
    assert intake.names("rejected") == []
    assert sum(taken.intake is None for taken in intake.taken) == 1
"""


def test_unreadable_file_stays_and_is_taken_once_it_can_be_read(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """In a process of its own without root's rights, for whom no file is unreadable."""
    folder = tmp_path_factory.mktemp("unreadable")
    ours = [path for path in folder.parents if path.name.startswith(("pytest-", "popen-"))]
    for path in (folder, *ours):
        path.chmod(0o777 if path == folder else 0o755)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(UNREADABLE), str(folder), str(root), str(root / "daemon")],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    if "PermissionError" in done.stderr and "site-packages" in done.stderr:
        pytest.skip("the installed packages cannot be read without root's rights here")
    assert done.returncode == 0, done.stderr


def test_100_000_lines(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        text = "".join(f"Title {number} — Author {number % 977}\n" for number in range(100_000))
        (intake.path / "long.txt").write_text(text)
        intake.accepted("long.txt")
        assert intake.wanted() == 100_000


def test_too_many_lines(tmp_path: Path) -> None:
    with running_intake(tmp_path, limits=Limits(lines=1000)) as intake:
        (intake.path / "long.txt").write_text("Emma\n" * 1001)
        assert "line 1001, column 1: 1,001 lines, more than 1,000" in intake.error("long.txt")
        assert intake.wanted() == 0


@pytest.mark.parametrize(
    "line", ["x" * 1_000_000, "—!?…", "978-963-543-443-4"], ids=["1 MB", "punctuation", "ISBN"]
)
def test_a_bad_line_leaves_the_others_alone(line: str, tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        (intake.path / "list.txt").write_text(f"Emma\n{line}\nDune\n")
        intake.accepted("list.txt")
        assert intake.wanted() == 2
        lines = [line for line, _ in intake.store.lines(1)]
        assert [(line.number, line.column, line.note) for line in lines] == [
            (1, 1, LineNote.NEW),
            (2, 1, LineNote.BAD),
            (3, 1, LineNote.NEW),
        ]
        assert lines[1].reason
        assert len(lines[1].raw) <= 201


def test_a_file_that_is_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file under the old name is another request; the one in hand is read as it was."""
    read = RequestFolder.read

    def replace_meanwhile(self: RequestFolder, name: str, limit: int) -> object:
        monkeypatch.setattr(RequestFolder, "read", read)
        (tmp_path / "requests" / "other.tmp").write_text("Dune\n")
        (tmp_path / "requests" / "other.tmp").rename(tmp_path / "requests" / "list.txt")
        return read(self, name, limit)

    monkeypatch.setattr(RequestFolder, "read", replace_meanwhile)
    with running_intake(tmp_path) as intake:
        (intake.path / "list.txt").write_text("Emma\n")
        until(lambda: len(intake.taken) == 2)
        texts = {path.name: path.read_text() for path in (intake.path / "accepted").iterdir()}
        assert texts == {"list.txt": "Emma\n", "list (2).txt": "Dune\n"}


def test_a_file_that_grows_while_it_is_read_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "list.txt").write_text("Emma\n")
    store = SqliteStore(tmp_path / "queue.sqlite", lambda _: None)
    taker = Taker(RequestFolder(tmp_path / "requests"), store)
    os_read, grown = os.read, iter([b"Dune\n"])

    def grow(handle: int, size: int) -> bytes:
        for more in grown:
            (leftover,) = (tmp_path / "requests").glob(".bookhopper-*")
            with leftover.open("ab") as file:
                file.write(more)
        return os_read(handle, size)

    monkeypatch.setattr(os, "read", grow)
    again = taker.take("list.txt")
    monkeypatch.undo()
    assert again == Again(again.name if again else "", None)
    assert store.counts()[State.WANTED] == 0
    assert again is not None
    assert isinstance(taker.take(again.name), Filed)
    assert store.counts()[State.WANTED] == 2
    store.close()


def test_a_file_that_vanishes_is_no_error(tmp_path: Path) -> None:
    with running_intake(tmp_path, settle=0.3) as intake:
        (intake.path / "gone.txt").write_text("Emma\n")
        (intake.path / "gone.txt").unlink()
        (intake.path / "here.txt").write_text("Dune\n")
        intake.accepted("here.txt")
        assert [taken.name for taken in intake.taken] == ["here.txt"]


def test_names_of_any_bytes_are_filed_under_their_own(tmp_path: Path) -> None:
    with running_intake(tmp_path) as intake:
        name = os.fsdecode(b"caf\xe9.txt")
        (intake.path / name).write_text("Emma\n")
        until(lambda: intake.taken)
        assert intake.taken[0].name == "caf�.txt"
        assert (intake.path / "accepted" / name).exists()
        assert time.time() - (intake.path / "reports" / "caf�.txt.report.txt").stat().st_mtime < 60
