"""500 books of 400 KB: downloaded, hashed, verified, fsynced, delivered, beside curl that only downloads.

Once by 16 workers from a server that takes 50 ms to its first byte, once by 4 workers from bare nginx (where
it is installed).  Ours and curl's runs alternate, so that both meet the same noise.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bookhopper.acquire import Acquire
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.download import Downloader
from bookhopper.model import Candidate, Change, State, Want
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.part import Limits
from bookhopper.search.sources.registry import Opener, SourceSet
from bookhopper.store.base import Move, NewRequest, Wish
from bookhopper.store.sqlite import SqliteStore
from bookhopper.worker import Pool
from tests.books import real_sized_epub

ROUNDS = 5
BOOKS = 500
KIB = 400
FIRST_BYTE_SECONDS = 0.05
_DEADLINE_SECONDS = 120.0


def run(data: Path) -> int | None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        books = root / "books"
        books.mkdir()
        for number in range(BOOKS):
            (books / f"{number}.epub").write_bytes(real_sized_epub(KIB, number))
        with _slow_server(books) as url:
            _compare(f"16 workers, {FIRST_BYTE_SECONDS * 1000:.0f} ms to the first byte", url, 16, 1.1, root)
        if shutil.which("nginx") is None:
            print("4 workers from nginx: skipped, nginx is not installed")
            return None
        with _nginx(books, root) as url:
            _compare("4 workers, bare nginx", url, 4, 4.0, root)
    return None


def _compare(name: str, url: str, workers: int, budget: float, root: Path) -> None:
    ours, theirs, ratios = [], [], []
    for number in range(ROUNDS + 1):
        mine, peer = _bookhopper(url, workers, root), _curl(url, workers, root)
        if number:  # the first round warms the caches
            ours.append(mine)
            theirs.append(peer)
            ratios.append(mine / peer)
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"{name}: bookhopper {mine:.2f} s, curl --parallel {peer:.2f} s")
    print(f"ratio {statistics.median(ratios):.2f} (budget: at most {budget})")


def _bookhopper(url: str, workers: int, root: Path) -> float:
    """Time from the first claim to the last delivery."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        home = Path(folder)
        for name in ("parts", "ingest"):
            (home / name).mkdir()
        done = _Countdown(BOOKS)
        store = SqliteStore(home / "queue.db", done.hear)
        _queue(store, url)
        web = Web(new_session(Route(allowed={"127.0.0.1"})), Hosts(local={url.removeprefix("http://")}))
        sources = SourceSet((), web.hosts, {}, {"bench": web})
        downloader = Downloader(Opener(sources, (10.0, 30.0)), Limits(2**30, 0), {})
        ingest = IngestFolder(home / "ingest", mode=0o664, require_mount=True)
        deliverer = Deliverer(store, ingest, home / "parts")
        acquire = Acquire(store, downloader, deliverer, parts=home / "parts", formats=["epub"])
        pool = Pool(store, State.QUEUED, acquire, size=workers, attempts=1)
        begun = time.perf_counter()
        pool.start()
        done.wait()
        seconds = time.perf_counter() - begun
        pool.stop()
        pool.join(time.monotonic() + 10)
        deliverer.close()
        store.close()
        assert len(list((home / "ingest").iterdir())) == BOOKS
        return seconds


class _Countdown:
    """Waits until so many jobs are DONE."""

    def __init__(self, number: int) -> None:
        self._left = number

    def hear(self, change: Change) -> None:
        if change.after is State.DONE:
            self._left -= 1
        assert change.after is not State.FAILED, change.reason

    def wait(self) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self._left and time.monotonic() < deadline:
            time.sleep(0.002)
        assert not self._left


def _queue(store: SqliteStore, url: str) -> None:
    wishes = (
        Wish(Want(title=f"Book {number}", line=number, raw=f"Book {number}"), number.to_bytes(16, "big"))
        for number in range(BOOKS)
    )
    store.add_request(NewRequest("bench", "bench.txt", "", "bench"), wishes)
    for number in range(BOOKS):
        job = store.claim(State.WANTED)
        assert job is not None
        candidate = Candidate(
            "bench", str(number), f"Book {number}", format="epub", urls=(f"{url}/{number}.epub",)
        )
        store.move(Move(job.id, State.SEARCHING, State.QUEUED, candidates=(candidate,)))


def _curl(url: str, workers: int, root: Path) -> float:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        command = [
            "curl",
            "--silent",
            "--fail",
            "--parallel",
            "--parallel-max",
            str(workers),
            "--output",
            "#1.epub",
        ]
        begun = time.perf_counter()
        subprocess.run(
            [*command, f"{url}/[0-{BOOKS - 1}].epub"], cwd=folder, check=True, stderr=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - begun
        assert len(list(Path(folder).iterdir())) == BOOKS
        return seconds


@contextmanager
def _served(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _await(lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _slow_server(books: Path) -> AbstractContextManager[str]:
    port = _free_port()
    return _served([sys.executable, "-m", "tests.bench.slow_server", str(books), str(port)], port)


def _nginx(books: Path, root: Path) -> AbstractContextManager[str]:
    port = _free_port()
    config = root / "nginx.conf"
    config.write_text(
        f"""{_as_root()}daemon off; pid {root}/nginx.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; client_body_temp_path {root}/a; proxy_temp_path {root}/b;
  fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
  server {{ listen 127.0.0.1:{port}; root {books}; }}
}}
"""
    )
    return _served(["nginx", "-c", str(config)], port)


def _as_root() -> str:
    """Let nginx read what only root may: it would else serve as a user of its own."""
    return "user root; " if os.geteuid() == 0 else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(run(Path()))
