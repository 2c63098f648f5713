"""What the daemon writes to its log: one line for each thing that happened, told by its level.

debug    for who develops: each step of a job, each question to a source
info     what happened to a book, a list or the daemon
warning  something works worse than it could, or will one day not: said once, and info says when it is over
error    somebody has to do something now, or it stays broken; a fault of bookhopper's own is one
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

from bookhopper.errors import printable
from bookhopper.log_context import working_on
from bookhopper.model import WAITING_OF, Change, Job, State
from bookhopper.net.addresses import safe_url
from bookhopper.observe.journal import JournalHandler, is_journals
from bookhopper.observe.log_forms import Human, Json

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

log = logging.getLogger("bookhopper.jobs")

Form = Literal["auto", "human", "json", "journal"]
"""The forms in which the log can be written; see `form_of` for `auto`."""

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


_OF_A_SOURCE = frozenset((State.QUEUED, State.DOWNLOADING, State.DUPLICATE, State.FAILED))
"""Where the best candidate's source is told if none was at work; the ledger's own is, from PLACED on."""


def form_of(form: Form, stream: TextIO) -> Form:
    """Tell which form `auto` stands for: what the journal takes, what a person reads, or JSON."""
    if form != "auto":
        return form
    if stream.isatty():
        return "human"
    return "journal" if is_journals(stream) else "json"


def configure(level: str, form: Form) -> None:
    """Send the log to standard error, or past it into the journal, from a level on; may be called again.

    Faults that nobody has caught, in any thread, and the warnings of libraries take the same way.
    """
    handler = _handler(form_of(form, sys.stderr), sys.stderr)
    root = logging.getLogger()
    ours = [each for each in root.handlers if isinstance(each, _Ours | JournalHandler)]
    # in one go, so that no line is lost or comes twice
    root.handlers = [*(each for each in root.handlers if each not in ours), handler]
    for each in ours:
        each.close()
    root.setLevel(level.upper())
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # its tracebacks; Schedule says what failed
    for chatty in ("urllib3", "watchdog", "uvicorn", "pypdf"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    sys.excepthook, sys.unraisablehook = _uncaught, _unraisable
    threading.excepthook = _uncaught_in_thread
    warnings.showwarning = _warned


class _Ours(logging.StreamHandler[TextIO]):
    """Tells what `configure` has made from the handlers of others."""


def _handler(form: Form, stream: TextIO) -> logging.Handler:
    if form == "journal":
        return JournalHandler(stream)
    if form == "json" and isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")  # whatever the locale says (RFC 8259)
    handler = _Ours(stream)
    # what is no terminal is kept by somebody who stamps each line
    handler.setFormatter(Json() if form == "json" else Human(timed=stream.isatty()))
    return handler


def is_for_people() -> bool:
    """Tell whether a person reads the log as it is written now."""
    handlers = logging.getLogger().handlers
    return any(isinstance(each.formatter, Human) for each in handlers) or not handlers


_faults = logging.getLogger("bookhopper")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _faults.error("the daemon ends by a fault of its own; please report it", exc_info=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "thread"
        _faults.error(
            "the thread %s ended by a fault of its own; please report it", name, exc_info=args.exc_value
        )


def _unraisable(args: UnraisableHookArgs) -> None:
    where = args.err_msg or "Exception ignored in"
    _faults.error("%s %r", where, args.object, exc_info=args.exc_value)


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """Log what a library would have its user's author know."""
    told = logging.getLogger("py.warnings")
    told.debug("%s: %s (%s:%d)", category.__name__, message, filename, lineno)


def describe(job: Job) -> str:
    """Name a job's book on one line, whatever its own holds, or its feed without what may be secret in it."""
    want = job.want
    shown = want.title or want.isbn or want.raw
    if want.collection is not None and want.collection.kind == "feed":
        shown = f"feed: {safe_url(want.collection.value)}"
    elif want.authors and want.collection is None:
        shown += f" — {want.authors[0]}"
    return printable(shown)[:120]


class ChangeLog:
    """Listens to the store's changes: writes a line for each one that a person would want to know of."""

    def __init__(self, request_name: Callable[[int], str]) -> None:
        """Take how a request's name is found."""
        self._request_name = request_name

    def __call__(self, change: Change) -> None:
        """Write the line of a change, if it has one."""
        level, told, reason = _told(change)
        if not log.isEnabledFor(level):
            return
        job = change.job
        because = f": {reason}" if reason not in {"", told} else ""
        with working_on(request=self._request_name(job.request), job=job.id, source=_source_of(change)):
            log.log(level, "job %d %s: %s%s", job.id, told, describe(job), because)


def _told(change: Change) -> tuple[int, str, str]:
    """Give the level of a change, what it comes to in a word, and its reason where that says more."""
    job, told, reason = change.job, change.after.value, change.reason
    level = _LEVELS.get(change.after, logging.INFO if reason else logging.DEBUG)
    if change.before in WAITING_OF and change.after is WAITING_OF[change.before]:
        level = logging.DEBUG  # put back, which is said once for all jobs of its cause
        if job.paused:
            level, told = logging.INFO, "paused"
    elif change.before is change.after:
        level = logging.INFO if reason and change.after is not State.DONE else logging.DEBUG
        if reason != job.error:  # what somebody did to it; a fault of its own stays with the job
            told, reason = reason or told, ""
        elif job.candidates and all(each.fault for each in job.candidates):
            level = logging.DEBUG  # the last that it had: that the job failed says the same
    return level, told, reason


def _source_of(change: Change) -> str:
    candidates = change.job.candidates
    if change.source or change.after not in _OF_A_SOURCE or not candidates:
        return change.source
    return next((each for each in candidates if not each.fault), candidates[0]).source
