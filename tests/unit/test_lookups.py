"""What is done for each book is looked up by an index, however many books the ledger has."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bookhopper.model import State
from bookhopper.store.base import Move
from bookhopper.store.connection import ReadConnections
from bookhopper.store.writer import Transaction
from tests.contract.stores import Bench, delivery

Asked = set[tuple[str, int]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Note each statement of the test, and how many parameters it has."""
    found: Asked = set()
    execute, read = Transaction.execute, ReadConnections.all

    def noting(transaction: Transaction, sql: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        found.add((sql, len(parameters)))
        return execute(transaction, sql, parameters)

    def reading(connections: ReadConnections, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        found.add((sql, len(parameters)))
        return read(connections, sql, parameters)

    monkeypatch.setattr(Transaction, "execute", noting)
    monkeypatch.setattr(ReadConnections, "all", reading)
    return found


def scans(path: Path, asked: Asked) -> list[str]:
    """Give the statements that go through a whole table of jobs or of the ledger."""
    found = []
    with closing(sqlite3.connect(path)) as connection:
        for sql, parameters in asked:
            if sql.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * parameters).fetchall()
                if any(row[3] in {"SCAN ledger", "SCAN jobs"} for row in plan):
                    found.append(sql)
    return found


def test_a_book_goes_its_way_without_a_look_at_all_the_others(tmp_path: Path, asked: Asked) -> None:
    bench = Bench(tmp_path)
    try:
        job = bench.downloading()
        asked.clear()
        assert bench.store.delivered("shelf", "1", "epub") is None
        bench.store.place(delivery(job, key="1", fetched="as it came"), force=False)
        bench.store.rename(job, "Another.epub")
        bench.store.complete(job)
        assert bench.store.delivered("shelf", "1", "epub") == job
        assert bench.store.delivery_named("Another.epub") is not None
        assert bench.store.delivery(job) is not None
        other = bench.downloading("Persuasion")
        bench.store.place(delivery(other), force=True)
        bench.store.abandon(other, "gone")
        bench.store.claim(State.QUEUED)
        bench.store.move(Move(other, State.DOWNLOADING, State.QUEUED))
        assert len(asked) > 10
        assert scans(bench.path, asked) == []
    finally:
        bench.store.close()
