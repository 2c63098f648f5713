"""EPUB: what readers forgive is taken, what has a hole or a lock is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bookhopper.verify import Verdict, verify
from tests import books

IDPF = "http://www.idpf.org/2008/embedding"
ADOBE = "http://ns.adobe.com/pdf/enc#RC"
AES = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"


def judge(folder: Path, content: bytes) -> Verdict:
    path = folder / "book.bin"
    path.write_bytes(content)
    return verify(path, "epub")


def having(name: str, content: bytes | None) -> bytes:
    """A whole EPUB in which one member is added, replaced or (None) left out."""
    return books.epub(files={name: content})


def with_package(package: bytes) -> bytes:
    return having("OEBPS/content.opf", package)


def with_empty_chapters() -> bytes:
    return books.epub(files={"OEBPS/c1.xhtml": b"", "OEBPS/c2.xhtml": b""})


def with_spine(spine: str, *items: tuple[str, str]) -> bytes:
    listed = items or (("c1.xhtml", "application/xhtml+xml"), ("c2.xhtml", "application/xhtml+xml"))
    return with_package(books.package(items=listed, spine=spine))


def with_items(*hrefs: str, files: books.Files | None = None) -> bytes:
    package = books.package(items=[(href, "application/xhtml+xml") for href in hrefs])
    return books.epub(files={"OEBPS/content.opf": package, **(files or {})})


def encrypted(algorithm: str, path: str, *, media_type: str = "") -> bytes:
    items = [("c1.xhtml", "application/xhtml+xml")]
    if media_type:
        items.append((path.removeprefix("OEBPS/"), media_type))
    encryption = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
        f'<e:EncryptionMethod Algorithm="{algorithm}"/>'
        f'<e:CipherData><e:CipherReference URI="{path}"/></e:CipherData></e:EncryptedData></encryption>'
    ).encode()
    files = {"META-INF/encryption.xml": encryption, "OEBPS/content.opf": books.package(items=items)}
    return books.epub(files={path: b"font or text", **files})


def mimetype_last() -> bytes:
    return books.zipped(
        {
            "OEBPS/content.opf": books.package(),
            "OEBPS/c1.xhtml": books.chapter("One"),
            "META-INF/container.xml": books.container(),
            "mimetype": b"application/epub+zip",
        },
        stored=(),
    )


def rewritten(change: Callable[[zipfile.ZipFile], None], content: bytes = b"") -> bytes:
    """An EPUB to whose archive something was appended, whatever zipfile warns of."""
    buffer = io.BytesIO(content or books.epub())
    with zipfile.ZipFile(buffer, "a") as archive:
        change(archive)
    return buffer.getvalue()


def twice(first: bytes, second: bytes) -> bytes:
    def change(archive: zipfile.ZipFile) -> None:
        archive.writestr("extra.css", first)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("extra.css", second)

    return rewritten(change)


def compressed_by(method: int) -> bytes:
    return rewritten(lambda archive: archive.writestr("extra.css", b"p {}", compress_type=method))


def with_flag(flag: int) -> bytes:
    """Every directory entry's flags changed, as an archive with a password has them."""
    content = bytearray(books.epub())
    at = content.find(b"PK\1\2")
    while at >= 0:
        content[at + 8] |= flag
        at = content.find(b"PK\1\2", at + 4)
    return bytes(content)


def bomb() -> bytes:
    return having("OEBPS/zeros.bin", bytes(70 << 20))


CONTAINER = "META-INF/container.xml"
TWO_ROOTFILES = (
    b'<container><rootfiles><rootfile full-path="a.pdf" media-type="application/pdf"/>'
    b'<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
)

