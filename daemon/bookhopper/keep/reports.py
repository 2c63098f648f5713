"""Reports and lists in the requests folder that are old, or too many, once all in them is settled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

from bookhopper.intake import names
from bookhopper.intake.folder import RequestFolder, Signature
from bookhopper.intake.parse import is_request
from bookhopper.keep.calendar import FIRST_MOMENT
from bookhopper.store.base import Store
from bookhopper.ticket import Ticket

log = logging.getLogger("bookhopper.keep")


class Reports:
    """The sub-folders of the requests folder that are the daemon's own; `ticket` breaks the clearing off."""

    def __init__(self, folder: RequestFolder, store: Store, ticket: Ticket) -> None:
        self._folder = folder
        self._store = store
        self._ticket = ticket

    def clear(self, now: float, *, age: float, number: int) -> int:
        """Remove what is older than `age` seconds, then the oldest beyond `number` of a kind; 0: no bound.

        Returns how many files were removed; raises OSError, BookhopperError and Interrupted.
        """
        until = now - age if age > 0 else 0.0
        return (
            self._clear_reports(until, number)
            + self._clear_accepted(until, number)
            + self._clear_rejected(until, number)
        )

    def _clear_reports(self, until: float, number: int) -> int:
        """Remove the reports of lists at rest, and those of lists that are known no more."""
        files = self._folder.listed(names.REPORTS)
        reports = self._store.reports()
        excess = len(reports) - number if number else 0
        removed = 0
        for each in self._store.at_rest():
            self._ticket.check()
            if not each.report:
                continue
            if not (FIRST_MOMENT < each.since <= until or excess > 0):
                continue
            if self._store.close_report(each.request):  # else something in it has come to life
                self._folder.remove(names.REPORTS, each.report)
                files.pop(each.report, None)
                excess -= 1
                removed += 1
        for name, signature in files.items():
            if name.endswith(names.REPORT_SUFFIX) and name not in reports and _is_old(signature, until):
                self._folder.remove(names.REPORTS, name)
                removed += 1
        return removed

    def _clear_accepted(self, until: float, number: int) -> int:
        """Remove lists of which nothing is on its way; it is told by their content which they are."""
        removed = 0
        open_lists = frozenset(self._store.open_digests())
        for name in self._due(names.ACCEPTED, until, number):
            with suppress(FileNotFoundError):
                if self._folder.digest(names.ACCEPTED, name) not in open_lists:
                    self._folder.remove(names.ACCEPTED, name)
                    removed += 1
        return removed

    def _clear_rejected(self, until: float, number: int) -> int:
        """Remove refused lists and what they were answered."""
        removed = 0
        for name in self._due(names.REJECTED, until, number):
            self._folder.remove(names.REJECTED, name)
            removed += 1
        return removed

    def _due(self, sub: str, until: float, number: int) -> Iterator[str]:
        """Give the lists in a sub-folder, and their answers, that go by age or number, the oldest first.

        What is no list was dropped by mistake, and may be the only one that somebody has.
        """
        files = sorted(
            (_moment(signature), name)
            for name, signature in self._folder.listed(sub).items()
            if is_request(name.removesuffix(names.ERROR_SUFFIX))
        )
        excess = len(files) - number if number else 0
        for place, (moment, name) in enumerate(files):
            self._ticket.check()
            if FIRST_MOMENT < moment <= until or place < excess:
                yield name


def _moment(signature: Signature) -> float:
    """Tell since when a file lies where it is: it may have been written long before it was dropped."""
    return max(signature.modified, signature.changed) / 1e9


def _is_old(signature: Signature, until: float) -> bool:
    return FIRST_MOMENT < _moment(signature) <= until
