"""Downloads over real sockets: what the server sees, what lies in the part file, and what is raised."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bookhopper import download, part, transfer
from bookhopper.download import Downloaded, Downloader
from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Resume
from bookhopper.net.host import UNPACED
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.part import Limits
from bookhopper.search.sources.registry import Opener, SourceSet
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.transfer import Order
from tests.books import epub
from tests.fakes.faulty import (
    Answer,
    Asked,
    Faulty,
    after,
    chunked,
    cut,
    cut_rest,
    dripping,
    faulty,
    head,
    partial,
    redirect,
    rest,
    status,
    torn,
    unsized,
    whole,
)
from tests.fakes.server import free_port
from tests.waiting import until

BODY = b"abcdefgh"
TAG = '"one"'
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass
class Desk:
    """A downloader, its server, and everything that one download leaves behind."""

    server: Faulty
    folder: Path
    limits: Limits = field(default_factory=lambda: Limits(1024 * 1024, 0))
    remembered: list[Resume] = field(default_factory=list)
    timeout: float = 10.0
    ticket: Ticket = field(default_factory=lambda: Ticket(1))
    downloader: Downloader = field(init=False)

    def __post_init__(self) -> None:
        self.use(self.limits)

    def use(self, limits: Limits, *, timeout: float = 10.0) -> None:
        web = Web(new_session(Route(allowed={"127.0.0.1"})), Hosts(default=UNPACED))
        opener = Opener(SourceSet((), web.hosts, {}, {"shelf": web}), (timeout, timeout))
        self.downloader = Downloader(opener, limits, {"shelf": self.folder / "books"})

    @property
    def part(self) -> Path:
        return self.folder / "1.part"

    def fetch(
        self, *urls: str, resume: Resume | None = None, checksums: Mapping[str, str] | None = None
    ) -> Downloaded:
        candidate = Candidate("shelf", "1", "A Tale", format="epub", urls=urls, checksums=checksums or {})
        return self.downloader.fetch(Order(candidate, self.ticket, self.remembered.append), self.part, resume)

    def again(self, *urls: str, checksums: Mapping[str, str] | None = None) -> Downloaded:
        """Go on as the next attempt would."""
        return self.fetch(*urls, resume=self.ticket.resume, checksums=checksums)

    def ranges(self) -> list[tuple[str | None, str | None]]:
        return [(asked.range, asked.if_range) for asked in self.server.asked]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with faulty() as server:
        yield Desk(server, tmp_path)


def broken_off(desk: Desk, *answers: Answer, at: int = 4, **headers: str) -> str:
    """Break a first attempt off after some bytes; gives the URL, whose next answers are `answers`."""
    headers = headers or {"ETag": TAG}
    url = desk.server.at("/book", cut(BODY, at, **headers), *answers)
    with pytest.raises(TransientError):
        desk.fetch(url)
    assert desk.part.read_bytes() == BODY[:at]
    return url


# whole answers


def test_a_file_comes_whole_with_its_sha256(desk: Desk) -> None:
    got = desk.fetch(desk.server.at("/book", whole(BODY)))
    assert (got.path, got.size, got.resumed) == (desk.part, 8, False)
    assert desk.part.read_bytes() == BODY
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()
    (asked,) = desk.server.asked
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("bookhopper/")
    assert (asked.range, asked.if_range) == (None, None)
    assert (desk.ticket.received, desk.ticket.total, desk.ticket.source) == (8, 8, "shelf")
    assert desk.downloader.traffic.received() == {"shelf": 8}


@pytest.mark.parametrize("answer", [chunked(BODY), unsized(BODY)])
def test_a_file_of_unannounced_length_comes_whole(desk: Desk, answer: Answer) -> None:
    assert desk.fetch(desk.server.at("/book", answer)).size == 8
    assert desk.part.read_bytes() == BODY
    assert desk.ticket.total is None


@pytest.mark.parametrize("answer", [chunked(gzip.compress(epub()), Content_Encoding="gzip")])
def test_gzip_on_the_wire_does_not_corrupt_a_book(desk: Desk, answer: Answer) -> None:
    desk.fetch(desk.server.at("/book", answer))
    assert desk.part.read_bytes() == epub()


def test_a_length_of_encoded_bytes_is_not_taken_for_the_book_s(desk: Desk) -> None:
    packed = gzip.compress(epub())
    desk.fetch(desk.server.at("/book", whole(packed, Content_Encoding="gzip", ETag=TAG)))
    assert desk.part.read_bytes() == epub()
    assert desk.ticket.resume is None, "bytes of an encoded answer cannot be counted for a range"


def test_a_late_answer_is_waited_for(desk: Desk) -> None:
    go = threading.Event()
    url = desk.server.at("/book", after(go, whole(BODY)))
    threading.Timer(0.1, go.set).start()
    assert desk.fetch(url).size == 8


def test_redirects_are_followed(desk: Desk) -> None:
    desk.server.at("/book", whole(BODY))
    assert desk.fetch(desk.server.at("/old", redirect("/book"))).size == 8


# answers that are no book, or not all of it

PROMISED = "4 bytes came, 8 were promised"
BROKEN = "the connection broke off"


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (cut(BODY, 4), TransientError, BROKEN),
        (torn(BODY, 4), TransientError, BROKEN),
        (cut(BODY, 0), TransientError, BROKEN),
        (chunked(BODY, ends=False), TransientError, BROKEN),
        (unsized(b""), TransientError, "an empty answer"),
        (whole(b""), TransientError, "an empty answer"),
        (whole(b"xx", Content_Encoding="gzip"), TransientError, "compression is broken"),
        (status(404), PermanentError, "not there (404)"),
        (status(403), PermanentError, "forbids it (403)"),
        (status(410), PermanentError, "gone for good (410)"),
        (status(401), PermanentError, "sign-in (401)"),
        (status(500), TransientError, "the server failed (500)"),
        (status(429, Retry_After="120"), HeldError, "is left alone for 120 s: it asks for a pause (429)"),
        (status(503, Retry_After="7"), HeldError, "is left alone for 7 s: it asks for a pause (503)"),
        (status(503), TransientError, "the server failed (503)"),
        (redirect("/book"), PermanentError, "more than 10 redirects"),
        (redirect("http://192.168.0.1/x"), PermanentError, "leads into the private network"),
        (redirect("ftp://127.0.0.1/x"), PermanentError, "no address that can be fetched"),
        (partial(BODY, "bytes 0-7/8"), TransientError, "another range than was asked for"),
        (status(416), TransientError, "a range nobody asked for (416)"),
    ],
)
def test_an_answer_that_is_no_file(
    desk: Desk, answer: Answer, kind: type[BookhopperError], word: str
) -> None:
    url = desk.server.at("/book", answer)
    with pytest.raises(kind) as refused:
        desk.fetch(url)
    assert word in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value) or "192.168.0.1" in str(refused.value)


def test_a_pause_asked_for_by_date_holds_the_host(desk: Desk) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    url = desk.server.at("/book", status(429, Retry_After=moment))
    with pytest.raises(HeldError) as held:
        desk.fetch(url)
    assert held.value.scope == "host"
    assert 3500 < held.value.seconds <= 3600
    with pytest.raises(HeldError, match="is left alone"):
        desk.fetch(url)
    assert len(desk.server.asked) == 1, "the host is not asked again"


def test_a_second_best_file_is_no_substitute_while_its_host_is_held(desk: Desk) -> None:
    best = desk.server.at("/best", status(429, Retry_After="2"), whole(BODY))
    with pytest.raises(HeldError, match=r"asks for a pause \(429\)"):
        desk.fetch(best, desk.server.at("/second", whole(BODY)))
    assert [asked.path for asked in desk.server.asked] == ["/best"]


def test_a_host_that_is_down_is_the_surroundings_fault(desk: Desk) -> None:
    with pytest.raises(HeldError, match="refused") as held:
        desk.fetch(f"http://127.0.0.1:{free_port()}/book")
    assert held.value.scope == "host"


def test_a_stalled_answer_is_given_up(desk: Desk) -> None:
    desk.use(desk.limits, timeout=0.2)
    go = threading.Event()
    url = desk.server.at("/book", dripping(BODY, iter([go])))
    try:
        with pytest.raises(TransientError, match="stalled"):
            desk.fetch(url)
    finally:
        go.set()


def test_a_trickle_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_SLOW_SECONDS", 0.0)
    monkeypatch.setattr(transfer, "_SLOW_BYTES_PER_SECOND", 10**12)
    with pytest.raises(TransientError, match="slower than"):
        desk.fetch(desk.server.at("/book", whole(BODY)))


# going on where it broke off


@pytest.mark.parametrize("broken", [cut(BODY, 4, ETag=TAG), torn(BODY, 4, ETag=TAG)])
def test_a_broken_off_file_goes_on(desk: Desk, broken: Answer) -> None:
    url = desk.server.at("/book", broken, rest(BODY, ETag=TAG))
    with pytest.raises(TransientError):
        desk.fetch(url)
    assert desk.ticket.resume == Resume(url, TAG, 8, 0)
    got = desk.again(url)
    assert desk.part.read_bytes() == BODY
    assert (got.resumed, got.sha256) == (True, hashlib.sha256(BODY).hexdigest())
    assert desk.ranges() == [(None, None), ("bytes=4-", TAG)]
    assert desk.downloader.traffic.resumes() == {"continued": 1, "restarted": 0}
    assert desk.downloader.traffic.received() == {"shelf": 8}


def test_a_restarted_daemon_goes_on(desk: Desk, tmp_path: Path) -> None:
    url = broken_off(desk, rest(BODY, ETag=TAG))
    resume = desk.ticket.resume
    other = Desk(desk.server, tmp_path)
    assert other.fetch(url, resume=resume).resumed
    assert desk.ranges()[-1] == ("bytes=4-", TAG)


def test_a_date_serves_where_there_is_no_tag(desk: Desk) -> None:
    url = broken_off(desk, rest(BODY, Last_Modified=DATE), Last_Modified=DATE)
    assert desk.again(url).resumed
    assert desk.ranges()[-1] == ("bytes=4-", DATE)


def test_a_weak_tag_proves_nothing(desk: Desk) -> None:
    url = broken_off(desk, whole(BODY), ETag='W/"one"')
    assert desk.ticket.resume is None
    assert not desk.again(url).resumed
    assert desk.ranges()[-1] == (None, None)


def test_a_weak_tag_leaves_the_date(desk: Desk) -> None:
    url = broken_off(desk, rest(BODY, Last_Modified=DATE), ETag='W/"one"', Last_Modified=DATE)
    assert desk.again(url).resumed
    assert desk.ranges()[-1] == ("bytes=4-", DATE)


def test_without_a_validator_it_begins_again(desk: Desk) -> None:
    url = broken_off(desk, whole(BODY), Content_Type="application/epub+zip")
    desk.again(url)
    assert desk.ranges() == [(None, None), (None, None)]
    assert desk.part.read_bytes() == BODY


def test_a_200_to_a_range_begins_again(desk: Desk) -> None:
    url = broken_off(desk, whole(b"another!"))
    got = desk.again(url)
    assert not got.resumed
    assert desk.part.read_bytes() == b"another!"
    assert desk.downloader.traffic.resumes() == {"continued": 0, "restarted": 1}


def test_a_shorter_200_leaves_nothing_of_the_part(desk: Desk) -> None:
    url = broken_off(desk, whole(b"ab"))
    desk.again(url)
    assert desk.part.read_bytes() == b"ab"


@pytest.mark.parametrize(
    "answer",
    [
        partial(b"EFGH", "bytes 4-7/8", ETag='"two"'),
        partial(b"EFGHI", "bytes 4-8/9", ETag=TAG),
        partial(b"EFGHI", "bytes 4-8/9"),
    ],
)
def test_a_206_of_another_version_begins_again(desk: Desk, answer: Answer) -> None:
    url = broken_off(desk, answer, rest(b"ABCDEFGH", ETag='"two"'))
    with pytest.raises(TransientError, match="the file changed while it was fetched"):
        desk.again(url)
    assert (desk.part.exists(), desk.ticket.resume) == (False, None)
    desk.again(url)
    assert desk.part.read_bytes() == b"ABCDEFGH"
    assert desk.ranges()[-1] == (None, None)


@pytest.mark.parametrize(
    "place",
    ["bytes 0-3/8", "bytes 5-7/8", "4-7/8", "bytes x-y/z", "", f"bytes {'9' * 5000}-1/2"],
)
def test_a_206_of_another_range_begins_again(desk: Desk, place: str) -> None:
    url = broken_off(desk, partial(b"abcd", place, ETag=TAG), rest(BODY, ETag=TAG))
    with pytest.raises(TransientError, match="another range than was asked for"):
        desk.again(url)
    desk.again(url)
    assert desk.part.read_bytes() == BODY
    assert desk.ranges() == [(None, None), ("bytes=4-", TAG), (None, None)]


def test_a_206_that_gives_less_than_the_rest_is_not_the_end(desk: Desk) -> None:
    url = broken_off(desk, partial(b"ef", "bytes 4-5/8", ETag=TAG), rest(BODY, ETag=TAG))
    with pytest.raises(TransientError, match="6 bytes came, 8 were promised"):
        desk.again(url)
    assert desk.again(url).resumed
    assert desk.part.read_bytes() == BODY
    assert desk.ranges()[-1] == ("bytes=6-", TAG)


def test_a_206_that_hides_the_size_is_measured_by_the_first_answer(desk: Desk) -> None:
    url = broken_off(desk, partial(b"ef", "bytes 4-5/*", ETag=TAG))
    with pytest.raises(TransientError, match="6 bytes came, 8 were promised"):
        desk.again(url)


def test_a_206_may_name_its_version_otherwise(desk: Desk) -> None:
    url = broken_off(desk, partial(b"efgh", "bytes 4-7/8", Last_Modified=DATE))
    assert desk.again(url).resumed


def test_a_416_of_another_size_begins_again(desk: Desk) -> None:
    refusal = status(416, b"", Content_Range="bytes */3")
    url = broken_off(desk, refusal, whole(b"abc"))
    assert not desk.again(url).resumed
    assert desk.part.read_bytes() == b"abc"
    assert desk.ranges() == [(None, None), ("bytes=4-", TAG), (None, None)]
    assert desk.downloader.traffic.resumes() == {"continued": 0, "restarted": 1}


def test_a_416_of_the_part_s_size_is_the_end(desk: Desk) -> None:
    url = desk.server.at("/book", rest(BODY, ETag=TAG))
    desk.fetch(url)
    got = desk.again(url)
    assert (got.resumed, got.size) == (True, 8)
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()
    assert desk.ranges() == [(None, None), ("bytes=8-", TAG)]


def test_a_lost_part_file_begins_again(desk: Desk) -> None:
    url = broken_off(desk, rest(BODY, ETag=TAG))
    desk.part.unlink()
    assert not desk.again(url).resumed
    assert desk.ranges()[-1] == (None, None)


# mirrors


def test_mirrors_come_in_turn(desk: Desk) -> None:
    first = desk.server.at("/1", status(404))
    second = desk.server.at("/2", cut(BODY, 4))
    third = desk.server.at("/3", whole(BODY))
    assert desk.fetch(first, second, third).size == 8
    assert [asked.path for asked in desk.server.asked] == ["/1", "/2", "/3"]
    assert desk.part.read_bytes() == BODY


def test_the_mirror_of_the_part_comes_first(desk: Desk) -> None:
    url = broken_off(desk, rest(BODY, ETag=TAG))
    desk.again(desk.server.at("/other", whole(BODY)), url)
    assert [asked.path for asked in desk.server.asked] == ["/book", "/book"]


def test_another_mirror_does_not_take_the_part_over_unproven(desk: Desk) -> None:
    url = desk.server.at("/1", cut(BODY, 4, ETag=TAG))
    other = desk.server.at("/2", rest(b"ABCDEFGH", ETag=TAG))
    assert not desk.fetch(url, other).resumed
    assert desk.ranges() == [(None, None), (None, None)]
    assert desk.part.read_bytes() == b"ABCDEFGH"


def test_a_checksum_lets_another_mirror_go_on(desk: Desk) -> None:
    checksums = {"md5": hashlib.md5(BODY).hexdigest().upper()}
    url = desk.server.at("/1", cut(BODY, 4, ETag=TAG))
    other = desk.server.at("/2", rest(BODY, ETag='"another server"'))
    assert desk.fetch(url, other, checksums=checksums).resumed
    assert desk.ranges() == [(None, None), ("bytes=4-", None)]
    assert desk.part.read_bytes() == BODY


def test_a_checksum_makes_up_for_a_missing_validator(desk: Desk) -> None:
    checksums = {"sha1": hashlib.sha1(BODY).hexdigest()}
    url = desk.server.at("/1", cut(BODY, 4), rest(BODY))
    with pytest.raises(TransientError):
        desk.fetch(url, checksums=checksums)
    assert desk.again(url, checksums=checksums).resumed
    assert desk.ranges()[-1] == ("bytes=4-", None)


def test_a_wrong_checksum_is_never_a_book(desk: Desk) -> None:
    url = desk.server.at("/1", whole(b"abcdefgX", ETag=TAG))
    with pytest.raises(TransientError, match="its sha256 is not the one that the catalogue gives"):
        desk.fetch(url, checksums={"sha256": hashlib.sha256(BODY).hexdigest()})
    assert (desk.part.exists(), desk.ticket.resume) == (False, None)


def test_a_wrong_checksum_sends_to_the_next_mirror(desk: Desk) -> None:
    checksums = {"sha256": hashlib.sha256(BODY).hexdigest(), "crc32": "ignored"}
    first = desk.server.at("/1", whole(b"abcdefgX"))
    assert desk.fetch(first, desk.server.at("/2", whole(BODY)), checksums=checksums).size == 8


def test_another_candidate_s_part_is_not_gone_on_with(desk: Desk) -> None:
    broken_off(desk)
    url = desk.server.at("/other", rest(b"ABCDEFGH"))
    got = desk.again(url, checksums={"md5": hashlib.md5(b"ABCDEFGH").hexdigest()})
    assert not got.resumed
    assert desk.part.read_bytes() == b"ABCDEFGH"


def test_a_part_outlives_mirrors_that_do_not_answer(desk: Desk) -> None:
    url = broken_off(desk, status(500), rest(BODY, ETag=TAG))
    with pytest.raises(TransientError):
        desk.again(url, f"http://127.0.0.1:{free_port()}/book")
    assert desk.again(url).resumed


@pytest.mark.parametrize(
    ("answers", "kind", "word"),
    [
        ((status(404), status(500)), TransientError, "500"),
        ((status(500), status(503)), TransientError, "500"),
        ((status(404), status(429)), HeldError, "429"),
        ((status(404), status(403)), PermanentError, "(404) (likewise 1 more address"),
    ],
)
def test_the_hopeful_error_of_several_mirrors_counts(
    desk: Desk, answers: tuple[Answer, ...], kind: type[BookhopperError], word: str
) -> None:
    urls = [desk.server.at(f"/{number}", answer) for number, answer in enumerate(answers)]
    with pytest.raises(kind) as raised:
        desk.fetch(*urls)
    assert word in str(raised.value)


def test_a_candidate_without_an_address(desk: Desk) -> None:
    with pytest.raises(PermanentError, match="no address to fetch it from"):
        desk.fetch()


# what the job remembers


def test_only_a_large_file_is_worth_a_note(desk: Desk) -> None:
    body = bytes(1024 * 1024)
    url = desk.server.at("/book", whole(body, ETag=TAG))
    desk.fetch(url)
    assert desk.remembered == [Resume(url, TAG, len(body), 0)]
    desk.fetch(desk.server.at("/small", whole(BODY, ETag=TAG)))
    assert len(desk.remembered) == 1
    desk.fetch(desk.server.at("/unsized", unsized(BODY, ETag=TAG)))
    assert len(desk.remembered) == 2


def test_a_shutdown_leaves_the_part(desk: Desk) -> None:
    def stop(resume: Resume) -> None:
        desk.ticket.interrupt(Reason.SHUTDOWN)

    body = bytes(1024 * 1024)
    url = desk.server.at("/book", whole(body, ETag=TAG))
    candidate = Candidate("shelf", "1", "A Tale", urls=(url,))
    with pytest.raises(Interrupted):
        desk.downloader.fetch(Order(candidate, desk.ticket, stop), desk.part, None)
    assert desk.ticket.resume == Resume(url, TAG, len(body), 0)


def test_a_part_is_read_again_only_until_the_stop(desk: Desk) -> None:
    url = broken_off(desk, rest(BODY, ETag=TAG))
    resume = desk.ticket.resume
    desk.ticket.interrupt(Reason.SHUTDOWN)
    with pytest.raises(Interrupted):
        desk.fetch(url, resume=resume)


@pytest.mark.parametrize("sized", [True, False])
def test_a_silent_host_does_not_hold_up_a_stop(desk: Desk, *, sized: bool) -> None:
    """The read would last thirty seconds, and the body that ends there must not pass for a whole one."""
    never = threading.Event()
    begun = threading.Event()

    def silent(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(head(200, {"ETag": TAG, "Content-Length": 100} if sized else {"ETag": TAG}))
        connection.sendall(b"abcd")
        begun.set()
        never.wait(60)

    def stop() -> None:
        assert begun.wait(20)
        until(lambda: desk.ticket.received == 4)
        desk.ticket.interrupt(Reason.SHUTDOWN)

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        with pytest.raises(Interrupted):
            desk.fetch(desk.server.at("/book", silent))
        assert not never.is_set()
    finally:
        never.set()
        stopper.join()
    assert desk.ticket.resume is not None


def test_a_mirror_that_breaks_off_again_and_again_is_not_left_while_it_brings_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another mirror would begin from zero, and break off as well."""
    monkeypatch.setattr(download, "_BREATH_SECONDS", 0.0)
    body = bytes(range(256)) * 1024
    first = desk.server.at(
        "/a", cut(body, 100_000, ETag=TAG), cut_rest(body, 200_000, ETag=TAG), rest(body, ETag=TAG)
    )
    second = desk.server.at("/b", cut(body, 100_000))
    got = desk.fetch(first, second)
    assert (got.size, got.resumed) == (len(body), True)
    assert got.sha256 == hashlib.sha256(body).hexdigest()
    assert [asked.path for asked in desk.server.asked] == ["/a"] * 3


