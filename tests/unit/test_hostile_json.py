"""JSON from strangers: what is refused, and what is read all the same."""

from __future__ import annotations

import pytest

from bookhopper.hostile_json import MAX_VALUES, JsonError, known_charset, parse_json


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b'{"a": 1', "no JSON"),
        (b"{} {}", "no JSON"),
        (b"9" * 10_000, "no JSON"),
        (b"\xff\xfe\xff", "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" + b"[]," * MAX_VALUES + b"0]", "too many values"),
        (b"[" + b"1," * MAX_VALUES + b"0]", "too many values"),
        (b" " * (8 << 20) + b"{}", "more than 8 MiB"),
    ],
)
def test_what_is_refused(document: bytes, words: str) -> None:
    with pytest.raises(JsonError, match=words):
        parse_json(document)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_utf_is_told_by_itself(encoding: str) -> None:
    assert parse_json('{"title": "Кобзар"}'.encode(encoding), charset="latin-1") == {"title": "Кобзар"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("", "cp1252"),
        ("ISO-8859-1", "cp1252"),
        ("utf-8", "cp1252"),
        (" 'KOI8-R' ", "koi8-r"),
        ("hex", "cp1252"),
        ("no-such", "cp1252"),
        ("\0", "cp1252"),
    ],
)
def test_what_a_charset_means_for_what_is_no_utf_8(name: str, meant: str) -> None:
    assert known_charset(name) == meant
