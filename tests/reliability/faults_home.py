"""A daemon, a shelf of books that it may fetch, and what must hold once a fault is over."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import books
from tests.daemon import Daemon
from tests.fakes.faulty import Answer, after, faulty, rest, whole
from tests.reliability.faults_impatient import MODULE
from tests.waiting import until

BOOK_BYTES = 300_000
_NAMES = ("Amber", "Birch", "Cedar", "Dahlia", "Elder", "Fern", "Ginkgo", "Hazel", "Iris", "Juniper")
_ENTRY = """<entry><id>urn:{0}</id><title>The {0} Voyage</title><author><name>{0} Sailor</name></author>
<link rel="http://opds-spec.org/acquisition/open-access" type="application/epub+zip" href="/{0}.epub"/>
</entry>"""
_FEED = '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>Books</title>{}</feed>'
_OURS = re.compile(r"Traceback|fault of bookhopper|fault in bookhopper|fault of its own|Logging error")


class Home:
    """The daemon's folders, and the books that were wished for so far, each in a list of its own."""

    def __init__(self, folder: Path, stack: ExitStack, **settings: Any) -> None:
        self.stack = stack
        self.server = stack.enter_context(faulty())
        self.contents = {name: _content(name) for name in _NAMES}
        feed = _FEED.format("".join(_ENTRY.format(name) for name in _NAMES)).encode()
        url = self.server.at("/opds", whole(feed, Content_Type="application/atom+xml;profile=opds-catalog"))
        for name, content in self.contents.items():
            self.server.at(f"/{name}.epub", rest(content, ETag=f'"{name}"'))
        source = {"kind": "opds", "url": url}
        download = {"keep_free": 0, "workers": 2, "timeout": "5 s"}
        folder.mkdir(exist_ok=True)
        self.daemon = Daemon(folder, {"sources": [source], "download": download, **settings})
        self.daemon.program = ("-m", MODULE)
        self.wished: list[str] = []
        stack.callback(self.daemon.close)

    def prepare(self, number: int = 1) -> list[tuple[Path, Path]]:
        """Write a list for each of so many further books, hidden until `drop` renames it."""
        begun = len(self.wished)
        self.wished += _NAMES[begun : begun + number]
        prepared = []
        for name in self.wished[begun:]:
            hidden = self.daemon.requests / f".{name}.tmp"
            hidden.write_text(f"The {name} Voyage — {name} Sailor\n", encoding="utf-8")
            prepared.append((hidden, self.daemon.requests / f"{name}.txt"))
        return prepared

    def wish(self, number: int = 1) -> None:
        """Drop a list for each of so many further books."""
        for hidden, visible in self.prepare(number):
            hidden.rename(visible)

    def hold_next(self) -> threading.Event:
        """Keep the next book's file back until the event is set."""
        name, go = _NAMES[len(self.wished)], threading.Event()
        self.server.at(f"/{name}.epub", after(go, rest(self.contents[name], ETag=f'"{name}"')))
        self.stack.callback(go.set)
        return go

    def answer_next(self, first: Answer) -> None:
        """Let the first answer for the next book's file be another one."""
        name = _NAMES[len(self.wished)]
        self.server.at(f"/{name}.epub", first, rest(self.contents[name], ETag=f'"{name}"'))

    def await_asked(self) -> None:
        """Wait until the server was asked for the file of the latest wish."""
        path = f"/{self.wished[-1]}.epub"
        until(lambda: path in [asked.path for asked in self.server.asked], lambda: self.daemon.log)

    def await_said(self, pattern: str) -> None:
        """Wait until the log has a line like this."""
        until(
            lambda: re.search(pattern, self.daemon.log), lambda: f"a line with {pattern}\n{self.daemon.log}"
        )

    def said(self, pattern: str) -> list[str]:
        """List the lines of the log that are like this."""
        return [line for line in self.daemon.log.splitlines() if re.search(pattern, line)]

    def await_trouble(self, known: int) -> None:
        """Wait until a warning follows after so many characters of log, or nothing is left to deliver.

        The HTTP server is not asked, for the trouble may be its own.
        """
        until(
            lambda: "WARNING" in self.daemon.log[known:] or len(self.daemon.delivered()) == len(self.wished),
            lambda: self.daemon.log,
        )

    def await_all(self, first_answered: int = 0) -> None:
        """Wait until every book is delivered, once and whole, and the lists from one on are answered."""
        until(self._all_done, lambda: f"{len(self.wished)} books\n{self._state()}\n{self.daemon.log}")
        for name in self.wished[first_answered:]:
            report = f"{name}.txt"
            until(lambda r=report: _says_done(self.daemon.report(r)), lambda r=report: self.daemon.report(r))  # type: ignore[misc]
        self.check()

    def check(self) -> None:
        """Hold ingest, ledger and log against what was wished for."""
        expected = {f"The {name} Voyage - {name} Sailor.epub": self.contents[name] for name in self.wished}
        assert sorted(expected) == self.daemon.delivered()
        for name, content in expected.items():
            assert (self.daemon.ingest / name).read_bytes() == content, name
        assert not _OURS.findall(self.daemon.log), self.daemon.log

    def _lists(self) -> list[str]:
        return [path.name for path in self.daemon.requests.iterdir() if path.is_file()]

    def end(self) -> None:
        """Stop the daemon and look into what it leaves behind."""
        # a list whose filing failed is filed by itself, some seconds after its books have come
        until(
            lambda: not self._lists(), lambda: f"every list to be filed: {self._lists()}\n{self.daemon.log}"
        )
        assert self.daemon.stop() == 0
        assert not _OURS.findall(self.daemon.log), self.daemon.log
        with closing(sqlite3.connect(self.daemon.state / "queue.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows = database.execute("SELECT count(*), count(DISTINCT sha256), count(done_at) FROM ledger")
            assert rows.fetchone() == (len(self.wished),) * 3
        assert self._lists() == []
        assert [path.name for path in (self.daemon.state / "parts").glob("*.part")] == []

    def _all_done(self) -> bool:
        with suppress(OSError):
            return self.daemon.counts() == {"done": len(self.wished)}
        return False

    def _state(self) -> Mapping[str, Any]:
        with suppress(OSError):
            return {"counts": self.daemon.counts(), "ingest": self.daemon.delivered()}
        return {}


def _content(name: str) -> bytes:
    plate = books.jpeg(BOOK_BYTES, len(name) + ord(name[0]))
    return books.epub(f"The {name} Voyage", f"{name} Sailor", files={"OEBPS/plate.jpg": plate})


def _says_done(report: str) -> bool:
    return "1 delivered" in report and "Everything on this list is settled" in report


class Disk:
    """A small file system in memory, mounted at a folder."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._ballast = path / ".ballast"
        path.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """Mount it, empty; skips the test where that is not allowed."""
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self._size}", "bookhopper-test", str(self.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"nothing may be mounted here: {made.stderr.strip()}")

    def remount(self, mode: str) -> None:
        """Make it read-only (`ro`) or writable (`rw`)."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True)

    def unmount(self) -> None:
        """Take it away, with what is on it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def fill(self, leave: int = 0) -> None:
        """Write until so many bytes are free."""
        free = os.statvfs(self.path)
        room = free.f_bavail * free.f_frsize - leave
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room))

    def make_room(self) -> None:
        """Take away what `fill` has written."""
        self._ballast.unlink()


@contextmanager
def disk(path: Path, size: int) -> Iterator[Disk]:
    """Mount a small disk for the block."""
    made = Disk(path, size)
    try:
        yield made
    finally:
        while os.path.ismount(path):
            made.unmount()
