"""The daemon with little patience: what it looks at again after half a minute, it looks at after a second.

    python -m tests.reliability.faults_impatient run --config FILE

Nothing else is changed, so that a test of a fault and of its end takes seconds.
"""

from __future__ import annotations

from bookhopper import app, chores, gate, transfer
from bookhopper.cli import main
from bookhopper.delivery import deliver
from bookhopper.intake import reporter, taking
from bookhopper.net import host
from bookhopper.store import connection

MODULE = "tests.reliability.faults_impatient"


def hurry() -> None:
    """Shorten what waits by the clock."""
    app.CLOCK_SECONDS = 0.5
    gate._LONGEST_SECONDS = 1.0
    taking._AGAIN_SECONDS = 1.0
    reporter._RETRY_SECONDS = 1.0
    transfer._SLOW_SECONDS = 1.0
    host._TRIAL_SECONDS = 1.0
    host.THROTTLE_SECONDS = 1.0
    host.BREAKER_SECONDS = 1.0
    connection.BUSY_SECONDS = 1.0
    chores.PLACED_SECONDS = 1.0
    deliver.WATCH_SECONDS = 1.0


if __name__ == "__main__":
    hurry()
    main(prog_name="bookhopper")
