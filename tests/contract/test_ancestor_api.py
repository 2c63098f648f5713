"""Every call that the ancestors' scripts and apps make, row by row, under each path that they used."""

from __future__ import annotations

import json
import logging
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from werkzeug.security import generate_password_hash

from bookhopper.api.auth import gate_for
from bookhopper.model import Candidate, Job, Pick, State, Want
from bookhopper.search.normalise import identity
from bookhopper.settings import ServerSettings
from bookhopper.store.base import Move, UnfitError
from tests import books
from tests.queues import candidate, want
from tests.site import SOURCE, Answer, Site, running_site

EPUB = books.epub("A Tale", "Ann Author")
FIELDS = (
    "id", "title", "preview", "author", "publisher", "year", "language", "format", "size", "info",
    "download_urls", "download_path", "priority", "progress",
)  # fmt: skip
TEN_BYTES = b"ten bytes!"  # the size that the ledger has of these books
STATES = ("queued", "downloading", "available", "error", "done", "cancelled")
NOT_FOUND = {"error": "Book not found"}
OFFER = f"{SOURCE}:A Tale - Ann Author"


@dataclass
class Api:
    """A running site, asked under one of the paths that each call has."""

    site: Site
    prefix: str
    slash: str

    def __call__(
        self, method: str, path: str, data: Any = None, body: str | None = None, **params: Any
    ) -> Answer:
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        sent = json.dumps(data) if data is not None else body
        return self.site.ask(f"{self.prefix}{path}{self.slash}{query}", method, sent)

    def get(self, path: str, **params: Any) -> Answer:
        return self("GET", path, **params)

    def group(self, name: str) -> dict[str, Any]:
        """Read one state of the status."""
        found: dict[str, Any] = self.get("/api/status").json[name]
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        (site.books / "A Tale - Ann Author.epub").write_bytes(EPUB)
        yield site
        assert not site.queue.states()


@pytest.fixture(params=["", "/request"], ids=["", "request"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["", "/"], ids=["", "slash"])
def slash(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def idle(served: Site, prefix: str, slash: str) -> Api:
    """A site that is never changed, for whatever changes nothing."""
    return Api(served, prefix, slash)


@pytest.fixture
def api(tmp_path: Path, prefix: str, slash: str) -> Iterator[Api]:
    with running_site(tmp_path) as site:
        (site.books / "A Tale - Ann Author.epub").write_bytes(EPUB)
        yield Api(site, prefix, slash)


def settled(site: Site, state: State, reason: str = "", key: str = "1") -> int:
    """Bring a new job to where nothing moves any more."""
    (job,) = site.queue.add(want(f"Settled {key}"))
    claimed = site.store.claim(State.WANTED)
    assert claimed is not None
    site.store.move(Move(job, State.SEARCHING, state, reason))
    return job


def delivered(site: Site, key: str = "1", folder: str = "") -> int:
    """Bring a new job to DONE, its file being wherever the test puts it."""
    job = site.queue.downloading(want(f"Tale {key}"), candidate(key, f"Tale {key}"))
    site.queue.place(job, candidate(key), folder)
    site.store.complete(job.id)
    return job.id


# GET /api/search


def test_search_without_an_argument_finds_nothing(idle: Api) -> None:
    answer = idle.get("/api/search")
    assert (answer.status, answer.json) == (200, [])
    assert answer.headers["Content-Type"] == "application/json"
    for params in ({"query": ""}, {"sort": "newest"}, {"lang": "en"}, {"format": "epub"}, {"isbn": "no"}):
        assert idle.get("/api/search", **params).json == []


def test_search_shows_books_without_what_is_not_known(idle: Api) -> None:
    (book,) = idle.get("/api/search", query="a tale ann author").json
    assert book.pop("size") == f"{len(EPUB) / 1000:.1f} kB"
    score = float(book["info"].pop("Score")[0])
    assert 0.9 < score <= 1
    assert book == {
        "id": f"{OFFER}~epub",
        "title": "A Tale",
        "author": "Ann Author",
        "language": "en",
        "format": "epub",
        "info": {"Source": [SOURCE], "Key": ["A Tale - Ann Author"]},
        "download_urls": [],
        "priority": 0,
    }


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"query": "A Tale"}, True),
        ({"title": "A Tale"}, True),
        ({"title": ["Nothing of the kind", "A Tale"]}, True),
        ({"author": "Ann Author"}, True),
        ({"author": ["Nobody Else", "Ann Author"], "title": "A Tale"}, True),
        ({"query": "A Tale", "lang": "en"}, True),
        ({"query": "A Tale", "lang": ["de", "en"]}, True),
        ({"query": "A Tale", "lang": "de"}, False),
        ({"query": "A Tale", "format": ["pdf", "epub"]}, True),
        ({"query": "A Tale", "format": "pdf"}, False),
        ({"query": "A Tale", "format": "no such"}, False),
        ({"query": "A Tale", "content": "book_fiction", "sort": "no such order"}, True),
        ({"query": f"pick: {OFFER}"}, True),
        ({"query": "pick: nowhere:1"}, False),
        ({"query": "Something entirely different"}, False),
        ({"isbn": "9780141439518"}, False),
        ({"query": "???"}, False),
        ({"query": "\0\x1b\u202e"}, False),
        ({"query": "x" * 5000}, False),
    ],
)
def test_search_takes_each_argument(idle: Api, params: dict[str, Any], *, found: bool) -> None:
    answer = idle.get("/api/search", **params)
    assert answer.status == 200
    assert [book["id"] for book in answer.json] == ([f"{OFFER}~epub"] if found else [])


