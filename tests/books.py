"""Tiny books of every format, built from nothing, and one EPUB of a real book's size and make-up.

Each builder gives bytes; the same arguments give the same bytes.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence

_DATE = (2020, 1, 1, 0, 0, 0)
_WORDS = (
    "the of and to in a that it was his he with as for had her on at by not she but they from be you this "
    "which or were said all one have there so when him their would no out up what then them been could some "
    "down will upon time little great old way whale ship sea captain house door night morning hand eyes stood"
)
_PARAGRAPH = "It was a bright cold day, and the clocks were striking thirteen as the story went on and on."

Files = Mapping[str, bytes | None]
"""Members by name; None leaves out one that would be there."""


def zipped(files: Mapping[str, bytes], *, stored: Sequence[str] = ("mimetype",)) -> bytes:
    """A ZIP archive; names that are in `stored`, or end in .jpg, are not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _DATE)
            is_stored = name in stored or name.endswith(".jpg")
            info.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def jpeg(size: int = 200, seed: int = 0) -> bytes:
    """What a JPEG picture looks like to a downloader: its marks, and bytes that do not compress."""
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    return head + random.Random(seed).randbytes(max(0, size - len(head) - 2)) + b"\xff\xd9"


def chapter(title: str, text: str = _PARAGRAPH) -> bytes:
    """An XHTML chapter."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    ).encode()


def container(path: str = "OEBPS/content.opf") -> bytes:
    """META-INF/container.xml."""
    return (
        '<?xml version="1.0"?>'
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        f'<rootfiles><rootfile full-path="{path}" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>"
    ).encode()


def package(
    title: str = "A Tale",
    author: str = "Ann Author",
    *,
    language: str = "en",
    identifier: str = "urn:uuid:0",
    items: Sequence[tuple[str, str]] = (("c1.xhtml", "application/xhtml+xml"),),
    spine: str | None = None,
) -> bytes:
    """An OPF package; item N has the id `iN`, and the spine holds the XHTML ones unless it is given."""
    manifest = "".join(
        f'<item id="i{n}" href="{href}" media-type="{kind}"/>' for n, (href, kind) in enumerate(items)
    )
    if spine is None:
        spine = "".join(f'<itemref idref="i{n}"/>' for n, item in enumerate(items) if "xhtml" in item[1])
    return (
        '<?xml version="1.0" encoding="utf-8"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">{identifier}</dc:identifier><dc:title>{_escaped(title)}</dc:title>'
        f"<dc:creator>{_escaped(author)}</dc:creator><dc:language>{language}</dc:language></metadata>"
        f"<manifest>{manifest}</manifest><spine>{spine}</spine></package>"
    ).encode()


def epub(
    title: str = "A Tale",
    author: str = "Ann Author",
    images: int = 0,
    *,
    language: str = "en",
    identifier: str = "urn:uuid:0",
    chapters: int = 2,
    files: Files | None = None,
) -> bytes:
    """A whole EPUB; `files` adds members, replaces them, or leaves them out, to make flaws."""
    pages = {f"OEBPS/c{n}.xhtml": chapter(f"Chapter {n}") for n in range(1, chapters + 1)}
    pictures = {f"OEBPS/p{n}.jpg": jpeg(seed=n) for n in range(images)}
    items = [(name.removeprefix("OEBPS/"), "application/xhtml+xml") for name in pages]
    items += [(name.removeprefix("OEBPS/"), "image/jpeg") for name in pictures]
    opf = package(title, author, language=language, identifier=identifier, items=items)
    members: dict[str, bytes | None] = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": container(),
        "OEBPS/content.opf": opf,
        **pages,
        **pictures,
        **(files or {}),
    }
    return zipped({name: content for name, content in members.items() if content is not None})


def real_sized_epub(kib: int = 400, seed: int = 0) -> bytes:
    """An EPUB as they are served: some 25 members, deflated text, stored pictures, about `kib` KiB in all."""
    source = random.Random(seed)
    words = _WORDS.split()
    texts = {
        f"OEBPS/c{n}.xhtml": chapter(f"Chapter {n}", " ".join(source.choices(words, k=2500)))
        for n in range(1, 13)
    }
    items = [(name.removeprefix("OEBPS/"), "application/xhtml+xml") for name in texts]
    items += [(f"p{n}.jpg", "image/jpeg") for n in range(9)]
    opf = package(f"Book {seed}", items=items, identifier=f"urn:seed:{seed}")
    plain: dict[str, bytes] = {"mimetype": b"application/epub+zip", "META-INF/container.xml": container()}
    plain |= {"OEBPS/content.opf": opf, "OEBPS/style.css": b"p { text-indent: 1em }\n" * 40, **texts}
    room = max(9 * 64, kib * 1024 - len(zipped(plain)) - 9 * 110)
    pictures = {f"OEBPS/p{n}.jpg": jpeg(room // 9, source.getrandbits(32)) for n in range(9)}
    return zipped(plain | pictures)


def pdf(pages: int = 1, *, version: str = "1.4", padding: int = 0) -> bytes:
    """A PDF with a classic cross-reference table; `padding` adds a stream of so many bytes."""
    kids = " ".join(f"{n + 4} 0 R" for n in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        f"<< /Length {padding} >>\nstream\n{'x' * padding}\nendstream",
        *("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>" for _ in range(pages)),
    ]
    body = f"%PDF-{version}\n%\xe2\xe3\xcf\xd3\n".encode("latin-1")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    return (
        body
        + (
            f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {len(offsets) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


def modern_pdf() -> bytes:
    """A PDF 1.5: catalogue and pages in an object stream, found by a cross-reference stream."""
    parts = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    parts.append("<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")
    index, at = [], 0
    for number, part in enumerate(parts, 1):
        index.append(f"{number} {at}")
        at += len(part) + 1
    head = " ".join(index) + " "
    packed = zlib.compress((head + " ".join(parts)).encode())
    body = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"
    stream_at = len(body)
    entries = f"/Type/ObjStm/N {len(parts)}/First {len(head)}/Filter/FlateDecode/Length {len(packed)}"
    body += f"4 0 obj\n<<{entries}>>\nstream\n".encode() + packed + b"\nendstream\nendobj\n"
    rows = [(0, 0, 255), (2, 4, 0), (2, 4, 1), (2, 4, 2), (1, stream_at, 0), (1, len(body), 0)]
    table = zlib.compress(b"".join(struct.pack(">BHB", *row) for row in rows))
    entries = f"/Type/XRef/Size 6/W[1 2 1]/Root 1 0 R/Filter/FlateDecode/Length {len(table)}"
    tail = b"\nendstream\nendobj\nstartxref\n" + str(len(body)).encode() + b"\n%%EOF\n"
    return body + f"5 0 obj\n<<{entries}>>\nstream\n".encode() + table + tail


def palm(records: Sequence[bytes], kind: bytes = b"BOOKMOBI") -> bytes:
    """A PalmDB of these records."""
    at = 78 + 8 * len(records) + 2
    table = b""
    for number, record in enumerate(records):
        table += struct.pack(">LL", at, 2 * number)
        at += len(record)
    header = b"A_Tale".ljust(32, b"\0") + bytes(28) + kind + bytes(8) + struct.pack(">H", len(records))
    return header + table + b"\0\0" + b"".join(records)


def mobi_header(
    *, version: int = 6, texts: int = 3, encryption: int = 0, boundary: int | None = None
) -> bytes:
    """A MOBI book's first record; `boundary` is the record of the KF8 book in a joint file."""
    palmdoc = struct.pack(">HHLHHHH", 1, 0, 4096 * texts, texts, 4096, encryption, 0)
    mobi = b"MOBI" + struct.pack(">LLLLL", 232, 2, 65001, 1, version) + bytes(232 - 24)
    header = bytearray(palmdoc + mobi)
    if boundary is None:
        return bytes(header) + b"A Tale"
    struct.pack_into(">L", header, 128, 0x40)
    exth = b"EXTH" + struct.pack(">LL", 36, 2) + struct.pack(">LL4s", 100, 12, b"Anna")
    return bytes(header) + exth + struct.pack(">LLL", 121, 12, boundary) + b"A Tale"


