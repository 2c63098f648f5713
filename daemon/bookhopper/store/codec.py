"""Wants, candidates and resume points as compact JSON, for the columns that hold them whole.

Fields that have their default value are left out, so a hundred thousand plain wants stay small, and a field
that a later version adds reads as its default from older rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from bookhopper.model import DEFAULT_PRIORITY, Candidate, Pick, Reading, Resume, Want

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode

_CANDIDATE_DEFAULTS = Candidate(source="", key="", title="")
_CANDIDATE_FIELDS = tuple(_CANDIDATE_DEFAULTS.__dataclass_fields__)
_KEPT = 256  # a job on its way is read again at every step
_TUPLES = frozenset(("authors", "isbns", "urls"))


def want_to_json(want: Want) -> str:
    """Write a want; `priority` is left out when it is the default."""
    out: dict[str, Any] = {"title": want.title, "line": want.line, "raw": want.raw}
    if want.authors:
        out["authors"] = want.authors
    if want.readings:
        out["readings"] = [(reading.title, reading.authors) for reading in want.readings]
    if want.priority != DEFAULT_PRIORITY:
        out["priority"] = want.priority
    if want.pick is not None:
        out["pick"] = (want.pick.source, want.pick.key, want.pick.job)
    for name in ("isbn", "year", "language", "formats", "series", "tags", "force"):
        value = getattr(want, name)
        if value:
            out[name] = value
    return _encode(out)


@lru_cache(maxsize=_KEPT)
def want_from_json(text: str) -> Want:
    """Read a want that `want_to_json` wrote."""
    data = _decode(text)
    pick = data.get("pick")
    return Want(
        title=data["title"],
        authors=tuple(data.get("authors", ())),
        isbn=data.get("isbn", ""),
        year=data.get("year"),
        language=data.get("language", ""),
        formats=tuple(data.get("formats", ())),
        series=data.get("series", ""),
        priority=data.get("priority", DEFAULT_PRIORITY),
        tags=tuple(data.get("tags", ())),
        force=data.get("force", False),
        pick=Pick(*pick) if pick else None,
        line=data["line"],
        raw=data["raw"],
        readings=tuple(Reading(title, tuple(authors)) for title, authors in data.get("readings", ())),
    )


def candidates_to_json(candidates: Iterable[Candidate]) -> str:
    """Write candidates, best first; none is the empty text."""
    rows = [
        {
            name: value
            for name in _CANDIDATE_FIELDS
            if (value := getattr(candidate, name)) != getattr(_CANDIDATE_DEFAULTS, name)
        }
        for candidate in candidates
    ]
    return _encode(rows) if rows else ""


@lru_cache(maxsize=_KEPT)
def candidates_from_json(text: str) -> tuple[Candidate, ...]:
    """Read candidates that `candidates_to_json` wrote."""
    if not text:
        return ()
    return tuple(_candidate(row) for row in _decode(text))


def _candidate(row: dict[str, Any]) -> Candidate:
    for name in _TUPLES & row.keys():
        row[name] = tuple(row[name])
    return replace(_CANDIDATE_DEFAULTS, **row)


def resume_to_json(resume: Resume | None) -> str:
    """Write a resume point; none is the empty text."""
    return _encode((resume.url, resume.validator, resume.size, resume.bytes)) if resume else ""


def resume_from_json(text: str) -> Resume | None:
    """Read a resume point that `resume_to_json` wrote."""
    return Resume(*_decode(text)) if text else None
