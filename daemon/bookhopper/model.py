"""The nouns: frozen values that every layer may hold and none may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

DEFAULT_PRIORITY = 1
"""Lower is more urgent: `!` in a list gives 0, `!!` gives -1."""


FORMATS = frozenset(
    (
        *("epub", "azw3", "azw", "mobi", "prc", "pdb", "kfx", "pdf", "cbz", "cbr", "cb7"),
        *("fb2", "fbz", "djvu", "txt", "html", "htm", "rtf", "docx", "odt"),
    )
)
"""The formats that can be asked for: those that the verifier can judge."""

UNNOTICED_FORMATS = frozenset(("djvu",))
"""Those that lie in ingest unnoticed where Calibre-Web-Automated watches it; calibre itself takes them."""


class State(StrEnum):
    """Where a job stands; the value is what JSON, metrics and reports show."""

    WANTED = "wanted"
    SEARCHING = "searching"
    QUEUED = "queued"
    DOWNLOADING = "downloading"
    PLACED = "placed"
    DONE = "done"
    OWNED = "owned"
    DUPLICATE = "duplicate"
    EXPANDED = "expanded"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUNNING_OF = {State.WANTED: State.SEARCHING, State.QUEUED: State.DOWNLOADING}
"""Each waiting state and the state of a job that a worker has claimed from it."""

WAITING_OF = {running: waiting for waiting, running in RUNNING_OF.items()}
"""The other way round: where a job goes back to when its worker is cut short."""

UNSETTLED = frozenset(RUNNING_OF) | frozenset(WAITING_OF) | {State.PLACED}
"""The states in which a line has neither a book nor a reason yet."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand a line: `A - B` may be title and author or author and title."""

    title: str
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """A book named outright, as `source:key`; with `job`, it settles that job."""

    source: str
    key: str
    job: int | None = None


DEFAULT_LIMIT = 50
MOST_BOOKS = 1000
"""How many books of a collection are taken where nothing is said, and at most."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Books wanted together: an author's works, a series, or what a feed at an address lists.

    `value` is the author's name, the series' title or the feed's address; `limit` bounds the books taken.
    """

    kind: Literal["author", "series", "feed"]
    value: str
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Want:
    """One wished-for book as its line says it, or a collection of books, each of which becomes a job.

    `line` and `raw` are the place and the text in the request file; `readings` holds other ways to read the
    line, which the scores decide about; `language` is a BCP 47 tag or empty, `formats` lower-case extensions
    in order of preference (empty: the daemon's).
    """

    title: str = ""
    authors: tuple[str, ...] = ()
    isbn: str = ""
    year: int | None = None
    language: str = ""
    formats: tuple[str, ...] = ()
    series: str = ""
    priority: int = DEFAULT_PRIORITY
    tags: tuple[str, ...] = ()
    force: bool = False
    pick: Pick | None = None
    line: int = 0
    raw: str = ""
    readings: tuple[Reading, ...] = ()
    collection: Collection | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """An entry of a request that cannot be understood: where it stands and why (line and column from 1)."""

    line: int
    column: int
    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Entries of a request that were passed over without a fault: the first one's line, how many, and why."""

    line: int
    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request file that was taken: `digest` is the sha256 of its bytes, `report` its report's file name."""

    id: int
    name: str
    digest: str
    owner: str
    report: str
    wants: int
    created: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A book that a source offers in one format.

    `key` names it inside its source; `urls` are mirrors of the same file, best first; `size` is in bytes;
    `checksums` maps a hashlib name to the hex digest; `score` runs from 0 to 1 and `parts` holds each
    field's share in it; `fault` says why this candidate was given up (empty: it may still be fetched);
    `position` is its place in the series; `known` says that the source counts it among the books that
    everybody knows.
    """

    source: str
    key: str
    title: str
    authors: tuple[str, ...] = ()
    language: str = ""
    format: str = ""
    size: int | None = None
    year: int | None = None
    isbns: tuple[str, ...] = ()
    series: str = ""
    position: float | None = None
    known: bool = False
    urls: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    score: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """What a broken-off download needs to go on: the validator is a strong ETag or a Last-Modified date."""

    url: str
    validator: str
    size: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """A want on its way; `not_before`, `created` and `changed` are seconds since the epoch.

    `parent` is the job of the collection that it came from.

    `attempts` counts only what was the job's own fault; `looks` counts the searches that found nothing, and
    spaces out the next one.  `asked` is what its worker is to do as soon as it can: `cancel`, `pause`, or
    nothing; a waiting job has it done at once.
    """

    id: int
    request: int
    want: Want
    state: State
    parent: int | None = None
    owner: str = ""
    paused: bool = False
    priority: int = DEFAULT_PRIORITY
    position: int = 0
    attempts: int = 0
    looks: int = 0
    not_before: float | None = None
    candidates: tuple[Candidate, ...] = ()
    resume: Resume | None = None
    error: str = ""
    asked: str = ""
    created: float = 0.0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A line of the ledger: which book went into ingest under which name.

    `name`, and `staged`, under which it was placed, tell the sub-folders as well (`Kids/A Tale.epub`);
    `folder` is the very ingest folder that it was placed in; `seconds` is how long its job was DOWNLOADING
    before, which the store fills in; `fetched` is the sha256 of the bytes as they came, where others were
    delivered (else empty).
    """

    job: int
    source: str
    key: str
    name: str
    staged: str
    folder: str
    sha256: str
    size: int
    format: str
    placed_at: float
    done_at: float | None = None
    seconds: float | None = None
    fetched: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A job went from one state to another, `seconds` after it had entered the first.

    `source` is the one whose book was being fetched or delivered then, if any was.
    """

    job: Job
    before: State | None
    after: State
    seconds: float
    reason: str = ""
    source: str = ""
