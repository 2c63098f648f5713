"""From a queued job to a book in ingest: candidates in turn, over real sockets and a real store."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bookhopper.acquire import Acquire
from bookhopper.delivery.deliver import Deliverer
from bookhopper.delivery.ingest import IngestFolder
from bookhopper.download import Downloader
from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Job, Resume, State, Want
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.owned import CalibreLibrary
from bookhopper.part import Limits
from bookhopper.search.sources.registry import Opener, SourceSet
from bookhopper.store.base import Move, StaleError
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests import books
from tests.calibre import FakeLibrary
from tests.fakes.faulty import Answer, Asked, Faulty, after, cut, faulty, head, rest, status, unsized, whole
from tests.fakes.server import free_port
from tests.queues import Queue, candidate, want
from tests.waiting import until

EPUB = books.epub()
BROKEN = EPUB[: len(EPUB) // 2]
PROTECTED = books.epub(files={"META-INF/license.lcpl": b"{}"})
TAG = '"one"'


class Bench:
    """All that the fetchers' step works with."""

    def __init__(self, base: Path, server: Faulty, *, keep_free: int = 0) -> None:
        self.server = server
        self.queue = Queue(base)
        self.ingest = base / "ingest"
        self.parts = base / "parts"
        for each in (self.ingest, self.parts):
            each.mkdir()
        web = Web(new_session(Route(allowed={"127.0.0.1"})), Hosts(default=UNPACED))
        opener = Opener(SourceSet((), web.hosts, {}, {"shelf": web}), (10, 10))
        self.downloader = Downloader(opener, Limits(10**8, keep_free), {})
        folder = IngestFolder(self.ingest, mode=0o664, require_mount=True)
        self.deliverer = Deliverer(self.queue.store, folder, self.parts)
        self.acquire = Acquire(
            self.queue.store, self.downloader, self.deliverer, parts=self.parts, formats=("epub", "pdf")
        )

    def offer(self, *answers: Answer) -> list[Candidate]:
        """Offer a candidate for each answer."""
        return [
            candidate(str(number), f"Tale {number}", self.server.at(f"/{number}", answer))
            for number, answer in enumerate(answers)
        ]

    def job(self, *candidates: Candidate, wish: Want | None = None) -> Job:
        return self.queue.downloading(wish or want(), *candidates)

    def listed(self) -> list[str]:
        return sorted(path.name for path in self.ingest.iterdir())

    def left(self) -> list[str]:
        return sorted(path.name for path in self.parts.glob("*.part"))

    def asked(self) -> list[str]:
        return [asked.path for asked in self.server.asked]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with faulty() as server:
        bench = Bench(tmp_path, server)
        yield bench
        bench.deliverer.close()
        bench.queue.close()


def test_the_first_good_candidate_is_delivered(bench: Bench) -> None:
    job = bench.job(*bench.offer(whole(EPUB), whole(EPUB)))
    ticket = Ticket(job.id)
    assert bench.acquire(job, ticket) is None
    assert bench.listed() == ["Tale 0 - Ann Author.epub"]
    assert bench.left() == []
    assert bench.queue.job(job.id).state is State.DONE
    assert bench.asked() == ["/0"]
    assert (ticket.stage, ticket.resume) == ("deliver", None)
    done = {key: number for key, number in bench.acquire.verifications().items() if number}
    assert done == {("book", "passed"): 1}


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (whole(BROKEN), "a ZIP archive that is cut short or damaged"),
        (whole(PROTECTED), "protect"),
        (whole(books.html(), Content_Type="application/epub+zip"), "web page|HTML"),
        (whole(books.mobi()), "its format is mobi, and wanted is epub, pdf"),
        (status(404), r"not there \(404\)"),
    ],
)
def test_a_bad_book_is_given_up_for_good_and_the_next_one_tried(bench: Bench, bad: Answer, word: str) -> None:
    job = bench.job(*bench.offer(bad, whole(EPUB)))
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.listed() == ["Tale 1 - Ann Author.epub"]
    first, second = bench.queue.job(job.id).candidates
    assert pytest.raises(AssertionError, match=word).matches(AssertionError(first.fault)), first.fault
    assert second.fault == ""
    assert any(f"shelf:0 is no good: {first.fault}" == change.reason for change in bench.queue.changes)


