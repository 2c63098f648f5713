"""Books by the ids that the ancestor's callers know.

A job from a list goes by its number (`17`); what a source offers by `source:key~format`
(`gutenberg:1342~epub`), the format only where one is named; and so does a job that was made by asking for it
under such an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookhopper.model import FORMATS, Candidate, Job, Pick, Want
from bookhopper.search.normalise import identity

if TYPE_CHECKING:  # the view shows jobs under these ids, and so knows this module
    from bookhopper.api.view import View

_LONGEST = 1000
_LONGEST_NUMBER = 18


def book_id(job: Job) -> str:
    """Give the id under which a job is shown."""
    want = job.want
    asked_for_by_id = want.pick is not None and not want.line and want.raw
    return want.raw if asked_for_by_id else str(job.id)


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
