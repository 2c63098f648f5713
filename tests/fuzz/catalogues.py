"""What catalogues answer: OPDS feeds, JSON, web pages with definitions, and the definitions themselves."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import yaml

from bookhopper import config
from bookhopper.hostile_json import parse_json
from bookhopper.model import Candidate
from bookhopper.search.definitions import places
from bookhopper.search.definitions.budget import MAX_TEXT as MAX_VALUE
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.load import load
from bookhopper.search.definitions.model import Definition
from bookhopper.search.definitions.pages import MAX_ROWS, parse
from bookhopper.search.definitions.patterns import pattern
from bookhopper.search.definitions.rows import fault_on, links_on, read_rows, settings_values
from bookhopper.search.definitions.templates import Template
from bookhopper.search.sources import html_offers, opds_feed, opds_publications
from bookhopper.search.sources.archive_item import offers
from bookhopper.search.sources.fields import MAX_TEXT
from bookhopper.search.sources.gutenberg_catalogue import open_catalogue, read_catalogue
from bookhopper.search.sources.json_answers import objects
from bookhopper.search.sources.opds_model import MAX_ENTRIES, MAX_LINKS, Feed
from bookhopper.search.sources.opds_templates import fill_template
from bookhopper.search.sources.opf import Metadata, parse_opf, read_epub
from bookhopper.ticket import Ticket
from tests import books
from tests.fakes.hostile_dialects import DIALECTS
from tests.fakes.library_site import LOGIN, PASSWORD, LibrarySite
from tests.fuzz.target import Case, Target, address, check, one_line, simple, texts

URL = "http://catalogue.example.org/opds/"
_SITE = LibrarySite(books=(("Emma", "Jane Austen"),), url="http://library.example.org")
_PAGE = (
    "<!DOCTYPE html><html><head><title>Library</title></head><body><p class='fault'>x</p>"
    f"<table>{_SITE.row(0)}{_SITE.row(0)}</table><a rel='next' href='/find?page=2'>more</a>"
    "<a class='mirror' href='/files/0.epub'>two</a><h1>Emma</h1><h2>Jane Austen</h2></body></html>"
).encode()
_ENTRY = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/terms/"
 xmlns:opds="http://opds-spec.org/2010/catalog" xml:base="http://x.example.org/"><title>All</title>
<link rel="search" type="application/opensearchdescription+xml" href="osd"/>
<link rel="http://opds-spec.org/facet" opds:facetGroup="G" opds:activeFacet="true" href="f" title="F"/>
<entry><title>Emma</title><id>urn:isbn:9780141439587</id><author><name>Jane Austen &amp; B</name></author>
<dc:language>en</dc:language><dc:issued>1815-12-23</dc:issued><content>SERIES: S [1]</content>
<link rel="http://opds-spec.org/acquisition" type="application/epub+zip" href="b.epub" length="123">
<opds:indirectAcquisition type="application/zip"><opds:indirectAcquisition type="a/b"/>
</opds:indirectAcquisition></link></entry></feed>"""
_DESCRIPTION = b"""<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
<Url type="application/atom+xml;profile=opds-catalog" template="/s?q={searchTerms}&amp;n={count?}"/>
</OpenSearchDescription>"""
_PUBLICATIONS = json.dumps(
    {
        "metadata": {"title": {"en": "All"}},
        "links": [{"rel": "self", "href": "/x", "type": "application/opds+json"}],
        "publications": [
            {
                "metadata": {
                    "title": "Emma",
                    "author": [{"name": "Jane Austen"}, "B"],
                    "language": ["en"],
                    "identifier": "urn:isbn:9780141439587",
                    "published": "1815",
                    "belongsTo": {"series": [{"name": "S", "position": 1}]},
                },
                "links": [
                    {
                        "rel": ["http://opds-spec.org/acquisition/open-access"],
                        "href": "b.epub",
                        "type": "application/epub+zip",
                        "properties": {"indirectAcquisition": [{"type": "x/y"}]},
                    }
                ],
            }
        ],
        "groups": [{"metadata": {"title": "g"}, "navigation": [{"href": "n", "title": "N"}]}],
        "facets": [{"metadata": {"title": "G"}, "links": [{"href": "f", "title": "F"}]}],
    }
).encode()
_AUTHENTICATION = json.dumps(
    {"title": "T", "authentication": [{"type": "http://opds-spec.org/auth/basic", "labels": {"login": "L"}}]}
).encode()
_ITEM = json.dumps(
    {
        "metadata": {"identifier": "emma1", "title": ["Emma"], "creator": "Austen, Jane", "language": "eng"},
        "files": [{"name": "emma.epub", "format": "EPUB", "size": "1000", "md5": "0" * 32}],
        "server": "ia1.example.org",
        "dir": "/1/items/emma1",
        "d1": "ia1.example.org",
    }
).encode()
_CATALOGUE = (
    b"Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves\n"
    b'158,Text,1994-08-01,Emma,en,"Austen, Jane, 1775-1817",Young women,PR,\n'
)
_TEMPLATES = (
    b"{{ .Keywords }}",
    b'{{ if eq .Query.Title "x" }}a{{ else }}{{ range .Result.author }}{{ . }}{{ end }}{{ end }}',
    b'{{ re_replace .Keywords "(a+)+$" "$1" }}{{ join .Result.author ", " }}',
)
_CONFIGURATION = b"""folders: {requests: /tmp/r, ingest: /tmp/i, state: /tmp/s}
sources:
  - {kind: opds, name: home, url: "http://nas/opds", username: u, password: p, proxy: "http://u:p@h:1"}
  - {kind: folder, path: /tmp/b}
languages: [en]
download: {workers: 3, timeout: 10 s, max_size: 5 MB}
server: {listen: "127.0.0.1:8084"}
"""


