"""From the `sources:` section to sources that can be asked, and the way their books are fetched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from bookhopper.errors import PermanentError
from bookhopper.net.addresses import host_and_port, is_local, is_plainly_local, origin, ports_named
from bookhopper.net.cache import Cache
from bookhopper.net.hosts import Hosts, Pace
from bookhopper.net.resolver import resolver_of
from bookhopper.net.route import Route
from bookhopper.net.session import SignIn, new_session
from bookhopper.net.solver import Solver
from bookhopper.net.web import Web
from bookhopper.network_settings import parse_resolver
from bookhopper.search.sources.base import Identifier, Locator, Source
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.search.sources.internet_archive import InternetArchiveSource
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.search.sources.open_library import OpenLibrarySource
from bookhopper.source_settings import (
    FolderSettings,
    GutenbergSettings,
    HtmlSettings,
    InternetArchiveSettings,
    OpdsSettings,
    OpenLibrarySettings,
    SourceSettings,
    StandardEbooksSettings,
)
from bookhopper.ticket import Ticket

if TYPE_CHECKING:
    from bookhopper.search.definitions.model import Definition


@dataclass(frozen=True, slots=True)
class SourceSet:
    """The configured sources, and what the downloader needs to fetch from them.

    `roots` are the folders of folder sources by name, `webs` the way of each other source to its servers,
    `places` the servers that its section names; `identifiers` are the sources that know ISBNs; `cache` keeps
    the answers of all.
    """

    sources: tuple[Source, ...]
    hosts: Hosts
    roots: Mapping[str, Path]
    webs: Mapping[str, Web]
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    cache: Cache | None = None

    @property
    def locators(self) -> Mapping[str, Locator]:
        """The sources, by name, that tell late where a book's file is."""
        return {each.name: each for each in self.sources if isinstance(each, Locator)}

    def waited(self, source: str) -> float:
        """Tell how many seconds were waited so far so as not to ask a source's servers too hard."""
        return self.hosts.waited(self.places.get(source, ()))

    def held(self, source: str) -> float:
        """Tell for how many more seconds one of a source's servers is left alone; 0 while none is."""
        held = self.hosts.held()
        return max((held.get(place, 0.0) for place in self.places.get(source, ())), default=0.0)

    def close(self) -> None:
        """Close every source and its connections."""
        for source in self.sources:
            source.close()
        for web in self.webs.values():
            web.close()
        if self.cache is not None:
            self.cache.close()


class Opener:
    """Opens URLs for the downloader, each by the web of the source that named it."""

    def __init__(self, sources: SourceSet, timeout: tuple[float, float]) -> None:
        self._webs = sources.webs
        self._timeout = timeout

    def __call__(
        self, url: str, source: str, ticket: Ticket, headers: Mapping[str, str], statuses: Collection[int]
    ) -> AbstractContextManager[requests.Response]:
        """Open a stream on behalf of a source, with its sign-in and the private hosts it may visit."""
        web = self._webs.get(source)
        if web is None:
            raise PermanentError(f"source {source} is not in the configuration: name it there, or pick anew")
        return web.stream(url, ticket, headers=headers, timeout=self._timeout, statuses=statuses)


def build(settings: Sequence[SourceSettings], state: Path) -> SourceSet:
    """Make the sources; nothing is asked yet.  Raises OSError when a password cannot be read."""
    hosts = _hosts(settings)
    cache = Cache(state / "cache" / "answers.db")
    webs = {each.name: _web(each, hosts, cache) for each in settings if not isinstance(each, FolderSettings)}
    built = tuple(_source(each, webs, state) for each in settings)
    roots = {each.name: each.path for each in settings if isinstance(each, FolderSettings)}
    places = {each.name: frozenset(map(host_and_port, addresses(each))) for each in settings}
    identifiers = tuple(each for each in built if isinstance(each, Identifier))
    return SourceSet(built, hosts, roots, webs, places, identifiers, cache)