def test_search_in_each_order(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*args: object, **named: object) -> list[Candidate]:
        return [
            Candidate("s", "a", "A", year=1900, size=10, score=0.9),
            Candidate("s", "b", "B", year=2000, size=30, score=0.8),
            Candidate("s", "c", "C", score=0.7),
            Candidate("s", "d", "D", year=1950, size=20, score=0.6),
        ]

    monkeypatch.setattr(type(api.site.resolver), "offers", found)
    orders = {"": "abcd", "newest": "bdac", "oldest": "adbc", "largest": "bdac", "smallest": "adbc"}
    for sort, order in {**orders, "relevance": "abcd"}.items():
        books = api.get("/api/search", query="x", sort=sort).json
        assert "".join(book["id"][-1] for book in books) == order, sort


@pytest.mark.parametrize("fault", [OSError("disk"), ZeroDivisionError()])
def test_search_shows_no_failure(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    def fail(*args: object, **named: object) -> list[Candidate]:
        raise fault

    monkeypatch.setattr(type(api.site.resolver), "offers", fail)
    answer = api.get("/api/search", query="A Tale")
    assert (answer.status, answer.json) == (200, [])


def test_search_shows_no_failure_of_a_source(api: Api) -> None:
    for path in api.site.books.iterdir():
        path.unlink()
    api.site.books.rmdir()
    answer = api.get("/api/search", query="A Tale")
    assert (answer.status, answer.json) == (200, [])
    answer = api.get("/api/info", id=f"{OFFER}~epub")
    assert (answer.status, answer.json) == (404, NOT_FOUND)


# GET /api/info


def test_info_of_what_a_source_offers(idle: Api) -> None:
    book = idle.get("/api/info", id=f"{OFFER}~epub").json
    assert (book["id"], book["title"], book["author"]) == (f"{OFFER}~epub", "A Tale", "Ann Author")
    assert None not in book.values()
    assert idle.get("/api/info", id=OFFER).json == book


def test_info_of_a_job(api: Api) -> None:
    job = api.site.queue.queued(want("A Täle"), candidate("1", "A Täle"))
    answer = api.get("/api/info", id=job)
    assert answer.status == 200
    assert answer.json == {
        "id": str(job),
        "title": "A Täle",
        "author": "Ann Author",
        "language": "en",
        "format": "epub",
        "info": {"Source": ["shelf"], "Key": ["1"], "Score": ["0.90"]},
        "download_urls": [],
        "priority": 1,
    }


def test_info_without_an_id(idle: Api) -> None:
    answer = idle.get("/api/info")
    assert (answer.status, answer.json) == (400, {"error": "id: the id of a book is expected"})


@pytest.mark.parametrize("text", ["17", f"{SOURCE}:no such", "nowhere:1", f"{OFFER}~pdf", "\ufffd", "²"])
def test_info_of_nothing(idle: Api, text: str) -> None:
    answer = idle.get("/api/info", id=text)
    assert (answer.status, answer.json) == (404, NOT_FOUND)


# GET /api/download


def test_download_queues_a_book(api: Api) -> None:
    answer = api.get("/api/download", id=f"{OFFER}~epub")
    assert (answer.status, answer.json) == (200, {"status": "queued", "priority": 0})
    (book,) = api.group("queued").values()
    assert (book["id"], book["priority"], book["format"]) == (f"{OFFER}~epub", 0, "epub")
    job = api.site.store.job_of(identity(Want(pick=Pick(SOURCE, "A Tale - Ann Author"), formats=("epub",))))
    assert job is not None
    request = api.site.store.request(job.request)
    assert request is not None
    assert request.name == "added by hand"
    assert not (api.site.requests / "reports").exists()


def test_download_of_what_is_queued_already(api: Api) -> None:
    for priority, shown in ((5, 5), (-3, -3), (4, 4)):
        answer = api.get("/api/download", id=OFFER, priority=priority)
        assert (answer.status, answer.json) == (200, {"status": "queued", "priority": priority})
        (book,) = api.group("queued").values()
        assert (book["id"], book["priority"]) == (OFFER, shown)
    assert sum(api.site.queue.states().values()) == 1


@pytest.mark.parametrize("state", [State.MISSING, State.FAILED, State.AMBIGUOUS])
def test_download_of_what_was_given_up_tries_again(api: Api, state: State) -> None:
    job = settled(api.site, state, "no luck")
    assert api.get("/api/download", id=job, priority=-1).json == {"status": "queued", "priority": -1}
    assert api.group("queued")[str(job)]["priority"] == -1


def test_download_of_what_was_cancelled_tries_again(api: Api) -> None:
    api.get("/api/download", id=OFFER)
    api.site.control.cancel(1)
    api.get("/api/download", id=OFFER)
    assert list(api.group("queued")) == [OFFER]


def test_download_of_what_was_delivered_changes_nothing(api: Api) -> None:
    job = delivered(api.site)
    answer = api.get("/api/download", id=job)
    assert (answer.status, answer.json) == (200, {"status": "queued", "priority": 0})
    assert api.site.queue.states() == {"done": 1}


def test_download_without_an_id(idle: Api) -> None:
    answer = idle.get("/api/download", priority=1)
    assert (answer.status, answer.json) == (400, {"error": "id: the id of a book is expected"})


@pytest.mark.parametrize("priority", ["high", "", "1.5", "0x1", "²", "9999999999", "1e3"])
def test_download_with_a_priority_that_is_none(idle: Api, priority: str) -> None:
    answer = idle.get("/api/download", id=OFFER, priority=priority)
    assert answer.status == 400
    assert answer.json == {"error": "priority: a whole number from -1000000 to 1000000 is expected"}
    assert not idle.site.queue.states()


@pytest.mark.parametrize("text", ["17", "nowhere:1", "nonsense"])
def test_download_of_what_cannot_be_had(idle: Api, text: str) -> None:
    answer = idle.get("/api/download", id=text)
    assert (answer.status, answer.json) == (404, NOT_FOUND)
    assert not idle.site.queue.states()


def test_download_of_what_is_gone_says_in_the_log_how_to_get_it(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bookhopper.api")
    job = delivered(api.site)
    (api.site.ingest / f"{job}.epub").write_bytes(TEN_BYTES)
    api.get("/api/download", id=job)
    assert caplog.messages == []
    (api.site.ingest / f"{job}.epub").unlink()
    answer = api.get("/api/download", id=job)
    assert (answer.status, answer.json) == (200, {"status": "queued", "priority": 0})
    assert caplog.messages == [
        f"{job} was delivered as {job}.epub and is not fetched again: ask for it in a list with `force: true`"
    ]
    assert api.site.queue.states() == {"done": 1}


def test_download_of_what_a_line_picked_is_shown_by_its_id(api: Api) -> None:
    api("POST", "/api/requests", body=f"pick: {OFFER}")
    assert api.get("/api/download", id=OFFER).json == {"status": "queued", "priority": 0}
    assert list(api.group("queued")) == [OFFER]
    assert api("DELETE", f"/api/download/{quote(OFFER)}/cancel").status == 200
    assert list(api.group("cancelled")) == [OFFER]


def test_download_of_what_a_list_has_brought_is_available(api: Api) -> None:
    first = delivered(api.site)
    asked = f"{SOURCE}:1~epub"
    api.get("/api/download", id=asked)
    claimed = api.site.store.claim(State.WANTED)
    assert claimed is not None
    double = Move(claimed.id, State.SEARCHING, State.DUPLICATE, "", candidates=(candidate("1", "Tale 1"),))
    api.site.store.move(double)
    assert asked in api.group("done")
    assert api.get("/api/localdownload", id=asked).status == 404
    part = api.site.folder / "part"
    part.write_bytes(TEN_BYTES)
    api.site.copies.keep(first, part)
    assert set(api.group("available")) == {str(first), asked}
    assert api.get("/api/localdownload", id=asked).body == TEN_BYTES
    api.site.copies.discard(first)
    (api.site.ingest / f"{first}.epub").write_bytes(TEN_BYTES)
    book = api.group("available")[asked]
    assert (book["download_path"], book["size"]) == (f"{first}.epub", "10 Bytes")
    assert api.get("/api/localdownload", id=asked).body == TEN_BYTES
    assert api.get("/api/info", id=asked).json["size"] == "10 Bytes"


# GET /api/status


def test_status_of_nothing(idle: Api) -> None:
    answer = idle.get("/api/status")
    assert (answer.status, answer.json) == (200, {state: {} for state in STATES})


def test_status_shows_books_whole(api: Api) -> None:
    job = api.site.queue.queued(
        want("A Tale"),
        Candidate("shelf", "7", "A Täle", ("Ann", "Bob"), "en", "epub", 1_200_000, 1999, ("9780141439518",), urls=("http://u:p@x/",)),
    )  # fmt: skip
    book = api.group("queued")[str(job)]
    assert tuple(book) == FIELDS
    assert book == {
        "id": str(job),
        "title": "A Täle",
        "preview": None,
        "author": "Ann; Bob",
        "publisher": None,
        "year": "1999",
        "language": "en",
        "format": "epub",
        "size": "1.2 MB",
        "info": {"Source": ["shelf"], "Key": ["7"], "ISBN": ["9780141439518"]},
        "download_urls": [],
        "download_path": None,
        "priority": 1,
        "progress": None,
    }


def test_status_of_what_runs(api: Api) -> None:
    job = api.site.run_one()
    book = api.group("downloading")[str(job)]
    assert tuple(book) == FIELDS
    assert book["progress"] == 25.0


@pytest.mark.parametrize("state", [State.MISSING, State.FAILED, State.AMBIGUOUS])
def test_status_of_an_error_carries_the_reason(api: Api, state: State) -> None:
    job = settled(api.site, state, "no source has it")
    book = api.group("error")[str(job)]
    assert tuple(book) == (*FIELDS, "error")
    assert book["error"] == "no source has it"


@pytest.mark.parametrize("state", [State.OWNED, State.DUPLICATE])
def test_status_of_what_was_there_already_is_done(api: Api, state: State) -> None:
    job = settled(api.site, state)
    assert tuple(api.group("done")[str(job)]) == FIELDS


def test_status_tells_available_from_done_by_the_files(api: Api) -> None:
    job = delivered(api.site)
    name = f"{job}.epub"
    assert api.group("done")[str(job)]["download_path"] is None
    (api.site.ingest / name).write_bytes(EPUB)
    book = api.group("available")[str(job)]
    assert (book["download_path"], book["progress"], book["size"]) == (name, 100.0, "10 Bytes")
    api.site.copies.keep(job, api.site.ingest / name)
    (api.site.ingest / name).unlink()
    assert api.group("available")[str(job)]["download_path"] is None
    api.site.copies.discard(job)
    assert list(api.group("done")) == [str(job)]


def test_status_follows_no_link_and_no_folder(api: Api) -> None:
    job, other = delivered(api.site), delivered(api.site, "2")
    (api.site.ingest / f"{job}.epub").symlink_to("/etc/passwd")
    (api.site.ingest / f"{other}.epub").mkdir()
    assert set(api.group("done")) == {str(job), str(other)}


def test_status_of_what_was_cancelled(api: Api) -> None:
    (job,) = api.site.queue.add(want())
    api.site.control.cancel(job)
    assert tuple(api.group("cancelled")[str(job)]) == FIELDS


def test_status_keeps_the_most_urgent_first_and_bounds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = api.site.queue.add(*(want(f"Tale {number}") for number in range(1003)))
    api.site.control.prioritise({jobs[-1]: 0})
    queued = list(api.group("queued"))
    assert len(queued) == 1000
    assert queued[:2] == [str(jobs[-1]), str(jobs[0])]


def test_status_forgets_what_settled_long_ago(api: Api) -> None:
    object.__setattr__(api.site.view, "status_timeout", 0.0)
    delivered(api.site)
    settled(api.site, State.FAILED)
    assert api.get("/api/status").json == {state: {} for state in STATES}


# GET /api/localdownload


def test_localdownload_serves_the_copy(api: Api) -> None:
    job = delivered(api.site)
    part = api.site.folder / "part"
    part.write_bytes(TEN_BYTES)
    api.site.copies.keep(job, part)
    answer = api.get("/api/localdownload", id=job)
    assert (answer.status, answer.body) == (200, TEN_BYTES)
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"Tale 1.epub\"; filename*=UTF-8''Tale%201.epub"
    )
    assert answer.headers["Content-Type"] == "application/epub+zip"
    assert answer.headers["Content-Length"] == "10"


@pytest.mark.parametrize("cut_short", [b"", b"ten"])
def test_localdownload_passes_over_a_copy_that_a_power_cut_left(api: Api, cut_short: bytes) -> None:
    job = delivered(api.site)
    part = api.site.folder / "part"
    part.write_bytes(cut_short)
    api.site.copies.keep(job, part)
    assert api.get("/api/localdownload", id=job).status == 404
    (api.site.ingest / f"{job}.epub").write_bytes(EPUB)  # which its consumer has written into
    assert api.get("/api/localdownload", id=job).body == EPUB


def test_localdownload_falls_back_to_the_file_in_ingest(api: Api) -> None:
    job = delivered(api.site)
    (api.site.ingest / f"{job}.epub").write_bytes(EPUB)
    assert api.get("/api/localdownload", id=job).body == EPUB


def test_localdownload_names_a_file_in_any_script(api: Api) -> None:
    job = api.site.queue.downloading(want("x"), candidate("1", 'Tä"l/e\\\r\n: 本%'))
    api.site.queue.place(job, candidate("1"))
    api.site.store.complete(job.id)
    (api.site.ingest / f"{job.id}.epub").write_bytes(EPUB)
    header = api.get("/api/localdownload", id=job.id).headers["Content-Disposition"]
    assert header == (
        f"attachment; filename=\"T__l_e_ _ __.epub\"; filename*=UTF-8''{quote('Tä_l_e_ _ 本%.epub', safe='')}"
    )


def test_localdownload_without_an_id(idle: Api) -> None:
    answer = idle.get("/api/localdownload")
    assert (answer.status, answer.json) == (400, {"error": "id: the id of a book is expected"})


def test_localdownload_of_nothing(api: Api) -> None:
    job = delivered(api.site)
    waiting = api.site.queue.queued(want("Waiting"))
    for text in (job, waiting, "999", "../../etc/passwd", "/etc/passwd", f"{job}.epub", OFFER):
        answer = api.get("/api/localdownload", id=text)
        assert (answer.status, answer.json) == (404, {"error": "File not found"}), text


def test_localdownload_follows_no_link(api: Api) -> None:
    job = delivered(api.site)
    (api.site.ingest / f"{job}.epub").symlink_to("/etc/passwd")
    assert api.get("/api/localdownload", id=job).status == 404


def test_a_book_in_a_sub_folder_of_ingest_is_available(api: Api) -> None:
    job = delivered(api.site, folder="Kids/Ann/")
    assert str(job) in api.group("done")
    folder = api.site.ingest / "Kids" / "Ann"
    folder.mkdir(parents=True)
    (folder / f"{job}.epub").write_bytes(EPUB)
    (api.site.ingest / "Other").mkdir()
    assert api.group("available")[str(job)]["download_path"] == f"Kids/Ann/{job}.epub"
    answer = api.get("/api/localdownload", id=job)
    assert (answer.status, answer.body) == (200, EPUB)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="Tale 1.epub"')


@pytest.mark.parametrize("level", ["Kids", "Kids/Ann"])
def test_a_link_to_a_folder_is_not_looked_behind(api: Api, level: str) -> None:
    job = delivered(api.site, folder="Kids/Ann/")
    elsewhere = api.site.folder / "elsewhere"
    (elsewhere / "Ann").mkdir(parents=True)
    for folder in (elsewhere, elsewhere / "Ann"):
        (folder / f"{job}.epub").write_bytes(EPUB)
    link = api.site.ingest / level
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    assert str(job) in api.group("done")
    assert api.get("/api/localdownload", id=job).status == 404


# DELETE /api/download/{id}/cancel


def test_cancel_of_what_is_queued(api: Api) -> None:
    api.get("/api/download", id=OFFER)
    answer = api("DELETE", f"/api/download/{quote(OFFER)}/cancel")
    assert (answer.status, answer.json) == (200, {"status": "cancelled", "book_id": OFFER})
    assert list(api.group("cancelled")) == [OFFER]


def test_cancel_of_what_runs(api: Api) -> None:
    job = api.site.run_one()
    answer = api("DELETE", f"/api/download/{job}/cancel")
    assert (answer.status, answer.json) == (200, {"status": "cancelled", "book_id": str(job)})
    assert list(api.group("cancelled")) == [str(job)]


@pytest.mark.parametrize("state", [State.MISSING, State.FAILED, State.DUPLICATE])
def test_cancel_of_anything_else(api: Api, state: State) -> None:
    for text in (settled(api.site, state), 999, "nowhere:1", "x/y"):
        answer = api("DELETE", f"/api/download/{text}/cancel")
        assert (answer.status, answer.json) == (404, NOT_FOUND)


# PUT /api/queue/{id}/priority


def test_priority_of_what_is_queued(api: Api) -> None:
    (job,) = api.site.queue.add(want())
    answer = api("PUT", f"/api/queue/{job}/priority", {"priority": -7})
    assert (answer.status, answer.json) == (
        200, {"status": "updated", "book_id": str(job), "priority": -7},
    )  # fmt: skip
    assert api.group("queued")[str(job)]["priority"] == -7


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"priority": "high"}', '{"priority": null}', "nonsense", "\0"]
)
def test_priority_that_is_none(idle: Api, body: str) -> None:
    answer = idle("PUT", "/api/queue/1/priority", body=body)
    assert answer.status == 400
    assert list(answer.json) == ["error"]


