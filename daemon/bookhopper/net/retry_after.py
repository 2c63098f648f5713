"""The Retry-After header, by which a server says when to come again."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_SECONDS = 24 * 3600.0


def retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header, either form (RFC 9110, 10.2.3), as seconds from 0 to a day.

    `now` is in seconds since the epoch; None when the header is absent or makes no sense.
    """
    text = (value or "").strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), RETRY_AFTER_MAX_SECONDS)