def mobi(*, version: int = 6, encryption: int = 0) -> bytes:
    """A Mobipocket book."""
    texts = [_PARAGRAPH.encode() * 20] * 3
    header = mobi_header(version=version, encryption=encryption)
    return palm([header, *texts, jpeg(), b"FLIS" + bytes(32), b"\xe9\x8e\r\n"])


def azw3() -> bytes:
    """A KF8 book."""
    return mobi(version=8)


def joint_mobi(*, encryption: int = 0) -> bytes:
    """An old book and a KF8 book in one file."""
    texts = [_PARAGRAPH.encode() * 20] * 3
    second = mobi_header(version=8, encryption=encryption)
    first = [mobi_header(boundary=6), *texts, jpeg(), b"BOUNDARY"]
    return palm([*first, second, *texts, b"\xe9\x8e\r\n"])


def palmdoc() -> bytes:
    """A book of the oldest kind, without a MOBI header."""
    header = struct.pack(">HHLHHL", 1, 0, 8192, 2, 4096, 0)
    return palm([header, _PARAGRAPH.encode() * 20, _PARAGRAPH.encode() * 20], b"TEXtREAd")


def kfx() -> bytes:
    """A KFX container's header with something behind it."""
    return b"CONT" + struct.pack("<HLLL", 2, 40, 18, 22) + bytes(22) + b"entities" * 20