def test_priority_of_what_is_not_queued(api: Api) -> None:
    for text in (api.site.run_one(), settled(api.site, State.FAILED), 999, "nowhere:1"):
        answer = api("PUT", f"/api/queue/{text}/priority", {"priority": 1})
        assert (answer.status, answer.json) == (404, NOT_FOUND)


# POST /api/queue/reorder


def test_reorder_counts_what_was_sent(api: Api) -> None:
    first, second = api.site.queue.add(want("One"), want("Two"))
    api.get("/api/download", id=OFFER, priority=9)
    priorities = {str(first): 3, str(second): 2, OFFER: 1, "999": 0, "nowhere:1": 0}
    answer = api("POST", "/api/queue/reorder", {"book_priorities": priorities})
    assert (answer.status, answer.json) == (200, {"status": "reordered", "updated_count": 5})
    assert list(api.group("queued")) == [OFFER, str(second), str(first)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        '{"book_priorities": []}',
        '{"book_priorities": null}',
        '{"book_priorities": {"1": "2"}}',
        '{"book_priorities": {"1": 1.5}}',
        '{"book_priorities": {"1": true}}',
        '{"book_priorities": {"1": 99999999999999999999}}',
        "nonsense",
    ],
)
def test_reorder_of_anything_else(idle: Api, body: str) -> None:
    answer = idle("POST", "/api/queue/reorder", body=body)
    assert answer.status == 400
    assert list(answer.json) == ["error"]


