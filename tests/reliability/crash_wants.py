"""Lists without end for the crash sweep, the catalogues with their books, and what each line has to bring."""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.responses import Response

from tests import books
from tests.fakes.mirror import GUTENBERG_PATH, Mirror, mirror
from tests.fakes.opds_server import TYPES, FakeBook, FakeCatalogue, fake_catalogue

_COLUMNS = ("Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves")
_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")
_LARGE_EVERY = 6
_LARGE_BYTES = 1_300_000  # how far the download of so large a file came outlives the process
_BOOK = frozenset(("done", "duplicate"))


@dataclass
class List:
    """A request file; `lines` tells by line number in which states that line may end."""

    name: str
    text: str
    lines: dict[int, frozenset[str]] = field(default_factory=dict)


class Wants:
    """Makes lists of new wants with all that makes lists awkward; knows what they have to bring.

    Of each list's books the first is asked for again: in the same list, in the next one, by a pick, and by
    force.  Every sixth book is a large one.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.expected: Counter[str] = Counter()
        """How often each sha256 has to come."""
        self.lists: list[List] = []
        self._catalogue = folder / "catalogue.csv"
        self._titles = list(itertools.islice(_titles(), most))
        self._numbers = iter(range(1, most))
        self._digests: dict[int, str] = {}
        self._known: int | None = None

    def sources(self, served: Mirror, catalogue: FakeCatalogue) -> list[dict[str, Any]]:
        """Give the configuration of both catalogues."""
        with self._catalogue.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(_COLUMNS)
            for number, title in enumerate(self._titles):
                rows.writerow([number, "Text", "2000-01-01", title, "en", self.author(number), "", "", ""])
        return [
            {"kind": "gutenberg", "catalogue": str(self._catalogue), "mirrors": [served.url]},
            {"kind": "opds", "name": "home", "url": catalogue.root},
        ]

    def author(self, number: int) -> str:
        return f"Writer, {self._titles[-number].split()[0]}"

    def is_whole(self, digest: str) -> bool:
        """Whether a file with this sha256 is one of the books."""
        return digest in self.expected

    def make(self, path: str) -> bytes | None:
        """Give the mirror's file for a path."""
        found = GUTENBERG_PATH.fullmatch(path)
        return self._epub(int(found[1])) if found and found[2] == "-images-3" else None

    def _epub(self, number: int) -> bytes:
        size = _LARGE_BYTES if number % _LARGE_EVERY == 0 else 20_000
        plate = {"OEBPS/plate.jpg": books.jpeg(size, number)}
        return books.epub(
            self._titles[number], self.author(number), identifier=f"urn:book:{number}", files=plate
        )

    def _want(self, number: int, content: bytes | None = None) -> str:
        digest = hashlib.sha256(content or self._epub(number)).hexdigest()
        self.expected[digest] += 1
        return f"{self._titles[number]} — {self.author(number).removeprefix('Writer, ')} Writer"

    def text_list(self) -> List:
        """Make a plain list of six new books and six other lines."""
        numbers = list(itertools.islice(self._numbers, _LARGE_EVERY))
        mine = [self._want(number) for number in numbers]
        called = f"list-{len(self.lists)}.txt"
        rows = [
            ("# a remark", frozenset[str]()),
            *((line, _BOOK) for line in mine),
            (mine[0], _BOOK),
            (f"pick: gutenberg:{numbers[0]}", _BOOK),
            (f"No Such Book {numbers[0]} — Nobody At All", frozenset(("missing",))),
            ("- !!! ---", frozenset(("bad",))),
        ]
        if self._known is not None:
            before = self._known
            rows.append(
                (f"{self._titles[before]} — {self.author(before).removeprefix('Writer, ')} Writer", _BOOK)
            )
        self._known = numbers[0]
        return self._listed(List(called, "".join(f"{line}\n" for line, _ in rows), _numbered(rows)))

    def yaml_list(self, catalogue: FakeCatalogue) -> List:
        """Make a list with a book in a format that only the other catalogue has, and one by force."""
        number = next(self._numbers)
        content = books.pdf(padding=number)
        book = FakeBook(
            number, self._titles[number], (f"{self._titles[-number].split()[0]} Writer",), ("pdf",)
        )
        catalogue.books = (*catalogue.books, book)
        path = f"/opds/files/{number}/{book.title}.pdf"
        catalogue.answers[path] = lambda _: Response(content, media_type=TYPES["pdf"])
        self._want(number, content)
        text = f"- title: {book.title}\n  authors: [{book.authors[0]}]\n  formats: [pdf]\n"
        lines = {1: frozenset(("done",))}
        if self._known is not None:
            self._want(self._known)
            text += f"- title: {self._titles[self._known]}\n  formats: [epub]\n  force: true\n"
            lines[4] = frozenset(("done",))
        text += "- title: Another\n  colour: green\n"
        lines[text.count("\n")] = frozenset(("bad",))
        return self._listed(List(f"list-{len(self.lists)}.yaml", text, lines))

    def _listed(self, made: List) -> List:
        self.lists.append(made)
        return made


def _numbered(rows: list[tuple[str, frozenset[str]]]) -> dict[int, frozenset[str]]:
    return {number: states for number, (_, states) in enumerate(rows, 1) if states}


def _titles() -> Iterator[str]:
    """Give titles of three words, of which no two have a word in common at the same place."""
    words = ["".join(parts).title() for parts in itertools.product(_SYLLABLES, repeat=4)]
    third = len(words) // 3
    for number in range(third):
        place = number * 7919 % third  # so that neighbours do not look alike
        yield f"{words[place]} {words[third + place]} {words[2 * third + place]}"


@contextmanager
def shelves(wants: Wants) -> Iterator[tuple[Mirror, FakeCatalogue]]:
    """Serve the books of these wants on loopback for the block."""
    with mirror(wants.make) as served, fake_catalogue() as catalogue:
        catalogue.books = ()
        yield served, catalogue
