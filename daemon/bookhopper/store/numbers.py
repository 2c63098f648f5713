"""Which numbers jobs have had: none is given twice, since reports and lines to pick by name jobs by them."""

from __future__ import annotations

from bookhopper.store.writer import Transaction

LAST_JOB = "last job"
"""The setting that holds the last number of a queue in whose place this one was restored."""

LAST_NUMBER = (
    "SELECT max(coalesce((SELECT max(id) FROM jobs), 0), "
    f"coalesce((SELECT CAST(value AS INTEGER) FROM settings WHERE key = '{LAST_JOB}'), 0))"
)
"""The question for the last number that was given."""


def last_job(transaction: Transaction) -> int:
    """Give the last number that a job has, or had; 0 where there was none yet."""
    (last,) = transaction.execute(LAST_NUMBER).fetchone()
    return int(last)