# GET /api/queue/order


def test_order_of_nothing(idle: Api) -> None:
    answer = idle.get("/api/queue/order")
    assert (answer.status, answer.json) == (200, {"queue": []})


def test_order_goes_by_priority_and_then_arrival(api: Api) -> None:
    jobs = api.site.queue.add(want("One"), want("Two"), want("Three"))
    api.site.control.prioritise({jobs[2]: 0})
    queue = api.get("/api/queue/order").json["queue"]
    times = [item.pop("added_time") for item in queue]
    assert all(isinstance(moment, float) for moment in times)
    assert times == [api.site.queue.job(job).created for job in (jobs[2], jobs[0], jobs[1])]
    author, status = "Ann Author", "queued"
    assert queue == [
        {"id": str(jobs[2]), "title": "Three", "author": author, "priority": 0, "status": status},
        {"id": str(jobs[0]), "title": "One", "author": author, "priority": 1, "status": status},
        {"id": str(jobs[1]), "title": "Two", "author": author, "priority": 1, "status": status},
    ]
    (item,) = api.get("/api/queue/order", limit=1, offset=1).json["queue"]
    assert item["id"] == str(jobs[0])


# GET /api/downloads/active


def test_active_downloads(api: Api) -> None:
    assert api.get("/api/downloads/active").json == {"active_downloads": []}
    job = api.site.run_one()
    answer = api.get("/api/downloads/active")
    assert (answer.status, answer.json) == (200, {"active_downloads": [str(job)]})


