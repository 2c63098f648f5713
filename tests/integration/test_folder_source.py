"""The folder source in real folders, with what people and strangers put into them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from bookhopper.errors import HeldError
from bookhopper.model import Candidate, Reading
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.file_names import read_file_name
from bookhopper.search.sources.folder import LOOK_SECONDS, FolderSource
from bookhopper.search.sources.opf import Metadata, parse_opf, read_epub
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests import books


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "books"
    root.mkdir()
    return root


@pytest.fixture
def source(root: Path, clock: Clock) -> FolderSource:
    return FolderSource("shelf", root, clock=clock)


def put(path: Path, content: bytes = b"book") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def query(title: str, *authors: str, formats: tuple[str, ...] = (), limit: int = 60) -> Query:
    return Query(readings=(Reading(title, authors),), formats=formats, limit=limit)


def keys(source: FolderSource, title: str) -> list[str]:
    return [offer.key for offer in source.search(query(title), Ticket(1))]


def test_an_epub_speaks_for_itself_and_its_other_formats(root: Path, source: FolderSource) -> None:
    content = books.epub("Emma", "Jane Austen", language="en-GB", identifier="urn:isbn:9780141439587")
    path = put(root / "x" / "b 1#.epub", content)
    put(root / "x" / "b 1#.mobi")
    found = source.search(query("Emma", formats=("mobi", "epub", "pdf")), Ticket(1))
    assert [offer.format for offer in found] == ["mobi", "epub"]
    assert found[1] == Candidate(
        source="shelf",
        key="x/b 1#",
        title="Emma",
        authors=("Jane Austen",),
        language="en",
        format="epub",
        size=len(content),
        isbns=("9780141439587",),
        urls=(path.as_uri(),),
    )
    assert Path(unquote(urlsplit(found[1].urls[0]).path)) == path


def test_calibres_metadata_beside_a_book(root: Path, source: FolderSource) -> None:
    put(root / "Jane Austen" / "Emma (7)" / "Emma - Jane Austen.azw3")
    put(root / "Jane Austen" / "Emma (7)" / "metadata.opf", books.package("Emma, a Novel", "Jane Austen"))
    (offer,) = source.search(query("Novel"), Ticket(1))
    assert (offer.title, offer.format) == ("Emma, a Novel", "azw3")


def test_a_damaged_epub_is_found_by_its_name(root: Path, source: FolderSource) -> None:
    put(root / "Emma - Jane Austen.epub", b"PK\x03\x04 nonsense")
    (offer,) = source.search(query("Emma"), Ticket(1))
    assert (offer.title, offer.authors) == ("Emma", ("Jane Austen",))


@pytest.mark.parametrize(
    ("stem", "folders", "title", "authors"),
    [
        ("Emma - Jane Austen", (), "Emma", ("Jane Austen",)),
        ("Emma – Jane Austen", (), "Emma", ("Jane Austen",)),
        ("Austen, Jane - Emma", (), "Emma", ("Austen, Jane",)),
        ("Jane Austen - Emma", ("Jane Austen",), "Emma", ("Jane Austen",)),
        ("Dune - Messiah - Frank Herbert", (), "Dune - Messiah", ("Frank Herbert",)),
        ("Good Omens - Terry Pratchett & Neil Gaiman", (), "Good Omens", ("Terry Pratchett", "Neil Gaiman")),
        ("Emma", ("Jane Austen", "Emma (7)"), "Emma", ("Jane Austen",)),
        ("Emma", ("Jane Austen", "Emma"), "Emma", ("Jane Austen",)),
        ("Emma", ("novels",), "Emma", ()),
        ("Emma_-_Jane_Austen", (), "Emma", ("Jane Austen",)),
        ("Catch-22", (), "Catch-22", ()),
        (" - ", (), "-", ()),
    ],
)
def test_file_names(stem: str, folders: tuple[str, ...], title: str, authors: tuple[str, ...]) -> None:
    assert read_file_name(stem, folders) == (title, authors)


class TestKeys:
    def test_a_key_finds_all_formats_and_with_an_extension_one(
        self, root: Path, source: FolderSource
    ) -> None:
        put(root / "a" / "Emma.epub")
        put(root / "a" / "Emma.PDF")
        assert {offer.format for offer in source.lookup("a/Emma", (), Ticket(1))} == {"epub", "pdf"}
        assert [offer.format for offer in source.lookup("a/Emma", ("pdf",), Ticket(1))] == ["pdf"]
        assert [offer.format for offer in source.lookup("a/Emma.pdf", (), Ticket(1))] == ["pdf"]
        assert source.lookup("a/Emma.pdf", ("epub",), Ticket(1)) == ()
        assert source.lookup("a/Emma.mobi", (), Ticket(1)) == ()

    @pytest.mark.parametrize(
        "key", ["", ".", "..", "../secret", "../secret.epub", "a/../../secret", "/etc/passwd"]
    )
    def test_none_leads_out_of_the_folder(self, root: Path, source: FolderSource, key: str) -> None:
        put(root.parent / "secret.epub")
        put(root / "a" / "Emma.epub")
        assert source.lookup(key, (), Ticket(1)) == ()
        assert source.lookup(str(root.parent / "secret"), (), Ticket(1)) == ()


class TestWhatIsPassedOver:
    def test_hidden_half_written_and_other_files(self, root: Path, source: FolderSource) -> None:
        for name in (
            ".Emma.epub",
            ".hidden/Emma.epub",
            "@eaDir/Emma.epub",
            "Emma.epub.part",
            "Emma.jpg",
            "Emma",
        ):
            put(root / name)
        assert keys(source, "Emma") == []

    def test_links_out_of_the_folder_and_circles(self, root: Path, source: FolderSource) -> None:
        outside = put(root.parent / "Emma.epub")
        (root / "Emma out.epub").symlink_to(outside)
        (root / "Emma gone.epub").symlink_to(root / "nothing.epub")
        (root / "Emma round.epub").symlink_to(root / "Emma round.epub")
        (root / "folder").symlink_to(root.parent)
        put(root / "Emma real.epub")
        (root / "Emma link.epub").symlink_to(root / "Emma real.epub")
        assert sorted(keys(source, "Emma")) == ["Emma link", "Emma real"]

    def test_what_is_no_file(self, root: Path, source: FolderSource) -> None:
        (root / "Emma.epub").mkdir()
        os.mkfifo(root / "Emma fifo.epub")
        assert keys(source, "Emma") == []

    def test_names_that_are_no_text(self, root: Path, source: FolderSource) -> None:
        for name in (b"Emma \xff.epub", b"Emma \n.epub"):
            put(Path(os.fsdecode(os.fsencode(root) + b"/" + name)))
        assert keys(source, "Emma") == []

    def test_too_deep(self, root: Path, source: FolderSource) -> None:
        put(root.joinpath(*"abcdefgh") / "Emma.epub")
        put(root.joinpath(*"abcdefghi") / "Emma.epub")
        assert keys(source, "Emma") == ["a/b/c/d/e/f/g/h/Emma"]


class TestChanges:
    def test_they_are_seen_after_a_while(self, root: Path, source: FolderSource, clock: Clock) -> None:
        put(root / "a" / "Emma.epub")
        assert keys(source, "Emma") == ["a/Emma"]
        put(root / "a" / "Emma too.epub")
        (root / "a" / "Emma.epub").unlink()
        assert keys(source, "Emma") == ["a/Emma"]
        clock.now += LOOK_SECONDS
        assert keys(source, "Emma") == ["a/Emma too"]
        (root / "a" / "Emma too.epub").unlink()
        (root / "a").rmdir()
        clock.now += LOOK_SECONDS
        assert keys(source, "Emma") == []

    def test_refresh_sees_them_at_once_and_says_so(self, root: Path, source: FolderSource) -> None:
        assert source.refresh(Ticket(1)) is True
        assert source.refresh(Ticket(1)) is False
        path = put(root / "a.epub", books.epub("Emma"))
        assert source.refresh(Ticket(1)) is True
        assert keys(source, "Emma") == ["a"]
        path.write_bytes(books.epub("Persuasion", "Somebody Else"))
        assert source.refresh(Ticket(1)) is True
        assert (keys(source, "Emma"), keys(source, "Persuasion")) == ([], ["a"])

    def test_a_folder_that_is_not_there(self, root: Path, source: FolderSource) -> None:
        root.rmdir()
        with pytest.raises(HeldError, match=r"cannot be read .*: mount it, or mend its path or rights"):
            source.search(query("Emma"), Ticket(1))
        assert not source.check(Ticket(1)).ok
        root.mkdir()
        put(root / "Emma.epub")
        assert keys(source, "Emma") == ["Emma"]

    def test_reading_stops_when_interrupted(self, root: Path, source: FolderSource) -> None:
        put(root / "Emma.epub")
        ticket = Ticket(1)
        ticket.interrupt(Reason.SHUTDOWN)
        with pytest.raises(Interrupted):
            source.refresh(ticket)
        assert keys(source, "Emma") == ["Emma"]


class TestFinding:
    def test_rare_words_before_common_ones(self, root: Path, source: FolderSource) -> None:
        for number in range(20):
            put(root / f"The Great Tale {number + 50}.epub")
        put(root / "The Great Gatsby.epub")
        found = source.search(query("The Great Gatsby", limit=3), Ticket(1))
        assert found[0].title == "The Great Gatsby"
        assert len(found) == 3

    def test_a_typo(self, root: Path, source: FolderSource) -> None:
        put(root / "Frankenstein.epub")
        assert keys(source, "Frankenstien") == ["Frankenstein"]
        assert keys(source, "Fran") == []

    def test_only_common_words(self, root: Path, source: FolderSource) -> None:
        put(root / "It - Stephen King.epub")
        assert keys(source, "It") == ["It - Stephen King"]

    def test_an_isbn(self, root: Path, source: FolderSource) -> None:
        put(root / "a.epub", books.epub("Emma", identifier="urn:isbn:0-14-143958-0"))
        (offer,) = source.search(Query(isbn="9780141439587"), Ticket(1))
        assert offer.title == "Emma"

    def test_check_counts(self, root: Path, source: FolderSource) -> None:
        put(root / "Emma.epub")
        assert source.check(Ticket(1)).detail == f"1 book in {root}"


class TestMetadata:
    def test_a_whole_package(self) -> None:
        package = b"""<package xmlns="http://www.idpf.org/2007/opf" xmlns:opf="http://www.idpf.org/2007/opf">
            <metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
            <dc:title>  The
              Title </dc:title><dc:title>Another</dc:title>
            <dc:creator opf:role="ill">An Artist</dc:creator><dc:creator opf:role="aut">A. Uthor</dc:creator>
            <dc:creator>B. Uthor</dc:creator><dc:creator/>
            <dc:language>de</dc:language><dc:date>1925-04-10T00:00:00</dc:date>
            <dc:identifier opf:scheme="ISBN">0-14-143958-0</dc:identifier>
            <dc:identifier>calibre:7</dc:identifier>
            <meta name="calibre:series" content="Tales"/></metadata></package>"""
        assert parse_opf(package) == Metadata(
            "The Title", ("A. Uthor", "B. Uthor"), "de", 1925, ("9780141439587",), "Tales"
        )

    @pytest.mark.parametrize(
        "files",
        [
            {"META-INF/container.xml": None},
            {"META-INF/container.xml": b"nonsense"},
            {"META-INF/container.xml": b"<container/>"},
            {"META-INF/container.xml": books.container("../../etc/passwd")},
            {"META-INF/container.xml": b" " * (65 << 10)},
            {"OEBPS/content.opf": b""},
            {"OEBPS/content.opf": b" " * (3 << 20)},
        ],
    )
    def test_what_cannot_be_read_says_nothing(self, tmp_path: Path, files: dict[str, bytes | None]) -> None:
        path = put(tmp_path / "x.epub", books.epub("Emma", files=files))
        assert read_epub(path) == Metadata()

    def test_a_locked_archive(self, tmp_path: Path) -> None:
        path = put(tmp_path / "x.epub", books.epub())
        content = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            start = archive.start_dir
        content[start + 8] |= 1  # the first member's flag for a password
        for at in (n for n in range(len(content) - 4) if content[n : n + 4] == b"PK\x01\x02"):
            content[at + 8] |= 1
        path.write_bytes(content)
        assert read_epub(path) == Metadata()
