"""How long it takes to verify EPUBs of a real book's size, beside what only tests their checksums.

The peers: `unzip -tqq` (a process a file, where it is installed) and the standard library's own
`ZipFile.testzip`, which parse nothing.  Sixteen threads show what the interpreter lock leaves of two cores.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bookhopper.verify import verify
from tests import books

ROUNDS = 5
FILES = 100
THREADS = 16

Way = Callable[[Sequence[Path]], list[float]]
"""Goes through all files and gives the seconds that each one took."""


def one_by_one(step: Callable[[Path], None]) -> Way:
    def go(paths: Sequence[Path]) -> list[float]:
        seconds = []
        for path in paths:
            start = time.perf_counter()
            step(path)
            seconds.append(time.perf_counter() - start)
        return seconds

    return go


def together(step: Callable[[Path], None]) -> Way:
    def go(paths: Sequence[Path]) -> list[float]:
        with ThreadPoolExecutor(THREADS) as pool:
            start = time.perf_counter()
            list(pool.map(step, paths))
            return [(time.perf_counter() - start) / len(paths)] * len(paths)

    return go


def by_bookhopper(path: Path) -> None:
    verdict = verify(path, "epub")
    if not verdict.ok:
        raise AssertionError(verdict.reason)


def by_testzip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise AssertionError(path)


def by_unzip(path: Path) -> None:
    subprocess.run(["unzip", "-tqq", path], check=True, stdout=subprocess.DEVNULL)


def ways() -> dict[str, Way]:
    found = {
        "bookhopper": one_by_one(by_bookhopper),
        "ZipFile.testzip": one_by_one(by_testzip),
        f"bookhopper, {THREADS} threads": together(by_bookhopper),
        f"ZipFile.testzip, {THREADS} threads": together(by_testzip),
    }
    if shutil.which("unzip"):
        found["unzip -tqq"] = one_by_one(by_unzip)
    return found


def run(data: Path) -> int | None:
    """Print the table; the files are built here, so `data` is not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{n}.epub") for n in range(FILES)]
        for n, path in enumerate(paths):
            path.write_bytes(books.real_sized_epub(400, n))
        size = sum(path.stat().st_size for path in paths)
        times: dict[str, list[list[float]]] = {name: [] for name in ways()}
        for _ in range(ROUNDS):
            for name, way in ways().items():
                times[name].append(way(paths))
    print(f"verify: {FILES} EPUBs of {size // FILES // 1024} KiB, medians of {ROUNDS}")
    print(f"{'':32}{'ms per EPUB (p50)':>20}{'MB/s':>10}")
    for name, rounds in times.items():
        milliseconds = 1000 * statistics.median(statistics.median(seconds) for seconds in rounds)
        speed = size / 1e6 / statistics.median(sum(seconds) for seconds in rounds)
        print(f"{name:32}{milliseconds:20.2f}{speed:10.0f}")
    return None


if __name__ == "__main__":
    sys.exit(run(Path()))