def test_a_file_damaged_on_its_way_comes_from_another_mirror(bench: Bench) -> None:
    urls = tuple(bench.server.at(f"/{name}", whole(body)) for name, body in (("a", BROKEN), ("b", EPUB)))
    job = bench.job(replace(candidate("1", "A Tale"), urls=urls))
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.asked() == ["/a", "/b"]
    assert bench.listed() == ["A Tale - Ann Author.epub"]
    assert bench.queue.job(job.id).candidates[0].fault == ""


def test_a_protected_file_is_the_same_on_every_mirror(bench: Bench) -> None:
    urls = tuple(bench.server.at(f"/{name}", whole(PROTECTED)) for name in "ab")
    job = bench.job(replace(candidate("1", "A Tale"), urls=urls))
    with pytest.raises(PermanentError, match="protect"):
        bench.acquire(job, Ticket(job.id))
    assert bench.asked() == ["/a"]


def test_what_may_pass_is_no_reason_for_a_lesser_format(bench: Bench) -> None:
    first, second, third = bench.offer(status(500), whole(books.pdf()), whole(EPUB))
    job = bench.job(first, replace(second, format="pdf"), third)
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.asked() == ["/0", "/2"]
    job = bench.job(first, replace(second, format="pdf"), wish=want("Another"))
    with pytest.raises(TransientError, match="the server failed"):
        bench.acquire(job, Ticket(job.id))


def test_what_was_given_up_is_not_fetched_again(bench: Bench) -> None:
    first, second = bench.offer(whole(EPUB), whole(EPUB))
    job = bench.job(replace(first, fault="it is torn"), second)
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.asked() == ["/1"]


def test_what_may_have_been_cut_short_unnoticed_is_tried_again(bench: Bench) -> None:
    job = bench.job(*bench.offer(unsized(BROKEN)))
    with pytest.raises(TransientError, match=r"/0: a ZIP archive that is cut short or damaged; its length"):
        bench.acquire(job, Ticket(job.id))
    assert [candidate.fault for candidate in bench.queue.job(job.id).candidates] == [""]
    assert bench.left() == bench.listed() == []


def test_a_page_of_untold_length_is_no_book_the_next_time_either(bench: Bench) -> None:
    job = bench.job(*bench.offer(unsized(books.html())))
    with pytest.raises(PermanentError, match="an HTML page"):
        bench.acquire(job, Ticket(job.id))


def test_all_bad_is_the_end(bench: Bench) -> None:
    job = bench.job(*bench.offer(status(404), status(410)))
    with pytest.raises(PermanentError) as failed:
        bench.acquire(job, Ticket(job.id))
    reason = f"none of 2 candidates is good; the first: {bench.server.url}/0: not there (404)"
    assert str(failed.value) == reason
    assert bench.left() == bench.listed() == []
    again = bench.queue.job(job.id)
    asked = bench.asked()
    with pytest.raises(PermanentError, match="none of 2 candidates is good"):
        bench.acquire(again, Ticket(job.id))
    assert bench.asked() == asked


def test_no_candidate_is_the_end(bench: Bench) -> None:
    job = bench.job()
    (bench.parts / f"{job.id}.part").write_bytes(b"old")
    with pytest.raises(PermanentError, match="no candidate to fetch"):
        bench.acquire(job, Ticket(job.id))
    assert bench.left() == []


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((cut(EPUB, 99), status(404)), TransientError),
        ((status(429), status(404)), HeldError),
    ],
)
def test_what_may_pass_is_tried_again(
    bench: Bench, answers: tuple[Answer, ...], kind: type[BookhopperError]
) -> None:
    job = bench.job(*bench.offer(*answers))
    with pytest.raises(kind):
        bench.acquire(job, Ticket(job.id))
    assert bench.queue.job(job.id).state is State.DOWNLOADING


def test_the_job_s_own_fault_counts_before_the_surroundings(bench: Bench) -> None:
    (broken,) = bench.offer(cut(EPUB, 99))
    job = bench.job(candidate("away", "Away", f"http://127.0.0.1:{free_port()}/book"), broken)
    with pytest.raises(TransientError):
        bench.acquire(job, Ticket(job.id))


