"""calibre's `ebook-meta` reads the title and the authors that were written into an EPUB."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bookhopper.epub_metadata import Known, fill
from tests import books
from tests.peers.library import environment, found
from tests.waiting import DEADLINE

_BODY = (
    '<manifest><item id="i0" href="c1.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="i0"/></spine></package>'
)
_OPF = '<package xmlns="http://www.idpf.org/2007/opf" unique-identifier="id" version="%s">'
_DC = 'xmlns:%s="http://purl.org/dc/elements/1.1/"'
_ID = '<dc:identifier id="id">urn:uuid:0</dc:identifier><dc:language>en</dc:language>'

PACKAGES = {
    "EPUB 2": _OPF % "2.0" + f"<metadata {_DC % 'dc'}>{_ID}</metadata>{_BODY}",
    "EPUB 3": _OPF % "3.0" + f"<metadata {_DC % 'dc'}>{_ID}<dc:title/><dc:creator/></metadata>{_BODY}",
    "another prefix": _OPF % "3.0" + f"<metadata {_DC % 'x'}>{_ID.replace('dc:', 'x:')}</metadata>{_BODY}",
    "no metadata": _OPF % "2.0" + _BODY,
}


@pytest.mark.parametrize("kind", list(PACKAGES))
def test_calibre_reads_what_was_filled_in(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "book.epub", tmp_path / "filled.epub"
    path.write_bytes(books.epub(files={"OEBPS/content.opf": PACKAGES[kind].encode()}))
    known = Known.of("Les Misérables & <Others>", ["Victor Hugo", "Лев Толстой"])
    assert fill(path, target, known, lambda: None)
    done = subprocess.run(
        [found("ebook-meta"), str(target)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    told = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition(":")
        told[name.strip()] = value.strip()
    assert told["Title"] == "Les Misérables & <Others>"
    assert told["Author(s)"].partition(" [")[0] == "Victor Hugo & Лев Толстой"
