"""Folders that go away, turn read-only or come back as others: books and lists wait for them."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from tests.reliability.faults_home import Home, disk

_SIZE = 16_000_000


def test_an_ingest_folder_that_turns_read_only(tmp_path: Path, stack: ExitStack) -> None:
    base = tmp_path / "home"
    base.mkdir()
    ingest = stack.enter_context(disk(base / "ingest", _SIZE))
    home = Home(base, stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    ingest.remount("ro")
    home.wish(2)
    home.await_said(r"downloading waits: the ingest folder .* cannot be written to: give bookhopper's user")
    ingest.remount("rw")
    home.await_all()
    assert len(home.said("downloading waits: ")) == 1
    home.await_said("going on: it is over that the ingest folder")
    home.end()


def test_an_ingest_folder_that_is_unmounted_and_comes_back(tmp_path: Path, stack: ExitStack) -> None:
    base = tmp_path / "home"
    base.mkdir()
    ingest = stack.enter_context(disk(base / "ingest", _SIZE))
    home = Home(base, stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    (eaten,) = home.daemon.ingest.iterdir()
    ingest.unmount()
    home.wish(2)
    home.await_said(r"downloading waits: the ingest folder is another than it was .* mount it again")
    assert home.daemon.delivered() == []
    home.daemon.kill()
    home.daemon.start()  # nor does a daemon that starts meanwhile take what lies beneath for ingest
    home.await_said(r"books will wait: the ingest folder is another than it was")
    assert home.daemon.delivered() == []
    ingest.mount()
    eaten.write_bytes(home.contents[home.wished[0]])
    home.await_all()
    home.end()


def test_a_requests_folder_that_is_deleted_and_made_again(tmp_path: Path, stack: ExitStack) -> None:
    home = Home(tmp_path / "home", stack)
    home.daemon.start()
    home.wish()
    home.await_all()
    go = home.hold_next()
    home.wish()
    home.await_asked()
    shutil.rmtree(home.daemon.requests)
    home.await_said(r"the requests folder .* is gone: create it, or mount it again")
    go.set()
    home.await_said("reports cannot be written: No such file or directory; trying again")
    home.daemon.requests.mkdir()
    home.await_said("watching .* again")
    home.wish()
    home.await_all(first_answered=1)  # what was settled and deleted is not written again
    home.end()
