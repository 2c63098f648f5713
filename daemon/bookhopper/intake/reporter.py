"""Keeps the reports up to date: hears of changes, gathers them, rewrites what they concern."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bookhopper.errors import BookhopperError
from bookhopper.intake import names
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.report import Tally, render
from bookhopper.log_context import working_on
from bookhopper.model import UNSETTLED, Change, Request
from bookhopper.store.base import Intake, Store
from bookhopper.store.queries import JobFilter

_log = logging.getLogger("bookhopper.intake")

_INTERVAL_SECONDS = 2.0
_SHARE = 20
"""A report is rewritten at most every so many times the time that it last took: 5 % of one core."""

_RETRY_SECONDS = 30.0
_LOOK_SECONDS = 60.0
_WRITTEN = "reports written until"
"""The setting that tells up to which moment every change stands in its report, on the disk."""

_MARK_SECONDS = 600.0
_MARGIN_SECONDS = 3600.0
"""Far more than lies between a change's moment and its commit, clocks that are put right included."""

Completed = Callable[[int, float], None]
"""Hears of a request whose last want is settled, and how many seconds after it was taken; once each."""


@dataclass(slots=True)
class _Report:
    """What is known of a report: when it may be written again, and how many lines were unsettled."""

    dirty: bool = False
    not_before: float = 0.0
    unsettled: int = 1


class Reporter:
    """One thread that writes reports; `changed` is the observer that feeds it."""

    def __init__(
        self,
        store: Store,
        folder: RequestFolder,
        *,
        interval: float = _INTERVAL_SECONDS,
        completed: Completed = lambda _request, _seconds: None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._interval = interval
        self._completed = completed
        self._finished: set[int] = set()
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._changes: list[tuple[int, int, int]] = []
        self._reports: dict[int, _Report] = {}
        self._complaint = ""
        self._mark_due = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin, with the reports of what is not settled, and of what a crash may have kept them from.

        Which these are is looked up before this returns: what ends from now on is news.
        """
        self._begin()
        self._thread.start()

    def changed(self, change: Change) -> None:
        """Note a change; quick, from any thread."""
        step = int(change.after in UNSETTLED) - int(change.before is None or change.before in UNSETTLED)
        with self._wake:
            self._changes.append((change.job.id, change.job.request, step))
            if len(self._changes) == 1:
                self._wake.notify()

    def stored(self, intake: Intake) -> None:
        """Write the first report of a request, before its file is filed away."""
        report = self._report(intake.request.id)
        report.dirty = True
        self._write_safely(intake.request.id, report)

    def stop(self) -> None:
        """Ask the thread to write what is left and end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self, deadline: float) -> bool:
        """Wait for the thread until a moment of the monotonic clock; returns whether it ended."""
        if self._thread.ident is not None:  # else it was never started
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _report(self, request: int) -> _Report:
        with self._wake:
            return self._reports.setdefault(request, _Report())

    def _run(self) -> None:
        while not self._stopping:
            with self._wake:
                if not self._changes:
                    self._wake.wait(self._patience())
            self._note_changes()
            self._write_due()
            if time.monotonic() >= self._mark_due:
                self._mark()
        self._note_changes()
        for request, report in self._dirty():
            self._write_safely(request, report)
        self._mark()

    def _begin(self) -> None:
        try:
            unsettled = set(self._store.unsettled_requests())
            changed = set(self._store.requests_changed(self._written_until()))
        except BookhopperError as fault:
            self._complain(str(fault))
            return
        self._finished |= changed - unsettled  # that these have ended is no news
        for request in unsettled | changed:
            self._report(request).dirty = True

    def _written_until(self) -> float:
        """Tell up to which moment (epoch seconds) every change is known to stand in its report."""
        until = float(self._store.setting(_WRITTEN) or 0.0)
        return until if until <= time.time() else 0.0

    def _mark(self) -> None:
        """Note that all reports are written, so that the next start need not look at the older ones."""
        if self._dirty():
            return
        try:
            self._store.set_setting(_WRITTEN, repr(time.time() - _MARGIN_SECONDS))
        except BookhopperError as fault:
            self._complain(str(fault))
        self._mark_due = time.monotonic() + _MARK_SECONDS

    def _patience(self) -> float:
        if self._stopping:
            return 0.0
        now = time.monotonic()
        waits = [report.not_before - now for report in self._reports.values() if report.dirty]
        return max(0.0, min(waits, default=_LOOK_SECONDS))

    def _note_changes(self) -> None:
        with self._wake:
            changes, self._changes = self._changes, []
        for job, request, step in changes:
            concerned = {request}
            # Another list may hold the same job; that is asked only when a line settles or comes back.
            if step:
                try:
                    concerned |= set(self._store.requests_of(job))
                except BookhopperError as fault:
                    self._complain(str(fault))
            for number in concerned:
                report = self._report(number)
                report.dirty = True
                report.unsettled += step
                if step < 0 and report.unsettled <= 0:
                    report.not_before = 0.0  # the last line has settled: its reader waits for this

    def _dirty(self) -> list[tuple[int, _Report]]:
        with self._wake:
            return [(number, report) for number, report in self._reports.items() if report.dirty]

    def _write_due(self) -> None:
        for request, report in self._dirty():
            if self._stopping:
                return  # all of them are written at the end
            if report.not_before <= time.monotonic():
                self._write_safely(request, report)

    def _write_safely(self, request: int, report: _Report) -> None:
        """Write a report; what cannot be written now stays dirty, and the reason is said once."""
        started = time.monotonic()
        report.dirty = False
        try:
            with self._writing:
                self._write(request, report)
        except (OSError, BookhopperError, MemoryError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) else str(fault)
            self._complain(reason or str(fault) or "memory is short")
            report.dirty = True
            report.not_before = time.monotonic() + _RETRY_SECONDS
            return
        except Exception:  # noqa: BLE001 - one report's fault must not end all others
            with working_on(request=self._store.request_name(request)):
                _log.exception("the report of request %d cannot be made: a fault in bookhopper", request)
        else:
            self._complain("")
        ended = time.monotonic()
        report.not_before = ended + max(self._interval, _SHARE * (ended - started))

    def _write(self, number: int, report: _Report) -> None:
        request = self._store.request(number)
        if request is None:
            return
        now = time.time()
        report.unsettled = self._write_lines(request, now) if request.report else self._unsettled(number)
        if not report.unsettled and number not in self._finished:
            self._finished.add(number)
            self._completed(number, max(0.0, now - request.created))

    def _write_lines(self, request: Request, now: float) -> int:
        """Write a request's report; returns how many of its lines are unsettled."""
        tally = Tally()
        stored, books_of = self._store.lines(request.id), self._store.books
        lines = render(request, stored, self._store.names(request.id), now, tally, books_of=books_of)
        self._folder.write(names.REPORTS, request.report, lines)
        return tally.unsettled

    def _unsettled(self, request: int) -> int:
        """Count the unsettled lines of a request that nobody reads a report of, as it came over HTTP."""
        return self._store.count(JobFilter(UNSETTLED, request=request))

    def _complain(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            _log.warning("reports cannot be written: %s; trying again", complaint)
        elif self._complaint and not complaint:
            _log.info("reports are written again")
        self._complaint = complaint