def test_a_host_that_is_down_sends_to_another(bench: Bench) -> None:
    (good,) = bench.offer(whole(EPUB))
    away = candidate("away", "Away", f"http://127.0.0.1:{free_port()}/book")
    job = bench.job(away, good)
    assert bench.acquire(job, Ticket(job.id)) is None
    assert [each.fault for each in bench.queue.job(job.id).candidates] == ["", ""]


def test_one_candidate_s_part_is_not_another_s(bench: Bench) -> None:
    job = bench.job(*bench.offer(cut(books.epub("Other"), 99, ETag=TAG), rest(EPUB, ETag=TAG)))
    assert bench.acquire(job, Ticket(job.id)) is None
    (name,) = bench.listed()
    assert (bench.ingest / name).read_bytes() == EPUB


# broken off, gone on with


def test_a_broken_off_download_goes_on_where_it_was(bench: Bench) -> None:
    url = bench.server.at("/0", cut(EPUB, 99, ETag=TAG), rest(EPUB, ETag=TAG))
    job = bench.job(candidate("0", "A Tale", url))
    ticket = Ticket(job.id)
    with pytest.raises(TransientError):
        bench.acquire(job, ticket)
    assert ticket.resume == Resume(url, TAG, len(EPUB), 0)
    assert bench.acquire(replace(job, resume=ticket.resume), Ticket(job.id)) is None
    assert [asked.range for asked in bench.server.asked] == [None, "bytes=99-"]
    assert (bench.ingest / "A Tale - Ann Author.epub").read_bytes() == EPUB


def test_pieces_that_do_not_fit_together_are_fetched_in_one_go(bench: Bench) -> None:
    """The server says that it is the same file, and it is not."""
    url = bench.server.at("/0", cut(bytes(len(EPUB)), 99, ETag=TAG), rest(EPUB, ETag=TAG))
    job = bench.job(candidate("0", "A Tale", url))
    ticket = Ticket(job.id)
    with pytest.raises(TransientError):
        bench.acquire(job, ticket)
    assert bench.acquire(replace(job, resume=ticket.resume), Ticket(job.id)) is None
    assert [asked.range for asked in bench.server.asked] == [None, "bytes=99-", None]
    assert (bench.ingest / "A Tale - Ann Author.epub").read_bytes() == EPUB
    assert sum(bench.acquire.verifications().values()) == 2


def test_the_store_knows_how_a_large_download_goes_on(bench: Bench) -> None:
    big = books.epub(files={"OEBPS/p0.jpg": books.jpeg(1024 * 1024)})
    url = bench.server.at("/0", cut(big, 5000, ETag=TAG))
    job = bench.job(candidate("0", "A Tale", url))
    with pytest.raises(TransientError):
        bench.acquire(job, Ticket(job.id))
    bench.queue.reopen()
    bench.queue.store.recover()
    assert bench.queue.job(job.id).resume == Resume(url, TAG, len(big), 0)


def test_a_cancelled_download_ends_when_it_is_noted(bench: Bench) -> None:
    big = books.epub(files={"OEBPS/p0.jpg": books.jpeg(1024 * 1024)})
    job = bench.job(candidate("0", "A Tale", bench.server.at("/0", whole(big, ETag=TAG))))
    bench.queue.store.move(Move(job.id, State.DOWNLOADING, State.CANCELLED))
    with pytest.raises(StaleError):
        bench.acquire(job, Ticket(job.id))
    assert bench.listed() == []


def test_an_interruption_keeps_the_part(bench: Bench) -> None:
    ticket = Ticket(1)

    def stop_half_way(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head(200, {"Content-Length": len(EPUB), "ETag": TAG}) + EPUB[:99])
        until(lambda: ticket.received == 99)
        ticket.interrupt(Reason.SHUTDOWN)
        connection.recv(1)

    job = bench.job(*bench.offer(stop_half_way))
    with pytest.raises(Interrupted):
        bench.acquire(job, ticket)
    assert (bench.parts / f"{job.id}.part").read_bytes() == EPUB[:99]
    assert ticket.resume is not None
    assert ticket.resume.validator == TAG


# the same book twice