# DELETE /api/queue/clear


def test_clear_drops_what_is_settled_but_not_available(api: Api) -> None:
    done, available = delivered(api.site), delivered(api.site, "2")
    (api.site.ingest / f"{available}.epub").write_bytes(EPUB)
    settled(api.site, State.FAILED)
    settled(api.site, State.MISSING, key="2")
    (cancelled,) = api.site.queue.add(want("Cancelled"))
    api.site.control.cancel(cancelled)
    (waiting,) = api.site.queue.add(want("Waiting"))
    answer = api("DELETE", "/api/queue/clear")
    assert (answer.status, answer.json) == (200, {"status": "cleared", "removed_count": 4})
    shown = {state: list(found) for state, found in api.get("/api/status").json.items() if found}
    assert shown == {"queued": [str(waiting)], "available": [str(available)]}
    assert api("DELETE", "/api/queue/clear").json == {"status": "cleared", "removed_count": 0}
    assert api.site.queue.job(done).state is State.DONE


# errors


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/nothing", "/api/search/more", "//api/search"])
def test_an_unknown_path(idle: Api, path: str) -> None:
    answer = idle.get(path)
    assert (answer.status, answer.json) == (404, {"error": "Resource not found"})


def test_a_wrong_method(idle: Api) -> None:
    for method, path in (("POST", "/api/search"), ("GET", "/api/queue/clear"), ("PUT", "/api/status")):
        answer = idle(method, path)
        assert answer.status == 405
        assert list(answer.json) == ["error"]


