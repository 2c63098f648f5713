"""Books by the ids that the ancestor's callers know.

A job from a list goes by its number (`17`); what a source offers by `source:key~format`
(`gutenberg:1342~epub`), the format only where one is named; and so does a job that was made by asking for it
under such an id, or by a line that says no more than which book to pick.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bookhopper.model import DEFAULT_PRIORITY, FORMATS, Candidate, Job, Pick, Want
from bookhopper.search.normalise import identity

if TYPE_CHECKING:  # the view shows jobs under these ids, and so knows this module
    from bookhopper.api.view import View

_LONGEST = 1000
_LONGEST_NUMBER = 18


def book_id(job: Job) -> str:
    """Give the id under which a job is shown."""
    want = job.want
    if want.pick is None or not want.raw:
        return str(job.id)
    if not want.line:
        return want.raw
    text = f"{want.pick.source}:{want.pick.key}"
    bare = replace(want, priority=DEFAULT_PRIORITY, tags=(), line=0, raw=text)
    # a pick that was made by hand stands in no line, and its job is not found by it
    return text if bare == want_of(text) and want.raw.endswith(text) else str(job.id)


def best_of(job: Job) -> Candidate | None:
    """Give the book that a job is to fetch, or has fetched: the first candidate that was not given up."""
    return next((candidate for candidate in job.candidates if not candidate.fault), None)


def offer_id(candidate: Candidate) -> str:
    """Give the id of what a source offers."""
    base = f"{candidate.source}:{candidate.key}"
    return f"{base}~{candidate.format}" if candidate.format else base


def want_of(text: str) -> Want | None:
    """Make the want that an id of the form `source:key~format` stands for; None for any other text."""
    source, _, key = text.partition(":")
    if not (source and key.strip()) or len(text) > _LONGEST or not text.isprintable():
        return None
    before, tilde, format_ = key.rpartition("~")
    if tilde and before and format_ in FORMATS:
        return Want(pick=Pick(source, before), formats=(format_,), raw=text)
    return Want(pick=Pick(source, key), raw=text)


def find_job(view: View, text: str) -> Job | None:
    """Find the job that an id names, be it a number or the id of a book that was asked for."""
    if text.isascii() and text.isdigit():
        return view.store.job(int(text)) if len(text) <= _LONGEST_NUMBER else None
    want = want_of(text)
    return view.store.job_of(identity(want)) if want else None
