"""Intake: 100,000 wants from bytes to a durable commit, beside the least that anybody could do."""

from __future__ import annotations

import gc
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import yaml

from bookhopper.intake.parse import parse
from bookhopper.intake.report import render
from bookhopper.model import BadLine, Want
from bookhopper.search.normalise import identity
from bookhopper.store.base import NewRequest, Wish
from bookhopper.store.sqlite import SqliteStore

LINES = 100_000
RUNS = 5
BUDGET = 2.0


def run(data: Path) -> int:
    """Print the figures; 0."""
    titles = _titles(data)
    text = "".join(f"{title} {number} — {author}\n" for number, (title, author) in enumerate(titles)).encode()
    mappings = "".join(
        f"- title: {json.dumps(f'{title} {number}')}\n  author: {json.dumps(author)}\n  year: 1925\n"
        for number, (title, author) in enumerate(titles)
    ).encode()
    print(f"intake: {LINES:,} wants, medians of {RUNS}")
    _report("text lines", "list.txt", text, f" (budget {BUDGET} s)")
    _report("YAML mappings", "list.yaml", mappings, "")
    rows = [(number, want.raw, want.title) for number, want in enumerate(_wants("list.txt", text))]
    print(f"  peer: one executemany of the bare lines: {_median(lambda: _bare_insert(rows)):.2f} s")
    print(
        f"  peer: yaml.load with CSafeLoader: {_median(lambda: _peer_load(mappings), runs=1):.2f} s (one run)"
    )
    print(f"  the report of all of them written anew: {_report_seconds(text):.2f} s")
    return 0


def _report(kind: str, name: str, content: bytes, remark: str) -> None:
    parsed = _median(lambda: _exhaust(parse(name, content)))
    identified = _median(lambda: _exhaust(_wishes(name, content)))
    whole = _median(lambda: _commit(name, content))
    print(f"  {kind}: parse {parsed:.2f} s, with identity {identified:.2f} s, ", end="")
    print(f"to the durable commit {whole:.2f} s{remark}")


def _titles(data: Path) -> list[tuple[str, str]]:
    """Real titles as far as they go, then the same again."""
    found = [("A Tale of Two Cities", "Charles Dickens"), ("Emma", "Jane Austen")]
    for path in sorted((data / "bench" / "dev").glob("*.jsonl")):
        cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        found += [(case["want_title"], case["want_author"]) for case in cases]
    return list(islice(cycle(found), LINES))


def _wants(name: str, content: bytes) -> Iterator[Want]:
    return (entry for entry in parse(name, content) if isinstance(entry, Want))


def _wishes(name: str, content: bytes) -> Iterator[Wish | BadLine]:
    for entry in parse(name, content):
        yield entry if isinstance(entry, BadLine) else Wish(entry, identity(entry))


def _exhaust(entries: Iterator[Any]) -> None:
    assert sum(1 for _ in entries) == LINES


def _commit(name: str, content: bytes) -> float:
    """Return the seconds without opening and closing the database."""
    with tempfile.TemporaryDirectory(prefix="bookhopper-bench-") as folder:
        store = SqliteStore(Path(folder, "queue.sqlite"), lambda _: None)
        started = time.perf_counter()
        request = NewRequest(token="bench", name=name, digest="", report="list.report.txt")
        assert store.add_request(request, _wishes(name, content)).new > 0
        seconds = time.perf_counter() - started
        store.close()
    return seconds


def _bare_insert(rows: list[tuple[int, str, str]]) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="bookhopper-bench-") as folder,
        closing(sqlite3.connect(Path(folder, "bare.sqlite"), isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, raw TEXT, title TEXT)")
        started = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        return time.perf_counter() - started


def _peer_load(content: bytes) -> None:
    assert len(yaml.load(content, Loader=yaml.CSafeLoader)) == LINES


def _report_seconds(content: bytes) -> float:
    with tempfile.TemporaryDirectory(prefix="bookhopper-bench-") as folder:
        store = SqliteStore(Path(folder, "queue.sqlite"), lambda _: None)
        taken = store.add_request(NewRequest("bench", "list.txt", "", "r.txt"), _wishes("list.txt", content))
        request = taken.request
        started = time.perf_counter()
        with Path(folder, "report.txt").open("w", encoding="utf-8") as file:
            lines = render(request, store.lines(request.id), store.names(request.id), time.time())
            file.writelines(f"{line}\n" for line in lines)
        seconds = time.perf_counter() - started
        store.close()
    return seconds


def _median(measure: Callable[[], float | None], runs: int = RUNS) -> float:
    """Time a call, or take the seconds that it returns."""
    times = []
    for _ in range(runs):
        gc.collect()
        started = time.perf_counter()
        own = measure()
        times.append(time.perf_counter() - started if own is None else own)
    return statistics.median(times)