def test_a_book_that_the_ledger_has_is_not_fetched(bench: Bench) -> None:
    (good,) = bench.offer(whole(EPUB))
    first = bench.job(good)
    bench.acquire(first, Ticket(first.id))
    second = bench.job(good, wish=want("Another line"))
    (bench.parts / f"{second.id}.part").write_bytes(b"begun")
    move = bench.acquire(second, Ticket(second.id))
    reason = f"the same book as job {first.id} brought"
    assert move == Move(second.id, State.DOWNLOADING, State.DUPLICATE, reason)
    assert bench.asked() == ["/0"]
    assert bench.left() == []


def test_the_same_bytes_from_elsewhere_are_a_duplicate(bench: Bench) -> None:
    one, two = bench.offer(whole(EPUB), whole(EPUB))
    first = bench.job(one)
    bench.acquire(first, Ticket(first.id))
    second = bench.job(two, wish=want("Another line"))
    move = bench.acquire(second, Ticket(second.id))
    assert move is not None
    assert (move.after, move.reason) == (
        State.DUPLICATE,
        f"the same book as job {first.id} brought (Tale 0 - Ann Author.epub)",
    )
    assert bench.listed() == ["Tale 0 - Ann Author.epub"]
    assert bench.left() == []


def test_force_brings_it_again(bench: Bench) -> None:
    (good,) = bench.offer(whole(EPUB))
    for wish in (want(), want(force=True)):
        job = bench.job(good, wish=wish)
        assert bench.acquire(job, Ticket(job.id)) is None
    assert len(bench.listed()) == 2


def test_a_want_s_own_formats_count(bench: Bench) -> None:
    offered = bench.offer(whole(EPUB), whole(books.mobi()))
    job = bench.job(*offered, wish=replace(want(), formats=("mobi",)))
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.listed() == ["Tale 1 - Ann Author.mobi"], "named by what it is"
    assert bench.queue.job(job.id).candidates[0].fault == "its format is epub, and wanted is mobi"


@pytest.mark.parametrize(
    ("asked", "content", "named"),
    [
        ("htm", books.html("A Tale"), "html"),
        ("azw", books.azw3(), "azw3"),
        ("azw", books.mobi(), "mobi"),
        ("prc", books.mobi(), "mobi"),
        ("pdb", books.palmdoc(), "mobi"),
        ("fb2", books.fbz(), "fbz"),
    ],
)
def test_a_format_is_good_by_any_of_its_names(bench: Bench, asked: str, content: bytes, named: str) -> None:
    (offered,) = bench.offer(whole(content))
    job = bench.job(replace(offered, format=asked), wish=replace(want(), formats=(asked,)))
    assert bench.acquire(job, Ticket(job.id)) is None
    assert bench.listed() == [f"Tale 0 - Ann Author.{named}"]


# the surroundings


def test_nothing_is_fetched_while_ingest_is_away(bench: Bench) -> None:
    job = bench.job(*bench.offer(whole(EPUB)))
    bench.ingest.rmdir()
    with pytest.raises(HeldError, match="ingest folder") as held:
        bench.acquire(job, Ticket(job.id))
    assert held.value.scope == "queue"
    assert bench.asked() == []


def test_an_ingest_folder_that_goes_away_meanwhile_loses_nothing(bench: Bench) -> None:
    class Unmount:
        def wait(self, _: float) -> None:
            shutil.rmtree(bench.ingest)

    url = bench.server.at("/0", after(Unmount(), whole(EPUB, ETag=TAG)), rest(EPUB, ETag=TAG))  # type: ignore[arg-type]
    job = bench.job(candidate("0", "A Tale", url))
    ticket = Ticket(job.id)
    with pytest.raises(HeldError):
        bench.acquire(job, ticket)
    assert bench.left() == [f"{job.id}.part"]
    bench.ingest.mkdir()
    assert bench.acquire(replace(job, resume=ticket.resume), Ticket(job.id)) is None
    assert [asked.range for asked in bench.server.asked] == [None, f"bytes={len(EPUB)}-"]
    assert bench.listed() == ["A Tale - Ann Author.epub"]


