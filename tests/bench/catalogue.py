"""The catalogue: how long its index takes to build and a search in it, beside scans of the same records."""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from rapidfuzz import fuzz, process, utils

from bookhopper.intake.parse import parse
from bookhopper.model import Reading, Want
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.gutenberg_catalogue import Record, open_catalogue, read_catalogue
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.ticket import Ticket
from tests.bench.match import FILES, catalogue_source, read_cases

BUILDS = 5
PEER_SEARCHES = 25


def run(data: Path) -> int:
    """Print the figures for the catalogue below `data`; 0 when it was there."""
    catalogue = data / "pg_catalog.csv.gz"
    if not catalogue.is_file():
        print(f"catalogue: no {catalogue}, nothing measured")
        return 0
    with tempfile.TemporaryDirectory(prefix="bookhopper-bench-") as name:
        folder = Path(name)
        seconds = statistics.median(_build_seconds(catalogue, folder / f"{n}.sqlite") for n in range(BUILDS))
        print(f"catalogue: index built in {seconds:.2f} s (median of {BUILDS}; budget 6 s)")
        queries = _queries(data)
        with catalogue_source(data, folder) as (source, _):
            ticket = Ticket(0)
            _report("search with candidates", [_timed(source.search, query, ticket) for query in queries])
    with open_catalogue(catalogue) as stream:
        records = [record for record in read_catalogue(stream, Ticket(0)) if record is not None]
    few = queries[:: max(1, len(queries) // PEER_SEARCHES)]
    _report("peer: LIKE over a table", _like_times(records, few))
    _report("peer: token_set_ratio", _fuzzy_times(records, few))
    return 0


def _build_seconds(catalogue: Path, path: Path) -> float:
    index = GutenbergIndex(path)
    started = time.perf_counter()
    with open_catalogue(catalogue) as stream:
        index.build(read_catalogue(stream, Ticket(0)), "bench")
    index.close()
    return time.perf_counter() - started


def _queries(data: Path) -> list[Query]:
    """Give a query for each line of bench/dev, or for a few well-known titles where that is absent."""
    lines = ["The Great Gatsby — F. Scott Fitzgerald", "moby dick", "Northhanger Abbey, Jane Austen"]
    if (data / "bench" / "dev").is_dir():
        lines = [str(case["raw_line"]) for name in FILES for case in read_cases(data, name)]
    wants = [want for want in parse("bench.txt", "\n".join(lines).encode()) if isinstance(want, Want)]
    return [
        Query((Reading(want.title, want.authors), *want.readings), languages=("en",), formats=("epub",))
        for want in wants
    ]


def _timed(act: Callable[..., object], *values: object) -> float:
    started = time.perf_counter()
    act(*values)
    return time.perf_counter() - started


def _like_times(records: Sequence[Record], queries: Sequence[Query]) -> list[float]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, title TEXT, names TEXT)")
        connection.executemany(
            "INSERT OR IGNORE INTO record VALUES (?, ?, ?)",
            ((record.id, record.title, record.names) for record in records),
        )

        def search(reading: Reading) -> object:
            author = reading.authors[0].split()[-1] if reading.authors else ""
            return connection.execute(
                "SELECT * FROM record WHERE title LIKE ? AND names LIKE ?",
                (f"%{reading.title}%", f"%{author}%"),
            ).fetchall()

        return [_timed(search, query.readings[0]) for query in queries]


def _fuzzy_times(records: Sequence[Record], queries: Sequence[Query]) -> list[float]:
    texts = [utils.default_process(f"{record.title} {' '.join(record.authors)}") for record in records]

    def search(reading: Reading) -> object:
        line = utils.default_process(f"{reading.title} {' '.join(reading.authors)}")
        return process.extractOne(line, texts, scorer=fuzz.token_set_ratio)

    return [_timed(search, query.readings[0]) for query in queries]


def _report(what: str, seconds: Sequence[float]) -> None:
    times = sorted(1000 * value for value in seconds)
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
    print(f"catalogue: {what:<24} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   ({len(times)} searches)")


if __name__ == "__main__":
    raise SystemExit(run(Path(__file__).resolve().parents[2].parent / "shared" / "data"))