TAKEN: list[tuple[str, Callable[[], bytes]]] = [
    ("mimetype missing", lambda: having("mimetype", None)),
    ("mimetype last and compressed", mimetype_last),
    ("mimetype with a newline", lambda: having("mimetype", b"application/epub+zip\r\n")),
    ("mimetype with a BOM", lambda: having("mimetype", b"\xef\xbb\xbfapplication/epub+zip")),
    ("mimetype of something else", lambda: having("mimetype", b"application/zip")),
    (
        "container in other case",
        lambda: books.epub(files={CONTAINER: None, "META-inf/Container.XML": books.container()}),
    ),
    ("container with a BOM", lambda: having(CONTAINER, b"\xef\xbb\xbf" + books.container())),
    ("package with zeros behind it", lambda: with_package(books.package() + bytes(9))),
    (
        "package in UTF-16",
        lambda: with_package(books.package().decode().replace("utf-8", "utf-16").encode("utf-16")),
    ),
    ("container after blank lines", lambda: having(CONTAINER, b"\n\n" + books.container())),
    ("rootfile with ./", lambda: having(CONTAINER, books.container("./OEBPS/content.opf"))),
    ("rootfile with /", lambda: having(CONTAINER, books.container("/OEBPS/content.opf"))),
    ("rootfile with backslash", lambda: having(CONTAINER, books.container("OEBPS\\content.opf"))),
    ("rootfile in other case", lambda: having(CONTAINER, books.container("oebps/Content.opf"))),
    ("several rootfiles", lambda: having(CONTAINER, TWO_ROOTFILES)),
    (
        "undeclared entity",
        lambda: with_package(books.package().replace(b"A Tale", b"A&nbsp;Tale &copy; & so on")),
    ),
    (
        "encoded href",
        lambda: with_items("my%20page.xhtml", files={"OEBPS/my page.xhtml": books.chapter("x")}),
    ),
    (
        "encoded name",
        lambda: with_items("my%20page.xhtml", files={"OEBPS/my%20page.xhtml": books.chapter("x")}),
    ),
    ("href in other case", lambda: with_items("C1.XHTML")),
    ("href with fragment", lambda: with_items("c1.xhtml#top")),
    ("href upwards", lambda: with_items("../c9.xhtml", files={"c9.xhtml": books.chapter("x")})),
    (
        "href in another Unicode form",
        lambda: with_items("cafe\u0301.xhtml", files={"OEBPS/café.xhtml": b"<html/>"}),
    ),
    ("dangling idref", lambda: with_spine('<itemref idref="i0"/><itemref idref="nobody"/>')),
    (
        "missing non-linear page",
        lambda: with_spine(
            '<itemref idref="i0"/><itemref idref="i1" linear="no"/>',
            ("c1.xhtml", "application/xhtml+xml"),
            ("ad.xhtml", "application/xhtml+xml"),
        ),
    ),
    ("an empty chapter", lambda: having("OEBPS/c2.xhtml", b"")),
    (
        "missing picture",
        lambda: with_package(
            books.package(items=[("c1.xhtml", "application/xhtml+xml"), ("no.jpg", "image/jpeg")])
        ),
    ),
    ("bytes before", lambda: b"HTTP warning\n" + books.epub()),
    ("bytes behind", lambda: books.epub() + b"\r\n<!-- served by -->"),
    ("folder entries", lambda: rewritten(lambda archive: archive.writestr("OEBPS/empty/", b""))),
    ("the same file twice", lambda: twice(b"p {}", b"p {}")),
    ("obfuscated font (IDPF)", lambda: encrypted(IDPF, "OEBPS/f.OTF")),
    ("obfuscated font (Adobe)", lambda: encrypted(ADOBE, "OEBPS/f.ttf")),
    (
        "obfuscated font by type",
        lambda: encrypted(IDPF, "OEBPS/f.dat", media_type="application/vnd.ms-opentype"),
    ),
    (
        "obfuscated font that is gone",
        lambda: encrypted(IDPF, "OEBPS/f.ttf").replace(b"OEBPS/f.ttf", b"OEBPS/g.ttf"),
    ),
    ("encryption.xml of nothing", lambda: having("META-INF/encryption.xml", b"<encryption/>")),
    ("empty rights.xml", lambda: having("META-INF/rights.xml", b"")),
]


@pytest.mark.parametrize("build", [case[1] for case in TAKEN], ids=[case[0] for case in TAKEN])
def test_what_readers_forgive_is_taken(tmp_path: Path, build: Callable[[], bytes]) -> None:
    assert judge(tmp_path, build()) == Verdict(ok=True, format="epub")


def test_package_of_ten_thousand_chapters_is_taken(tmp_path: Path) -> None:
    names = [f"text/part{number:05}.xhtml" for number in range(10_000)]
    files = {f"OEBPS/{name}": b"<html/>" for name in names}
    assert judge(tmp_path, with_items(*names, files=files)) == Verdict(ok=True, format="epub")


