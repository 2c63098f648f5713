"""Lists at an address: polled over real HTTP, given to a real desk and store, remembered across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bookhopper.checks import findings
from bookhopper.errors import HeldError, PermanentError
from bookhopper.intake.base import Limits
from bookhopper.intake.desk import Desk
from bookhopper.intake.fetched_list import kind_of
from bookhopper.intake.folder import RequestFolder
from bookhopper.intake.lists import Lists
from bookhopper.model import Want
from bookhopper.net.hosts import Hosts
from bookhopper.settings import ListSettings, Settings
from bookhopper.store.base import Intake
from tests.fakes.list_server import ListServer, list_server
from tests.queues import Queue


def rss(*titles: str) -> str:
    items = "".join(f"<item><title>{title}</title><author_name>A</author_name></item>" for title in titles)
    return f"<rss><channel>{items}</channel></rss>"


@dataclass
class Home:
    """Everything around polled lists, and what was stored of them."""

    folder: Path
    queue: Queue
    server: ListServer
    stored: list[Intake]

    def lists(self, path: str = "/list", limits: Limits | None = None, **section: Any) -> Lists:
        settings = ListSettings.model_validate(
            {"url": self.server.url + path, "name": "wanted", "every": "1s", **section}
        )
        limits = limits or Limits()
        desk = Desk(
            RequestFolder(self.folder / "requests"), self.queue.store, limits, stored=self.stored.append
        )
        hosts = Hosts(local={self.server.url.removeprefix("http://")})
        return Lists(
            [settings], hosts, desk, self.queue.store.knows, folder=self.folder / "lists", limits=limits
        )

    def poll(self, polled: Lists) -> list[str]:
        """Poll as if the time had come; gives the lines of the new requests."""
        before = len(self.stored)
        polled._due = dict.fromkeys(polled._due, 0.0)
        polled.run()
        return [line for intake in self.stored[before:] for line in self.lines(intake)]

    def lines(self, intake: Intake) -> list[str]:
        return [f"{line.note} {line.raw}" for line, _ in self.queue.store.lines(intake.request.id)]

    def wants(self) -> list[Want]:
        return [
            job.want
            for intake in self.stored
            for _, job in self.queue.store.lines(intake.request.id)
            if job is not None
        ]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "requests").mkdir()
    queue = Queue(tmp_path)
    with list_server() as server:
        yield Home(tmp_path, queue, server, [])
    queue.close()


@pytest.fixture
def polled(home: Home) -> Iterator[Lists]:
    lists = home.lists()
    yield lists
    lists.close()


def test_a_list_that_does_not_change_adds_nothing(home: Home, polled: Lists) -> None:
    home.server.put("/list", rss("Emma", "Walden"), "application/rss+xml")
    assert home.poll(polled) == ["new Emma — A", "new Walden — A"]
    assert home.poll(polled) == []
    home.server.put("/list", rss("Dracula", "Emma", "Walden"), "application/rss+xml")
    assert home.poll(polled) == ["new Dracula — A"]
    home.server.put("/list", rss("Walden"), "application/rss+xml")
    assert home.poll(polled) == []
    assert home.server.statuses("/list") == [200, 304, 200, 200]
    assert [intake.request.name for intake in home.stored] == ["wanted", "wanted"]
    assert sorted(path.name for path in (home.folder / "requests" / "reports").iterdir()) == [
        "wanted (2).report.txt",
        "wanted.report.txt",
    ]


def test_without_validators_the_content_tells(home: Home, polled: Lists) -> None:
    home.server.validators = False
    home.server.put("/list", "Emma — Jane Austen\n")
    assert home.poll(polled) == ["new Emma — Jane Austen"]
    assert home.poll(polled) == []
    home.server.put("/list", "Emma — Jane Austen\n\n# a remark\n")
    assert home.poll(polled) == []
    assert home.server.statuses("/list") == [200, 200, 200]


def test_a_restart_remembers(home: Home, polled: Lists) -> None:
    home.server.put("/list", "Emma — Jane Austen\nWalden\n", "text/plain")
    assert len(home.poll(polled)) == 2
    again = home.lists()
    assert home.poll(again) == []
    assert home.server.statuses("/list") == [200, 304]
    (home.folder / "lists" / "wanted.json").write_text("[broken")
    assert home.poll(again) == []  # all of it is known
    again.close()


def test_what_is_known_from_elsewhere_stays_known(home: Home, polled: Lists) -> None:
    home.queue.add(Want(title="Emma", authors=("A",)))
    home.server.put("/list", rss("Emma", "Walden"), "text/xml")
    assert home.poll(polled) == ["known Emma — A", "new Walden — A"]


def test_the_section_speaks_where_a_want_is_silent(home: Home) -> None:
    lists = home.lists(formats="EPUB pdf", tags=["web"], priority=5)
    text = "- Emma\n- {title: Walden, formats: mobi, priority: 0, tags: [mine], force: true}\n"
    home.server.put("/list", text, "application/yaml")
    assert len(home.poll(lists)) == 2
    emma, walden = home.wants()
    assert (emma.formats, emma.tags, emma.priority) == (("epub", "pdf"), ("web",), 5)
    assert (walden.formats, walden.tags, walden.priority, walden.force) == (("mobi",), ("mine",), 0, False)
    home.server.put("/list", f"{text}- Dracula\n", "application/yaml")
    assert home.poll(lists) == ["new Dracula"]
    lists.close()


def test_nothing_at_an_address_picks_for_jobs(home: Home, polled: Lists) -> None:
    (job,) = home.queue.add(Want(title="Emma"))
    home.server.put("/list", f"pick: {job} shelf:1\nWalden\n", "text/plain")
    assert home.poll(polled) == [f"bad pick: {job} shelf:1", "new Walden"]
    home.server.put("/list", f"pick: {job} shelf:1\nWalden\nDracula\n?!\n", "text/plain")
    assert home.poll(polled) == ["new Dracula", "bad ?!"]
    found = home.queue.store.job(job)
    assert found is not None
    assert found.want.pick is None


@pytest.mark.parametrize(
    ("content", "kind", "line"),
    [
        ("pick: home:/any/path?query\nWalden\n", "text/plain", "pick: home:/any/path?query"),
        ("feed: http://nas:8083/opds/all\nWalden\n", "text/plain", "feed: http://nas:8083/opds/all"),
        ("- {title: Emma, pick: 'home:/any/path'}\n- Walden\n", "application/yaml", "pick: home:/any/path"),
        ("- {feed: 'http://nas:8083/opds'}\n- Walden\n", "application/yaml", "feed: http://nas:8083/opds"),
        ("pick,title\nhome:/any/path,Emma\n,Walden\n", "text/csv", "home:/any/path"),
    ],
)
def test_a_list_at_an_address_has_no_source_here_ask_for_addresses(
    home: Home, polled: Lists, content: str, kind: str, line: str
) -> None:
    home.server.put("/list", content, kind)
    bad, new = home.poll(polled)
    assert bad.startswith("bad ")
    assert line in bad
    assert new == "new Walden"
    assert [(want.pick, want.collection) for want in home.wants()] == [(None, None)]
    refused, _ = (each for each, _ in home.queue.store.lines(home.stored[0].request.id))
    assert refused.reason.startswith("a list from an address may not ")
    home.server.put("/list", f"{content}\n", kind)
    assert home.poll(polled) == []


def test_collections_by_name_may_be_in_any_list(home: Home, polled: Lists) -> None:
    home.server.put("/list", "works of: Jane Austen\n", "text/plain")
    assert home.poll(polled) == ["new works of: Jane Austen"]


def test_an_outline_s_feeds_are_polled_with_it(home: Home, polled: Lists) -> None:
    url = home.server.url
    outline = f'<outline xmlUrl="{url}/a"/><outline xmlUrl="{url}/list"/><outline text="Emma"/>'
    home.server.put("/list", f"<opml><body>{outline}</body></opml>", "text/x-opml")
    deeper = f'<opml><body><outline xmlUrl="{url}/b"/><outline text="Walden"/></body></opml>'
    home.server.put("/a", deeper, "text/x-opml")
    assert home.poll(polled) == ["new Emma", "new Walden"]
    home.server.put("/a", rss("Dracula"), "text/xml")
    assert home.poll(polled) == ["new Dracula — A"]
    assert home.server.seen == [("/list", 200), ("/a", 200), ("/list", 304), ("/a", 200)]


def test_one_broken_feed_of_an_outline_is_said_and_costs_no_other(
    home: Home, polled: Lists, caplog: pytest.LogCaptureFixture
) -> None:
    outlines = "".join(
        f'<outline xmlUrl="{url}"/>'
        for url in ("http://127.0.0.2:1/x", "file:///etc/passwd", f"{home.server.url}/a")
    )
    home.server.put("/list", f"<opml><body>{outlines}</body></opml>", "text/x-opml")
    home.server.put("/a", rss("Emma"), "text/xml")
    assert home.poll(polled) == ["new Emma — A"]
    assert home.poll(polled) == []
    assert caplog.text.count("list wanted cannot be read: 127.0.0.2:1 leads into the private network") == 1


def test_private_hosts_need_to_be_named(home: Home, polled: Lists, caplog: pytest.LogCaptureFixture) -> None:
    home.server.redirects["/list"] = "http://127.0.0.2:8080/list"
    assert home.poll(polled) == []
    assert "leads into the private network" in caplog.text


@pytest.mark.parametrize(
    ("content", "content_type", "part"),
    [
        ("<html>", "text/html; charset=utf-8", "is a web page and no list"),
        ("<html/>", "text/xml", "/list, line 1, column 1: this is neither RSS nor Atom nor OPML"),
        ("a,b\n", "text/csv", "/list, line 1, column 1: the column 'a' is not known"),
        ("x" * 2000, "text/plain", "the list is larger than 1,000 bytes"),
        (b"\xff\xfe\xfd", "text/plain", "UTF-16"),
    ],
)
def test_what_cannot_be_read_is_said_once(
    home: Home, caplog: pytest.LogCaptureFixture, content: str | bytes, content_type: str, part: str
) -> None:
    lists = home.lists(limits=Limits(size=1000))
    home.server.put("/list", content, content_type)
    for _ in range(3):
        assert home.poll(lists) == []
    (said,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert part in said
    home.server.put("/list", "Emma\n", "text/plain")
    caplog.set_level("INFO")
    assert home.poll(lists) == ["new Emma"]
    assert "list wanted is read again" in caplog.text
    lists.close()


def test_an_empty_list_is_no_fault(home: Home, polled: Lists, caplog: pytest.LogCaptureFixture) -> None:
    home.server.put("/list", rss(), "text/xml")
    assert home.poll(polled) == []
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    home.server.put("/list", rss("Emma"), "text/xml")
    assert home.poll(polled) == ["new Emma — A"]


def test_what_could_not_be_stored_is_new_the_next_time(
    home: Home, polled: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise HeldError("the disk is full")

    home.server.put("/list", "Emma\n", "text/plain")
    with monkeypatch.context() as patched:
        patched.setattr(polled._desk, "take", full)
        assert home.poll(polled) == []
    assert home.poll(polled) == ["new Emma"]


def test_a_list_is_due_after_its_time_and_stops_at_once(home: Home) -> None:
    lists = home.lists(every="1h")
    assert lists.look_seconds == 60
    home.server.put("/list", "Emma\n", "text/plain")
    lists.run()
    lists.run()
    assert home.server.statuses("/list") == [200]
    lists.stop()
    assert home.poll(lists) == []
    assert home.server.statuses("/list") == [200]
    lists.close()


@pytest.mark.parametrize(
    ("url", "headers", "kind"),
    [
        ("http://x/a", {"Content-Type": "text/csv; charset=utf-8"}, ".csv"),
        ("http://x/a.csv", {"Content-Type": "Application/RSS+XML"}, ".rss"),
        ("http://x/a.csv?x=1", {"Content-Type": "text/plain"}, ".csv"),
        ("http://x/A%2EBIB", {"Content-Type": "application/octet-stream"}, ".bib"),
        ("http://x/a", {"Content-Disposition": 'attachment; filename="l.tsv"'}, ".tsv"),
        ("http://x/a.bin", {}, ".txt"),
        ("http://x/", {"Content-Type": "nonsense"}, ".txt"),
    ],
)
def test_kinds(url: str, headers: dict[str, str], kind: str) -> None:
    assert kind_of(url, headers) == kind


def test_a_page_is_no_list() -> None:
    with pytest.raises(PermanentError, match="is a web page"):
        kind_of("http://x/a.csv", {"Content-Type": "text/html"})


def test_check_looks_at_lists(home: Home) -> None:
    home.server.put("/list", "Emma\n?!\n", "text/plain")
    url = home.server.url
    outline = f'<opml><body><outline xmlUrl="{url}/list"/></body></opml>'
    home.server.put("/outline.opml", outline)
    sections = [
        {"url": f"{url}{path}", "name": name}
        for name, path in (("good", "/list"), ("outline", "/outline.opml"), ("gone", "/gone"))
    ]
    folders = {name: str(home.folder / name) for name in ("requests", "ingest", "state")}
    settings = Settings.model_validate({"folders": folders, "sources": [], "lists": sections})
    found = {finding.what: finding for finding in findings(settings)}
    assert (found["list good"].ok, found["list good"].detail) == (True, "1 want, 1 not understood")
    assert (found["list outline"].ok, found["list outline"].detail) == (True, "1 feed")
    assert found["list gone"].ok is False
    assert "404" in found["list gone"].detail
