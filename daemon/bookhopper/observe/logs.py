"""What the daemon writes to its log: one line for each thing that happened to a book."""

from __future__ import annotations

import logging
import sys

from bookhopper.errors import printable
from bookhopper.model import WAITING_OF, Change, Job, State

log = logging.getLogger("bookhopper.jobs")

_LEVELS = {
    State.DONE: logging.INFO,
    State.DUPLICATE: logging.INFO,
    State.OWNED: logging.INFO,
    State.EXPANDED: logging.INFO,
    State.QUEUED: logging.INFO,
    State.AMBIGUOUS: logging.INFO,
    State.MISSING: logging.INFO,
    State.CANCELLED: logging.INFO,
    State.FAILED: logging.WARNING,
}


class OneLine(logging.Formatter):
    """Writes each message on one line: names, titles and answers from outside cannot add one of their own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Give the line, what is not visible in it replaced; a traceback that follows keeps its lines."""
        return printable(super().formatMessage(record))


def configure(level: str) -> None:
    """Send the log to standard error; without the time where the journal stamps each line itself."""
    timed = "%(asctime)s " if sys.stderr.isatty() else ""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(f"{timed}%(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # its tracebacks; Schedule says what failed
    for chatty in ("urllib3", "watchdog", "uvicorn", "pypdf"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def describe(job: Job) -> str:
    """Name a job's book for a log line, whatever its line holds."""
    want = job.want
    shown = want.title or want.isbn or want.raw
    if want.authors and want.collection is None:
        shown += f" — {want.authors[0]}"
    return printable(shown)[:120]


def log_change(change: Change) -> None:
    """Write one line for a change that a person would want to know of."""
    job, told, reason = change.job, change.after.value, change.reason
    level = _LEVELS.get(change.after, logging.INFO if reason else logging.DEBUG)
    if change.before in WAITING_OF and change.after is WAITING_OF[change.before]:
        level = logging.DEBUG  # put back, which is said once for all jobs of its cause
        if job.paused:
            level, told = logging.INFO, "paused"
    elif change.before is change.after:
        level = logging.INFO if reason else logging.DEBUG
        if reason != job.error:  # what somebody did to it; a fault of its own stays with the job
            told, reason = reason or told, ""
    because = f": {reason}" if reason not in {"", told} else ""
    log.log(level, "job %d %s: %s%s", job.id, told, describe(job), because)