REFUSED: list[tuple[str, Callable[[], bytes], str, str]] = [
    ("no container", lambda: having(CONTAINER, None), "type", "container.xml is missing"),
    ("container is no XML", lambda: having(CONTAINER, b"zzz"), "structure", "no XML"),
    ("container is empty", lambda: having(CONTAINER, b""), "structure", "no XML"),
    ("no rootfile", lambda: having(CONTAINER, b"<container/>"), "structure", "no package"),
    ("package missing", lambda: having("OEBPS/content.opf", None), "structure", "is not in the EPUB"),
    ("package is HTML", lambda: with_package(books.html()), "structure", "is a <html>"),
    ("package is no XML", lambda: with_package(b"\x80\x81"), "structure", "no XML"),
    ("package of elements", lambda: with_package(b"<package>" + b"<a/>" * 700_000), "structure", "too many"),
    ("package of attributes", lambda: with_package(b"<p " + b"a='' " * 700_000), "structure", "too many"),
    ("huge package", lambda: with_package(b"<package>" + b" " * (9 << 20)), "structure", "9 MiB large"),
    ("huge container", lambda: having(CONTAINER, b"<c>" + b" " * (2 << 20)), "structure", "2 MiB large"),
    ("empty spine", lambda: with_spine(""), "structure", "spine is empty"),
    ("spine of dangling idrefs", lambda: with_spine('<itemref idref="x"/>'), "structure", "nothing to read"),
    ("spine of empty files", with_empty_chapters, "structure", "nothing to read"),
    ("missing chapter", lambda: having("OEBPS/c2.xhtml", None), "structure", '"c2.xhtml" is in'),
    ("rights.xml", lambda: having("META-INF/rights.xml", b"<rights/>"), "protection", "rights.xml"),
    ("FairPlay", lambda: having("META-INF/sinf.xml", b"<sinf/>"), "protection", "FairPlay"),
    ("LCP", lambda: having("META-INF/license.lcpl", b"{}"), "protection", "LCP"),
    ("LCP at the top", lambda: having("license.lcpl", b"{}"), "protection", "LCP"),
    ("encrypted chapter", lambda: encrypted(AES, "OEBPS/c1.xhtml"), "protection", "encrypted"),
    ("encrypted font", lambda: encrypted(AES, "OEBPS/f.ttf"), "protection", "encrypted"),
    ("obfuscated chapter", lambda: encrypted(IDPF, "OEBPS/c1.xhtml"), "protection", "c1.xhtml"),
    ("unnamed method", lambda: encrypted("", "OEBPS/c1.xhtml"), "protection", "encrypted"),
    ("password", lambda: with_flag(1), "protection", "password"),
    ("LZMA", lambda: compressed_by(zipfile.ZIP_LZMA), "structure", "cannot undo"),
    ("bzip2", lambda: compressed_by(zipfile.ZIP_BZIP2), "structure", "cannot undo"),
    ("name that climbs", lambda: having("../../etc/passwd", b"x"), "structure", "leaves its folder"),
    ("absolute name", lambda: having("/etc/passwd", b"x"), "structure", "leaves its folder"),
    ("name with drive", lambda: having("C:\\x", b"x"), "structure", "leaves its folder"),
    ("two files of one name", lambda: twice(b"p {}", b"q {}"), "structure", "two different files"),
    ("bomb", bomb, "structure", "ZIP bomb"),
    ("too many members", lambda: books.epub(chapters=20_001), "structure", "more than"),
    ("huge container", lambda: having(CONTAINER, b" " * (5 << 20)), "structure", "5 MiB large"),
    ("cut short", lambda: books.epub()[:-30], "container", "cut short"),
    ("flipped text", lambda: _flipped(books.epub(), b"c1.xhtml", 40), "checksum", 'c1.xhtml" in it'),
    ("flipped picture", lambda: _flipped(books.epub(images=1), b"OEBPS/p0.jpg", 90), "checksum", "p0.jpg"),
    ("hole", lambda: _flipped(books.epub(images=1), b"OEBPS/p0.jpg", 40, bytes(60)), "checksum", "p0.jpg"),
]  # fmt: skip


def _flipped(content: bytes, name: bytes, behind: int, by: bytes = b"\x5a") -> bytes:
    at = content.index(name) + len(name) + behind
    return content[:at] + by + content[at + len(by) :]


@pytest.mark.parametrize(
    ("build", "check", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_broken_or_locked_is_refused(
    tmp_path: Path, build: Callable[[], bytes], check: str, reason: str
) -> None:
    verdict = judge(tmp_path, build())
    assert (verdict.ok, verdict.check) == (False, check)
    assert reason in verdict.reason
    assert verdict.protected == (check == "protection")


def test_nothing_is_loaded_for_an_entity(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("content.opf")
    container = (
        f'<!DOCTYPE c [<!ENTITY x SYSTEM "file://{secret}">]>'
        '<container><rootfiles><rootfile full-path="OEBPS/&x;"/></rootfiles></container>'
    )
    assert not judge(tmp_path, having(CONTAINER, container.encode())).ok


def test_entity_bomb_ends_soon(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    package = f'<!DOCTYPE p [<!ENTITY l0 "ha">{levels}]>'.encode() + books.package().split(b"?>", 1)[1]
    verdict = judge(tmp_path, with_package(package.replace(b"A Tale", b"&l11;")))
    assert verdict.format == "epub"


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = books.epub(images=2)
    assert [length for length in range(len(whole)) if judge(tmp_path, whole[:length]).ok] == []
