"""How a catalogue is entered, of whichever version, and what it leads to besides plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Collection, Reading
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.source_settings import StandardEbooksSettings
from bookhopper.ticket import Ticket
from tests.daemon import Daemon
from tests.fakes.opds_server import (
    ATOM,
    OPDS_JSON,
    OPEN,
    FakeBook,
    FakeCatalogue,
    feed,
    json_feed,
)
from tests.fakes.server import serving
from tests.integration.opds.conftest import Make, query, searches, titles
from tests.waiting import until

BASIC = "http://opds-spec.org/auth/basic"
NAMESPACE = 'xmlns:opds="http://opds-spec.org/2010/catalog"'


def entry(title: str, links: str, language: str = "en") -> str:
    return (
        f'<entry xmlns:dc="http://purl.org/dc/terms/" {NAMESPACE}><id>urn:{title}</id><title>{title}</title>'
        f"<dc:language>{language}</dc:language>{links}</entry>"
    )


def page(body: str, head: str = "") -> Response:
    return Response(f"<!DOCTYPE html><head>{head}</head><body>{body}</body>", media_type="text/html")


class TestSecondVersion:
    @pytest.fixture(autouse=True)
    def second(self, catalogue: FakeCatalogue) -> None:
        catalogue.version = "2.0"
        catalogue.search = "template"

    @pytest.mark.parametrize("way", ["description", "template", "none"])
    def test_every_way_of_searching(self, catalogue: FakeCatalogue, source: OpdsSource, way: str) -> None:
        catalogue.search = way  # type: ignore[assignment]
        assert titles(source.search(query("Emma", "Jane Austen"), Ticket(1)))[0] == "Emma"

    def test_title_and_author_go_apart(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        source.search(query("Emma", "Jane Austen"), Ticket(1))
        assert searches(catalogue) == ["/opds/search?query=Emma&title=Emma&author=Austen"]

    def test_pages_are_followed(self, source: OpdsSource) -> None:
        assert len(set(titles(source.search(query("", "Jane Austen"), Ticket(1))))) == 5

    def test_publications_without_files_are_followed(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        catalogue.partial = True
        found = source.search(query("Persuasion"), Ticket(1))
        assert [(offer.title, offer.format, offer.size) for offer in found] == [
            ("Persuasion", "epub", 1003),
            ("Persuasion", "azw3", 1003),
        ]

    def test_a_key_is_enough_after_a_restart(
        self, catalogue: FakeCatalogue, source: OpdsSource, make: Make
    ) -> None:
        catalogue.books = (FakeBook(3, "Persuasion", ("Jane Austen",)),)
        own = {"rel": "self", "type": "application/opds-publication+json", "href": "/opds/entries/3"}
        whole = catalogue.books[0].publication(base="/opds/")
        whole["links"].append(own)
        catalogue.answers["/opds/search"] = lambda _: json_feed(publications=[whole])
        catalogue.answers["/opds/entries/3"] = lambda _: JSONResponse(whole, media_type=OPDS_JSON)
        found = source.search(query("Persuasion"), Ticket(1))
        assert found[0].key == "./entries/3"
        assert make().lookup("./entries/3", (), Ticket(1)) == found

    def test_groups_are_walked_and_facets_are_not(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.search = "none"
        books = [each.publication() for each in catalogue.books]
        group = {
            "metadata": {"title": "New"},
            "links": [{"rel": "self", "href": "all?x=1", "type": OPDS_JSON}],
            "publications": books[:1],
        }
        facets = [{"metadata": {"title": "Sort"}, "links": [{"href": "sorted", "type": OPDS_JSON}]}]
        catalogue.answers["/opds/"] = lambda _: json_feed(groups=[group], facets=facets)
        assert titles(source.search(query("Mansfield Park"), Ticket(1)))[0] == "Mansfield Park"
        assert not any("sorted" in asked for asked in catalogue.requests)

    def test_its_type_may_be_wrong(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        book = catalogue.books[1].publication()
        catalogue.answers["/opds/search"] = lambda _: JSONResponse(
            {"publications": [book]}, media_type="text/html"
        )
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]

    def test_an_answer_without_bottom(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/search"] = lambda _: Response(b'{"a":' * 100_000, media_type=OPDS_JSON)
        with pytest.raises(TransientError, match="no OPDS feed"):
            source.search(query("Emma"), Ticket(1))


class TestEntrance:
    def test_another_feed_leads_to_the_root(self, catalogue: FakeCatalogue, make: Make) -> None:
        start = f'<link rel="start" type="{ATOM}" href="/opds/"/>'
        catalogue.answers["/opds/all"] = lambda _: feed(start)
        source = make(f"{catalogue.root}all")
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        assert "searched at" in source.check(Ticket(1)).detail

    def test_a_redirect_to_the_root(self, catalogue: FakeCatalogue, make: Make) -> None:
        catalogue.search = "none"
        catalogue.answers["/"] = lambda _: RedirectResponse("/opds/")
        assert titles(make(catalogue.url + "/").search(query("Emma"), Ticket(1)))[0] == "Emma"

    def test_a_redirect_to_another_server(self, catalogue: FakeCatalogue, make: Make) -> None:
        catalogue.search = "none"
        with serving(catalogue.app()) as url:
            catalogue.answers["/"] = lambda _: RedirectResponse(f"{url}/opds/")
            source = make(catalogue.url + "/", allowed=urlsplit(url).netloc)
            found = source.search(query("Emma"), Ticket(1))
        assert titles(found)[0] == "Emma"
        assert found[0].urls[0].startswith(url)

    @pytest.mark.parametrize("start", ["http://books.invalid/", "/gone", "/opds/all"])
    def test_a_root_that_is_no_help(self, catalogue: FakeCatalogue, make: Make, start: str) -> None:
        link = f'<link rel="start" type="{ATOM}" href="{start}"/>'
        catalogue.answers["/opds/all"] = lambda _: feed(link + catalogue.books[1].entry())
        assert titles(make(f"{catalogue.root}all").search(query("Emma"), Ticket(1))) == ["Emma"]

    @pytest.mark.parametrize("version", ["1.2", "2.0"])
    def test_a_web_page_names_the_catalogue(self, catalogue: FakeCatalogue, make: Make, version: str) -> None:
        catalogue.version = version  # type: ignore[assignment]
        kind = ATOM if version == "1.2" else OPDS_JSON
        links = f"<link rel=alternate type='text/xml' href=x><link rel=alternate type='{kind}' href=/opds/>"
        catalogue.answers["/home"] = lambda _: page("Books", links)
        source = make(f"{catalogue.url}/home")
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        assert source.check(Ticket(1)).ok

    def test_a_web_page_names_the_search_alone(self, catalogue: FakeCatalogue, make: Make) -> None:
        link = '<link rel="search" type="application/opensearchdescription+xml" href="/opds/osd">'
        catalogue.answers["/home"] = lambda _: page("Books", link)
        source = make(f"{catalogue.url}/home")
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]

    def test_a_web_page_that_names_nothing(self, catalogue: FakeCatalogue, make: Make) -> None:
        catalogue.answers["/home"] = lambda _: page("Sign in")
        source = make(f"{catalogue.url}/home")
        with pytest.raises(TransientError, match="names no OPDS feed: check the source's url"):
            source.search(query("Emma"), Ticket(1))
        assert not source.check(Ticket(1)).ok

    def test_web_pages_are_not_followed_further(self, catalogue: FakeCatalogue, make: Make) -> None:
        link = f"<link rel=alternate type='{ATOM}' href=/home>"
        catalogue.answers["/home"] = lambda _: page("Books", link)
        with pytest.raises(TransientError, match="no OPDS feed"):
            make(f"{catalogue.url}/home").search(query("Emma"), Ticket(1))
        assert catalogue.requests == ["/home", "/home"]

    def test_a_search_for_members_leaves_the_open_feeds(
        self, catalogue: FakeCatalogue, source: OpdsSource, caplog: pytest.LogCaptureFixture
    ) -> None:
        catalogue.answers["/opds/search"] = lambda _: Response(status_code=401)
        for _ in range(3):
            assert titles(source.search(query("Emma"), Ticket(1)))[0] == "Emma"
        assert caplog.text.count("only the feeds that are open to all") == 1
        assert len(searches(catalogue)) == 2, "once, and once for the authentication document"

    def test_a_catalogue_for_members_says_so(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/search"] = lambda _: Response(status_code=401)
        catalogue.books = ()
        with pytest.raises(HeldError, match="asks for a sign-in"):
            source.search(query("Emma"), Ticket(1))


class TestFacets:
    def entries(self, count: int, language: str) -> str:
        return "".join(
            FakeBook(n, f"Emma {language} {n}", ("Jane Austen",), language=language).entry()
            for n in range(count)
        )

    def asked(self, source: OpdsSource, *languages: str) -> list[str]:
        wanted = Query((Reading("Emma", ("Jane Austen",)),), languages=languages, limit=5)
        return titles(source.search(wanted, Ticket(1)))

    @pytest.fixture
    def crowded(self, catalogue: FakeCatalogue) -> FakeCatalogue:
        """Let the search find more German books than are read, and offer facets."""

        def answer(request: Request) -> Response:
            if request.query_params.get("lang") == "en":
                return feed(self.entries(2, "en"))
            names = (("de", "German (9,000)", "true"), ("en", "English (2)", "false"), ("x", "All", "false"))
            facets = "".join(
                f'<link rel="http://opds-spec.org/facet" opds:facetGroup="Sprache" title="{title}" '
                f'opds:activeFacet="{active}" href="search?q=x&amp;lang={code}"/>'
                for code, title, active in names
            )
            more = '<link rel="next" href="search?q=x&amp;page=2"/>'
            return feed(self.entries(5, "de") + f"{facets}{more}".replace("<link", f"<link {NAMESPACE}"))

        catalogue.answers["/opds/search"] = answer
        return catalogue

    def test_they_narrow_what_is_too_long_to_read(self, crowded: FakeCatalogue, source: OpdsSource) -> None:
        assert self.asked(source, "en")[:2] == ["Emma en 0", "Emma en 1"]
        assert len(searches(crowded)) == 2

    @pytest.mark.parametrize("languages", [(), ("de",), ("de", "en"), ("fr",)])
    def test_they_are_left_alone_where_they_do_not_help(
        self, crowded: FakeCatalogue, source: OpdsSource, languages: tuple[str, ...]
    ) -> None:
        assert len(self.asked(source, *languages)) == 5
        assert len(searches(crowded)) == 1

    def test_one_that_is_broken_costs_nothing(self, crowded: FakeCatalogue, source: OpdsSource) -> None:
        usual = crowded.answers["/opds/search"]
        crowded.answers["/opds/search"] = lambda request: (
            Response(status_code=410) if "lang" in request.query_params else usual(request)
        )
        assert len(self.asked(source, "en")) == 5


class TestIndirectAcquisition:
    def offered(self, kind: str, chain: str, rel: str = OPEN, href: str = "/get/emma") -> str:
        return entry("Emma", f'<link rel="{rel}" type="{kind}" href="{href}">{chain}</link>')

    def step(self, kind: str, inside: str = "") -> str:
        return f'<opds:indirectAcquisition type="{kind}">{inside}</opds:indirectAcquisition>'

    def found(self, catalogue: FakeCatalogue, source: OpdsSource, entries: str) -> Any:
        catalogue.answers["/opds/search"] = lambda _: feed(entries)
        return source.search(query("Emma"), Ticket(1))

    def test_a_page_is_followed_once(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/get/emma"] = lambda _: page('<a href="x.pdf">x</a><a href="e.epub">EPUB</a>')
        wanted = self.offered("text/html", self.step("application/epub+zip"))
        (offer,) = self.found(catalogue, source, wanted)
        assert (offer.format, offer.urls, offer.fault) == ("epub", (f"{catalogue.url}/get/e.epub",), "")
        assert catalogue.requests.count("/get/emma") == 1

    def test_a_page_that_offers_another_page_is_the_end(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        catalogue.answers["/get/emma"] = lambda _: page('<a href="/get/more">Download</a>')
        wanted = self.offered("text/html", self.step("application/epub+zip"))
        assert self.found(catalogue, source, wanted) == ()
        assert "/get/more" not in catalogue.requests

    @pytest.mark.parametrize("answer", [Response(status_code=404), Response(b"\0" * (9 << 20))])
    def test_a_page_that_is_none(
        self, catalogue: FakeCatalogue, source: OpdsSource, answer: Response
    ) -> None:
        catalogue.answers["/get/emma"] = lambda _: answer
        wanted = self.offered("text/html", self.step("application/epub+zip"))
        assert self.found(catalogue, source, wanted) == ()

    @pytest.mark.parametrize(
        ("chain", "words"),
        [
            (("application/vnd.adobe.adept+xml", "application/epub+zip"), "ACSM"),
            (("text/html", "application/vnd.adobe.adept+xml", "application/epub+zip"), "ACSM"),
            (("application/vnd.readium.lcp.license.v1.0+json", "application/epub+zip"), "Readium LCP"),
        ],
    )
    @pytest.mark.parametrize("rel", [OPEN, "http://opds-spec.org/acquisition/borrow"])
    def test_a_protected_file_is_refused_with_the_reason(
        self, catalogue: FakeCatalogue, source: OpdsSource, chain: tuple[str, ...], words: str, rel: str
    ) -> None:
        inside = ""
        for each in reversed(chain[1:]):
            inside = self.step(each, inside)
        (offer,) = self.found(catalogue, source, self.offered(chain[0], inside, rel))
        assert (offer.title, offer.format) == ("Emma", "epub")
        assert words in offer.fault
        assert "/get/emma" not in catalogue.requests

    def test_a_walk_sees_protected_files_too(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.search = "none"
        licence = "application/vnd.readium.lcp.license.v1.0+json"
        locked = self.offered(licence, self.step("application/epub+zip"))
        catalogue.answers["/opds/"] = lambda _: feed(locked)
        (offer,) = source.search(query("Emma"), Ticket(1))
        assert "Readium LCP" in offer.fault
        assert source.lookup(offer.key, ("epub",), Ticket(1)) == (offer,)

    def test_a_job_for_a_protected_book_fails_with_the_reason(
        self, catalogue: FakeCatalogue, tmp_path: Path
    ) -> None:
        licence = "application/vnd.readium.lcp.license.v1.0+json"
        locked = self.offered(licence, self.step("application/epub+zip"))
        named = locked.replace("<title>", "<author><name>Jane Austen</name></author><title>")
        catalogue.answers["/opds/search"] = lambda _: feed(named)
        daemon = Daemon(
            tmp_path / "daemon", {"sources": [{"kind": "opds", "name": "home", "url": catalogue.root}]}
        )
        try:
            daemon.start()
            daemon.drop("to-read.txt", "Emma - Jane Austen")
            daemon.await_counts(failed=1)
            until(lambda: "Readium LCP" in daemon.report("to-read.txt"), lambda: daemon.log)
            assert daemon.stop() == 0
        finally:
            daemon.close()

    def test_what_is_free_beside_it_is_taken(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        adobe = "application/vnd.adobe.adept+xml"
        locked = self.offered(adobe, self.step("application/epub+zip"))
        free = f'<link rel="{OPEN}" type="application/pdf" href="/get/emma.pdf"/></entry>'
        found = self.found(catalogue, source, locked.replace("</entry>", free))
        assert [(offer.format, offer.fault) for offer in found] == [("pdf", "")]

    def test_an_archive_around_it_is_not_offered(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        packed = self.offered("application/zip", self.step("application/epub+zip"), href="/get/emma.epub")
        assert self.found(catalogue, source, packed) == ()


class TestAuthenticationDocument:
    def answer(self, *kinds: str, **labels: str) -> Response:
        flows = [{"type": kind, "labels": labels} for kind in kinds]
        document = {"id": "x", "title": "Town Library", "authentication": flows}
        return JSONResponse(document, 401, media_type="application/opds-authentication+json")

    @pytest.mark.parametrize(
        ("kinds", "words"),
        [
            ((BASIC,), "Town Library asks for a sign-in (401): set username and password_file of its source"),
            (
                ("http://opds-spec.org/auth/oauth/implicit", "http://opds-spec.org/auth/saml"),
                "Town Library takes only sign-in by implicit, saml (401)",
            ),
        ],
    )
    def test_it_says_which_sign_in_is_missing(
        self, catalogue: FakeCatalogue, source: OpdsSource, kinds: tuple[str, ...], words: str
    ) -> None:
        catalogue.answers["/opds/"] = lambda _: self.answer(*kinds)
        with pytest.raises(HeldError) as held:
            source.search(query("Emma"), Ticket(1))
        assert words in str(held.value)
        assert "\n" not in str(held.value)
        assert words in source.check(Ticket(1)).detail

    def test_it_names_what_is_asked_for(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/"] = lambda _: self.answer(BASIC, login="Library card", password="PIN")
        with pytest.raises(HeldError, match="which it calls Library card and PIN"):
            source.search(query("Emma"), Ticket(1))

    def test_one_without_end(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/"] = lambda _: Response(b" " * (4 << 20), 401)
        with pytest.raises(HeldError, match="asks for a sign-in"):
            source.search(query("Emma"), Ticket(1))

    def test_credentials_are_not_sent_again_for_it(self, catalogue: FakeCatalogue, make: Make) -> None:
        catalogue.answers["/opds/"] = lambda _: self.answer(BASIC)
        with pytest.raises(HeldError, match="sign-in refused"):
            make(sign_in=("reader", "wrong")).search(query("Emma"), Ticket(1))
        assert catalogue.requests == ["/opds/"] * 2, "without credentials, and with them once"


class TestFeedsAsCollections:
    @pytest.mark.parametrize("version", ["1.2", "2.0"])
    @pytest.mark.parametrize("partial", [False, True])
    def test_a_feed_lists_its_books_in_order(
        self, catalogue: FakeCatalogue, source: OpdsSource, version: str, partial: bool
    ) -> None:
        catalogue.version, catalogue.partial = version, partial  # type: ignore[assignment]
        shelf = Collection("feed", f"{catalogue.root}all")
        assert source.holds(shelf)
        found = source.works(shelf, 5, Ticket(1))
        assert list(dict.fromkeys(offer.title for offer in found)) == [
            book.title for book in catalogue.books[:5]
        ]

    def test_what_it_does_not_hold(self, source: OpdsSource) -> None:
        assert not source.holds(Collection("feed", "http://books.invalid/opds"))
        assert not source.holds(Collection("author", "Jane Austen"))

    def test_one_that_is_gone_leaves_the_source_alone(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        with pytest.raises(PermanentError, match="404"):
            source.works(Collection("feed", f"{catalogue.root}gone"), 5, Ticket(1))
        assert source.search(query("Emma"), Ticket(1))


class TestStandardEbooks:
    NEWS = (
        "<entry><id>https://standardebooks.example/e</id><title>Emma</title>"
        "<author><name>Jane Austen</name></author>"
        '<link href="/e" rel="alternate" type="application/xhtml+xml"/>'
        '<link href="/e.epub" length="9" rel="enclosure" title="compatible" type="application/epub+zip"/>'
        '<link href="/e_advanced.epub" rel="enclosure" type="application/epub+zip"/>'
        '<link href="/e.kepub.epub" rel="enclosure" type="application/kepub+zip"/>'
        '<link href="/e.azw3" rel="enclosure" type="application/x-mobipocket-ebook"/></entry>'
    )

    def test_the_news_are_open_to_all(self, catalogue: FakeCatalogue, make: Make) -> None:
        settings = StandardEbooksSettings(kind="standard_ebooks", site=catalogue.url)
        catalogue.answers["/feeds/atom/new-releases"] = lambda _: feed(self.NEWS)
        found = make(settings.url).search(query("Emma", "Jane Austen"), Ticket(1))
        assert [(offer.format, offer.urls[0].removeprefix(catalogue.url)) for offer in found] == [
            ("epub", "/e.epub"),
            ("azw3", "/e.azw3"),
        ]

    def test_a_patron_has_the_catalogue(self, catalogue: FakeCatalogue, make: Make) -> None:
        settings = StandardEbooksSettings(
            kind="standard_ebooks", site=catalogue.url, username="reader@example.org"
        )
        assert settings.url == f"{catalogue.url}/feeds/opds"
        catalogue.sign_in = (settings.username, settings.secret())
        kind = "application/opensearchdescription+xml; charset=utf-8"
        osd = f'<link rel="search" type="{kind}" href="/opds/osd"/>'
        catalogue.answers["/feeds/opds"] = lambda _: feed(osd)
        source = make(settings.url, sign_in=catalogue.sign_in)
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
