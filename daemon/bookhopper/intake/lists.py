"""Lists at an address, polled: what is new in one becomes a request named after it.

What was found in a list is remembered beside the queue, so that a restart asks for nothing again.  An outline
may name feeds, which are polled with it; feeds that these name are not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bookhopper.durable import write_file
from bookhopper.errors import BookhopperError
from bookhopper.intake.base import A_FEED, EmptyRequestError, Entry, Limits, UnreadableRequestError
from bookhopper.intake.desk import Desk
from bookhopper.intake.fetched_list import FetchedList, fetch_list
from bookhopper.intake.parse import feeds_named, parse
from bookhopper.log_context import working_on
from bookhopper.model import DEFAULT_PRIORITY, BadLine, Want
from bookhopper.net.addresses import ports_named, safe_url
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.normalise import identity
from bookhopper.settings import ListSettings
from bookhopper.ticket import Interrupted, Reason, Ticket
from bookhopper.units import counted

log = logging.getLogger("bookhopper.intake")

_LOOK_SECONDS = 60.0
_RETRY_SECONDS = 900.0
_MOST_BAD = 1000
_XML = frozenset((".atom", ".opml", ".rss", ".xml"))


@dataclass(frozen=True, slots=True)
class Visit:
    """What is remembered of an address: its validators, its digest, its bad entries, the feeds it names."""

    validators: Mapping[str, str]
    digest: str
    bad: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


def web_of(settings: ListSettings, hosts: Hosts) -> Web:
    """Make a list's way to its server: of private hosts, it may visit the one that its address names."""
    return Web(new_session(Route(frozenset(ports_named(settings.url)))), hosts, name=settings.name)


def preview(settings: ListSettings, web: Web, ticket: Ticket, limits: Limits) -> str:
    """Fetch a list and say what it holds; raises BookhopperError where it cannot be fetched or read."""
    found = fetch_list(web, settings.url, ticket, limits.size, {})
    assert found is not None
    feeds = len(feeds_named(found.content, limits)) if found.kind in _XML else 0
    wants = bad = 0
    for entry in _entries(found, limits):
        wants += isinstance(entry, Want)
        bad += isinstance(entry, BadLine)
    found_there = (
        counted(wants, "want") if wants else "",
        f"{bad:,} not understood" if bad else "",
        counted(feeds, "feed") if feeds else "",
    )
    return ", ".join(filter(None, found_there)) or "nothing in it now"


def _entries(found: FetchedList, limits: Limits) -> Iterator[Entry]:
    """Read a list's entries; one that is empty has none, and feeds are no entries."""
    try:
        for entry in parse(f"list{found.kind}", found.content, limits):
            if not (isinstance(entry, BadLine) and entry.reason == A_FEED):
                yield _permitted(entry)
    except EmptyRequestError:
        return


def _permitted(entry: Entry) -> Entry:
    """Refuse what would have a source here ask for an address, signed in, that a stranger thought of."""
    if isinstance(entry, BadLine):
        return entry
    if entry.pick is not None:
        return BadLine(
            entry.line, 1, entry.raw, "a list from an address may not pick books by their keys here"
        )
    if entry.collection is not None and entry.collection.kind == "feed":
        return BadLine(
            entry.line, 1, entry.raw, "a list from an address may not name a feed of a source here"
        )
    return entry