def _feed(data: bytes) -> None:
    _judge_feed(opds_feed.parse_feed(data, URL))


def _description(data: bytes) -> None:
    template = opds_feed.parse_search_description(data, URL)
    if template:
        address(template)
        address(fill_template(template, "Emma", "Jane Austen", 10), most=100_000)


def _publications(data: bytes) -> None:
    _judge_feed(opds_publications.parse_publications(data, URL))


def _authentication(data: bytes) -> None:
    found = opds_publications.parse_authentication(data)
    for text in (found.title, *found.kinds, *found.labels) if found is not None else ():
        one_line(text, "a word of a sign-in", most=MAX_TEXT)


def _judge_feed(feed: Feed) -> None:
    check(len(feed.entries) <= MAX_ENTRIES, f"{len(feed.entries)} entries")
    check(len(feed.facets) <= MAX_LINKS and len(feed.links) <= MAX_LINKS, "too many links")
    one_line(feed.title, "a feed's title", most=MAX_TEXT)
    for entry in feed.entries:
        for text in (entry.id, entry.title, *entry.authors, entry.language, entry.series, *entry.isbns):
            one_line(text, "a field of an entry", most=MAX_TEXT)
        check(len(entry.links) <= MAX_LINKS, f"{len(entry.links)} links")
        for link in entry.links:
            address(link.href, most=100_000)


def _item(data: bytes) -> None:
    """Read an item of the Internet Archive as its source does."""
    for item in objects([parse_json(data)]):
        _judge_candidates(offers(item, "emma1", source="archive", site="https://archive.example.org"))


def _judge_candidates(found: tuple[Candidate, ...]) -> None:
    check(len(found) <= 100, f"{len(found)} candidates")
    for each in found:
        for text in (each.key, each.title, *each.authors, each.language, each.format, each.series):
            one_line(text, "a field of a candidate", most=MAX_VALUE)
        for url in each.urls:
            address(url, most=MAX_VALUE)


@contextmanager
def _catalogue() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "catalogue.csv")

        def read(data: bytes) -> None:
            path.write_bytes(data)
            with open_catalogue(path) as stream:
                for record in islice(read_catalogue(stream, Ticket(1)), 1000):
                    if record is not None:
                        for text in (record.title, *record.authors, record.names):
                            one_line(text, "a name in the catalogue")

        yield read


def _metadata(data: bytes) -> None:
    _judge_metadata(parse_opf(data))


def _judge_metadata(found: Metadata) -> None:
    for text in (found.title, *found.authors, found.language, *found.isbns, found.series):
        one_line(text, "a field of a package document", most=MAX_TEXT)


@contextmanager
def _epub_metadata() -> Iterator[Case]:
    """An EPUB of a folder source whose package document is the case."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "book.epub")

        def read(data: bytes) -> None:
            path.write_bytes(
                books.zipped({"META-INF/container.xml": books.container(), "OEBPS/content.opf": data})
            )
            _judge_metadata(read_epub(path))

        yield read


# pages and definitions


@contextmanager
def _pages() -> Iterator[Case]:
    """Every definition there is reads the page."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        mine = _SITE.write(home / "mine.yaml", settings=PASSWORD, login=LOGIN)
        shipped = sorted(places.PACKAGED.glob("*.yaml"))
        definitions = [load(path) for path in (mine, *shipped)]

        def read(data: bytes) -> None:
            for definition in definitions:
                _read_page(definition, data)

        yield read


