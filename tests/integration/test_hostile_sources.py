"""Whatever a server answers: a source ends in time, within bounds, with an error that the daemon knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Collection, Reading
from bookhopper.search.sources import registry
from bookhopper.search.sources.base import Collections, Health, Identifier, Locator, Query, Source
from bookhopper.search.sources.opds_keys import Keys
from bookhopper.settings import Settings
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.fakes.archive_server import Work, book, fake_archive
from tests.fakes.hostile_dialects import DIALECTS
from tests.fakes.hostile_faults import FAULTS, TLS
from tests.fakes.hostile_server import Fault, hostile
from tests.fakes.library_site import LibrarySite, library_site
from tests.fakes.opds_server import fake_catalogue
from tests.waiting import DEADLINE

LIMIT = 10
ENOUGH_SECONDS = 0.5
"""After which a source that asks a server without end is interrupted."""

MOST_MEMORY = 640 << 20
"""Bytes by which the process may grow at most: four calls at once, and the server lives in it, too.

The dearest documents are those that stay just below the bounds of `hostile_xml`, some 150 MiB each."""

QUERY = Query(
    (Reading("Emma", ("Jane Austen",)), Reading("Emma Jane Austen")),
    isbn="9780141439587",
    languages=("en",),
    formats=("epub",),
    limit=LIMIT,
)
KNOWN = (HeldError, TransientError, PermanentError)


@dataclass(frozen=True)
class Kind:
    """A kind of source; the paths in `honest` are answered as they should be."""

    name: str
    settings: Callable[[str, Path], dict[str, Any]]
    key: Callable[[str], str]
    honest: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}, then" if self.honest else self.name


def _opds(url: str, _: Path) -> dict[str, Any]:
    return {"kind": "opds", "url": f"{url}/opds/"}


def _opds_key(url: str) -> str:
    return Keys(f"{url}/opds/").key(f"{url}/opds/entries/2")


def _standard_ebooks(url: str, _: Path) -> dict[str, Any]:
    return {"kind": "standard_ebooks", "site": url}


def _archive(url: str, _: Path) -> dict[str, Any]:
    return {"kind": "internet_archive", "url": url}


def _open_library(url: str, _: Path) -> dict[str, Any]:
    return {"kind": "open_library", "url": url, "archive": url}


def _html(url: str, folder: Path) -> dict[str, Any]:
    definition = LibrarySite(url=url).write(folder / "library.yaml")
    return {"kind": "html", "definition": str(definition), "hosts": [urlsplit(url).netloc]}


def _gutenberg(url: str, _: Path) -> dict[str, Any]:
    return {"kind": "gutenberg", "catalogue": f"{url}/pg_catalog.csv.gz", "mirrors": [url]}


def _item(_: str) -> str:
    return "emma1"


def _page_key(url: str) -> str:
    return Keys(f"{url}/").key(f"{url}/book/0")


KINDS = (
    Kind("opds", _opds, _opds_key),
    Kind("opds", _opds, _opds_key, ("/opds/", "/opds/osd")),
    Kind("opds 2.0", _opds, _opds_key),
    Kind("standard_ebooks", _standard_ebooks, _opds_key),
    Kind("internet_archive", _archive, _item),
    Kind("internet_archive", _archive, _item, ("/advancedsearch.php",)),
    Kind("open_library", _open_library, _item),
    Kind("open_library", _open_library, _item, ("/search.json", f"/isbn/{QUERY.isbn}.json")),
    Kind("html", _html, _page_key),
    Kind("html", _html, _page_key, ("/find",)),
    Kind("gutenberg", _gutenberg, lambda _: "1"),
)


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Mapping[str, str]]:
    """Start the servers that answer what is asked for honestly."""
    with ExitStack() as stack:
        catalogue = stack.enter_context(fake_catalogue())
        work = Work(1, "Emma", ("Jane Austen",), ia=("emma1",), access="public", isbns=(QUERY.isbn,))
        archive = stack.enter_context(fake_archive(book("emma1", "Emma", "Jane Austen"), works=(work,)))
        site = stack.enter_context(library_site(("Emma", "Jane Austen")))
        yield {
            "opds": catalogue.url,
            "internet_archive": archive.url,
            "open_library": archive.url,
            "html": site.url,
        }


class Call:
    """One call of a source, made in a thread of its own: what came back, or what was raised."""

    def __init__(self, name: str, call: Callable[[Ticket], object]) -> None:
        self.name = name
        self.ticket = Ticket(1)
        self.value: object = None
        self.raised: type[BaseException] | None = None
        self.message = ""
        self._call = call
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.value = self._call(self.ticket)
        except BaseException as error:  # noqa: BLE001 - what it is, the test looks at
            self.raised, self.message = type(error), str(error)  # itself it holds frames, and open files

    def end(self, until: float, *, endless: bool) -> None:
        """Wait for it until a moment of the monotonic clock; what asks on without end is interrupted."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            assert endless, f"{self.name} does not end"
            self.ticket.interrupt(Reason.CANCEL)
            self._thread.join(DEADLINE)
            assert not self._thread.is_alive(), f"{self.name} does not heed its interruption"

    def judge(self) -> None:
        """See that it ended as the contract says."""
        if self.raised is not None:
            told = f"{self.name}: {self.raised.__name__}: {self.message!r}"
            assert issubclass(self.raised, (*KNOWN, Interrupted)), told
            assert self.name != "check" or self.raised is Interrupted, told
            assert self.message.isprintable(), told
            return
        if isinstance(self.value, Health):
            assert self.value.detail.isprintable()
        elif isinstance(self.value, Reading):
            _judge_texts((self.value.title, *self.value.authors))
        elif isinstance(self.value, Candidate):
            _judge_candidates((self.value,))
        elif self.value is not None:
            assert isinstance(self.value, Sequence)
            _judge_candidates(self.value)


