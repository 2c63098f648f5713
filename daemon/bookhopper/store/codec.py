"""Wants, candidates and resume points as compact JSON, for the columns that hold them whole.

Default values are left out where they come last, so a hundred thousand plain wants stay small, and a field
that a later version adds (after the others) reads as its default from older rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from bookhopper.model import Candidate, Collection, Pick, Reading, Resume, Want

_NOUNS: dict[type, Callable[[Any], object]] = {
    Pick: attrgetter("source", "key", "job"),
    Collection: attrgetter("kind", "value", "limit"),
}
"""The nouns inside a want that are handed to the encoder as they are."""

_encode = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    separators=(",", ":"),
    default=lambda noun: _NOUNS[type(noun)](noun),
).encode
_decode = json.JSONDecoder().decode

_CANDIDATE_DEFAULTS = Candidate(source="", key="", title="")
_CANDIDATE_FIELDS = tuple(_CANDIDATE_DEFAULTS.__dataclass_fields__)
_KEPT = 256  # a job on its way is read again at every step
_TUPLES = frozenset(("authors", "formats", "isbns", "tags", "urls"))

_REST = ("isbn", "year", "language", "formats", "series", "priority", "tags", "force", "pick", "collection")
_rest = attrgetter(*_REST)
_REST_DEFAULTS = _rest(Want())


def want_to_json(want: Want) -> str:
    """Write a want as a list, which ends where only default values would follow.

    The other readings of a plain line are null, as they follow from what stands before them.
    """
    plain = _has_plain_readings(want)
    rest = _rest(want)
    if plain and rest == _REST_DEFAULTS:  # nearly every line; text by text takes a third of the time
        author = _encode(want.authors[0])
        return f"[{want.line},{_encode(want.raw)},{_encode(want.title)},[{author}],null]"
    readings = None if plain else [(reading.title, reading.authors) for reading in want.readings]
    start = (want.line, want.raw, want.title, want.authors, readings)
    return _encode(start if rest == _REST_DEFAULTS else (*start, *rest))


@lru_cache(maxsize=_KEPT)
def want_from_json(text: str) -> Want:
    """Read a want that `want_to_json` wrote."""
    line, raw, title, authors, readings, *values = _decode(text)
    rest: dict[str, Any] = dict(zip(_REST, values, strict=False))
    for name in _TUPLES & rest.keys():
        rest[name] = tuple(rest[name])
    if rest.get("pick"):
        rest["pick"] = Pick(*rest["pick"])
    if rest.get("collection"):
        rest["collection"] = Collection(*rest["collection"])
    return Want(
        title=title,
        authors=tuple(authors),
        line=line,
        raw=raw,
        readings=_plain_readings(title, authors, raw) if readings is None else _readings(readings),
        **rest,
    )


def _plain_readings(title: str, authors: list[str], raw: str) -> tuple[Reading, ...]:
    """Give the other readings of `title — author`: the two turned round, and all of it the title."""
    return Reading(authors[0], (title,)), Reading(raw)


def _has_plain_readings(want: Want) -> bool:
    """Tell whether a want's readings are those that `_plain_readings` gives."""
    if len(want.readings) != 2 or len(want.authors) != 1:
        return False
    turned, whole = want.readings
    return (
        whole.title == want.raw
        and not whole.authors
        and turned.title == want.authors[0]
        and turned.authors == (want.title,)
    )


def _readings(rows: list[tuple[str, list[str]]]) -> tuple[Reading, ...]:
    return tuple(Reading(title, tuple(authors)) for title, authors in rows)


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