# sign-in with the names and passwords of Calibre-Web


@dataclass
class Library:
    """A site with two readers and an administrator, whose passwords are their names."""

    site: Site

    def __call__(self, who: str, method: str, path: str, data: Any = None) -> Answer:
        body = json.dumps(data) if data is not None else None
        basic = b64encode(f"{who}:{who}".encode()).decode()
        return self.site.ask(path, method, body, **({"Authorization": f"Basic {basic}"} if who else {}))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    app_db = tmp_path / "app.db"
    with closing(sqlite3.connect(app_db)) as database, database:
        database.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, name, password, role)")
        for name, role in (("ann", 0), ("bob", 0), ("root", 1)):
            password = generate_password_hash(name, method="pbkdf2:sha256:10")
            database.execute(
                "INSERT INTO user (name, password, role) VALUES (?, ?, ?)", (name, password, role)
            )
    (tmp_path / "site").mkdir()
    gate = gate_for(ServerSettings(sign_in="calibre-web", app_db=app_db), tmp_path, "the daemon's token")
    with running_site(tmp_path / "site", gate) as site:
        (site.books / "A Tale - Ann Author.epub").write_bytes(EPUB)
        yield Library(site)


CALLS = (
    ("GET", "/api/search?query=x"), ("GET", "/api/info?id=1"), ("GET", "/api/download?id=1"),
    ("GET", "/api/status"), ("GET", "/api/localdownload?id=1"), ("DELETE", "/api/download/1/cancel"),
    ("PUT", "/api/queue/1/priority"), ("POST", "/api/queue/reorder"), ("GET", "/api/queue/order"),
    ("GET", "/api/downloads/active"), ("DELETE", "/api/queue/clear"),
)  # fmt: skip


