"""For any bytes there is a verdict: books of every format with bytes changed, lost, doubled and put in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookhopper.verify import Verdict, verify
from tests import books

WHOLE = [build() for build in books.ALL.values()]
WHOLE += [books.modern_pdf(), books.joint_mobi(), books.palmdoc(), books.cbr5(), books.epub(images=2)]

MUTATIONS = st.tuples(
    st.sampled_from(["set", "cut", "drop", "put", "zero"]), st.floats(0, 1), st.binary(max_size=8)
)


@pytest.fixture(scope="module")
def file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "book.bin")


def mutated(content: bytes, kind: str, where: float, by: bytes) -> bytes:
    at = int(where * len(content))
    match kind:
        case "set":
            return content[:at] + by + content[at + len(by) :]
        case "cut":
            return content[:at]
        case "drop":
            return content[:at] + content[at + 1 + len(by) :]
        case "put":
            return content[:at] + by + content[at:]
        case _:
            return content[:at] + bytes(64) + content[at + 64 :]


def assert_is_verdict(verdict: Verdict) -> None:
    assert verdict.ok is (verdict.reason == "")
    assert verdict.ok is (verdict.check == "")
    assert verdict.reason.isprintable()
    assert not verdict.ok or verdict.format


@given(st.sampled_from(WHOLE), st.lists(MUTATIONS, min_size=1, max_size=4))
@settings(max_examples=1500, deadline=None)
def test_changed_book_gets_a_verdict(
    file: Path, content: bytes, mutations: list[tuple[str, float, bytes]]
) -> None:
    for mutation in mutations:
        content = mutated(content, *mutation)
    file.write_bytes(content)
    assert_is_verdict(verify(file, "epub"))
    assert_is_verdict(verify(file))


@given(
    st.sampled_from(
        [b"", b"PK\3\4", b"%PDF-1.7\n", b"Rar!\x1a\x07\0", b"Rar!\x1a\x07\1\0", b"{\\rtf", b"CONT", b"<"]
    ),
    st.binary(max_size=300),
    st.sampled_from(["", "epub", "txt", "html"]),
)
@settings(max_examples=500, deadline=None)
def test_any_bytes_get_a_verdict(file: Path, signature: bytes, rest: bytes, expected: str) -> None:
    file.write_bytes(signature + rest)
    assert_is_verdict(verify(file, expected))


@given(st.text(alphabet="<>!-?/ \n\"'abc[]&;=:html", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_markup_gets_a_verdict(file: Path, content: str) -> None:
    file.write_text(content)
    assert_is_verdict(verify(file))


@given(st.integers(0, 60), st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_truncated_real_sized_epub_is_refused(file: Path, seed: int, where: float) -> None:
    content = books.real_sized_epub(60, seed % 5)
    file.write_bytes(content[: int(where * len(content))])
    assert not verify(file, "epub").ok


@pytest.mark.parametrize(
    "opening", [b"<", b"<!--", b"<!", b" ", b"<?", b"<!DOCTYPE [", b"- ", b'{"', b"[[", b"<a>"]
)
def test_repeated_markup_costs_linear_time(file: Path, opening: bytes) -> None:
    file.write_bytes(opening * (200_000 // len(opening)))
    assert_is_verdict(verify(file))
