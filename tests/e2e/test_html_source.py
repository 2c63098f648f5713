"""A catalogue of web pages by a definition, and the real daemon: from a dropped line to the book."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tests.books import epub
from tests.daemon import Daemon
from tests.fakes.library_site import LOGIN, PASSWORD, library_site
from tests.waiting import until

BOOKS = (("Emma", "Jane Austen"), ("Moby Dick", "Herman Melville"))


def test_a_line_becomes_the_book_that_its_page_has_a_mirror_of(tmp_path: Path) -> None:
    with library_site(*BOOKS) as site:
        site.members = True
        site.files["1.epub"] = epub(*BOOKS[1])
        site.write(tmp_path / "home" / "sources.d" / "library.yaml", login=LOGIN, settings=PASSWORD)
        (tmp_path / "password").write_text(f"{site.password}\n")
        source = {
            "kind": "html",
            "name": "library",
            "definition": "library",
            "hosts": [urlsplit(site.url).netloc],
            "settings": {"password_file": str(tmp_path / "password")},
        }
        daemon = Daemon(tmp_path / "home", {"sources": [source]})
        try:
            daemon.start()
            daemon.drop("list.txt", "Moby Dick — Herman Melville\nA Book That Is Not There — Nobody\n")
            daemon.await_counts(done=1, missing=1)
            (book,) = daemon.ingest.iterdir()
            assert book.read_bytes() == site.files["1.epub"]
            until(lambda: book.name in daemon.report("list.txt"), lambda: daemon.report("list.txt"))
            # the page was visited once, for the book that was chosen, and the second mirror had it
            asked = [path for path in site.requests if path.startswith(("/book", "/files"))]
            assert asked == ["/book/1", "/files/gone-1.epub", "/files/1.epub"]
            assert site.password not in daemon.log
            assert daemon.stop() == 0
        finally:
            daemon.close()


def test_a_broken_definition_keeps_the_daemon_from_starting_and_says_where(tmp_path: Path) -> None:
    with library_site(*BOOKS) as site:
        path = site.write(tmp_path / "library.yaml", nmae="x")
    daemon = Daemon(tmp_path / "home", {"sources": [{"kind": "html", "definition": str(path)}]})
    daemon.spawn()
    assert daemon.wait() == 2
    assert f"{path}:" in daemon.log
    assert "unknown key `nmae`: did you mean `name`?" in daemon.log