def test_without_a_password_nothing_is_answered(library: Library) -> None:
    for method, path in CALLS:
        answer = library("", method, path)
        assert answer.status == 401, path
        assert list(answer.json) == ["error"]
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_a_reader_changes_only_what_is_his(library: Library) -> None:
    offer = quote(OFFER)
    assert library("ann", "GET", f"/api/download?id={offer}&priority=5").status == 200
    job = library.site.queue.job(1)
    assert job.owner == "ann"
    for method, path, data in (
        ("DELETE", f"/api/download/{offer}/cancel", None),
        ("PUT", f"/api/queue/{offer}/priority", {"priority": 0}),
        ("POST", "/api/queue/reorder", {"book_priorities": {OFFER: 0}}),
        ("DELETE", "/api/queue/clear", None),
    ):
        answer = library("bob", method, path, data)
        assert answer.status == 403, path
        assert list(answer.json) == ["error"]
    assert library("bob", "GET", f"/api/download?id={offer}&priority=0").json["status"] == "queued"
    assert library.site.queue.job(1).priority == 5
    for who, priority in (("ann", 4), ("root", 3)):
        answer = library(who, "PUT", f"/api/queue/{offer}/priority", {"priority": priority})
        assert answer.json == {"status": "updated", "book_id": OFFER, "priority": priority}
    assert library("ann", "DELETE", f"/api/download/{offer}/cancel").status == 200
    assert library("bob", "GET", f"/api/download?id={offer}").status == 403
    assert library("ann", "GET", f"/api/download?id={offer}").status == 200
    assert library("root", "DELETE", "/api/queue/clear").status == 200


# a queue that is first in, first out


def test_without_priorities_none_can_be_changed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = api.site.queue.add(want())

    def refuse(*_: object) -> int:
        raise UnfitError("the queue is first in, first out: queue.order says so")

    monkeypatch.setattr(type(api.site.store), "prioritise", refuse)
    for method, path, data in (
        ("PUT", f"/api/queue/{job}/priority", {"priority": 0}),
        ("POST", "/api/queue/reorder", {"book_priorities": {str(job): 0}}),
    ):
        answer = api(method, path, data)
        assert answer.status == 400
        assert answer.json == {"error": "priority: the queue is first in, first out: queue.order says so"}
    assert api.get("/api/download", id=job, priority=-1).json == {"status": "queued", "priority": -1}


# the second ancestor's queue


def test_downloads_list_with_filters(api: Api) -> None:
    queue = api.site.queue
    (cancelled,) = queue.add(want("Cancelled"))
    api.site.control.cancel(cancelled)
    queued = queue.queued(want("Queued"), candidate())
    (paused,) = queue.add(want("Paused"))
    api.site.control.pause(paused)
    failed = settled(api.site, State.FAILED)
    completed = settled(api.site, State.OWNED, key="2")
    answer = api.get("/api/downloads")
    assert answer.status == 200
    assert {**answer.json, "items": len(answer.json["items"])} == {
        "items": 5, "total": 5, "limit": 100, "offset": 0,
    }  # fmt: skip
    for status, jobs in {
        "pending": {queued, paused},
        "queued": {queued},
        "downloading": set(),
        "completed": {completed},
        "failed": {failed},
        "cancelled": {cancelled},
        "paused": {paused},
        "failed,cancelled": {failed, cancelled},
    }.items():
        found = api.get("/api/downloads", status=status).json
        assert ({item["id"] for item in found["items"]}, found["total"]) == (jobs, len(jobs)), status
    page = api.get("/api/downloads", limit=2, offset=4).json
    assert (len(page["items"]), page["total"], page["limit"], page["offset"]) == (1, 5, 2, 4)
    for params in ({"status": "nonsense"}, {"limit": "many"}, {"offset": -1}):
        answer = api.get("/api/downloads", **params)
        assert answer.status == 400
        assert answer.json["error"].startswith(next(iter(params)) + ": ")


