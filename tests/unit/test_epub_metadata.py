"""A title and authors written into an EPUB: what lacked is there, all else as it was, what is odd is left."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from lxml import etree

from bookhopper.epub_metadata import Known, UnfitError, fill
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.verify import verify
from tests import books

DC = "{http://purl.org/dc/elements/1.1/}"
OPF = "http://www.idpf.org/2007/opf"
KNOWN = Known("A Tale", ("Ann Author", "Bob Byline"))
PLACE = "OEBPS/content.opf"
_BODY = (
    '<manifest><item id="i0" href="c1.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="i0"/></spine>'
)


def package(
    metadata: str, *, before: str = "", root: str = f'<package xmlns="{OPF}" version="3.0">'
) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>{before}{root}{metadata}{_BODY}</package>'.encode()


def with_prefix(document: bytes) -> bytes:
    return document.replace(b"<package", b"<o:package xmlns:o='urn:o'").replace(b"</package", b"</o:package")


def metadata(inner: str, *, prefix: str = "dc") -> str:
    return (
        f'<metadata xmlns:{prefix}="http://purl.org/dc/elements/1.1/">'
        f'<{prefix}:identifier id="id">x</{prefix}:identifier>{inner}</metadata>'
    )


def filled(folder: Path, content: bytes, known: Known = KNOWN) -> bytes | None:
    """Fill a book; None where it lacks nothing."""
    path, target = folder / "book.epub", folder / "filled.epub"
    path.write_bytes(content)
    target.unlink(missing_ok=True)
    if not fill(path, target, known, lambda: None):
        assert not target.exists()
        return None
    assert verify(target, "epub").ok
    return target.read_bytes()


def said(content: bytes | None) -> tuple[list[str | None], list[str | None]]:
    """Give the titles and creators that a book has."""
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root = etree.fromstring(archive.read(PLACE))
    found = root.find("{*}metadata")
    assert found is not None
    return tuple([each.text for each in found.iter(f"{DC}{name}")] for name in ("title", "creator"))  # type: ignore[return-value]


def having(document: bytes, files: books.Files | None = None) -> bytes:
    return books.epub(files={PLACE: document, **(files or {})})


BOTH = (["A Tale"], ["Ann Author", "Bob Byline"])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (package(metadata("")), BOTH),
        (package(""), BOTH),
        (package("<metadata/>"), BOTH),
        (package(metadata("<dc:title>\u00a0 \n</dc:title><dc:creator/>")), BOTH),
        (package(metadata("<dc:creator id='c'/>\n<dc:creator/>")), (["A Tale"], [*BOTH[1], None])),
        (package(metadata("<dc:title>Mine</dc:title>")), (["Mine"], BOTH[1])),
        (package(metadata("<dc:creator>Me</dc:creator>")), (["A Tale"], ["Me"])),
        (package(metadata("<q:title/>", prefix="q")), BOTH),
        (with_prefix(package(metadata(""))), BOTH),
        (package(metadata(""), root='<package version="2.0">'), BOTH),
        (package(metadata("<!-- a --><?b c?>"), before="<!DOCTYPE package [<!ENTITY a 'b'>]>"), BOTH),
        (package(metadata("")).replace(b"utf-8", b"utf-16").decode().encode("utf-16"), BOTH),
        (package(metadata("<meta property='title'>A Meta</meta><x:title xmlns:x='urn:x'>X</x:title>")), BOTH),
        (package(f"<metadata>{metadata('<dc:Title>Old</dc:Title>')}</metadata>"), ([], BOTH[1])),
    ],
)  # fmt: skip
def test_what_lacks_is_written(tmp_path: Path, document: bytes, expected: object) -> None:
    assert said(filled(tmp_path, having(document))) == expected


@pytest.mark.parametrize(
    ("inner", "known"),
    [
        ("<dc:title>Mine</dc:title><dc:creator>Me</dc:creator>", KNOWN),
        ("<dc:title>Mine</dc:title>", Known("A Tale")),
        ("", Known()),
        ("<dc:title>&amp;</dc:title><dc:creator>&#x41;</dc:creator>", KNOWN),
        ("<dc:title><b>Deep</b></dc:title><dc:creator>Me</dc:creator>", KNOWN),
        ("<dc:title>&unknown;</dc:title><dc:creator>Me</dc:creator>", KNOWN),
    ],
)
def test_what_lacks_nothing_that_is_known_is_left(tmp_path: Path, inner: str, known: Known) -> None:
    assert filled(tmp_path, having(package(metadata(inner))), known) is None


@pytest.mark.parametrize(
    ("document", "files", "why"),
    [
        (package(metadata("<dc:x>")), {}, "its package document is not well-formed"),
        (package("<metadata><dc:title/></metadata>"), {}, "its package document is not well-formed"),
        (package(metadata("&unknown;")), {}, "its package document is not well-formed"),
        (package(metadata("")), {"META-INF/signatures.xml": b"<signatures/>"}, "it is signed"),
        (package(metadata("")), {"meta-inf/Signatures.xml": b""}, "it is signed"),
        (b"<package>" + b" " * (8 << 20) + b"</package>", {}, '"OEBPS/content.opf" is 8 MiB large'),
        (package("<a/>" * 700_000), {}, '"OEBPS/content.opf" is unreadable: too many elements to be read'),
    ],
)  # fmt: skip
def test_what_is_odd_is_left_alone(tmp_path: Path, document: bytes, files: books.Files, why: str) -> None:
    with pytest.raises(UnfitError) as refused:
        filled(tmp_path, having(document, files))
    assert str(refused.value) == why


def test_names_in_an_old_encoding_are_left_alone(tmp_path: Path) -> None:
    content = having(package(metadata("")), {"OEBPS/\u00e9t\u00e9.jpg": books.jpeg()})
    name = "\u00e9t\u00e9".encode()
    assert said(filled(tmp_path, content)) == BOTH
    with pytest.raises(UnfitError, match="the names in its archive are in an old encoding"):
        filled(tmp_path, without_utf8_flag(content, name))


def without_utf8_flag(content: bytes, name: bytes) -> bytes:
    """Make an archive say of one name no more that it is UTF-8, in both places where it stands."""
    changed = bytearray(content)
    for signature, flags, start in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        place = content.find(signature)
        while place >= 0:
            if name in content[place + start : place + start + 20]:
                changed[place + flags + 1] &= ~0x08
            place = content.find(signature, place + 1)
    return bytes(changed)


def test_all_else_is_as_it_was(tmp_path: Path) -> None:
    content = books.zipped(
        {
            "META-INF/": b"",
            "OEBPS/content.opf": package(metadata("")),
            "OEBPS/c1.xhtml": books.chapter("One"),
            "OEBPS/p.jpg": books.jpeg(5000),
            "META-INF/container.xml": books.container(),
            "mimetype": b"application/epub+zip\n",
        },
        stored=(),
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        before = {info.filename: (info, archive.read(info)) for info in archive.infolist()}
    made = filled(tmp_path, content)
    assert made is not None
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        after = archive.infolist()
        assert [info.filename for info in after] == [
            "mimetype", "META-INF/", PLACE, "OEBPS/c1.xhtml", "OEBPS/p.jpg", "META-INF/container.xml",
        ]  # fmt: skip
        assert made[30:58] == b"mimetypeapplication/epub+zip"
        for info in after[1:]:
            was, bytes_before = before[info.filename]
            assert info.date_time == was.date_time
            if info.filename != PLACE:
                assert (archive.read(info), info.compress_type) == (bytes_before, was.compress_type)


def test_the_same_file_and_facts_give_the_same_bytes(tmp_path: Path) -> None:
    content = having(package(metadata("")))
    first, second = filled(tmp_path, content), filled(tmp_path, content)
    assert first is not None
    assert second is not None
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert filled(tmp_path, first) is None


def test_what_is_written_is_fit_for_xml(tmp_path: Path) -> None:
    known = Known.of("A\0 <Tale>\n&  \ud800 \x1b[31m " + "x" * 5000, ["", " \t", "Zoë \u202eAuthor"])
    made = filled(tmp_path, having(package(metadata(""))), known)
    (title,), creators = said(made)
    assert title is not None
    assert title.startswith("A� <Tale> & ? �[31m xxx")
    assert len(title) == 1000
    assert creators == ["Zoë �Author"]


def test_an_interruption_ends_it(tmp_path: Path) -> None:
    path, ticket = tmp_path / "book.epub", Ticket(1)
    path.write_bytes(having(package(metadata(""))))
    ticket.interrupt(Reason.SHUTDOWN)
    with pytest.raises(Interrupted):
        fill(path, tmp_path / "filled.epub", KNOWN, ticket.check)