# bounds and the disk


def test_the_cap_holds_before_and_while_it_comes(desk: Desk) -> None:
    desk.use(Limits(7, 0))
    for answer in (whole(BODY), unsized(BODY)):
        with pytest.raises(PermanentError, match=r"larger than 7 Bytes, .*\(download.max_size\)"):
            desk.fetch(desk.server.at("/book", answer))
    assert not desk.part.exists()
    desk.use(Limits(8, 0))
    assert desk.fetch(desk.server.at("/book", whole(BODY))).size == 8


def test_a_bomb_ends_at_the_cap(desk: Desk) -> None:
    packed = gzip.compress(bytes(20 * 1024 * 1024))
    with pytest.raises(PermanentError, match=r"larger than 1\.0 MiB"):
        desk.fetch(desk.server.at("/book", whole(packed, Content_Encoding="gzip")))
    assert desk.part.stat().st_size <= 1024 * 1024


@pytest.mark.parametrize("answer", [whole(BODY), unsized(BODY)])
def test_a_disk_without_room_holds_the_queue(desk: Desk, answer: Answer) -> None:
    desk.use(Limits(1024, 10**18))
    with pytest.raises(HeldError, match="the disk of the state folder is full") as held:
        desk.fetch(desk.server.at("/book", answer), desk.server.at("/never", whole(BODY)))
    assert held.value.scope == "queue"
    assert [asked.path for asked in desk.server.asked] == ["/book"]