def cbz(pages: int = 3) -> bytes:
    """A comic of so many pages."""
    pictures = {f"{n:03}.jpg": jpeg(seed=n) for n in range(pages)}
    return zipped({**pictures, "ComicInfo.xml": b"<ComicInfo/>"})


def cbr() -> bytes:
    """A RAR 4 archive with one stored file."""
    content = jpeg()
    name = b"001.jpg"
    main = _rar4_block(0x73, 0, bytes(6))
    entry = struct.pack(
        "<LLBLLBBHL", len(content), len(content), 3, zlib.crc32(content), 0, 29, 0x30, 7, 0x20
    )
    file = _rar4_block(0x74, 0x8000, entry + name)
    return b"Rar!\x1a\x07\0" + main + file + content + _rar4_block(0x7B, 0x4000, b"")


def cbr5() -> bytes:
    """A RAR 5 archive with one stored file."""
    content = jpeg(100)
    main = _rar5_block(b"\x01\0\0")
    file = _rar5_block(b"\x02\x02" + bytes([len(content), 0, len(content), 0x20, 0, 0, 7]) + b"001.jpg")
    return b"Rar!\x1a\x07\x01\0" + main + file + content + _rar5_block(b"\x05\x04\0")


def cb7() -> bytes:
    """A 7z archive's frame: start header, packed bytes, end header."""
    end = b"\x01" + bytes(31)
    fields = struct.pack("<QQL", 100, len(end), zlib.crc32(end))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<L", zlib.crc32(fields)) + fields + jpeg(100) + end


def fb2(title: str = "A Tale", *, text: str = _PARAGRAPH, encoding: str = "utf-8") -> bytes:
    """A FictionBook."""
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        '<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info>'
        f"<book-title>{_escaped(title)}</book-title></title-info></description>"
        f"<body><section><p>{text}</p></section></body></FictionBook>\n"
    ).encode(encoding)


def fbz() -> bytes:
    """A zipped FictionBook."""
    return zipped({"tale.fb2": fb2()})


def txt(encoding: str = "utf-8") -> bytes:
    """A plain text."""
    return (f"A Tale\r\n\r\n{_PARAGRAPH}\r\n" * 5).encode(encoding)


def html(title: str = "404 Not Found") -> bytes:
    """A web page, such as a server sends where a book should be."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{_PARAGRAPH}</body></html>".encode()
    )


def rtf() -> bytes:
    """An RTF document."""
    return rb"{\rtf1\ansi{\fonttbl\f0\fswiss Helvetica;}\f0\pard " + _PARAGRAPH.encode() + b"\\par\n}\n"


def docx() -> bytes:
    """A Word document."""
    return zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document xmlns:w='w'/>"})


def odt(manifest: bytes = b"<manifest/>") -> bytes:
    """An OpenDocument text."""
    mimetype = b"application/vnd.oasis.opendocument.text"
    return zipped({"mimetype": mimetype, "content.xml": b"<c/>", "META-INF/manifest.xml": manifest})


def djvu() -> bytes:
    """A DjVu page."""
    content = b"DJVU" + b"INFO" + struct.pack(">L", 10) + bytes(10) + bytes(200)
    return b"AT&TFORM" + struct.pack(">L", len(content)) + content


ALL: dict[str, Callable[[], bytes]] = {
    "epub": epub,
    "pdf": pdf,
    "mobi": mobi,
    "azw3": azw3,
    "kfx": kfx,
    "cbz": cbz,
    "cbr": cbr,
    "cb7": cb7,
    "fb2": fb2,
    "fbz": fbz,
    "txt": txt,
    "rtf": rtf,
    "docx": docx,
    "odt": odt,
    "djvu": djvu,
}
"""A builder for each format that `verify` knows."""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _rar4_block(kind: int, flags: int, rest: bytes) -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head


def _rar5_block(head: bytes) -> bytes:
    sized = bytes([len(head)]) + head
    return struct.pack("<L", zlib.crc32(sized)) + sized
