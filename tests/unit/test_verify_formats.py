"""Every format: a whole book is taken and named by its content; the broken and the locked are refused."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bookhopper.verify import Verdict, verify
from tests import books


def judge(folder: Path, content: bytes, expected: str = "") -> Verdict:
    path = folder / "book.bin"
    path.write_bytes(content)
    return verify(path, expected)


GOOD: list[tuple[str, Callable[[], bytes], str]] = [
    ("a real-sized EPUB", books.real_sized_epub, "epub"),
    ("PalmDOC", books.palmdoc, "mobi"),
    ("joint MOBI and KF8", books.joint_mobi, "azw3"),
    ("RAR 5", books.cbr5, "cbr"),
    ("RAR 4 without end marker", lambda: books.cbr()[:-7], "cbr"),
    ("RAR with bytes behind it", lambda: books.cbr() + b"\0" * 100, "cbr"),
    ("FB2 in windows-1251", lambda: books.fb2(encoding="windows-1251", text="Жили-были"), "fb2"),
    ("FB2 in UTF-16", lambda: books.fb2(encoding="utf-16"), "fb2"),
    ("FB2 with HTML entities", lambda: books.fb2(text="a&nbsp;b &mdash; c & d"), "fb2"),
    ("FB2 behind a comment", lambda: books.fb2().replace(b"<Fict", b"<!-- < a - b -->\n<Fict"), "fb2"),
    ("text in UTF-8 with BOM", lambda: books.txt("utf-8-sig"), "txt"),
    ("text in UTF-16", lambda: books.txt("utf-16"), "txt"),
    ("text in UTF-16 without BOM", lambda: books.txt("utf-16-be"), "txt"),
    ("text in UTF-32", lambda: books.txt("utf-32"), "txt"),
    ("text in Latin-1", lambda: ("Fée, château, déjà vu. " * 20).encode("latin-1"), "txt"),
    ("text in Shift-JIS", lambda: ("吾輩は猫である。名前はまだ無い。" * 20).encode("shift-jis"), "txt"),
    ("text that begins with CONTENTS", lambda: b"CONTENTS\n" + books.txt(), "txt"),
    ("text that ends in ^Z", lambda: books.txt() + b"\x1a\0\0\0\0\0", "txt"),
    ("text that begins with a bracket", lambda: b"[Illustration]\n" + books.txt(), "txt"),
    ("text that begins with an arrow", lambda: b"< 1 >\n" + books.txt(), "txt"),
    ("comic of a Mac", lambda: books.zipped({"__MACOSX/._1.jpg": b"\0", "1.jpg": books.jpeg()}), "cbz"),
]

GOOD += [(name, build, name) for name, build in books.ALL.items()]


@pytest.mark.parametrize(("build", "name"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_whole_book_is_taken(tmp_path: Path, build: Callable[[], bytes], name: str) -> None:
    assert judge(tmp_path, build()) == Verdict(ok=True, format=name)


BAD: list[tuple[str, Callable[[], bytes], str, str, str]] = [
    ("empty", lambda: b"", "", "size", "is empty"),
    ("zeros", lambda: bytes(100_000), "", "container", "zero bytes"),
    ("HTML", lambda: books.html("Sign &amp; in"), "", "type", 'an HTML page, not a book: "Sign & in"'),
    ("HTML fragment", lambda: b"\n <!-- x --> <body>Blocked</body>", "", "type", "an HTML page"),
    ("XHTML", lambda: b'<?xml version="1.0"?>\n' + books.html(), "", "type", "an HTML page"),
    (
        "XML error",
        lambda: b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
        "",
        "type",
        "<Error>",
    ),
    ("OPDS feed", lambda: b'<feed xmlns="http://www.w3.org/2005/Atom"/>', "", "type", "<feed>"),
    ("JSON", lambda: json.dumps({"error": "no"}).encode(), "", "type", "JSON answer"),
    ("long JSON", lambda: json.dumps([{"a": "b" * 100}] * 1000).encode(), "", "type", "JSON answer"),
    ("deep JSON", lambda: b"[" * 50_000 + b"]", "", "type", "JSON answer"),
    ("message", lambda: b"404 Not Found\n", "txt", "size", "too short"),
    ("JPEG", books.jpeg, "", "type", "a JPEG picture"),
    ("gzip", lambda: b"\x1f\x8b\x08" + bytes(20), "", "type", "a gzip archive"),
    ("noise", lambda: books.jpeg(5000)[20:], "", "type", "no known book format"),
    ("ACSM", lambda: b'<fulfillmentToken xmlns="http://ns.adobe.com/adept"/>', "", "protection", "ACSM"),
    ("LCP licence", lambda: b'{"x": "http://readium.org/lcp/basic-profile"}', "", "protection", "LCP"),
    ("text with a hole", lambda: books.txt() + bytes(50) + books.txt(), "txt", "container", "hole"),
    ("UTF-16 cut short", lambda: books.txt("utf-16")[:-1], "txt", "container", "utf-16"),
    ("FB2 cut short", lambda: books.fb2()[:-20], "fb2", "container", "cut short"),
    ("FB2 with a hole", lambda: books.fb2(text="a" + "\0" * 9 + "b"), "fb2", "container", "hole"),
    ("FB2 without text", lambda: books.fb2(text=" "), "fb2", "structure", "without text"),
    ("zipped FB2 that is none", lambda: books.zipped({"a.fb2": b"<x></x>"}), "fbz", "type", "no FictionBook"),
    ("RTF cut short", lambda: books.rtf()[:-4], "rtf", "container", "cut short"),
    ("ZIP of other things", lambda: books.zipped({"a.exe": b"MZ"}), "", "type", "no EPUB"),
    ("empty ZIP", lambda: books.zipped({}), "", "type", "an empty ZIP"),
    (
        "web page with pictures",
        lambda: books.zipped({"a.jpg": books.jpeg(), "i.html": b""}),
        "",
        "type",
        "no comic",
    ),
    (
        "comic without pictures",
        lambda: books.zipped({"1.jpg": b"none"}),
        "cbz",
        "structure",
        "single picture",
    ),
    ("RAR cut short", lambda: books.cbr()[:-30], "cbr", "container", "cut short"),
    ("RAR 5 cut short", lambda: books.cbr5()[:-1], "cbr", "container", "cut short"),
    ("RAR 5 without end", lambda: books.cbr5()[:-8], "cbr", "container", "cut short"),
    (
        "RAR of nothing",
        lambda: b"Rar!\x1a\x07\x01\0" + books.cbr5()[-8:],
        "cbr",
        "structure",
        "without files",
    ),
    ("RAR locked", lambda: books.cbr().replace(b"s\0\0\r", b"s\x80\0\r"), "cbr", "protection", "password"),
    ("RAR 5 locked", lambda: b"Rar!\x1a\x07\x01\0" + b"0123\x03\x04\0\0", "cbr", "protection", "password"),
    ("7z cut short", lambda: books.cb7()[:-1], "cb7", "container", "cut short"),
    ("7z header damaged", lambda: books.cb7()[:20] + b"x" + books.cb7()[21:], "cb7", "checksum", "damaged"),
    ("7z header cut", lambda: books.cb7()[:31], "cb7", "container", "cut short"),
    ("DjVu cut short", lambda: books.djvu()[:-1], "djvu", "container", "cut short"),
    ("DjVu header cut", lambda: books.djvu()[:14], "djvu", "container", "cut short"),
    ("DjVu part", lambda: books.djvu().replace(b"DJVU", b"DJVI"), "djvu", "structure", "a part"),
    ("ODT locked", lambda: books.odt(b"<m><encryption-data/></m>"), "odt", "protection", "password"),
    (
        "ODT without content",
        lambda: books.zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}),
        "odt",
        "structure",
        "content.xml",
    ),
    ("password on Office", lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "", "type", "with a password"),
]


@pytest.mark.parametrize(
    ("build", "name", "check", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_is_no_whole_book_is_refused(
    tmp_path: Path, build: Callable[[], bytes], name: str, check: str, reason: str
) -> None:
    expected = name if check in {"size", "container"} else ""
    verdict = judge(tmp_path, build(), expected)
    assert not verdict.ok
    assert (verdict.check, verdict.protected) == (check, check == "protection")
    assert reason in verdict.reason
    assert "\n" not in verdict.reason
    assert verdict.format in {name, expected}
    assert verdict.permanent == (check in {"type", "structure", "protection"})


CLAIMS: list[tuple[str, Callable[[], bytes], str, bool, str]] = [
    ("another strong format", books.pdf, "epub", True, "pdf"),
    ("a claim with dot and case", books.epub, ".EPUB", True, "epub"),
    ("an unknown claim", books.epub, "octet-stream", True, "epub"),
    ("text promised", books.txt, "txt", True, "txt"),
    ("text instead of EPUB", books.txt, "epub", False, ""),
    ("message instead of EPUB", lambda: b"404 Not Found", "epub", False, ""),
    ("noise instead of EPUB", lambda: books.jpeg(5000)[20:], "epub", False, ""),
    ("HTML promised", books.html, "html", True, "html"),
    ("HTML instead of text", books.html, "txt", False, ""),
    ("comic instead of EPUB", books.cbz, "epub", False, ""),
    ("comic instead of PDF", books.cbz, "pdf", True, "cbz"),
    ("zipped FB2 instead of EPUB", books.fbz, "epub", True, "fbz"),
]


@pytest.mark.parametrize(
    ("build", "expected", "ok", "name"), [case[1:] for case in CLAIMS], ids=[case[0] for case in CLAIMS]
)
def test_claim_decides_only_where_the_content_says_little(
    tmp_path: Path, build: Callable[[], bytes], expected: str, ok: bool, name: str
) -> None:
    verdict = judge(tmp_path, build(), expected)
    assert (verdict.ok, verdict.format) == (ok, name)
    assert bool(verdict.reason) is not ok


def _entry_moved(content: bytes, entry: int, to: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(">L", changed, 78 + 8 * entry, to)
    return bytes(changed)


def _without_text(records: int) -> bytes:
    return books.palm([books.mobi_header(texts=records), b"text", books.jpeg()])


KINDLE: list[tuple[str, Callable[[], bytes], str, str]] = [
    ("MOBI protected", lambda: books.mobi(encryption=2), "protection", "DRM"),
    ("second part protected", lambda: books.joint_mobi(encryption=1), "protection", "DRM"),
    ("KFX protected", lambda: b"\xeaDRMION\xee" + bytes(50), "protection", "KFX"),
    ("KFX cut short", lambda: books.kfx()[:30], "container", "cut short"),
    ("KFX header cut", lambda: books.kfx()[:17], "container", "cut short"),
    ("cut in the end marker", lambda: books.mobi()[:-1], "container", "last bytes"),
    ("cut before it", lambda: books.mobi()[:-10], "container", "cut short"),
    ("cut in the table", lambda: books.mobi()[:100], "container", "table of records"),
    ("cut in the header", lambda: books.mobi()[:70], "container", "header"),
    ("records out of order", lambda: _entry_moved(books.mobi(), 2, 100_000), "structure", "table"),
    ("records in the table", lambda: _entry_moved(books.mobi(), 0, 10), "structure", "table"),
    ("hole", lambda: books.palm([books.mobi_header(texts=1), bytes(90), b"x"]), "structure", "hole"),
    ("text missing", lambda: _without_text(9), "structure", "claims 9 records"),
    ("no text", lambda: _without_text(0), "structure", "claims 0 records"),
    ("short first record", lambda: books.palm([b"abc", b"text"]), "structure", "too short"),
    ("unknown compression", lambda: books.palm([b"\0\x09" + bytes(20), b"text"]), "structure", "compression"),
    (
        "second part missing",
        lambda: books.palm([books.mobi_header(texts=1, boundary=44), b"text"]),
        "structure",
        "second part",
    ),
]


@pytest.mark.parametrize(
    ("build", "check", "reason"), [case[1:] for case in KINDLE], ids=[case[0] for case in KINDLE]
)
def test_kindle_book_is_refused(tmp_path: Path, build: Callable[[], bytes], check: str, reason: str) -> None:
    verdict = judge(tmp_path, build(), "mobi")
    assert (verdict.ok, verdict.check) == (False, check)
    assert reason in verdict.reason


def test_damaged_metadata_does_no_harm(tmp_path: Path) -> None:
    header = books.mobi_header(texts=1, boundary=9)
    for exth in (
        header.replace(b"EXTH", b"EXTX"),
        header[:260],
        header.replace(b"\0\0\0\x79", b"\0\0\0\x78"),
    ):
        assert judge(tmp_path, books.palm([exth, b"text"])).format == "mobi"


def test_unreadable_file_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none.epub")
    with pytest.raises(IsADirectoryError):
        verify(tmp_path)


def test_large_book_is_read_in_pieces(tmp_path: Path) -> None:
    picture = books.jpeg(6 << 20)
    whole = books.epub(files={"OEBPS/p.jpg": picture})
    assert judge(tmp_path, whole).ok
    at = whole.index(picture) + (3 << 20)
    verdict = judge(tmp_path, whole[:at] + b"\xff\0\xff" + whole[at + 3 :])
    assert (verdict.ok, verdict.check) == (False, "checksum")


def test_directory_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 80 << 20, 0, 0)
    path = tmp_path / "bomb.epub"
    with path.open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(100 << 20)
        file.seek(0, 2)
        file.write(end)
    verdict = verify(path)
    assert (verdict.ok, verdict.check) == (False, "structure")
    assert "80 MiB" in verdict.reason


def test_impossible_offsets_are_the_files_fault(tmp_path: Path) -> None:
    whole = books.epub(files={"OEBPS/p.jpg": books.jpeg(5 << 20)})
    verdict = judge(tmp_path, whole[:4] + whole[200:])
    assert (verdict.ok, verdict.permanent) == (False, False)


def test_many_threads_get_their_own_verdicts(tmp_path: Path) -> None:
    contents = [build() for build in books.ALL.values()] * 4
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    with ThreadPoolExecutor(16) as pool:
        assert [verdict.format for verdict in pool.map(verify, paths)] == list(books.ALL) * 4


def test_only_a_pdf_pays_for_the_pdf_reader() -> None:
    program = "import sys, bookhopper.verify.dispatch; sys.exit('pypdf' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})