def test_one_download_with_its_progress(api: Api) -> None:
    job = api.site.run_one()
    answer = api.get(f"/api/downloads/{job}")
    shown = answer.json
    assert answer.status == 200
    assert (shown["id"], shown["state"], shown["attempts"], shown["error"]) == (job, "downloading", 0, None)
    assert (shown["received"], shown["total"], shown["percent"]) == (250, 1000, 25.0)
    assert shown["speed"] >= 0
    assert "eta" in shown
    answer = api.get("/api/downloads/999")
    assert answer.status == 404
    assert list(answer.json) == ["error"]


def test_change_one_download(api: Api) -> None:
    done = delivered(api.site)
    job = api.site.queue.queued(want(), candidate())
    outcomes: dict[str, dict[str, Any]] = {
        "pause": {"state": "queued", "paused": True},
        "resume": {"state": "queued", "paused": False},
        "cancel": {"state": "cancelled"},
        "retry": {"state": "wanted", "paused": False},
    }
    for action, shown in outcomes.items():
        answer = api("POST", f"/api/downloads/{job}/{action}")
        assert answer.status == 200
        assert {name: answer.json[name] for name in shown} == shown, action
        assert api("POST", f"/api/downloads/999/{action}").status == 404
    for action in ("pause", "resume", "cancel", "retry"):
        answer = api("POST", f"/api/downloads/{done}/{action}")
        assert answer.status == 409
        assert list(answer.json) == ["error"]


def test_pause_and_cancel_of_what_runs(api: Api) -> None:
    job = api.site.run_one()
    answer = api("POST", f"/api/downloads/{job}/pause")
    assert (answer.status, answer.json["state"], answer.json["paused"]) == (200, "queued", True)
    answer = api("POST", f"/api/downloads/{job}/cancel")
    assert (answer.status, answer.json["state"]) == (200, "cancelled")


def test_priority_of_one_download(api: Api) -> None:
    (job,) = api.site.queue.add(want())
    answer = api("POST", f"/api/downloads/{job}/priority", {"priority": 0})
    assert (answer.status, answer.json["priority"]) == (200, 0)
    answer = api("POST", f"/api/downloads/{job}/priority", {"priority": "urgent"})
    assert answer.status == 400
    assert answer.json["error"].startswith("priority: ")
    assert api("POST", "/api/downloads/999/priority", {"priority": 0}).status == 404


def test_pause_and_resume_of_the_whole_queue(api: Api) -> None:
    api.site.queue.queued(want(), candidate())
    for action, paused in (("pause", True), ("pause", True), ("resume", False)):
        answer = api("POST", f"/api/downloads/{action}")
        assert (answer.status, answer.json["paused"]) == (200, paused)
        status = api.get("/api/downloads/status").json
        assert (status["paused"], status["workers"], status["counts"]["queued"]) == (paused, 3, 1)


@pytest.mark.parametrize("name", ["book_ids", "track_ids"])
def test_batch_queues_many(api: Api, name: str) -> None:
    answer = api("POST", "/api/downloads/batch", {name: [f"{OFFER}~epub"], "priority": 0})
    assert answer.status == 200
    assert answer.json == {"results": [{"id": f"{OFFER}~epub", "ok": True, "error": None}]}
    assert api.group("queued")[f"{OFFER}~epub"]["priority"] == 0
    answer = api("POST", "/api/downloads/batch", {name: [OFFER, "nowhere:1"]})
    assert answer.status == 207
    assert [(result["id"], result["ok"]) for result in answer.json["results"]] == [
        (OFFER, True), ("nowhere:1", False),
    ]  # fmt: skip
    for body in ({}, {name: "1"}, {name: [OFFER], "priority": "x"}):
        answer = api("POST", "/api/downloads/batch", body)
        assert answer.status == 400
        assert list(answer.json) == ["error"]


def test_batch_action_changes_many(api: Api) -> None:
    first, second = api.site.queue.add(want("One"), want("Two"))
    outcomes: dict[str, Callable[[Job], bool]] = {
        "pause": lambda job: job.paused,
        "resume": lambda job: not job.paused,
        "priority": lambda job: job.priority == 4,
        "cancel": lambda job: job.state is State.CANCELLED,
    }
    for action, shown in outcomes.items():
        body = {"ids": [first, str(second)], "action": action}
        answer = api(
            "POST", "/api/downloads/batch-action", body | ({"priority": 4} if action == "priority" else {})
        )
        assert answer.status == 200
        assert [result["ok"] for result in answer.json["results"]] == [True, True]
        assert all(shown(api.site.queue.job(job)) for job in (first, second)), action
    answer = api("POST", "/api/downloads/batch-action", {"ids": [first, 999], "action": "retry"})
    assert answer.status == 207
    ok, failed = answer.json["results"]
    assert ok == {"id": first, "ok": True, "error": None}
    assert (failed["id"], failed["ok"], bool(failed["error"])) == (999, False, True)
    answer = api("POST", "/api/downloads/batch-action", {"ids": [first], "action": "burn"})
    assert answer.status == 400
    assert list(answer.json) == ["error"]
