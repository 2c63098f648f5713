"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest

from bookhopper.units import counted, parse_duration, parse_size


def test_counts() -> None:
    assert (counted(1, "book"), counted(0, "book"), counted(2300, "book")) == (
        "1 book",
        "0 books",
        "2,300 books",
    )
    assert counted(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("10", 10),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604800),
        ("1w", 604800),
        (" 1.5 H ", 5400),
        ("0", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1y", "1 s s", "soon", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration such as 500ms, 10s, 5m, 2h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1.5 KB", 1536),
        ("1KBs", 1024),
        ("11.68 GB", int(11.68 * 1024**3)),
        ("1.5\tMB", 1572864),
        ("123", 123),
        ("1,5 Mo", 1572864),
        ("2 GiB", 2 * 1024**3),
        ("1tb", 1024**4),
        ("10b", 10),
        ("5 k", 5120),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "abc MB", "MB", "-1 KB", "1 XB", "1.2.3 MB", "1 PB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="write a size such as 500KB, 300MB or 2GB"):
        parse_size(text)
