"""From a file's first bytes to the check that knows its format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO

from bookhopper.verify import comic, documents, epub, fb2, kindle, text
from bookhopper.verify.archive import Archive, holds_archive, open_archive
from bookhopper.verify.base import (
    IN_MEMORY,
    PDF_HEADER_WITHIN,
    RefusedError,
    Verdict,
    open_book,
    quoted,
    size_of,
    slice_of,
)

_Named = tuple[str, Callable[[], str]]
"""A format, and the check that confirms it or gives a nearer one."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TURNS = BoundedSemaphore(2)
"""More threads at once only hand the interpreter lock round: sixteen take 1.7 ms a book, by turns 1.2."""

_TEXTS = {"txt", "text", "md", "markdown", "html", "htm", "xhtml"}
_PAGES = {"html", "htm", "xhtml"}

_STRANGERS = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"ID3": "an MP3 recording",
    b"OggS": "an Ogg recording",
    b"MZ": "a Windows program",
    b"\x7fELF": "a program",
    b"d8:announce": "a torrent",
    b"\xd0\xcf\x11\xe0": "an old Office document, or one with a password",
    kindle.TOPAZ: "a Topaz book, which only Amazon's readers open",
    b"ITOLITLS": "a Microsoft Reader book",
    b"%!PS": "a PostScript document",
}


def verify(path: Path, expected: str = "") -> Verdict:
    """Tell whether a file is a whole, readable, unprotected book, and of which format, by its content alone.

    `expected` is the format that its source claims, or empty.  A book in another format is still a book, and
    the verdict says which; but what has no signature of its own (plain text, HTML, a ZIP of pictures) needs a
    claim that does not contradict it.  For any bytes there is a verdict.

    Raises OSError: the file cannot be read.
    """
    claim = expected.strip().lstrip(".").casefold()
    # A turn takes milliseconds; a book of hundreds of megabytes waits for none and keeps none waiting.
    turn = _TURNS if path.stat().st_size <= IN_MEMORY else nullcontext()
    with turn, open_book(path) as file:
        return _verdict(file, claim)


def _verdict(file: BinaryIO, claim: str) -> Verdict:
    size = size_of(file)
    name = ""
    try:
        name, check = _identify(file, size, claim)
        name = check()
    except RefusedError as refused:
        return Verdict(
            ok=False,
            format="" if refused.check == "type" else name,
            reason=refused.reason,
            permanent=refused.permanent,
            check=refused.check,
            protected=refused.protected,
        )
    return Verdict(ok=True, format=name)


def _identify(file: BinaryIO, size: int, claim: str) -> _Named:
    """Name the format and its check, by signature first."""
    head = slice_of(file, 0, text.HEAD)
    if not head:
        raise RefusedError("size", "the file is empty")
    if not head.strip(b"\0"):
        raise RefusedError("container", "the file is full of zero bytes")
    if head.startswith(_ZIP):
        return _identify_archive(file, size, claim)
    if b"%PDF-" in head[:PDF_HEADER_WITHIN]:
        return "pdf", partial(_check_pdf, file, size)
    for signature, named in _signatures(file, size):
        if head.startswith(signature):
            return named
    if head[60:68] in kindle.PALM_TYPES:
        return "mobi", partial(kindle.check, file, size)
    for signature, stranger in _STRANGERS.items():
        if head.startswith(signature):
            raise RefusedError("type", f"{stranger}, no book that can be taken")
    # Some servers put a warning of theirs before the bytes of the book.
    if holds_archive(file):
        return _identify_archive(file, size, claim)
    return _identify_text(file, size, claim, head)


def _signatures(file: BinaryIO, size: int) -> list[tuple[bytes | tuple[bytes, ...], _Named]]:
    return [
        (kindle.KFX_LOCKED, ("kfx", _locked_kfx)),
        (kindle.KFX, ("kfx", partial(kindle.check_kfx, file, size))),
        (comic.RAR, ("cbr", partial(comic.check_rar, file, size))),
        (comic.SEVEN_ZIP, ("cb7", partial(comic.check_seven_zip, file, size))),
        (documents.DJVU, ("djvu", partial(documents.check_djvu, file, size))),
        (b"{\\rtf", ("rtf", partial(text.check_rtf, file, size))),
    ]


def _check_pdf(file: BinaryIO, size: int) -> str:
    # Here rather than above, so that only the first PDF pays for importing pypdf.
    from bookhopper.verify import pdf  # noqa: PLC0415

    return pdf.check(file, size)


def _locked_kfx() -> str:
    raise RefusedError("protection", "a Kindle book protected by Amazon's DRM (KFX)")


def _identify_archive(file: BinaryIO, size: int, claim: str) -> _Named:
    archive = open_archive(file, size)
    if archive.find(epub.CONTAINER) is not None:
        return "epub", partial(epub.check, archive)
    if documents.is_docx(archive):
        return "docx", partial(documents.check_docx, archive)
    if documents.is_odt(archive):
        return "odt", partial(documents.check_odt, archive)
    if sum(name.casefold().endswith(".fb2") for name in archive.members) == 1:
        return "fbz", partial(fb2.check_zipped, archive)
    if claim != "epub" and comic.looks_like_comic(archive):
        return "cbz", partial(comic.check, archive)
    raise RefusedError("type", _name_archive(archive))


def _name_archive(archive: Archive) -> str:
    """Say what a ZIP archive is that is no book."""
    if not archive.members:
        return "an empty ZIP archive, not a book"
    first = quoted(next(iter(archive.members)))
    return f"a ZIP archive, but no EPUB ({epub.CONTAINER} is missing) and no comic: it holds {first}"


def _identify_text(file: BinaryIO, size: int, claim: str, head: bytes) -> _Named:
    content = head.decode(text.encoding_of(head), "replace").lstrip("\ufeff")
    root = text.root_of(content)
    if root == "FictionBook":
        return "fb2", partial(fb2.check, file, size)
    if claim in _PAGES and root.casefold() == "html":
        return "html", partial(text.check_html, file, size)
    text.refuse_stranger(root, content)
    if claim and claim not in _TEXTS and text.is_printable(content):
        raise RefusedError("type", f"plain text where {quoted(claim)} was promised: {quoted(content)}")
    if claim and claim not in _TEXTS:
        raise RefusedError("type", text.UNKNOWN)
    return "txt", partial(text.check, file, size)