def test_room_is_looked_after_while_it_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    need = part.PartFile.need

    def counting(self: part.PartFile, more: int) -> None:
        looked.append(self.size)
        need(self, more)

    monkeypatch.setattr(part.PartFile, "need", counting)
    monkeypatch.setattr(part, "_FREE_CHECK_EVERY", 1024 * 1024)
    desk.use(Limits(10 * 1024 * 1024, 0))
    desk.fetch(desk.server.at("/book", unsized(bytes(4 * 1024 * 1024))))
    assert len(looked) >= 3


@pytest.mark.parametrize(
    ("number", "word"),
    [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"), (errno.EIO, "Input/output error: mend it")],
)
def test_a_disk_that_fails_holds_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    def failing(self: part.PartFile, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(part.PartFile, "write", failing)
    with pytest.raises(HeldError, match=word) as held:
        desk.fetch(desk.server.at("/book", whole(BODY)))
    assert held.value.scope == "queue"


# books of a folder source


@pytest.fixture
def books(desk: Desk) -> Path:
    folder = desk.folder / "books"
    folder.mkdir()
    (folder / "ä tale.epub").write_bytes(BODY)
    return folder


def test_a_file_of_a_folder_is_copied(desk: Desk, books: Path) -> None:
    got = desk.fetch((books / "ä tale.epub").as_uri())
    assert desk.part.read_bytes() == BODY
    assert (got.size, got.resumed) == (8, False)
    assert (books / "ä tale.epub").exists()
    assert desk.downloader.traffic.received() == {"shelf": 8}


def test_a_link_out_of_the_folder_is_refused(desk: Desk, books: Path) -> None:
    (desk.folder / "secret.epub").write_bytes(BODY)
    (books / "link.epub").symlink_to(desk.folder / "secret.epub")
    for url in ((books / "link.epub").as_uri(), (books / "../secret.epub").as_uri(), "file:///etc/passwd"):
        with pytest.raises(PermanentError, match="does not lie in a folder that is configured"):
            desk.fetch(url)


def test_a_file_that_is_gone_or_no_file_is_refused(desk: Desk, books: Path) -> None:
    os.mkfifo(books / "fifo.epub")
    for name in ("gone.epub", "fifo.epub"):
        with pytest.raises(PermanentError, match="is not there, or no plain file"):
            desk.fetch((books / name).as_uri())


def test_a_share_that_is_away_is_waited_for(desk: Desk, books: Path) -> None:
    url = (books / "ä tale.epub").as_uri()
    (books / "ä tale.epub").unlink()
    with pytest.raises(HeldError, match="is empty: mount it again"):
        desk.fetch(url)
    books.rmdir()
    with pytest.raises(HeldError, match="cannot be read now: No such file or directory"):
        desk.fetch(url)


@pytest.mark.parametrize(("number", "kind"), [(errno.EIO, HeldError), (errno.EACCES, PermanentError)])
def test_a_file_that_cannot_be_opened(
    desk: Desk, books: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[BookhopperError]
) -> None:
    def failing(path: Path) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "is_file", failing)
    with pytest.raises(kind, match="cannot be read"):
        desk.fetch((books / "ä tale.epub").as_uri())


def test_a_share_that_breaks_off_is_not_the_part_file_s_fault(desk: Desk, books: Path) -> None:
    class Breaking:
        def read(self, _: int) -> bytes:
            raise OSError(errno.EHOSTDOWN, os.strerror(errno.EHOSTDOWN))

    pieces = download._pieces(Breaking(), books)  # type: ignore[arg-type]
    with pytest.raises(HeldError, match="cannot be read now: Host is down") as held:
        next(pieces)
    assert held.value.scope == "host"


def test_a_mirror_helps_where_the_folder_has_lost_it(desk: Desk, books: Path) -> None:
    gone = (books / "gone.epub").as_uri()
    assert desk.fetch(gone, desk.server.at("/book", whole(BODY))).size == 8