def _source(settings: SourceSettings, webs: Mapping[str, Web], state: Path) -> Source:
    if isinstance(settings, FolderSettings):
        return FolderSource(settings.name, settings.path)
    web = webs[settings.name]
    if isinstance(settings, GutenbergSettings):
        index = GutenbergIndex(state / f"{settings.name}.index")
        return GutenbergSource(settings.name, index, settings.mirrors, settings.catalogue, web=web)
    if isinstance(settings, InternetArchiveSettings):
        return InternetArchiveSource(settings.name, settings.url, web)
    if isinstance(settings, HtmlSettings):
        return _html_source(settings, web)
    if isinstance(settings, OpenLibrarySettings):
        return OpenLibrarySource(settings.name, settings.url, settings.archive, web)
    return OpdsSource(settings.name, settings.url, web, kind=settings.kind)


def _html_source(settings: HtmlSettings, web: Web) -> Source:
    # what reads pages takes 0.1 s and 10 MiB, which only those pay for who have such a source
    from bookhopper.search.definitions.given import values  # noqa: PLC0415
    from bookhopper.search.sources.html import HtmlSource  # noqa: PLC0415

    definition = _definition(settings)
    return HtmlSource(settings.name, definition, web=web, settings=values(definition, settings.given))


def _definition(settings: HtmlSettings) -> Definition:
    from bookhopper.search.definitions.load import load  # noqa: PLC0415 - as above

    return load(settings.definition)


def _web(settings: SourceSettings, hosts: Hosts, cache: Cache) -> Web:
    """Make a source's way to its servers: with its sign-in, to those private hosts that it names."""
    # a definition comes from a stranger: what it names in the person's own network is not theirs to admit
    named = (
        tuple(f"http://{host}" for host in settings.hosts)
        if isinstance(settings, HtmlSettings)
        else addresses(settings)
    )
    allowed = frozenset(name for url in named for name in ports_named(url))
    resolver = resolver_of([parse_resolver(name) for name in settings.dns if name != "system"])
    own = frozenset(map(origin, addresses(settings)))
    session = new_session(Route(allowed, settings.proxy.get_secret_value(), resolver), origins=own)
    solver = Solver(settings.solver, session, hosts, own) if settings.solver else None
    # who adds a book to a library of their own wants it found at once, and nobody has to be spared there
    kept = None if all(_is_own(url, settings) for url in addresses(settings)) else cache
    return Web(session, hosts, _sign_in(settings), kept, solver, settings.name)


def _sign_in(settings: SourceSettings) -> SignIn | None:
    if isinstance(settings, OpdsSettings | StandardEbooksSettings) and settings.username:
        url = origin(settings.url)
        return SignIn(url, settings.username, settings.secret(), settings.name, reread=settings.secret)
    return None


def addresses(settings: SourceSettings) -> tuple[str, ...]:
    """List the web addresses that a source's section names."""
    if isinstance(settings, GutenbergSettings):
        catalogue = (settings.catalogue,) if settings.catalogue.startswith(("http://", "https://")) else ()
        return (*settings.mirrors, *catalogue)
    if isinstance(settings, OpenLibrarySettings):
        return (settings.url, settings.archive)
    if isinstance(settings, HtmlSettings):
        return _definition(settings).links
    return (
        (settings.url,)
        if isinstance(settings, OpdsSettings | StandardEbooksSettings | InternetArchiveSettings)
        else ()
    )


def _hosts(settings: Sequence[SourceSettings]) -> Hosts:
    """Set the pace of every host that is named: as its section says, and none for the person's own."""
    paces = {
        host_and_port(url): pace
        for each in settings
        if not isinstance(each, FolderSettings) and (pace := _pace(each)) is not None
        for url in addresses(each)
    }
    local = {host_and_port(url) for each in settings for url in addresses(each) if _is_own(url, each)}
    local |= {host_and_port(each.solver) for each in settings if each.solver}
    return Hosts(paces=paces, local=local)


def _pace(settings: SourceSettings) -> Pace | None:
    """Give the pace that a section asks for, or else the definition that it names."""
    if settings.pace is not None:
        return Pace(settings.pace.delay, settings.pace.connections)
    delay = _definition(settings).request_delay if isinstance(settings, HtmlSettings) else None
    return None if delay is None else Pace(delay)


def _is_own(url: str, settings: SourceSettings) -> bool:
    """Whether a named address is in the person's own network.

    A name that goes to a proxy or to other resolvers is none of the system's: it would tell where one goes.
    """
    host = urlsplit(url).hostname or ""
    if settings.proxy.get_secret_value() or settings.dns != ("system",):
        return is_plainly_local(host)
    return is_local(host)
