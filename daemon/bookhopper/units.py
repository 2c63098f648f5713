"""Durations, sizes and counts as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?[bo])?s?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def counted(number: int, one: str, several: str = "") -> str:
    """Write how many there are: `1 book`, `2,300 books`; `several` where a plural is no mere `s` more."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def parse_duration(text: str) -> float:
    """Read `500ms`, `10s`, `5m`, `2h`, `7d`, `1w` or a bare number of seconds; raises ValueError."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("write a duration such as 500ms, 10s, 5m, 2h or 7d")
    return float(match[1]) * _SECONDS[match[2] or "s"]


def parse_size(text: str) -> int:
    """Read `1.5 KB`, `300MB`, `2 GiB` or a bare number of bytes as bytes, K being 1024; raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("write a size such as 500KB, 300MB or 2GB")
    return int(float(match[1].replace(",", ".")) * 1024 ** _POWERS[match[2].lower()])


def written_duration(seconds: float) -> str:
    """Write a duration so that `parse_duration` reads the same: 5m, 2h, 90s, 0.5s."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{Decimal(int(seconds)) if seconds == int(seconds) else Decimal(repr(seconds)):f}s"


def written_size(size: int) -> str:
    """Write a size so that `parse_size` reads the same: 500MB, 2GB, 1500."""
    for unit in ("t", "g", "m", "k"):
        if size and size % 1024 ** _POWERS[unit] == 0:
            return f"{size // 1024 ** _POWERS[unit]}{unit.upper()}B"
    return str(size)