def _judge_candidates(candidates: Sequence[Candidate]) -> None:
    assert len(candidates) <= LIMIT
    for each in candidates:
        _judge_texts(
            (each.key, each.title, *each.authors, each.language, each.format, each.series, *each.isbns)
        )
        assert all(url.startswith(("http://", "https://")) for url in each.urls)


def _judge_texts(texts: Sequence[str]) -> None:
    for text in texts:
        assert text.isprintable(), repr(text)[:200]
        assert len(text) < 10_000


def _calls(source: Source, kind: Kind, url: str) -> Iterator[tuple[str, Callable[[Ticket], object]]]:
    yield "search", lambda ticket: source.search(QUERY, ticket)
    yield "lookup", lambda ticket: source.lookup(kind.key(url), ("epub",), ticket)
    yield "check", source.check
    if isinstance(source, Collections):
        for collection in (Collection("feed", f"{url}/opds/all"), Collection("author", "Jane Austen")):
            if source.holds(collection):
                yield "works", partial(source.works, collection, LIMIT)
    if isinstance(source, Identifier):
        yield "identify", lambda ticket: source.identify(QUERY.isbn, ticket)
    if isinstance(source, Locator):
        chosen = Candidate("home", "book/0", "Emma", format="epub", urls=(f"{url}/book/0",))
        yield "locate", lambda ticket: source.locate(chosen, ticket)
    if source.kind == "gutenberg":
        yield "refresh", lambda ticket: source.search(QUERY, ticket) if source.refresh(ticket) else ()


def _peak() -> int:
    """Give the most bytes that the process had in memory since `_forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _suffer(kind: Kind, fault: Fault, url: str, folder: Path) -> None:
    settings = Settings.model_validate({"sources": [{"name": "home", **kind.settings(url, folder)}]})
    with ExitStack() as stack:
        calls = []
        for number in range(8):  # each call has a source of its own, that no other one's fault has held
            built = registry.build(settings.sources, folder / str(number))
            stack.enter_context(closing(built))
            named = list(_calls(built.sources[0], kind, url))
            if number >= len(named):
                break
            calls.append(Call(*named[number]))
        until = time.monotonic() + (ENOUGH_SECONDS if fault.endless else DEADLINE)
        for call in calls:
            call.end(until, endless=fault.endless)
        for call in calls:
            call.judge()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_source_survives(kind: Kind, fault: Fault, tmp_path: Path, upstreams: Mapping[str, str]) -> None:
    upstream = upstreams.get(kind.name, "")
    with hostile(fault, DIALECTS[kind.name], upstream=upstream, honest=kind.honest) as server:
        _forget_peak()
        before = _peak()
        _suffer(kind, fault, server.url, tmp_path)
        grown = _peak() - before
    assert grown < MOST_MEMORY, f"{grown >> 20} MiB"


@pytest.mark.parametrize("fault", TLS, ids=str)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.honest], ids=str)
def test_a_source_survives_what_is_no_tls(kind: Kind, fault: Fault, tmp_path: Path) -> None:
    with hostile(fault, DIALECTS[kind.name]) as server:
        _suffer(kind, fault, server.tls, tmp_path)
