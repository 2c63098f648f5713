"""Book files of every format, what lies inside an EPUB, and the names under which books are delivered."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from bookhopper.delivery.naming import MAX_BYTES, MAX_CHARACTERS, STAGED_SUFFIX, Names, variants
from bookhopper.epub_metadata import Known, UnfitError, fill
from bookhopper.model import Candidate, Job, State, Want
from bookhopper.naming_settings import NamingSettings
from bookhopper.search.sources.file_names import read_file_name
from bookhopper.verify import Verdict, verify
from tests import books
from tests.fuzz.target import Case, Target, check, one_line, simple, texts

_FORBIDDEN = frozenset('/\\:*?"<>|')
_BUILT: dict[str, tuple[Callable[[], bytes], ...]] = {
    "epub": (books.epub, books.fbz, books.docx, books.odt, books.cbz),
    "pdf": (books.pdf, books.modern_pdf),
    "kindle": (books.mobi, books.azw3, books.joint_mobi, books.palmdoc, books.kfx),
    "comic": (books.cbz, books.cbr, books.cbr5, books.cb7),
    "text": (books.fb2, books.txt, books.html, books.rtf, books.djvu),
}
_WORDS = {
    "epub": (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6"),
    "pdf": (
        b"/Kids [",
        b" 0 R",
        b"/Prev 1",
        b"/XRefStm 1",
        b"/Encrypt ",
        b"stream\n",
        b"/Filter /FlateDecode",
    ),
    "kindle": (b"MOBI", b"EXTH", b"BOUNDARY", b"\xff\xff\xff\xff"),
    "comic": (b"Rar!\x1a\x07\0", b"7z\xbc\xaf\x27\x1c", b"PK\3\4"),
    "text": (b"<FictionBook>", b"{\\rtf", b"AT&TFORM", b"<!DOCTYPE ", b"<binary>"),
}
_NAMES = (
    "../../etc/passwd",
    "/etc/cron.d/x",
    "C:\\x",
    "a/../../b",
    "\\\\host\\x",
    "..",
    "OEBPS/a.xhtml",
    "\x1b[2Jx",
)


@contextmanager
def _verified(claim: str) -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "book")

        def read(data: bytes) -> None:
            path.write_bytes(data)
            _judge(verify(path, claim))
            _judge(verify(path))
            check(list(path.parent.iterdir()) == [path], "a book has put files beside itself")

        yield read


def _judge(verdict: Verdict) -> None:
    check(verdict.ok is (verdict.reason == "") is (verdict.check == ""), f"a verdict that is none: {verdict}")
    check(bool(verdict.format) or not verdict.ok, "a book of no format")
    one_line(verdict.reason, "a reason", most=1_000)
    check(len(verdict.format) <= 8 and (verdict.format or "x").isalnum(), f"a format {verdict.format!r}")


@contextmanager
def _inside() -> Iterator[Case]:
    """Documents in an archive that is whole: the container, the package, the encryption, and a name."""
    with _verified("epub") as read:

        def build(data: bytes) -> None:
            which, _, rest = data.partition(b"\0")
            documents = {
                "mimetype": b"application/epub+zip",
                books_container: books.container(),
                "OEBPS/content.opf": books.package(),
                "OEBPS/chapter1.xhtml": books.chapter("One"),
            }
            name = {b"c": books_container, b"p": "OEBPS/content.opf", b"e": "META-INF/encryption.xml"}.get(
                which
            )
            documents[name or which.decode("utf-8", "replace").replace("\0", "") or "x"] = rest
            read(books.zipped(documents))

        yield build


@contextmanager
def _filled() -> Iterator[Case]:
    """A package in an archive that is whole: with what it lacks it is a book, and lacks nothing any more."""
    with tempfile.TemporaryDirectory() as folder:
        path, target, again = (Path(folder, name) for name in ("book", "filled", "again"))

        def fill_in(data: bytes) -> None:
            path.write_bytes(books.epub(files={"OEBPS/content.opf": data}))
            target.unlink(missing_ok=True)
            if verify(path, "epub").ok and fill(path, target, _KNOWN, int):
                check(verify(target, "epub").ok, "a book that is none any more")
                check(not fill(target, again, _KNOWN, int), "a book that lacks what was written into it")

        yield fill_in


_KNOWN = Known("A Tale", ("Ann Author",))
books_container = "META-INF/container.xml"


def _inside_seeds() -> list[bytes]:
    encryption = (
        b'<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData>'
        b'<EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/>'
        b'<CipherData><CipherReference URI="a.otf"/></CipherData></EncryptedData></encryption>'
    )
    named = [name.encode() + b"\0x" for name in _NAMES]
    return [b"c\0" + books.container(), b"p\0" + books.package(), b"e\0" + encryption, *named]


def _delivered_name(data: bytes) -> None:
    """Name a book after what a catalogue says of it: the name stays in its folder, on every filesystem."""
    title, author, extension, fallback = texts(data, 4)
    job = Job(1, 1, Want(raw=fallback), State.DOWNLOADING)
    book = Candidate("", "", title, (author,) if author else ())
    name = Names(NamingSettings()).path(job, book, f"{extension[:8]}x", str)
    for each in islice(variants(name), 3):
        check(len(each) <= MAX_CHARACTERS, f"{len(each)} characters")
        check(len(each.encode()) <= MAX_BYTES, f"{len(each.encode())} bytes")
        check(len((each + STAGED_SUFFIX).encode()) <= 255, "no room for the name while it is staged")
        check(not _FORBIDDEN & set(each) and "\0" not in each, f"{each!r} leaves its folder")
        one_line(each, "a name", most=MAX_CHARACTERS)
        check(each.strip(" .") == each and each not in {"", ".", ".."}, f"{each!r} is no name")
        check(Path("/ingest", each).resolve().parent == Path("/ingest"), f"{each!r} leaves its folder")


def _file_name_read(data: bytes) -> None:
    stem, *folders = texts(data, 3)
    title, authors = read_file_name(stem[:300], folders)
    check(len(title) <= 300 and len(authors) <= 300, "a name that grows")


TARGETS = (
    *(
        Target(
            f"verify {kind}",
            lambda built=built: [build() for build in built],  # type: ignore[misc]
            partial(_verified, {"kindle": "mobi", "comic": "cbz", "text": "txt"}.get(kind, kind)),
            refusals=(),
            words=_WORDS[kind],
        )
        for kind, built in _BUILT.items()
    ),
    Target(
        "inside an epub", _inside_seeds, _inside, refusals=(), words=(b"full-path=", b"<item ", b"idref=")
    ),
    Target(
        "filled epub",
        lambda: [books.package("", ""), books.package().replace(b"dc:", b"x:"), books.package("")[:400]],
        _filled,
        refusals=(UnfitError,),
        words=(b"<metadata>", b"<dc:title/>", b"dc:creator>", b"&t;", b"xmlns:dc=", b"<!DOCTYPE package ["),
    ),
    Target(
        "delivered name",
        lambda: [b"Emma\0Jane Austen\0epub\0id", "Ünï/\\:*?\0A\0tar.gz\0..".encode(), b"con\0\0\0"],
        simple(_delivered_name),
        refusals=(),
        words=(b"\0", b"/", b" ", b".", b"aux", b"com1"),
    ),
    Target(
        "file name of a book",
        lambda: [b"Emma - Jane Austen\0Jane Austen\0Emma (12)", b"Austen, Jane - Emma\0\0"],
        simple(_file_name_read),
        refusals=(),
        words=(b" - ", b"_-_", b" & ", b";"),
    ),
)