class Lists:
    """Polls the configured lists, one after the other; `run` is for the clock, in one thread at a time."""

    def __init__(
        self,
        settings: Sequence[ListSettings],
        hosts: Hosts,
        desk: Desk,
        knows: Callable[[bytes], bool],
        *,
        folder: Path,
        limits: Limits,
    ) -> None:
        """Take whom to give what is new to, who knows what was wished for, and where to remember."""
        self._settings = tuple(settings)
        self._webs = {each.name: web_of(each, hosts) for each in settings}
        self._desk = desk
        self._knows = knows
        self._folder = folder
        self._limits = limits
        self._ticket = Ticket(0)
        self._due = dict.fromkeys(self._webs, 0.0)
        self._complaints: dict[str, str] = {}

    @property
    def look_seconds(self) -> float:
        """How often to look whether a list is due."""
        return min((_LOOK_SECONDS, *(each.every for each in self._settings)))

    @property
    def number(self) -> int:
        """How many lists there are."""
        return len(self._settings)

    @property
    def complaints(self) -> Mapping[str, str]:
        """What is wrong with the lists that cannot be read, by name."""
        return {name: complaint for name, complaint in self._complaints.items() if complaint}

    def anew(self) -> None:
        """Poll every list at the next run."""
        self._due = dict.fromkeys(self._due, 0.0)

    def run(self) -> None:
        """Poll the lists whose time has come."""
        for each in self._settings:
            if time.monotonic() >= self._due[each.name]:
                try:
                    with working_on(request=each.name):
                        well = self._poll(each)
                except Interrupted:
                    return
                pause = each.every if well else min(each.every, _RETRY_SECONDS)
                self._due[each.name] = time.monotonic() + pause

    def stop(self) -> None:
        """Break off."""
        self._ticket.interrupt(Reason.SHUTDOWN)

    def close(self) -> None:
        """Close the connections."""
        for web in self._webs.values():
            web.close()

    def _poll(self, each: ListSettings) -> bool:
        """Look at a list and at the feeds that it names; returns whether all went well."""
        before = self._remembered(each.name)
        after: dict[str, Visit] = {}
        faults = [self._visited(each, each.url, before, after)]
        if visit := after.get(_key(each.url)):
            feeds = [feed for feed in visit.feeds if feed != each.url]
            faults += [self._visited(each, feed, before, after) for feed in feeds]
        if after != before:
            self._remember(each.name, after)
        said = [fault for fault in faults if fault]
        self._complain(each.name, said[0] if said else "")
        return not said

    def _visited(
        self, each: ListSettings, url: str, before: Mapping[str, Visit], after: dict[str, Visit]
    ) -> str:
        """Visit an address and note what to remember of it; gives what went wrong, if anything did."""
        key = _key(url)
        known = before.get(key)
        try:
            after[key] = self._visit(each, url, known)
        except BookhopperError as error:
            if known is not None:
                after[key] = known
            text = str(error)
            return text if not isinstance(error, UnreadableRequestError) else f"{safe_url(url)}, {text}"
        return ""

    def _visit(self, each: ListSettings, url: str, before: Visit | None) -> Visit:
        validators = before.validators if before else {}
        found = fetch_list(self._webs[each.name], url, self._ticket, self._limits.size, validators)
        if found is None or (before and found.digest == before.digest):
            assert before is not None, "nobody says `not changed` who was not asked"
            return replace(before, validators=found.validators) if found else before
        sift = _Sift(each, before, self._knows)
        for entry in _entries(found, self._limits):
            sift.note(entry)
        if sift.has_news:
            self._desk.take(each.name, found.content, kind=found.kind, sift=sift)
        feeds = feeds_named(found.content, self._limits) if found.kind in _XML and url == each.url else ()
        return Visit(found.validators, found.digest, sift.bad, feeds)

    def _remembered(self, name: str) -> dict[str, Visit]:
        try:
            found = json.loads(self._file(name).read_text(encoding="utf-8"))
            return {
                key: Visit(
                    dict(visit["validators"]), visit["digest"], tuple(visit["bad"]), tuple(visit["feeds"])
                )
                for key, visit in found.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def _remember(self, name: str, visits: Mapping[str, Visit]) -> None:
        path = self._file(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, json.dumps({key: asdict(visit) for key, visit in visits.items()}))
        except OSError as error:
            log.warning("list %s: %s cannot be written: %s: make room there", name, path, error.strerror)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _complain(self, name: str, complaint: str) -> None:
        """Say once what is wrong with a list, and once that it is well again."""
        before = self._complaints.get(name, "")
        if complaint and complaint != before:
            log.warning("list %s cannot be read: %s", name, complaint)
        elif before and not complaint:
            log.info("list %s is read again", name)
        self._complaints[name] = complaint


def _key(url: str) -> str:
    """Give what an address is remembered by, for it may hold a key that no other file has to hold."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


class _Sift:
    """Tells what is new in a list: `note` looks at each entry first, then it is called for each once more.

    The first time all of it is stored, known or not, so that the report shows the whole list.
    """

    def __init__(self, settings: ListSettings, before: Visit | None, knows: Callable[[bytes], bool]) -> None:
        self._settings = settings
        self._before = before
        self._knows = knows
        self._new: set[bytes] = set()
        self._marks: dict[str, None] = {}

    @property
    def has_news(self) -> bool:
        """Whether something is to be stored."""
        return bool(self._new) or any(self._is_new_fault(mark) for mark in self._marks)

    @property
    def bad(self) -> tuple[str, ...]:
        """What to remember of the entries that cannot be understood, so that each is told once."""
        return tuple(self._marks)[:_MOST_BAD]

    def note(self, entry: Entry) -> None:
        """Look at an entry."""
        entry = self._with_settings(entry)
        if isinstance(entry, BadLine):
            self._marks[_mark(entry)] = None
        elif not self._knows(identity(entry)):
            self._new.add(identity(entry))

    def __call__(self, entry: Entry) -> Entry | None:
        """Give an entry as it is to be stored, or None."""
        entry = self._with_settings(entry)
        if isinstance(entry, BadLine):
            new = entry.reason != A_FEED and self._is_new_fault(_mark(entry))
        else:
            new = self._before is None or identity(entry) in self._new
        return entry if new else None

    def _is_new_fault(self, mark: str) -> bool:
        return self._before is None or mark not in self._before.bad

    def _with_settings(self, entry: Entry) -> Entry:
        """Give a want what the list's section says and it does not; nothing is forced at every poll."""
        entry = _permitted(entry)
        if isinstance(entry, BadLine):
            return entry
        settings = self._settings
        usual = settings.priority is None or entry.priority != DEFAULT_PRIORITY
        return replace(
            entry,
            formats=entry.formats or settings.formats,
            tags=entry.tags or settings.tags,
            priority=entry.priority if usual or settings.priority is None else settings.priority,
            force=False,
        )


def _mark(entry: BadLine) -> str:
    return hashlib.sha256(f"{entry.raw}\0{entry.reason}".encode("utf-8", "replace")).hexdigest()[:16]
