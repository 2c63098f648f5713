"""The source for web pages against a small library's real server: asking, sign-in, downloads, misdeeds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from bookhopper.errors import BookhopperError, HeldError, PermanentError, TransientError
from bookhopper.model import Candidate, Reading
from bookhopper.net.cache import Cache
from bookhopper.net.host import Pace
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.definitions.load import load
from bookhopper.search.definitions.model import Definition
from bookhopper.search.sources import registry
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.html import HtmlSource
from bookhopper.search.sources.observed import ObservedSource, SourceCall
from bookhopper.search.sources.opds_keys import Keys
from bookhopper.search.sources.registry import build
from bookhopper.source_settings import HtmlSettings, OpdsSettings, SourceSettings
from bookhopper.ticket import Ticket
from tests.fakes.library_site import LOGIN, PASSWORD, LibrarySite, library_site, page

BOOKS = (
    ("Emma", "Jane Austen"),
    ("Persuasion", "Jane Austen"),
    ("Northanger Abbey", "Jane Austen"),
    ("Mansfield Park", "Jane Austen"),
    ("Lady Susan & More <sic>", "Jane Austen"),
    ("Moby Dick", "Herman Melville"),
)


@pytest.fixture
def site() -> Iterator[LibrarySite]:
    with library_site(*BOOKS) as site:
        yield site


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def web_of(stack: ExitStack, *urls: str, cache: Cache | None = None) -> Web:
    allowed = frozenset(urlsplit(url).netloc for url in urls)
    session = stack.enter_context(new_session(Route(allowed=allowed)))
    return Web(session, Hosts(local={"127.0.0.1", "localhost"}), cache=cache, name="home")


def source_of(
    site: LibrarySite, stack: ExitStack, given: dict[str, Any] | None = None, **changes: Any
) -> HtmlSource:
    definition = Definition.model_validate(site.definition(**changes))
    allowed = frozenset(urlsplit(link).netloc for link in definition.links)
    session = stack.enter_context(new_session(Route(allowed=allowed)))
    return HtmlSource("home", definition, web=Web(session, Hosts(local={"127.0.0.1"})), settings=given)


def ask(source: HtmlSource, title: str, *authors: str, isbn: str = "", limit: int = 60) -> list[Candidate]:
    readings = (Reading(title, authors),) if title else ()
    return list(source.search(Query(readings=readings, isbn=isbn, limit=limit), Ticket(1)))


def search_of(site: LibrarySite, **changes: Any) -> dict[str, Any]:
    search: dict[str, Any] = {**site.definition()["search"], **changes}
    return {key: value for key, value in search.items() if value is not None}


def test_what_a_row_says_is_in_the_candidate(site: LibrarySite, stack: ExitStack) -> None:
    (found,) = ask(source_of(site, stack), "Moby Dick", "Herman Melville")
    assert found == Candidate(
        source="home", key="/book/5", title="Moby Dick", authors=("Herman Melville",), language="en",
        format="epub", size=1572864, year=None, urls=(f"{site.url}/book/5",),
    )  # fmt: skip


def test_a_search_visits_no_page_of_a_book(site: LibrarySite, stack: ExitStack) -> None:
    ask(source_of(site, stack), "Emma", "Jane Austen")
    assert not [path for path in site.requests if path.startswith("/book")]


def test_pages_are_followed_and_no_further_than_the_definition_says(
    site: LibrarySite, stack: ExitStack
) -> None:
    assert len(ask(source_of(site, stack), "Austen")) == 5
    assert len(ask(source_of(site, stack, search=search_of(site, pagination=None)), "Austen")) == 4
    by_number = {"pages": 3, "input": "page"}
    assert len(ask(source_of(site, stack, search=search_of(site, pagination=by_number)), "Austen")) == 5
    assert len(ask(source_of(site, stack), "Austen", limit=2)) == 2


def test_pages_that_lead_in_a_circle_come_to_an_end(site: LibrarySite, stack: ExitStack) -> None:
    site.answers["/find"] = lambda _: page(
        f"<table>{site.row(5)}</table><a rel='next' href='/find?again={len(site.requests)}'>more</a>"
    )
    paging = {"pages": 20, "next": {"selector": "a[rel=next]", "attribute": "href"}}
    assert len(ask(source_of(site, stack, search=search_of(site, pagination=paging)), "Moby Dick")) == 1
    assert len(site.requests) == 20


def test_the_words_are_filtered_and_encoded(site: LibrarySite, stack: ExitStack) -> None:
    search = search_of(
        site,
        keywordsfilters=[{"name": "diacritics"}, {"name": "re_replace", "args": ["[^A-Za-z ]", ""]}],
        inputs={"q": "{{ .Keywords }}", "empty": "{{ .Query.Isbn }}", "$raw": "x=1"},
    )
    ask(source_of(site, stack, search=search), "Éa & b=c")
    assert site.requests[0] == "/find?q=Ea++bc&x=1"
    site.requests.clear()
    search = search_of(site, inputs={}, paths=[{"path": "find?q={{ .Keywords }}"}])
    ask(source_of(site, stack, encoding="latin-1", search=search), "é&q=/")
    assert site.requests[0] == "/find?q=%E9%26q%3D%2F"


def test_a_site_may_be_asked_by_post_and_by_isbn(site: LibrarySite, stack: ExitStack) -> None:
    search = search_of(site, paths=[{"path": "find", "method": "post"}])
    assert ask(source_of(site, stack, search=search), "Emma", "Jane Austen")[0].title == "Emma"
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.state.form["q"])
        return page("")

    site.answers["/find"] = answer
    caps = {"modes": {"book-search": ["title", "isbn"]}}
    ask(source_of(site, stack, caps=caps), "Emma", "Jane Austen", isbn="9780141439587")
    assert asked == ["9780141439587", "Emma Jane Austen", "Emma"]


# pages of books


def test_a_chosen_book_is_located_on_its_page(site: LibrarySite, stack: ExitStack) -> None:
    source = source_of(site, stack)
    (found,) = ask(source, "Moby Dick")
    located = source.locate(found, Ticket(1))
    assert located.urls == (f"{site.url}/files/gone-5.epub", f"{site.url}/files/5.epub")
    assert (located.key, located.title) == (found.key, found.title)


def test_a_page_without_a_link_is_a_permanent_fault_of_that_format(
    site: LibrarySite, stack: ExitStack
) -> None:
    source = source_of(site, stack)
    (found,) = ask(source, "Moby Dick")
    site.answers["/book/5"] = lambda _: page("<a class='mirror' href='javascript:alert(1)'>x</a>")
    with pytest.raises(PermanentError, match="/book/5: the page has no link to a file in epub"):
        source.locate(found, Ticket(1))


def test_formats_have_their_own_links(site: LibrarySite, stack: ExitStack) -> None:
    download = {
        "selectors": [
            {"format": "pdf", "selector": "a.pdf", "attribute": "href"},
            {"format": "epub", "selector": "a.mirror", "attribute": "href"},
        ],
        "fields": {"checksum": {"selector": "code"}, "size": {"selector": "small"}},
    }
    search = search_of(site)
    del search["fields"]["format"]
    source = source_of(site, stack, download=download, search=search)
    pdf, epub = ask(source, "Moby Dick")
    assert (pdf.format, epub.format) == ("pdf", "epub")
    digest = "0123456789abcdef" * 2
    site.answers["/book/5"] = lambda _: page(
        f"<a class='pdf' href='/files/5.pdf'>pdf</a><code>{digest}</code><small>2 KB</small>"
    )
    located = source.locate(pdf, Ticket(1))
    assert (located.urls, located.checksums, located.size) == (
        (f"{site.url}/files/5.pdf",), {"md5": digest}, 2048,
    )  # fmt: skip
    with pytest.raises(PermanentError, match="no link to a file in epub"):
        source.locate(epub, Ticket(1))


def test_what_must_come_before_is_asked_first(site: LibrarySite, stack: ExitStack) -> None:
    download = {
        "selectors": [{"selector": "a.mirror", "attribute": "href"}],
        "before": {"path": "thanks", "method": "post", "inputs": {"of": "{{ .DownloadUri.AbsolutePath }}"}},
    }
    source = source_of(site, stack, download=download)
    (found,) = ask(source, "Moby Dick")
    site.requests.clear()
    source.locate(found, Ticket(1))
    assert site.requests == ["/thanks", "/book/5"]


def test_a_key_leads_to_its_page_without_a_memory_of_the_search(site: LibrarySite, stack: ExitStack) -> None:
    (found,) = source_of(site, stack).lookup("/book/5", ("epub",), Ticket(1))
    assert (found.title, found.authors, found.format) == ("Moby Dick", ("Herman Melville",), "epub")
    assert found.urls == (f"{site.url}/book/5",)
    assert list(source_of(site, stack).lookup("/book/77", ("epub",), Ticket(1))) == []


def test_a_key_with_a_query_leads_to_its_page_too(site: LibrarySite, stack: ExitStack) -> None:
    site.answers["/find"] = lambda _: page(f"<table>{site.row(5).replace('/book/5', '/book/5?id=5')}</table>")
    first = source_of(site, stack)
    (found,) = ask(first, "Moby Dick")
    assert found.key == "/book/5?id=5"
    (again,) = source_of(site, stack).lookup(found.key, ("epub",), Ticket(1))
    assert (again.key, again.urls) == (found.key, (f"{site.url}/book/5?id=5",))
    older = Keys(f"{site.url}/").opaque(again.urls[0])
    assert list(first.lookup(older, ("epub",), Ticket(1))) == [found]


def test_a_link_into_the_private_network_is_not_followed(site: LibrarySite, stack: ExitStack) -> None:
    source = source_of(site, stack)
    other = site.url.replace("127.0.0.1", "127.0.0.2")
    site.answers["/find"] = lambda _: page(
        f"<table>{site.row(5).replace('/book/5', f'{other}/book/5')}</table>"
    )
    (found,) = ask(source, "Moby Dick")
    assert found.key == f"{other}/book/5"
    with pytest.raises(PermanentError, match=r"leads into the private network.*`hosts`"):
        source.locate(found, Ticket(1))
    source = source_of(site, stack, links=[f"{site.url}/", f"{other}/"])
    site.answers["/book/5"] = lambda _: page("<a class='mirror' href='/files/5.epub'>x</a>")
    (found,) = ask(source, "Moby Dick")
    assert found.urls == (f"{other}/book/5",)


# sign-in


def member_of(
    site: LibrarySite, stack: ExitStack, password: str = "open sesame", **changes: Any
) -> HtmlSource:
    site.members = True
    whole = {"login": LOGIN, "settings": PASSWORD, **changes}
    return source_of(site, stack, {"password": password}, **whole)


def test_one_signs_in_by_the_site_s_form_once(site: LibrarySite, stack: ExitStack) -> None:
    source = member_of(site, stack)
    assert ask(source, "Emma")[0].title == "Emma"
    assert ask(source, "Moby Dick")[0].title == "Moby Dick"
    assert site.requests == ["/login", "/login", "/member", "/member", "/find?q=Emma", "/find?q=Moby+Dick"]
    assert source.check(Ticket(1)).ok


def test_an_expired_sign_in_is_renewed_once(site: LibrarySite, stack: ExitStack) -> None:
    source = member_of(site, stack)
    ask(source, "Emma")
    site.session = "s2"
    site.requests.clear()
    assert ask(source, "Moby Dick")[0].title == "Moby Dick"
    assert site.requests.count("/login") == 3  # where the search led to, the form, and the form sent
    site.answers["/find"] = lambda _: RedirectResponse("/login", 303)
    site.requests.clear()
    with pytest.raises(HeldError, match="sign-in refused: it shows its pages to nobody") as held:
        ask(source, "Moby Dick")
    assert held.value.seconds >= 600
    seen = len(site.requests)
    with pytest.raises(HeldError, match="sign-in refused"):
        ask(source, "Moby Dick")
    assert len(site.requests) == seen


def test_a_wrong_password_is_told_in_the_site_s_words_and_not_tried_again(
    site: LibrarySite, stack: ExitStack
) -> None:
    source = member_of(site, stack, "wrong")
    with pytest.raises(
        HeldError, match=r"sign-in refused: Wrong password: check the settings of this source"
    ):
        ask(source, "Emma")
    seen = len(site.requests)
    health = source.check(Ticket(1))
    assert not health.ok
    assert "Wrong password" in health.detail
    assert len(site.requests) == seen


@pytest.mark.parametrize(
    "login",
    [
        {
            "method": "post",
            "path": "login",
            "inputs": {"password": "{{ .Config.password }}", "token": "t0k3n"},
        },
        {
            "method": "get",
            "path": "login",
            "inputs": {"password": "{{ .Config.password }}", "token": "t0k3n"},
        },
        {
            "method": "cookie",
            "inputs": {"cookie": "a=b; session=s1"},
            "test": {"path": "member", "selector": "#welcome"},
        },
        {"method": "post", "path": "member", "cookies": ["session=s1"]},
    ],
    ids=["post", "get", "cookie", "cookies"],
)
def test_the_other_ways_to_sign_in(site: LibrarySite, stack: ExitStack, login: dict[str, Any]) -> None:
    assert ask(member_of(site, stack, login=login), "Emma")[0].title == "Emma"


def test_a_form_that_sends_the_password_elsewhere_is_not_filled_in(
    site: LibrarySite, stack: ExitStack
) -> None:
    source = member_of(site, stack)
    site.answers["/login"] = lambda _: page(
        "<form id='in' action='http://evil.example/'><input name='p'></form>"
    )
    with pytest.raises(HeldError, match="its form would send the password elsewhere"):
        ask(source, "Emma")


def test_a_form_behind_a_redirect_to_elsewhere_is_not_filled_in(site: LibrarySite, stack: ExitStack) -> None:
    other = site.url.replace("127.0.0.1", "localhost")
    site.members = True
    site.answers["/login"] = lambda request: (
        RedirectResponse(f"{other}/login", 303)
        if request.headers["host"].startswith("127.")
        else page("<form id='in' method='post'><input name='password'></form>")
    )
    definition = Definition.model_validate(site.definition(login=LOGIN, settings=PASSWORD))
    source = HtmlSource("home", definition, web=web_of(stack, site.url, other), settings={"password": "x"})
    with pytest.raises(HeldError, match="would send the password elsewhere, to http://localhost"):
        ask(source, "Emma")
    assert site.requests == ["/login", "/login"]
    definition = Definition.model_validate(
        site.definition(login=LOGIN, settings=PASSWORD, links=[f"{site.url}/", f"{other}/"])
    )
    source = HtmlSource("home", definition, web=web_of(stack, site.url, other), settings={"password": "x"})
    site.requests.clear()
    with pytest.raises(HeldError, match="sign-in refused"):
        ask(source, "Emma")
    assert site.requests[:3] == ["/login", "/login", "/login"]


def test_an_expired_sign_in_whose_session_keeps_its_name_is_renewed(
    site: LibrarySite, stack: ExitStack, tmp_path: Path
) -> None:
    inside: list[str] = []

    def sign_in(_: Request) -> Response:
        inside.append("yes")
        return page("")

    def find(_: Request) -> Response:
        rows = "".join(map(site.row, range(len(BOOKS))))
        return page(f"<p id='welcome'></p><table>{rows}</table>" if inside else "<form id='in'></form>")

    site.answers |= {"/login": sign_in, "/find": find}
    login = {"method": "post", "path": "login", "test": {"path": "member", "selector": "#welcome"}}
    definition = Definition.model_validate(site.definition(login=login))
    cache = stack.enter_context(closing(Cache(tmp_path / "answers.db")))
    source = HtmlSource("home", definition, web=web_of(stack, site.url, cache=cache))
    assert ask(source, "Emma")
    inside.clear()
    assert ask(source, "Moby Dick")[0].title == "Moby Dick"
    # and a page for strangers is not given again once one is known
    inside.clear()
    site.answers["/login"] = lambda _: page("")
    with pytest.raises(HeldError, match="shows its pages to nobody"):
        ask(source, "Persuasion")
    inside.append("yes")
    assert ask(HtmlSource("home", definition, web=web_of(stack, site.url, cache=cache)), "Persuasion")


def test_a_page_with_the_site_s_fault_is_not_kept(
    site: LibrarySite, stack: ExitStack, tmp_path: Path
) -> None:
    cache = stack.enter_context(closing(Cache(tmp_path / "answers.db")))
    definition = Definition.model_validate(
        site.definition(search=search_of(site, error=[{"selector": ".no"}]))
    )
    site.answers["/find"] = lambda _: page("<p class='no'>Slow down</p>")
    source = HtmlSource("home", definition, web=web_of(stack, site.url, cache=cache))
    with pytest.raises(HeldError, match="says: Slow down"):
        ask(source, "Emma")
    del site.answers["/find"]
    assert ask(source, "Emma")[0].title == "Emma"


@pytest.mark.parametrize(
    ("link", "told", "kept_from"),
    [
        ("http://library.example/", "http://library.example/find", "http://library.example:8080/"),
        ("http://library.example:8080/", "http://library.example:8080/find", "http://library.example/"),
        ("https://library.example/", "https://library.example/find", "http://library.example/"),
        ("https://library.example/", "https://library.example:443/", "https://library.example:8443/"),
        ("https://library.example/", "https://library.example/find", "https://other.example/"),
        ("https://library.example/", "https://library.example/find", "https://ads.library.example/"),
        ("https://library.example:8443/", "https://library.example:8443/x", "http://library.example:8443/"),
        ("http://library/", "http://library/find", "http://library:8080/"),
    ],
)
def test_a_given_cookie_stays_with_the_site(
    site: LibrarySite, stack: ExitStack, link: str, told: str, kept_from: str
) -> None:
    login = {"method": "cookie", "inputs": {"cookie": "session=s1"}}
    web = web_of(stack)
    definition = Definition.model_validate(site.definition(links=[link], login=login))
    with pytest.raises(BookhopperError):  # there is no such host
        ask(HtmlSource("home", definition, web=web), "Emma")
    sent = {
        url: web.session.prepare_request(requests.Request("GET", url)).headers.get("Cookie")
        for url in (told, kept_from)
    }
    assert sent == {told: "session=s1", kept_from: None}


def test_headers_and_inputs_stay_with_the_site(site: LibrarySite, stack: ExitStack) -> None:
    other = site.url.replace("127.0.0.1", "localhost")
    search = search_of(site, headers={"X-Key": "{{ .Config.password }}"})
    site.answers["/find"] = lambda _: page(
        f"<table>{site.row(5)}</table><a rel='next' href='{other}/api'>more</a>"
    )
    definition = Definition.model_validate(site.definition(search=search, settings=PASSWORD))
    allowed = frozenset({urlsplit(site.url).netloc, urlsplit(other).netloc})
    session = stack.enter_context(new_session(Route(allowed=allowed)))
    web = Web(session, Hosts(local={"127.0.0.1", "localhost"}))
    source = HtmlSource("home", definition, web=web, settings={"password": "hush"})
    ask(source, "Moby Dick")
    seen = {
        path.partition("?")[0]: headers.get("x-key")
        for path, headers in zip(site.requests, site.headers, strict=True)
    }
    assert seen == {"/find": "hush", "/api": None}


# misdeeds


def test_rows_that_cannot_be_read_are_counted(site: LibrarySite, stack: ExitStack) -> None:
    calls: list[SourceCall] = []
    source = ObservedSource(source_of(site, stack), calls.append)
    broken = '<tr class="book"><td class="title"></td></tr>'
    site.answers["/find"] = lambda _: page(f"<table>{site.row(5)}{broken * 3}</table>")
    query = Query(readings=(Reading("Moby Dick"),))
    assert len(source.search(query, Ticket(1))) == 1
    site.answers["/find"] = lambda _: page(f"<table>{broken * 3}</table>")
    with pytest.raises(
        TransientError, match="none of its 3 rows can be read, `title` is not there: the site has"
    ):
        source.search(query, Ticket(1))
    assert [(call.outcome, call.results, call.dropped) for call in calls] == [
        ("found", 1, 3),
        ("invalid", 0, 0),
    ]


def test_a_site_that_says_no_is_left_alone(site: LibrarySite, stack: ExitStack) -> None:
    site.answers["/find"] = lambda _: page("<p class='no'>Try again tomorrow</p>")
    source = source_of(site, stack, search=search_of(site, error=[{"selector": ".no"}]))
    with pytest.raises(HeldError, match=r"/find\?… says: Try again tomorrow"):
        ask(source, "Emma")


def test_a_refusal_is_a_fault_of_the_definition_and_not_of_the_want(
    site: LibrarySite, stack: ExitStack
) -> None:
    source = source_of(site, stack)
    site.answers["/find"] = lambda _: page("not so", 405)
    with pytest.raises(HeldError, match=r"405.*: check the definition of source home"):
        ask(source, "Emma")
    assert source.check(Ticket(1)).ok is False


def _endless() -> Iterator[bytes]:
    while True:
        yield b"<p>" * 20_000


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_page_that_is_not_there_has_no_rows(site: LibrarySite, stack: ExitStack, status: int) -> None:
    site.answers["/find"] = lambda _: page("nothing found", status)
    source = source_of(site, stack)
    assert ask(source, "Emma", "Jane Austen") == []
    del site.answers["/find"]
    assert ask(source, "Emma", "Jane Austen")


def test_a_definition_does_not_admit_itself_to_the_private_network(site: LibrarySite, tmp_path: Path) -> None:
    path = site.write(tmp_path / "library.yaml", links=["https://books.example.org/", f"{site.url}/"])
    path.write_text(path.read_text().replace("path: find", f"path: {site.url}/find"))
    for hosts, is_admitted in (((), False), ((urlsplit(site.url).netloc,), True)):
        settings = HtmlSettings(kind="html", definition=path, hosts=hosts)
        with closing(build([settings], tmp_path)) as sources:
            (source,) = sources.sources
            query = Query(readings=(Reading("Emma"),))
            if is_admitted:
                assert source.search(query, Ticket(1))
            else:
                with pytest.raises(HeldError, match="leads into the private network"):
                    source.search(query, Ticket(1))
                assert site.requests == []


@pytest.mark.parametrize(
    ("delay", "other", "holds"),
    [
        (0, {"pace": {"delay": 5, "connections": 1}}, Pace(5.0, 1)),
        (0, {"pace": {"delay": 0.5, "connections": 4}}, Pace(0.5, 2)),
        (0, {}, Pace(1.0, 2)),
        (3, {}, Pace(3.0, 2)),
    ],
)
def test_a_definition_makes_nobody_hasty_at_a_host_that_others_visit(
    site: LibrarySite,
    tmp_path: Path,
    delay: float,
    other: dict[str, Any],
    holds: Pace,
) -> None:
    path = site.write(tmp_path / "library.yaml", links=["https://93.184.215.14/"], requestDelay=delay)
    definition = HtmlSettings(kind="html", name="site", definition=path)
    catalogue = OpdsSettings.model_validate({"kind": "opds", "url": "https://93.184.215.14/opds", **other})
    given: list[Mapping[str, Pace]] = []

    def hosts(*, paces: Mapping[str, Pace], local: Collection[str]) -> Hosts:
        given.append(paces)
        return Hosts(paces=paces, local=local)

    settings: list[SourceSettings] = [definition, catalogue]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "Hosts", hosts)
        for order in (settings, settings[::-1]):
            build(order, tmp_path, cached=False).close()
    assert given == [{"93.184.215.14": holds}] * 2


def test_a_definition_is_read_once_for_all_that_is_made_of_it(
    site: LibrarySite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.write(tmp_path / "library.yaml")
    read: list[Path] = []

    def load_told(path: Path) -> Definition:
        read.append(path)
        return load(path)

    monkeypatch.setattr("bookhopper.search.definitions.load.load", load_told)
    build([HtmlSettings(kind="html", definition=path, solver="http://127.0.0.1:1/v1")], tmp_path).close()
    assert read == [path]


def test_a_title_in_a_selector_is_only_a_title(site: LibrarySite, stack: ExitStack) -> None:
    selector = 'a[title="{{ .Result.title }}"]'
    source = source_of(site, stack, download={"selectors": [{"selector": selector, "attribute": "href"}]})
    site.answers["/book/5"] = lambda _: page("<a title='Say &quot;Hi&quot;]' href='/5.epub'>x</a>")
    book = Candidate("home", "/book/5", 'Say "Hi"]', (), "en", "epub", urls=(f"{site.url}/book/5",))
    assert source.locate(book, Ticket(1)).urls == (f"{site.url}/5.epub",)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (lambda _: StreamingResponse(_endless(), media_type="text/html"), "larger than"),
        (lambda _: page("<div>" * 20_000), "nested too deeply"),
        (lambda _: page("<p>" * 100_000), "too many elements"),
        (
            lambda _: page(
                "<table>" + '<tr class="book"><td class="title"><a>T</a></td></tr>' * 5 + "</table>"
            ),
            "rows can be read",
        ),
    ],
    ids=["endless", "deep", "many", "other"],
)
def test_a_hostile_answer_is_one_line(site: LibrarySite, stack: ExitStack, answer: Any, fault: str) -> None:
    site.answers["/find"] = answer
    with pytest.raises((TransientError, HeldError), match=fault) as refused:
        ask(source_of(site, stack), "Emma")
    assert "\n" not in str(refused.value)


def test_an_answer_of_another_kind_is_no_answer(site: LibrarySite, stack: ExitStack) -> None:
    site.answers["/find"] = lambda _: JSONResponse({"rows": []})
    assert ask(source_of(site, stack), "Emma") == []
    site.answers["/api"] = lambda _: page("<h1>Maintenance</h1>")
    search = search_of(site, paths=[{"path": "api", "response": {"type": "json"}}], rows={"selector": "data"})
    with pytest.raises(TransientError, match=r"/api.*: no JSON"):
        ask(source_of(site, stack, search=search), "Emma")
