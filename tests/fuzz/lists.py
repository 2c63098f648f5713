"""Request files of every kind, and the names they come under."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from itertools import islice

from bookhopper.intake import names
from bookhopper.intake.base import Limits
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Job, State, Want
from bookhopper.observe.logs import describe
from bookhopper.search.normalise import identity
from tests.fuzz.target import Target, check, one_line, simple

LIMITS = Limits(size=12_000, lines=150, line=400)
"""So narrow that cases reach them."""

_LONGEST = 255

TEXT = (
    "# my list\nEmma — Jane Austen\n!! Dune by Frank Herbert [en, epub]\n9780141439587\n"
    "author: Jane Austen\npick: home:12\nseries: Discworld\nfeed: https://example.org/opds\n"
    "Pride and Prejudice - Austen, Jane (1813) #classics\n\n~ The Left Hand of Darkness / Le Guin\n"
).encode()
YAML = b"""defaults: {language: en, formats: [epub]}
wants:
  - Emma
  - {title: Dune, author: Frank Herbert, year: 1965, tags: [a, b], priority: -1, force: true}
  - &one {isbn: "9780141439587"}
  - *one
  - {author: Jane Austen, limit: 3}
  - pick: "home:12"
"""
CSV = (
    b"title,author,isbn,year,language,formats,priority\n"
    b'Emma,"Austen, Jane",9780141439587,1815,en,epub,1\n"Dune, Messiah",Frank Herbert,,1969,,,\n'
)
GOODREADS = (
    b"Book Id,Title,Author,Author l-f,ISBN,ISBN13,My Rating,Bookshelves,Exclusive Shelf,Year Published\n"
    b'1,Emma,Jane Austen,"Austen, Jane","=""0141439580""","=""9780141439587""",0,to-read,to-read,2003\n'
)
BIB = b"""@string{pub = {P}}
@book{a, title = {The {\\"U}ber {B}ook}, author = {Doe, Jane and Roe, R.}, year = 2001, isbn = "0141439580"}
@article(b, title="x" # pub, crossref={a})\n@comment{x}\n"""
RIS = b"TY  - BOOK\nTI  - Emma\nAU  - Austen, Jane\nPY  - 1815\nSN  - 9780141439587\nLA  - en\nER  - \n"
OPML = b"""<?xml version="1.0"?><opml version="2.0"><head><title>b</title></head><body>
<outline text="Books"><outline text="Emma" author="Jane Austen" isbn="9780141439587"/></outline>
</body></opml>"""
RSS = b"""<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>t</title><item><title>Emma</title><author_name>Jane Austen</author_name><isbn>0141439580</isbn>
<dc:creator>J</dc:creator><user_shelves>to-read</user_shelves></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><title>Emma</title>
<author><name>Jane Austen</name></author><id>urn:isbn:9780141439587</id></entry></feed>"""


def _read(suffix: str, data: bytes) -> None:
    """Read a list, and see that what comes out keeps the limits and is fit for log, report and store."""
    number = 0
    for number, entry in enumerate(parse(f"list{suffix}", data, LIMITS), start=1):
        check(number <= LIMITS.lines, f"more than {LIMITS.lines} entries")
        check(entry.line >= 1, f"line {entry.line}")
        one_line(entry.raw, "the raw line", most=LIMITS.line + 1)
        if isinstance(entry, BadLine):
            check(entry.column >= 1, f"column {entry.column}")
            one_line(entry.reason, "a reason", most=2_000)
        else:
            _judge_want(entry)


def _judge_want(want: Want) -> None:
    named = [want.title, *want.authors, want.isbn, want.language, want.series, *want.formats, *want.tags]
    named += [text for reading in want.readings for text in (reading.title, *reading.authors)]
    if want.collection is not None:
        named += [want.collection.kind, want.collection.value]
        check(1 <= want.collection.limit <= 1000, f"a limit of {want.collection.limit}")
    if want.pick is not None:
        named += [want.pick.source, want.pick.key]
    for text in named:
        one_line(text, "a field of a want", most=LIMITS.line)
    check(abs(want.priority) < 2**63, f"priority {want.priority}")
    check(want.year is None or abs(want.year) < 10_000, f"year {want.year}")
    check(len(identity(want)) <= 64, "an identity that grows")
    one_line(describe(Job(1, 1, want, State.WANTED)), "what a log line says", most=120)


def _name(data: bytes) -> None:
    """Take a file's name through all that is made of it; none leaves the folder or is too long for one."""
    name = os.fsdecode(data.replace(b"/", b"").replace(b"\0", b"")[:_LONGEST]) or "x"
    if name in {".", ".."}:
        return
    private = names.private_name(name)
    taken = names.from_private(private)
    check(taken is not None and taken.name == names.fitting(name), f"{name!r} is lost in {private!r}")
    check(names.is_ignored(private), f"watchers would see {private!r}")
    made = [private, *islice(names.numbered(name), 12)]
    made += [f"{variant}{names.ERROR_SUFFIX}" for variant in made[1:]]
    _judge_names([*made, f".{names.fitting(name)}.tmp"])
    one_line(names.display(name), "a name that is shown", most=_LONGEST)
    check(names.display(name), "a name that is shown as nothing")


def _judge_names(made: Iterable[str]) -> None:
    for name in made:
        check("/" not in name and "\0" not in name and name not in {"", ".", ".."}, f"{name!r} is no name")
        check(len(os.fsencode(name)) <= _LONGEST, f"{name!r} has more than {_LONGEST} bytes")


def _list(suffix: str, *seeds: bytes, words: tuple[bytes, ...] = ()) -> Target:
    return Target(f"list{suffix}", lambda: seeds, simple(partial(_read, suffix)), words=words)


TARGETS = (
    _list(
        ".txt", TEXT, words=(b"pick: ", b"author: ", b"feed: ", b"series: ", b" by ", b" - ", b"!!", b"[en]")
    ),
    _list(
        ".yaml",
        YAML,
        b"- Emma\n- Dune\n",
        words=(b"- ", b": ", b"<<: ", b"*one", b"&one ", b"!!str ", b"|\n"),
    ),
    _list(".csv", CSV, GOODREADS, CSV.decode().encode("utf-16"), words=(b'"', b",", b'""', b";", b"\t")),
    _list(".tsv", CSV.replace(b",", b"\t"), words=(b'"', b"\t")),
    _list(".bib", BIB, words=(b"@book{", b"{", b"}", b"\\", b" # ", b" and ", b"crossref")),
    _list(".ris", RIS, words=(b"TY  - ", b"ER  - \n", b"AU  - ")),
    _list(".opml", OPML, words=(b"<outline ", b"</outline>", b"text=")),
    _list(".rss", RSS, ATOM, words=(b"<item>", b"</item>", b"<title>")),
    Target(
        "list names",
        lambda: [
            b"to-read.txt",
            b".bookhopper-0123456789abcdef-x.txt",
            "Bücher (2).yaml".encode(),
            b"~$x.csv",
        ],
        simple(_name),
        words=(b".report.txt", b".error.txt", b".tmp", b" (2)"),
    ),
)