def _read_page(definition: Definition, data: bytes) -> None:
    values = {
        **settings_values(definition.settings, {}),
        "Config.sitelink": definition.site,
        "Keywords": "emma",
        "Query.Title": "Emma",
    }
    page = parse(data, definition.search.type, definition.encoding)
    answer = read_rows(page, definition, values, Budget())
    check(len(answer.rows) <= MAX_ROWS, f"{len(answer.rows)} rows")
    for fields in answer.rows:
        found = html_offers.offers(fields, definition, URL, "k", "s")
        _judge_candidates(found)
        one_line(html_offers.described(fields, definition, "s", "k").title, "a title", most=MAX_VALUE)
    if definition.search.type != "json":
        for link in links_on(page, definition, "epub", values):
            check(len(link) <= MAX_VALUE, "a link too long")
        login = definition.login
        if login is not None:
            check(len(fault_on(page, login.error, values, Budget())) <= 200, "a fault of many words")


@contextmanager
def _definitions() -> Iterator[Case]:
    """A definition from a stranger, which then reads a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "definition.yaml")

        def read(data: bytes) -> None:
            path.write_bytes(data)
            _read_page(load(path), _PAGE)

        yield read


def _template(data: bytes) -> None:
    values = {"Keywords": "aaaa" * 20 + "!", "Query.Title": "Emma", "Result.author": ("Jane", "Anne")}
    try:
        template = Template.parse(data.decode("utf-8", "replace"))
    except ValueError:
        return  # which the definition's faults say in one line
    written = template.render(values, Budget(seconds=0.2))
    check(len(written) <= MAX_VALUE, f"a template writes {len(written):,} characters")


def _regex(data: bytes) -> None:
    """Search and replace by an expression from a stranger, in a text that makes bad ones run away."""
    expression, replacement = texts(data, 2)
    try:
        compiled, budget = pattern(expression), Budget(seconds=0.2)
    except ValueError:
        return
    compiled.find("a" * 2000 + "!", budget)
    check(len(compiled.replace("ab" * 500 + "!", replacement, budget)) <= MAX_VALUE, "a text too long")


@contextmanager
def _configuration() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bookhopper.yaml")

        def read(data: bytes) -> None:
            path.write_bytes(data)
            config.load(path)

        yield read


def _dialects(kind: str) -> list[bytes]:
    """Give the answers with which the fake catalogues answer, too."""
    return [dialect.results(2, "Emma", "") for dialect in DIALECTS.values() if kind in dialect.media_type]


def _definition_seeds() -> list[bytes]:
    whole = _SITE.definition(settings=PASSWORD, login=LOGIN)
    shipped = [path.read_bytes() for path in sorted(places.PACKAGED.glob("*.yaml"))]
    return [yaml.safe_dump(whole, sort_keys=False).encode(), *shipped]


TARGETS = (
    Target("opds feed", lambda: [_ENTRY, *_dialects("atom")], simple(_feed), words=(b"<link ", b"xml:base=")),
    Target("opensearch", lambda: [_DESCRIPTION], simple(_description), words=(b"{searchTerms}", b"{?a*}")),
    Target(
        "opds json", lambda: [_PUBLICATIONS, *_dialects("json")], simple(_publications), words=(b'"links":',)
    ),
    Target("opds sign-in", lambda: [_AUTHENTICATION], simple(_authentication)),
    Target(
        "archive item", lambda: [_ITEM], simple(_item), refusals=(ValueError,), words=(b'"name":', b'"dir":')
    ),
    Target("gutenberg catalogue", lambda: [_CATALOGUE, gzip.compress(_CATALOGUE, mtime=0)], _catalogue),
    Target("package document", lambda: [books.package()], simple(_metadata), refusals=(ValueError,)),
    Target("epub metadata", lambda: [books.package()], _epub_metadata),
    Target(
        "html page", lambda: [_PAGE, *_dialects("html")], _pages, words=(b"<tr class='book'>", b"</table>")
    ),
    Target(
        "definition", _definition_seeds, _definitions, words=(b"selector: ", b"filters:", b"case:", b"{{ ")
    ),
    Target(
        "template",
        lambda: _TEMPLATES,
        simple(_template),
        words=(b"{{ if ", b"{{ end }}", b"{{ range ", b"re_replace", b"join", b"and", b"or"),
    ),
    Target(
        "regular expression",
        lambda: [b"(a+)+$\0$1", b"(?P<n>a|ab)*c\0${n}"],
        simple(_regex),
        words=(b"(a*)*", b"(?=", b"\\1", b"{1,9999}", b"(?R)", b"(?&n)"),
    ),
    Target("configuration", lambda: [_CONFIGURATION], _configuration, words=(b"password: ", b"*a", b"&a ")),
)
