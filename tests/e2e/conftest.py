"""A small catalogue with a mirror behind it, and daemons that are gone when the test is over."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests import books
from tests.daemon import Daemon
from tests.fakes.mirror import GUTENBERG_PATH, Mirror, mirror

TITLES: Mapping[int, tuple[str, str]] = {
    11: ("Alice's Adventures in Wonderland", "Carroll, Lewis, 1832-1898"),
    84: ("Frankenstein; Or, The Modern Prometheus", "Shelley, Mary Wollstonecraft, 1797-1851"),
    98: ("A Tale of Two Cities", "Dickens, Charles, 1812-1870"),
    120: ("Treasure Island", "Stevenson, Robert Louis, 1850-1894"),
    174: ("The Picture of Dorian Gray", "Wilde, Oscar, 1854-1900"),
    205: ("Walden, and On The Duty Of Civil Disobedience", "Thoreau, Henry David, 1817-1862"),
    345: ("Dracula", "Stoker, Bram, 1847-1912"),
    1260: ("Jane Eyre: An Autobiography", "Brontë, Charlotte, 1816-1855"),
    1342: ("Pride and Prejudice", "Austen, Jane, 1775-1817"),
    2701: ("Moby Dick; Or, The Whale", "Melville, Herman, 1819-1891"),
    2852: ("The Hound of the Baskervilles", "Doyle, Arthur Conan, 1859-1930"),
    14322: ("Electra", "Euripides, 480? BCE-407? BCE"),
    31: ("Electra", "Sophocles, 497? BCE-407? BCE"),
}
_COLUMNS = ("Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves")

LARGE = 2701
"""The book of more than a megabyte, so that how far it came is kept across a crash."""

MakeDaemon = Callable[..., Daemon]


def path_of(number: int, form: str = "-images-3") -> str:
    """Give the path of a book's file on a mirror."""
    return f"/cache/epub/{number}/pg{number}{form}.epub"


def number_in(epub: Path) -> int:
    """Read which record a delivered file is, from inside it."""
    with zipfile.ZipFile(io.BytesIO(epub.read_bytes())) as archive:
        package = etree.fromstring(archive.read("OEBPS/content.opf"))
    identifier = package.findtext(".//{http://purl.org/dc/elements/1.1/}identifier") or ""
    return int(identifier.removeprefix("urn:gutenberg:").split("-")[0])


def digest(data: bytes | None) -> str:
    """Give a content's sha256."""
    assert data is not None
    return hashlib.sha256(data).hexdigest()


def _make(path: str) -> bytes | None:
    found = GUTENBERG_PATH.fullmatch(path)
    if found is None or found[2] != "-images-3" or int(found[1]) not in TITLES:
        return None
    number = int(found[1])
    size = 2_000_000 if number == LARGE else 100_000
    return books.epub(
        TITLES[number][0],
        TITLES[number][1],
        identifier=f"urn:gutenberg:{number}",
        files={"OEBPS/plate.jpg": books.jpeg(size, number)},
    )


@pytest.fixture
def shelf() -> Iterator[Mirror]:
    with mirror(_make) as served:
        yield served


@pytest.fixture
def make_daemon(shelf: Mirror, tmp_path: Path) -> Iterator[MakeDaemon]:
    """Make daemons that know the small catalogue and its mirror; sections by keyword are added."""
    catalogue = tmp_path / "catalogue.csv"
    with catalogue.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        for number, (title, author) in TITLES.items():
            rows.writerow([number, "Text", "2000-01-01", title, "en", author, "", "", ""])
    source = {"kind": "gutenberg", "catalogue": str(catalogue), "mirrors": [shelf.url]}
    made: list[Daemon] = []

    def make(*, ingest: Path | None = None, name: str = "daemon", **settings: Any) -> Daemon:
        daemon = Daemon(tmp_path / "home", {"sources": [source], **settings}, ingest=ingest, name=name)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """A daemon that is not started yet."""
    return make_daemon()


@pytest.fixture(params=["by rename", "by copy"])
def ingest(request: pytest.FixtureRequest) -> Path | None:
    """Give a folder that books can only be copied into, or None for one beside the others."""
    return None if request.param == "by rename" else request.getfixturevalue("other_filesystem")
