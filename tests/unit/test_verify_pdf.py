"""PDF: what browsers open is taken, half a file and a locked one are refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from bookhopper.verify import Verdict, verify
from tests import books


def judge(folder: Path, content: bytes) -> Verdict:
    path = folder / "book.bin"
    path.write_bytes(content)
    return verify(path, "pdf")


def locked(user: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(books.pdf())))
    writer.encrypt(user, "the owner's", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def with_drm() -> bytes:
    return books.pdf().replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /EBX_HANDLER /V 4 >>")


def with_aes_256() -> bytes:
    """Locked as PDF 2.0 does it; whether a password is needed cannot be told without AES."""
    keys = f"/O <{'11' * 48}> /U <{'22' * 48}> /OE <{'33' * 32}> /UE <{'44' * 32}> /Perms <{'55' * 16}>"
    filters = "/CF << /StdCF << /CFM /AESV3 /Length 32 >> >> /StmF /StdCF /StrF /StdCF"
    entry = f"/Encrypt << /Filter /Standard /V 5 /R 6 /Length 256 /P -4 {keys} {filters} >>"
    return books.pdf().replace(b"/Root 1 0 R", b"/Root 1 0 R " + entry.encode())


def updated() -> bytes:
    """An incremental update behind the first version."""
    first = books.pdf()
    start = first.rindex(b"startxref") + 10
    previous = int(first[start:].split()[0])
    again = len(first)
    body = first + b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /Lang (en) >>\nendobj\n"
    table = f"xref\n1 1\n{again:010} 00000 n \ntrailer\n<< /Size 5 /Root 1 0 R /Prev {previous} >>\n"
    return body + table.encode() + f"startxref\n{len(body)}\n%%EOF".encode()


def linearized(length: int) -> bytes:
    head = f"%PDF-1.4\n9 0 obj\n<< /Linearized 1 /L {length} /N 1 >>\nendobj\nstartxref\n0\n%%EOF\n"
    return head.encode() + books.pdf()


def moved_startxref(by: int) -> bytes:
    whole = books.pdf()
    at = whole.rindex(b"startxref") + 10
    return whole[:at] + str(int(whole[at:].split()[0]) + by).encode() + b"\n%%EOF\n"


TAKEN: list[tuple[str, Callable[[], bytes]]] = [
    ("many pages", lambda: books.pdf(300)),
    ("larger than memory is spent on", lambda: books.pdf(3, padding=5 << 20)),
    ("object streams", books.modern_pdf),
    ("incremental update", updated),
    ("linearised", lambda: linearized(400)),
    ("lines before the header", lambda: b"HTTP/1.1 200 OK\r\n\r\n" + books.pdf()),
    ("bytes behind the end", lambda: books.pdf() + b"\n<!-- counter -->" * 200),
    ("table found a little off", lambda: moved_startxref(-1)),
    ("table not found", lambda: moved_startxref(-90)),
    ("CR line ends", lambda: books.pdf().replace(b"startxref\n", b"startxref\r")),
    ("copying forbidden, RC4-40", lambda: locked("", "RC4-40")),
    ("copying forbidden, RC4-128", lambda: locked("", "RC4-128")),
    ("copying forbidden or locked, AES-256", with_aes_256),
]


@pytest.mark.parametrize("build", [case[1] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_what_browsers_open_is_taken(tmp_path: Path, build: Callable[[], bytes]) -> None:
    assert judge(tmp_path, build()) == Verdict(ok=True, format="pdf")


REFUSED: list[tuple[str, Callable[[], bytes], str, str]] = [
    ("cut short", lambda: books.pdf()[:-20], "container", "cut short"),
    ("cut in the end marker", lambda: books.pdf()[:-3], "container", "cut short"),
    ("linearised and cut short", lambda: linearized(4000), "container", "says that it is longer"),
    ("bytes missing", lambda: moved_startxref(10_000), "container", "bytes missing"),
    ("hole", lambda: _holed(books.pdf(9)), "container", "pages missing"),
    ("no pages", lambda: books.pdf(0), "structure", "without pages"),
    ("no page tree", lambda: books.pdf().replace(b"/Pages 2", b"/Pqges 2"), "structure", "cannot be read"),
    ("password, RC4-40", lambda: locked("secret", "RC4-40"), "protection", "password"),
    ("password, RC4-128", lambda: locked("secret", "RC4-128"), "protection", "password"),
    ("DRM", with_drm, "protection", "DRM"),
]


def _holed(content: bytes) -> bytes:
    at = content.index(b"7 0 obj")
    return content[:at] + bytes(60) + content[at + 60 :]


@pytest.mark.parametrize(
    ("build", "check", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_broken_or_locked_is_refused(
    tmp_path: Path, build: Callable[[], bytes], check: str, reason: str
) -> None:
    verdict = judge(tmp_path, build())
    assert (verdict.ok, verdict.format, verdict.check) == (False, "pdf", check)
    assert reason in verdict.reason
    assert verdict.protected == (check == "protection")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = books.pdf(2).rstrip()
    assert [length for length in range(len(whole)) if judge(tmp_path, whole[:length]).ok] == []


def test_page_tree_that_bites_its_tail_ends(tmp_path: Path) -> None:
    assert judge(tmp_path, books.pdf().replace(b"[4 0 R]", b"[2 0 R]")).check == "structure"
