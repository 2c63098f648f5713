"""Dates as catalogues write them, made into ISO dates; what cannot be read gives nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

_GO = (
    ("2006", "%Y"), ("January", "%B"), ("Monday", "%A"), ("Jan", "%b"), ("Mon", "%a"), ("MST", "%Z"),
    ("-0700", "%z"), ("Z07:00", "%z"), ("15", "%H"), ("01", "%m"), ("02", "%d"), ("03", "%I"), ("04", "%M"),
    ("05", "%S"), ("06", "%y"), ("PM", "%p"), ("1", "%m"), ("2", "%d"), ("3", "%I"), ("4", "%M"), ("5", "%S"),
)  # fmt: skip
_NET = (
    ("yyyy", "%Y"), ("MMMM", "%B"), ("MMM", "%b"), ("dddd", "%A"), ("ddd", "%a"), ("zzz", "%z"), ("yy", "%y"),
    ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("hh", "%I"), ("mm", "%M"), ("ss", "%S"), ("tt", "%p"),
    ("M", "%m"), ("d", "%d"), ("H", "%H"), ("h", "%I"),
)  # fmt: skip
_PLAIN = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d", "%B %Y", "%Y")
_AGO = re.compile(
    r"(\d{1,4}|an?)\s*(sec(?:ond)?|min(?:ute)?|hour|hr|day|week|month|mo|year|[smhdwy])s?(?![a-z])",
    re.IGNORECASE,
)
_DAYS = {"d": 1.0, "w": 7.0, "month": 30.44, "y": 365.25, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}
_MAX_TEXT = 200

Clock = Callable[[], datetime]


def now() -> datetime:
    """Give the present moment."""
    return datetime.now(UTC)


def parse_date(text: str, layout: str) -> str:
    """Read a date by its layout, in Go's way (`2 January 2006`) or .NET's (`d MMMM yyyy`)."""
    try:
        return _iso(datetime.strptime(" ".join(text[:_MAX_TEXT].split()), _strptime_format(layout)))  # noqa: DTZ007 - a day is a day
    except (ValueError, OverflowError, re.error):
        return ""


def parse_fuzzy(text: str, clock: Clock = now) -> str:
    """Read a date in any of the usual ways: `today`, `3 weeks ago`, ISO, a mail's, `2 May 1999`, `1999`."""
    plain = " ".join(text[:_MAX_TEXT].split())
    days = {"now": 0, "today": 0, "yesterday": 1, "tomorrow": -1}.get(
        plain.lower().partition(" ")[0].strip(",")
    )
    if days is not None:
        return _iso(clock() - timedelta(days=days))
    if "ago" in plain.lower().split():
        return parse_ago(plain, clock)
    try:
        return _iso(datetime.fromisoformat(plain))
    except ValueError:
        pass
    found = next(filter(None, (_tried(plain, form) for form in _PLAIN)), "")
    if found:
        return found
    try:
        return _iso(parsedate_to_datetime(plain))
    except (ValueError, IndexError):
        return ""


def parse_ago(text: str, clock: Clock = now) -> str:
    """Read how long ago something was: `2 hours, 5 min ago`, `a year ago`, `3d`."""
    parts = _AGO.findall(text[:_MAX_TEXT])
    if not parts:
        return ""
    days = sum((1 if number[0] in "aA" else int(number)) * _days(unit.lower()) for number, unit in parts)
    try:
        return _iso(clock() - timedelta(days=days))
    except OverflowError:
        return ""


def _days(unit: str) -> float:
    return _DAYS["month"] if unit in {"mo", "month"} else _DAYS[unit[0]]


def _tried(text: str, form: str) -> str:
    try:
        return _iso(datetime.strptime(text, form))  # noqa: DTZ007 - a day is a day
    except ValueError:
        return ""


def _iso(moment: date) -> str:
    return moment.strftime("%Y-%m-%d").rjust(10, "0")


def _strptime_format(layout: str) -> str:
    """Write a layout as strptime knows it; the longest words count first."""
    words = _NET if re.search(r"y{2}|M{1,4}d|d{1,4}", layout) and "2006" not in layout else _GO
    found, place = "", 0
    while place < len(layout):
        word, code = next((pair for pair in words if layout.startswith(pair[0], place)), ("", ""))
        found += code or layout[place].replace("%", "%%")
        place += len(word) or 1
    return found
