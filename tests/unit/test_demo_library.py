"""The demonstration's books and its catalogue, without the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bookhopper.demo.books import epub, protected_epub
from bookhopper.demo.catalogue import Catalogue, Habit, shelf
from bookhopper.demo.library import HOUND, WORKS, Work
from bookhopper.net.addresses import host_and_port
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.ticket import Ticket
from bookhopper.verify import verify
from tests.waiting import until


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    served = Catalogue(shelf())
    yield served
    served.stop()


def _address(catalogue: Catalogue, number: int) -> str:
    return catalogue.url.replace("/opds/", f"/files/{number}.epub")


@pytest.mark.parametrize("work", WORKS, ids=lambda work: f"{work.title}, {work.author}")
def test_each_book_is_whole_and_the_same_each_time(work: Work, tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(epub(work))
    verdict = verify(path, "epub")
    assert (verdict.ok, verdict.format) == (True, "epub"), verdict.reason
    assert path.read_bytes() == epub(work)


def test_the_locked_book_is_refused_as_locked(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(protected_epub(HOUND))
    verdict = verify(path, "epub")
    assert not verdict.ok
    assert "protected" in verdict.reason


def test_the_catalogue_is_walked_page_by_page(catalogue: Catalogue) -> None:
    host = host_and_port(catalogue.url)
    session = new_session(Route(allowed=frozenset({host})))
    source = OpdsSource("demo", catalogue.url, Web(session, Hosts(local={host})))
    with session:
        found = source.search(Query(isbn="9780141439518"), Ticket(1))
        assert [each.title for each in found] == ["Pride and Prejudice"]
        (again,) = source.lookup(found[0].key, ("epub",), Ticket(1))
        assert again == found[0]
        source.close()
    page, titles = f"{catalogue.url}books?page=1", 0
    while page:
        text = requests.get(page, timeout=10).text
        titles += text.count("<entry ")
        _, _, rest = text.partition('rel="next"')
        page = f"{catalogue.url}{rest.partition('/opds/')[2].partition(chr(34))[0]}" if rest else ""
    assert titles == len(catalogue.books)


def test_what_is_not_there_is_a_404(catalogue: Catalogue) -> None:
    for address in (_address(catalogue, 999), f"{catalogue.url}books/999"):
        assert requests.get(address, timeout=10).status_code == 404


def test_a_book_that_breaks_off_once_goes_on_where_it_was(catalogue: Catalogue) -> None:
    book = next(book for book in catalogue.books if book.habit is Habit.BREAKS_ONCE)
    came = b""
    with requests.get(_address(catalogue, book.number), stream=True, timeout=10) as answer:
        tag = answer.headers["ETag"]
        try:
            for piece in answer.iter_content(1024):
                came += piece
        except requests.exceptions.ChunkedEncodingError:
            pass
        else:
            pytest.fail("it came whole")
    assert 0 < len(came) < len(book.content)
    headers = {"Range": f"bytes={len(came)}-", "If-Range": tag}
    rest = requests.get(_address(catalogue, book.number), headers=headers, timeout=10)
    assert (rest.status_code, came + rest.content) == (206, book.content)
    until(lambda: [sent.whole for sent in catalogue.sent] == [False, True], "both answers noted")


def test_a_range_of_another_file_gives_the_whole_one(catalogue: Catalogue) -> None:
    book = catalogue.books[-1]
    headers = {"Range": "bytes=100-", "If-Range": '"another"'}
    answer = requests.get(_address(catalogue, book.number), headers=headers, timeout=10)
    assert (answer.status_code, answer.content) == (200, book.content)