def test_a_full_disk_holds_the_queue_and_marks_no_candidate(tmp_path: Path) -> None:
    with faulty() as server:
        bench = Bench(tmp_path, server, keep_free=10**18)
        job = bench.job(*bench.offer(whole(EPUB), whole(EPUB)))
        with pytest.raises(HeldError, match="is full") as held:
            bench.acquire(job, Ticket(job.id))
        assert held.value.scope == "queue"
        assert bench.asked() == ["/0"]
        assert [each.fault for each in bench.queue.job(job.id).candidates] == ["", ""]
        bench.deliverer.close()
        bench.queue.close()


def test_parts_that_no_job_goes_on_with_are_cleared(bench: Bench) -> None:
    going_on = bench.job(*bench.offer(whole(EPUB)))
    settled = bench.job(*bench.offer(whole(EPUB)), wish=want("Settled"))
    bench.queue.store.move(Move(settled.id, State.DOWNLOADING, State.CANCELLED))
    for name in (going_on.id, settled.id, 99, "x"):
        (bench.parts / f"{name}.part").write_bytes(b"begun")
    assert bench.acquire.clear_parts() == 3
    assert bench.left() == [f"{going_on.id}.part"]


def test_no_part_is_trusted_after_a_power_cut(bench: Bench) -> None:
    job = bench.job(*bench.offer(rest(EPUB, ETag='"tag"')))
    (bench.parts / f"{job.id}.part").write_bytes(bytes(100))  # as long as it was, but never written
    assert bench.acquire.distrust_parts() == 1
    url = job.candidates[0].urls[0]
    bench.acquire(replace(job, resume=Resume(url, '"tag"', len(EPUB), 100)), Ticket(job.id))
    assert [asked.range for asked in bench.server.asked] == [None]
    assert bench.queue.states() == {"done": 1}


def test_what_is_settled_leaves_no_part_and_what_is_paused_keeps_its_own(bench: Bench) -> None:
    paused, cancelled, again = (
        bench.job(*bench.offer(whole(EPUB)), wish=want(title)) for title in ("One", "Two", "Three")
    )
    store = bench.queue.store
    store.pause(paused.id)
    store.move(Move(paused.id, State.DOWNLOADING, State.QUEUED))
    for job in (cancelled, again):
        store.cancel(job.id)
        store.move(Move(job.id, State.DOWNLOADING, State.QUEUED))
    store.retry(again.id)
    for job in (paused, cancelled, again):
        (bench.parts / f"{job.id}.part").write_bytes(b"begun")
    for change in bench.queue.changes:
        bench.acquire.changed(change)
    kept = [f"{paused.id}.part", f"{again.id}.part"]
    assert bench.left() == kept, "the news that the last one was cancelled is old by now"
    assert bench.acquire.clear_parts() == 0
    assert bench.left() == kept


def test_a_point_to_go_on_from_outlasts_an_ingest_folder_that_is_away(bench: Bench) -> None:
    job = replace(bench.job(*bench.offer(whole(EPUB))), resume=Resume("http://127.0.0.1/0", '"tag"', 9, 1))
    bench.ingest.rename(bench.ingest.with_name("away"))
    ticket = Ticket(job.id)
    with pytest.raises(HeldError):
        bench.acquire(job, ticket)
    assert ticket.resume == job.resume


def test_what_has_come_into_the_library_since_it_was_queued_is_not_fetched(
    bench: Bench, tmp_path: Path
) -> None:
    library = FakeLibrary(tmp_path / "library")
    acquire = Acquire(
        bench.queue.store,
        bench.downloader,
        bench.deliverer,
        parts=bench.parts,
        formats=("epub",),
        library=CalibreLibrary(library.folder, accept=0.85, margin=0.05, languages=("en",)),
    )
    broken, offer = bench.offer(whole(EPUB), whole(EPUB))
    job = bench.job(replace(broken, fault="bad"), offer, wish=want(offer.title))
    library.add(offer.title, *offer.authors)
    move = acquire(job, Ticket(job.id))
    assert move is not None
    assert (move.after, move.reason) == (
        State.OWNED,
        f"in the calibre library: {offer.title} — {offer.authors[0]} (id 1)",
    )
    assert bench.queue.store.move(move).state is State.OWNED
    assert bench.asked() == []
    library.path.unlink()
    again = bench.job(offer, wish=want("Another"))
    with pytest.raises(HeldError) as held:
        acquire(again, Ticket(again.id))
    assert held.value.scope == "queue"
    assert bench.asked() == []
