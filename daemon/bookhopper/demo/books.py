"""Writes the demonstration's books: small EPUB 3 files with cover, navigation and three chapters."""

from __future__ import annotations

import io
import random
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterable
from html import escape

from bookhopper.demo.library import Work

_WRITTEN = (2024, 1, 1, 0, 0, 0)
_MODIFIED = "2024-01-01T00:00:00Z"
_COVER_WIDTH, _COVER_HEIGHT = 240, 360

_CONTAINER = """\
<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
  <rootfiles>
    <rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/>
  </rootfiles>
</container>
"""

_PACKAGE = """\
<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
  <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
    <dc:identifier id="id">{identifier}</dc:identifier>
    <dc:title>{title}</dc:title>
    <dc:creator>{author}</dc:creator>
    <dc:language>en</dc:language>
    <meta property="dcterms:modified">{modified}</meta>
  </metadata>
  <manifest>
    <item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    <item id="cover" href="cover.png" media-type="image/png" properties="cover-image"/>
{items}
  </manifest>
  <spine>
{spine}
  </spine>
</package>
"""

_PAGE = """\
<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
  <head><title>{title}</title></head>
  <body>
{body}
  </body>
</html>
"""

_RIGHTS = """\
<?xml version="1.0" encoding="utf-8"?>
<rights xmlns="http://ns.adobe.com/adept"><licenseToken/></rights>
"""

_ENCRYPTION = """\
<?xml version="1.0" encoding="utf-8"?>
<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
            xmlns:enc="http://www.w3.org/2001/04/xmlenc#">
  <enc:EncryptedData>
    <enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
    <enc:CipherData><enc:CipherReference URI="EPUB/chapter-1.xhtml"/></enc:CipherData>
  </enc:EncryptedData>
</encryption>
"""


def epub(work: Work) -> bytes:
    """Write a book; the same work gives the same bytes."""
    return _zipped(_members(work))


def protected_epub(work: Work) -> bytes:
    """Write a book that looks as if a shop had locked it, which no reader opens without the shop's leave."""
    return _zipped(_members(work) | {"META-INF/rights.xml": _RIGHTS, "META-INF/encryption.xml": _ENCRYPTION})


def _members(work: Work) -> dict[str, str | bytes]:
    chapters = {f"chapter-{number}.xhtml": chapter for number, chapter in enumerate(_chapters(work), start=1)}
    items = [
        f'    <item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>'
        for number, name in enumerate(chapters, start=1)
    ]
    package = _PACKAGE.format(
        identifier=f"urn:isbn:{work.isbn}" if work.isbn else uuid.uuid5(uuid.NAMESPACE_URL, repr(work)).urn,
        title=escape(work.title),
        author=escape(work.author),
        modified=_MODIFIED,
        items="\n".join(items),
        spine="\n".join(f'    <itemref idref="c{number}"/>' for number in range(1, len(chapters) + 1)),
    )
    links = "".join(f'<li><a href="{name}">{heading}</a></li>' for name, (heading, _) in chapters.items())
    nav = f'    <nav epub:type="toc"><h1>Contents</h1><ol>{links}</ol></nav>'
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": _CONTAINER,
        "EPUB/package.opf": package,
        "EPUB/nav.xhtml": _PAGE.format(title=escape(work.title), body=nav),
        "EPUB/cover.png": _cover(work),
        **{f"EPUB/{name}": _chapter(*chapter) for name, chapter in chapters.items()},
    }


def _chapters(work: Work) -> Iterable[tuple[str, tuple[str, ...]]]:
    yield "How it begins", (work.opening,)
    yield "What it is about", tuple(work.story.splitlines())
    about = (
        f"This is not the whole of {work.title} by {work.author}, only a taste of it.\n"
        "It was written by bookhopper's demonstration, to have something to fetch. The text itself is in the "
        "public domain: Project Gutenberg and Standard Ebooks have it."
    )
    yield "About this file", tuple(about.splitlines())


def _chapter(heading: str, paragraphs: tuple[str, ...]) -> str:
    body = [f"    <h1>{escape(heading)}</h1>", *(f"    <p>{escape(text)}</p>" for text in paragraphs)]
    return _PAGE.format(title=escape(heading), body="\n".join(body))


def _cover(work: Work) -> bytes:
    """Paint a PNG: two colours running into each other, with a grain that gives the file a book's weight."""
    source = random.Random(repr(work))  # noqa: S311 # nosec B311 # a picture, no secret
    top, bottom = ([source.randrange(40, 200) for _ in range(3)] for _ in range(2))
    rows = bytearray()
    for y in range(_COVER_HEIGHT):
        share = y / _COVER_HEIGHT
        colour = [round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True)]
        shades = [bytes(channel + speck for channel in colour) for speck in range(16)]
        rows.append(0)  # the row's filter: none
        rows += b"".join(shades[speck % 16] for speck in source.randbytes(_COVER_WIDTH))
    header = struct.pack(">IIBBBBB", _COVER_WIDTH, _COVER_HEIGHT, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, data) for kind, data in chunks)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _WRITTEN)
            plain = name == "mimetype" or name.endswith(".png")
            info.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()
