"""The OPDS source against a catalogue on a real socket: searched, walked, looked up, and in trouble."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bookhopper.errors import HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Reading
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.search.sources.opds_keys import Keys, is_opaque
from bookhopper.search.sources.opds_search import phrases
from bookhopper.ticket import Interrupted, Reason, Ticket
from tests.fakes.opds_server import PAGE, FakeBook, FakeCatalogue, feed
from tests.fakes.server import free_port, serving
from tests.integration.opds.conftest import Make, query, searches, titles


class TestSearch:
    def test_a_candidate_says_all_that_the_feed_does(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        found = source.search(query("Moby Dick", "Herman Melville", formats=("epub", "pdf")), Ticket(1))
        key = "./files/1/Moby%20Dick.pdf"
        assert found[0] == Candidate(
            source="home",
            key=key,
            title="Moby Dick",
            authors=("Herman Melville",),
            language="en",
            format="epub",
            size=1001,
            urls=(f"{catalogue.url}/opds/files/1/Moby%20Dick.epub",),
        )
        assert [(offer.key, offer.format) for offer in found] == [(key, "epub"), (key, "pdf")]

    @pytest.mark.parametrize("way", ["description", "template", "none"])
    def test_every_way_of_searching(self, catalogue: FakeCatalogue, source: OpdsSource, way: str) -> None:
        catalogue.search = way  # type: ignore[assignment]
        assert titles(source.search(query("Emma", "Jane Austen"), Ticket(1)))[0] == "Emma"

    def test_pages_are_followed(self, source: OpdsSource) -> None:
        found = titles(source.search(query("", "Jane Austen"), Ticket(1)))
        assert len(set(found)) == 5 > PAGE

    def test_pages_that_go_round_end(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        book = FakeBook(1, "Emma").entry()
        catalogue.answers["/opds/search"] = lambda r: feed(
            f"{book}<link rel='next' href={quoteattr(str(r.url))}/>"
        )
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        assert len(searches(catalogue)) == 1

    def test_endless_pages_end(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        book = FakeBook(1, "Emma").entry()

        def endless(request: Request) -> Response:
            page = int(request.query_params.get("page") or 0) + 1
            return feed(f"{book}<link rel='next' href='search?page={page}'/>")

        catalogue.answers["/opds/search"] = endless
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        assert len(searches(catalogue)) == 5

    def test_the_limit_bounds_candidates_and_pages(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        assert len(source.search(query("", "Jane Austen", limit=2), Ticket(1))) == 2
        assert len(searches(catalogue)) == 1

    def test_the_title_alone_is_asked_where_nothing_has_both(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        catalogue.exact = True
        assert titles(source.search(query("Good Omens", "Neil Gaiman"), Ticket(1))) == ["Good Omens"]
        assert len(searches(catalogue)) == 2

    def test_a_typo_in_the_title_leaves_the_author(self, source: OpdsSource) -> None:
        assert "Moby Dick" in titles(source.search(query("Mobi Dikc", "Melville, Herman"), Ticket(1)))

    def test_what_shares_no_word_is_no_find(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/search"] = lambda _: feed(FakeBook(9, "Whatever").entry())
        assert source.search(query("Emma", "Jane Austen"), Ticket(1)) == ()

    def test_a_404_for_nothing_found_is_nothing_found(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        catalogue.answers["/opds/search"] = lambda _: Response(status_code=404)
        assert source.search(query("Emma"), Ticket(1)) == ()

    def test_entries_without_files_are_followed(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.partial = True
        found = source.search(query("Persuasion"), Ticket(1))
        assert [(offer.title, offer.format, offer.year) for offer in found] == [
            ("Persuasion", "epub", 1817),
            ("Persuasion", "azw3", 1817),
        ]

    def test_an_isbn_is_asked_first(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        book = FakeBook(2, "Emma", extra="<dc:identifier>urn:isbn:9780141439587</dc:identifier>")
        catalogue.answers["/opds/search"] = lambda _: feed(book.entry())
        found = source.search(query("", isbn="9780141439587"), Ticket(1))
        assert [offer.isbns for offer in found] == [("9780141439587",)]
        assert "q=9780141439587" in searches(catalogue)[0]

    def test_odd_titles_survive_the_way(self, source: OpdsSource) -> None:
        assert titles(source.search(query("Lady Susan & More <sic>"), Ticket(1))) == [
            "Lady Susan & More <sic>"
        ]


def test_a_want_of_many_readings_costs_few_searches(catalogue: FakeCatalogue, source: OpdsSource) -> None:
    catalogue.answers["/opds/search"] = lambda _: feed("")
    readings = tuple(Reading(f"Title {number}", ("Somebody",)) for number in range(9))
    assert source.search(Query(readings=readings, isbn="9780141439587"), Ticket(1)) == ()
    assert len(searches(catalogue)) == 7


def test_a_series_is_found_by_its_name_which_no_title_has(
    catalogue: FakeCatalogue, source: OpdsSource
) -> None:
    names = ("Barchester Towers", "The Warden")
    content = "<content>SERIES: Chronicles of Barsetshire [{}]</content>"
    catalogue.books = tuple(
        FakeBook(number, name, ("Anthony Trollope",), extra=content.format(2 - number))
        for number, name in enumerate(names)
    )
    found = source.search(query("Chronicles of Barsetshire"), Ticket(1))
    assert {(book.title, book.position) for book in found} == {
        ("Barchester Towers", 2.0),
        ("The Warden", 1.0),
    }
    assert source.search(query("Chronicles"), Ticket(1)) == ()
    assert len(source.search(query("Barsetshire"), Ticket(1))) == 2


def test_phrases_go_from_narrow_to_wide() -> None:
    readings = (Reading("Moby Dick; or, The Whale", ("Herman Melville",)), Reading("Herman Melville", ()))
    assert list(phrases(Query(readings=readings, isbn="9780141439587"))) == [
        ("9780141439587", ""),
        ("Moby Dick", "Melville"),
        ("Moby Dick", ""),
        ("", "Melville"),
        ("Herman Melville", ""),
        ("Moby Dick; or, The Whale", ""),
    ]


class TestWalk:
    @pytest.fixture(autouse=True)
    def without_search(self, catalogue: FakeCatalogue) -> None:
        catalogue.search = "none"

    def test_a_typo_is_forgiven(self, source: OpdsSource) -> None:
        assert titles(source.search(query("Persuaison"), Ticket(1)))[0] == "Persuasion"

    def test_the_walk_is_done_once_until_refreshed(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        for title in ("Emma", "Moby Dick", "Der Prozess"):
            assert source.search(query(title), Ticket(1))
        asked = len(catalogue.requests)
        catalogue.books += (FakeBook(10, "Quo Vadis", ("Henryk Sienkiewicz",)),)
        assert not source.search(query("Quo Vadis"), Ticket(1))
        assert len(catalogue.requests) == asked
        assert source.refresh(Ticket(1)) is False
        assert source.search(query("Quo Vadis"), Ticket(1))

    def test_a_maze_ends(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        def maze(request: Request) -> Response:
            here = request.query_params.get("x", "")
            ways = (
                f'<entry><title>way</title><link rel="subsection" type="application/atom+xml" '
                f'href="all?x={here}{way}"/></entry>'
                for way in "abc"
            )
            return feed(FakeBook(1, f"Book {here}").entry() + "".join(ways))

        catalogue.answers["/opds/all"] = maze
        source.search(query("Book"), Ticket(1))
        assert len(catalogue.requests) == 41  # the root is asked once for its search and once on the walk

    def test_a_walk_that_is_broken_off_goes_on_where_it_was(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        ticket = Ticket(1)
        breaks = {0, 4, 8}

        def chain(request: Request) -> Response:
            page = int(request.query_params.get("page") or 0)
            if page in breaks:
                breaks.remove(page)
                ticket.interrupt(Reason.CANCEL)
            more = f"<link rel='next' href='all?page={page + 1}'/>" if page < 9 else ""
            return feed(FakeBook(page + 1, f"Book {page}").entry() + more)

        catalogue.answers["/opds/all"] = chain
        broken_off = 0
        found: list[str] = []
        while not found and broken_off < 10:
            try:
                found = titles(source.search(query("Book"), ticket))
            except Interrupted:
                broken_off += 1
                ticket = Ticket(1)
        assert broken_off == 3
        assert len(set(found)) == 10
        pages = [asked for asked in catalogue.requests if asked.startswith("/opds/all")]
        assert len(pages) <= 10 + broken_off  # only a page that was under way is asked for again
        asked = len(catalogue.requests)
        assert titles(source.search(query("Book"), Ticket(1))) == found
        assert len(catalogue.requests) == asked

    def test_other_origins_and_broken_pages_are_left_out(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        ways = "".join(
            f'<entry><link rel="subsection" type="application/atom+xml" href="{way}"/></entry>'
            for way in ("http://books.invalid/", "gone", "file:///etc/passwd", "osd", "all")
        )
        catalogue.answers["/opds/"] = lambda _: feed(ways)
        assert titles(source.search(query("Emma"), Ticket(1)))[0] == "Emma"

    def test_a_key_is_found_on_the_walk(self, make: Make) -> None:
        found = make().lookup("/opds/files/2/Emma.epub", (), Ticket(1))
        assert [(offer.title, offer.authors) for offer in found] == [("Emma", ("Jane Austen",))]


class TestLookup:
    def test_what_was_seen_is_remembered(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        found = source.search(query("Moby Dick"), Ticket(1))
        asked = len(catalogue.requests)
        assert source.lookup(found[0].key, (), Ticket(1)) == found
        assert [offer.format for offer in source.lookup(found[0].key, ("epub",), Ticket(1))] == ["epub"]
        assert len(catalogue.requests) == asked

    def test_a_key_is_enough_after_a_restart(
        self, catalogue: FakeCatalogue, make: Make, source: OpdsSource
    ) -> None:
        key = source.search(query("Moby Dick"), Ticket(1))[0].key
        (offer,) = make().lookup(key, ("epub", "pdf"), Ticket(1))
        assert (offer.key, offer.title, offer.authors) == (key, "Moby Dick", ("Herman Melville",))
        assert (offer.format, offer.size, offer.urls) == (
            "pdf",
            4,
            (catalogue.root + key.removeprefix("./"),),
        )

    def test_an_entry_of_its_own_gives_everything(self, catalogue: FakeCatalogue, make: Make) -> None:
        entry = FakeBook(3, "Persuasion", ("Jane Austen",), ("epub", "azw3")).entry()
        own = '<link rel="self" type="application/atom+xml;type=entry" href="/opds/entries/3"/></entry>'
        catalogue.answers["/opds/search"] = lambda _: feed(entry.replace("</entry>", own))
        based = entry.replace("</entry>", own).replace("<entry ", '<entry xml:base="/opds/" ')
        catalogue.answers["/opds/entries/3"] = lambda _: Response(based, media_type="application/atom+xml")
        found = make().search(query("Persuasion"), Ticket(1))
        assert found[0].key == "./entries/3"
        for key in ("./entries/3", "/opds/entries/3", f"{catalogue.root}entries/3"):
            assert make().lookup(key, (), Ticket(1)) == found

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "12",
            "../x",
            "//books.invalid/x.epub",
            "file:///etc/passwd",
            "/gone.epub",
            "/opds/osd",
            "./../opds/osd",
            "./%2e%2e/opds/files/2/Emma.epub",
            "~0123456789abcdef",
            "~x",
            "http://[::1",
        ],
    )
    def test_what_is_no_key_finds_nothing(self, source: OpdsSource, key: str) -> None:
        assert source.lookup(key, (), Ticket(1)) == ()

    def test_a_key_cannot_reach_a_private_neighbour(self, source: OpdsSource) -> None:
        assert source.lookup(f"http://127.0.0.1:{free_port()}/x.epub", (), Ticket(1)) == ()


class TestSecrets:
    KEY = "b3c5d2f0-1c1e-4f7e-9a51-0d1f2a3b4c5d"

    @pytest.mark.parametrize(
        ("root", "href", "key"),
        [
            ("http://h/opds", "http://h/opds/series/1", "./series/1"),
            ("http://h/opds/", "http://u:p@H:80/opds/a b#c", "./a%20b"),
            (f"http://h/api/opds/{KEY}", f"http://h/api/opds/{KEY}/series/1", "./series/1"),
            (f"http://h/api/{KEY}/root.xml", f"http://h/api/{KEY}/series/1", "./series/1"),
            ("http://h/opds", "http://h/opdsx/1", "/opdsx/1"),
            ("http://h/", "http://h/get/1", "/get/1"),
            ("http://h/opds", "http://h/get/1?token=SECRET", None),
            ("http://h/opds", "http://h//x/1", None),
            ("http://h/opds", "http://h/opds/%2e%2e/1", None),
            ("http://h/opds", "http://bob:pw@cdn/1", None),
            ("http://h/opds", "https://h/opds/1", "https://h/opds/1"),
            ("http://h/opds", f"https://cdn/{KEY}/1", None),
            ("http://h/", "http://h/book?id=203", "/book?id=203"),
            ("http://h/opds", "http://h/opds/get?Book=a%20b&fmt=epub", "./get?Book=a%20b&fmt=epub"),
            ("http://h/opds", "http://h/get.php?n=7&x=12", "/get.php?n=7&x=12"),
            ("http://h/opds", "http://h/get?id=1&k=hunter2", None),
            ("http://h/opds", "http://h/get?id=1&pin=1234", None),
            ("http://h/opds", "http://h/get?id=1&expires=99999999999999", None),
            ("http://h/opds", f"http://h/get?id={KEY}", None),
            ("http://h/opds", "http://h/get?SECRET", None),
            (f"http://h/opds/{KEY}", f"http://h/get/{KEY}/1", None),
        ],
    )
    def test_no_key_shows_one(self, root: str, href: str, key: str | None) -> None:
        found = Keys(root).key(href)
        if key is None:
            assert is_opaque(found)
            assert Keys(root).address(found) == ""
        else:
            assert found == key
            assert Keys(root).key(Keys(root).address(key)) == key
        assert " " not in found

    @pytest.fixture
    def tokens(self, catalogue: FakeCatalogue) -> None:
        """Give a book an address with a token, and another one with a password."""
        epub = '<link rel="http://opds-spec.org/acquisition" type="application/epub+zip" href="{}"/>'
        books = (("Emma", "files/2/x.epub?token=SECRET"), ("Persuasion", "http://bob:pw@cdn.invalid/3.epub"))
        page = "".join(
            f"<entry><id>{title}</id><title>{title}</title>{epub.format(href)}</entry>"
            for title, href in books
        )
        for path in ("/opds/search", "/opds/all"):
            catalogue.answers[path] = lambda _: feed(page)

    @pytest.mark.usefixtures("tokens")
    @pytest.mark.parametrize("way", ["description", "none"])
    @pytest.mark.parametrize("title", ["Emma", "Persuasion"])
    def test_an_opaque_key_is_remembered_and_found_on_a_walk(
        self, catalogue: FakeCatalogue, make: Make, way: str, title: str
    ) -> None:
        catalogue.search = way  # type: ignore[assignment]
        source = make()
        found = source.search(query(title), Ticket(1))[:1]
        assert is_opaque(found[0].key)
        assert "bob" not in repr(found)
        assert source.lookup(found[0].key, (), Ticket(1)) == found
        assert make().lookup(found[0].key, (), Ticket(1)) == found

    def test_an_opaque_key_of_an_older_report_still_leads_to_its_book(
        self, catalogue: FakeCatalogue, make: Make
    ) -> None:
        href = '<link rel="http://opds-spec.org/acquisition" type="application/epub+zip" href="/get?id=7"/>'
        page = f"<entry><id>7</id><title>Emma</title>{href}</entry>"
        for path in ("/opds/search", "/opds/all"):
            catalogue.answers[path] = lambda _: feed(page)
        source = make()
        found = source.search(query("Emma"), Ticket(1))
        assert found[0].key == "/get?id=7"
        older = Keys(catalogue.root).opaque(found[0].urls[0])
        assert source.lookup(older, (), Ticket(1)) == found
        catalogue.search = "none"
        assert make().lookup(older, (), Ticket(1)) == found

    def test_an_address_that_a_person_wrote_gets_a_key(self, source: OpdsSource) -> None:
        (offer,) = source.lookup("/opds/files/2/Emma.epub?token=SECRET", (), Ticket(1))
        assert is_opaque(offer.key)
        assert source.lookup(offer.key, (), Ticket(1)) == (offer,)

    def test_no_log_shows_one(
        self, catalogue: FakeCatalogue, make: Make, caplog: pytest.LogCaptureFixture
    ) -> None:
        def endless(request: Request) -> Response:
            page = int(request.query_params.get("page") or 0) + 1
            return feed(FakeBook(page, f"Emma {page}").entry() + f"<link rel='next' href='?page={page}'/>")

        catalogue.search = "none"
        catalogue.answers["/opds/"] = endless
        root = f"{catalogue.root}?apikey=SECRET"
        make(root).search(query("Emma"), Ticket(1))
        assert "the rest is not seen" in caplog.text
        assert "SECRET" not in caplog.text


class TestSignIn:
    @pytest.fixture(autouse=True)
    def with_sign_in(self, catalogue: FakeCatalogue) -> None:
        catalogue.sign_in = ("reader", "secret")

    def test_it_opens_everything(self, make: Make) -> None:
        source = make(sign_in=("reader", "secret"))
        found = source.search(query("Emma"), Ticket(1))
        assert titles(found) == ["Emma"]
        assert make(sign_in=("reader", "secret")).lookup(found[0].key, (), Ticket(1))
        assert source.check(Ticket(1)).ok

    @pytest.mark.parametrize(
        ("credentials", "words"),
        [
            (None, "it asks for a sign-in (401): set username and password_file"),
            (
                ("reader", "wrong"),
                "sign-in refused (401): check username and password_file of source home",
            ),
        ],
    )
    def test_a_refusal_holds_and_says_what_to_do(
        self, make: Make, credentials: tuple[str, str] | None, words: str
    ) -> None:
        source = make(sign_in=credentials)
        with pytest.raises(HeldError) as held:
            source.search(query("Emma"), Ticket(1))
        assert words in str(held.value)
        assert words in source.check(Ticket(1)).detail

    def test_it_stays_at_home(self, catalogue: FakeCatalogue, make: Make) -> None:
        other = FakeCatalogue(sign_in=("nobody", ""))
        heard: list[str | None] = []

        def listen(request: Request) -> Response:
            heard.append(request.headers.get("authorization"))
            return feed("")

        other.sign_in = None
        other.answers["/opds/search"] = listen
        with serving(other.app()) as url:
            catalogue.answers["/opds/search"] = lambda _: RedirectResponse(f"{url}/opds/search?q=x")
            source = make(sign_in=("reader", "secret"), allowed=urlsplit(url).netloc)
            source.search(query("Emma"), Ticket(1))
        assert set(heard) == {None}


class TestTrouble:
    def test_a_server_that_is_down(self, make: Make) -> None:
        url = f"http://127.0.0.1:{free_port()}/opds"
        source = make(url)
        with pytest.raises(HeldError, match="connection was refused"):
            source.search(query("Emma"), Ticket(1))
        health = source.check(Ticket(1))
        assert (health.ok, "connection was refused" in health.detail) == (False, True)

    @pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"", b"{}", b"\xff" * 1000])
    def test_an_answer_that_is_no_feed(
        self, catalogue: FakeCatalogue, source: OpdsSource, body: bytes
    ) -> None:
        catalogue.answers["/opds/"] = lambda _: Response(body, media_type="text/html")
        with pytest.raises(TransientError, match="source's url"):
            source.search(query("Emma"), Ticket(1))
        assert not source.check(Ticket(1)).ok

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (Response(bytes(9 << 20), media_type="application/atom+xml"), "larger than"),
            (Response("no", 403), "the server forbids it"),
            (Response("no", 451), "withheld for legal reasons"),
        ],
    )
    def test_a_question_that_is_refused_silences_nobody_else(
        self, catalogue: FakeCatalogue, source: OpdsSource, answer: Response, words: str
    ) -> None:
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        catalogue.answers["/opds/search"] = lambda _: answer
        with pytest.raises(PermanentError, match=words):
            source.search(query("Select Poems"), Ticket(1))
        del catalogue.answers["/opds/search"]
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        assert len([asked for asked in catalogue.requests if asked == "/opds/"]) == 2, "it was entered anew"

    def test_a_catalogue_that_is_closed_to_all_is_held(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        assert titles(source.search(query("Emma"), Ticket(1))) == ["Emma"]
        for path in ("/opds/", "/opds/search"):
            catalogue.answers[path] = lambda _: Response("no", 403)
        with pytest.raises(HeldError, match="the server forbids it") as held:
            source.search(query("Persuasion"), Ticket(1))
        assert (held.value.scope, held.value.seconds) == ("host", 15 * 60.0)

    def test_a_root_that_is_gone(self, catalogue: FakeCatalogue, source: OpdsSource) -> None:
        catalogue.answers["/opds/"] = lambda _: Response(status_code=404)
        with pytest.raises(HeldError, match=r"not there \(404\)"):
            source.search(query("Emma"), Ticket(1))
        asked = len(catalogue.requests)
        with pytest.raises(HeldError, match=r"not there \(404\)"):
            source.lookup("/opds/files/1/x.epub", (), Ticket(1))
        assert len(catalogue.requests) == asked, "it is left in peace meanwhile"

    def test_a_description_that_is_gone_leaves_the_walk(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        catalogue.answers["/opds/osd"] = lambda _: Response(status_code=404)
        assert titles(source.search(query("Emma"), Ticket(1)))[0] == "Emma"
        assert "walked through" in source.check(Ticket(1)).detail

    def test_a_wait_for_another_search_can_be_interrupted(
        self, catalogue: FakeCatalogue, source: OpdsSource
    ) -> None:
        go_on = threading.Event()

        def slow(_: Request) -> Response:
            go_on.wait(10)
            return feed("")

        catalogue.answers["/opds/"] = slow
        first = threading.Thread(target=source.search, args=(query("Emma"), Ticket(1)))
        first.start()
        assert catalogue.entered.wait(10)
        ticket = Ticket(2)
        timer = threading.Timer(0.02, ticket.interrupt, (Reason.SHUTDOWN,))
        timer.start()
        try:
            with pytest.raises(Interrupted):
                source.search(query("Emma"), ticket)
        finally:
            go_on.set()
            first.join(10)
            timer.join(10)

    def test_a_url_that_is_none(self, make: Make) -> None:
        with pytest.raises(PermanentError, match="no address"):
            make("books.example/opds")
