"""From the `sources:` section to sources that can be asked, and the way their books are fetched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from bookhopper.errors import PermanentError
from bookhopper.net.addresses import host_and_port, local_among, origin, ports_named
from bookhopper.net.cache import Cache
from bookhopper.net.host import Pace
from bookhopper.net.hosts import Hosts
from bookhopper.net.resolver import resolver_of
from bookhopper.net.route import Route
from bookhopper.net.session import SignIn, new_session
from bookhopper.net.solver import Solver
from bookhopper.net.web import Web
from bookhopper.network_settings import parse_resolver
from bookhopper.private_hosts import is_plainly_local
from bookhopper.search.sources.base import Identifier, Locator, Source
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
    `addresses` what its section names on the web; `identifiers` are the sources that know ISBNs; `cache`
    keeps the answers of all.  `paces` and `local` are what they ask of `hosts`, and `made_of` tells whether
    two sets are the same.
    """

    sources: tuple[Source, ...]
    hosts: Hosts
    roots: Mapping[str, Path]
    webs: Mapping[str, Web]
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    cache: Cache | None = None
    paces: Mapping[str, Pace] = field(default_factory=dict)
    local: frozenset[str] = frozenset()
    made_of: Sequence[object] = ()

    def set_paces(self) -> None:
        """Have the hosts, which another set may have had before, visited as these sources ask."""
        self.hosts.renew(self.paces, self.local)

    @property
    def locators(self) -> Mapping[str, Locator]:
        """The sources, by name, that tell late where a book's file is."""
        return {each.name: each for each in self.sources if isinstance(each, Locator)}

    def waited(self, source: str) -> float:
        """Tell how many seconds were waited so far so as not to ask a source's servers too hard."""
        return self.hosts.waited(self._places(source))

    def held(self, source: str) -> float:
        """Tell for how many more seconds one of a source's servers is left alone; 0 while none is."""
        held = self.hosts.held()
        return max((held.get(place, 0.0) for place in self._places(source)), default=0.0)

    def _places(self, source: str) -> frozenset[str]:
        return frozenset(map(host_and_port, self.addresses.get(source, ())))

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


@dataclass(frozen=True, slots=True)
class _Section:
    """A source's settings, with its definition where it has one, read once for all that is made of it."""

    settings: SourceSettings
    definition: Definition | None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The web addresses that the section, or the definition that it names, gives."""
        settings = self.settings
        if self.definition is not None:
            return self.definition.links
        if isinstance(settings, GutenbergSettings):
            catalogue = (
                (settings.catalogue,) if settings.catalogue.startswith(("http://", "https://")) else ()
            )
            return (*settings.mirrors, *catalogue)
        if isinstance(settings, OpenLibrarySettings):
            return (settings.url, settings.archive)
        if isinstance(settings, OpdsSettings | StandardEbooksSettings | InternetArchiveSettings):
            return (settings.url,)
        return ()

    @property
    def private(self) -> frozenset[str]:
        """What it may visit in the person's own network.

        A definition comes from a stranger: what it names there is not theirs to admit.
        """
        settings = self.settings
        named = (
            tuple(f"http://{host}" for host in settings.hosts)
            if isinstance(settings, HtmlSettings)
            else self.addresses
        )
        return frozenset(name for url in named for name in ports_named(url))

    @property
    def pace(self) -> Pace | None:
        """The pace that the section itself asks for."""
        pace = self.settings.pace
        return None if pace is None else Pace(pace.delay, pace.connections)

    @property
    def defined_pace(self) -> Pace | None:
        """The pace that the definition asks for, which holds where the section says nothing."""
        delay = self.definition.request_delay if self.definition is not None else None
        return None if delay is None or self.pace is not None else Pace(delay)

    @property
    def _asks_the_system(self) -> bool:
        """Whether names may go to the system's resolvers.

        One that goes to a proxy or to other resolvers is none of theirs: it would tell where one goes.
        """
        return not self.settings.proxy_address() and self.settings.dns == ("system",)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The named hosts of which only the system's resolvers can tell whether they are the person's own."""
        return tuple(map(_host, self.addresses)) if self._asks_the_system else ()

    def is_own(self, url: str, local: frozenset[str]) -> bool:
        """Whether a named address is in the person's own network; `local` are the unjudged hosts that are."""
        host = _host(url)
        return host in local if self._asks_the_system else is_plainly_local(host)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def build(
    settings: Sequence[SourceSettings], state: Path, *, cached: bool = True, hosts: Hosts | None = None
) -> SourceSet:
    """Make the sources; nothing is asked yet.

    Without `cached` no answer is kept.  With `hosts` of another set these are visited, whose paces stay as
    they are until `set_paces`.  Raises OSError when a password cannot be read, ConfigError for a
    definition that cannot be used.
    """
    sections = [_Section(each, _definition(each)) for each in settings]
    near = local_among([host for each in sections for host in each.unjudged])
    paces, local = _paces(sections, near)
    hosts = hosts or Hosts(paces=paces, local=local)
    cache = Cache(state / "cache" / "answers.db") if cached else None
    on_the_web = [each for each in sections if not isinstance(each.settings, FolderSettings)]
    webs = {each.settings.name: _web(each, hosts, cache, near) for each in on_the_web}
    built = tuple(_source(each, webs, state) for each in sections)
    roots = {each.name: each.path for each in settings if isinstance(each, FolderSettings)}
    addresses = {each.settings.name: each.addresses for each in sections}
    identifiers = tuple(each for each in built if isinstance(each, Identifier))
    made_of = [_made_of(each) for each in sections]
    return SourceSet(built, hosts, roots, webs, addresses, identifiers, cache, paces, local, made_of)


def _made_of(section: _Section) -> tuple[object, ...]:
    """Give all that a source is made of, its secrets and what its definition says with it."""
    settings, definition = section.settings, section.definition
    given = _given(settings, definition) if isinstance(settings, HtmlSettings) and definition else None
    return settings, definition, settings.proxy_address(), given


# A kind's modules are loaded only where a section names it: idle memory counts, and what reads feeds takes
# 4 MiB, what reads pages 10.


def _given(settings: HtmlSettings, definition: Definition) -> Mapping[str, str | bool | int | float]:
    from bookhopper.search.definitions.given import values

    return values(definition, settings.given)


def _definition(settings: SourceSettings) -> Definition | None:
    if not isinstance(settings, HtmlSettings):
        return None
    from bookhopper.search.definitions.load import load

    return load(settings.definition)


def _source(section: _Section, webs: Mapping[str, Web], state: Path) -> Source:
    settings = section.settings
    if isinstance(settings, FolderSettings):
        from bookhopper.search.sources.folder import FolderSource

        return FolderSource(settings.name, settings.path)
    web = webs[settings.name]
    if isinstance(settings, GutenbergSettings):
        return _gutenberg(settings, web, state)
    if isinstance(settings, InternetArchiveSettings):
        from bookhopper.search.sources.internet_archive import InternetArchiveSource

        return InternetArchiveSource(settings.name, settings.url, web)
    if isinstance(settings, HtmlSettings):
        assert section.definition is not None
        return _html_source(settings, section.definition, web)
    if isinstance(settings, OpenLibrarySettings):
        from bookhopper.search.sources.open_library import OpenLibrarySource

        return OpenLibrarySource(settings.name, settings.url, settings.archive, web)
    from bookhopper.search.sources.opds import OpdsSource

    return OpdsSource(settings.name, settings.url, web, kind=settings.kind)


def _gutenberg(settings: GutenbergSettings, web: Web, state: Path) -> Source:
    from bookhopper.search.sources.gutenberg import GutenbergSource
    from bookhopper.search.sources.gutenberg_index import GutenbergIndex

    index = GutenbergIndex(state / f"{settings.name}.index")
    return GutenbergSource(settings.name, index, settings.mirrors, settings.catalogue, web=web)


def _html_source(settings: HtmlSettings, definition: Definition, web: Web) -> Source:
    from bookhopper.search.sources.html import HtmlSource

    return HtmlSource(settings.name, definition, web=web, settings=_given(settings, definition))


def _web(section: _Section, hosts: Hosts, cache: Cache | None, near: frozenset[str]) -> Web:
    """Make a source's way to its servers: with its sign-in, to those private hosts that it names."""
    settings = section.settings
    resolver = resolver_of([parse_resolver(name) for name in settings.dns if name != "system"])
    own = frozenset(map(origin, section.addresses))
    route = Route(section.private, settings.proxy_address(), resolver)
    session = new_session(route, origins=own)
    seconds = settings.solver_timeout
    solver = Solver(settings.solver, session, hosts, own, seconds) if settings.solver else None
    # who adds a book to a library of their own wants it found at once, and nobody has to be spared there
    kept = None if all(section.is_own(url, near) for url in section.addresses) else cache
    return Web(session, hosts, _sign_in(settings), kept, solver, settings.name)


def _sign_in(settings: SourceSettings) -> SignIn | None:
    if isinstance(settings, OpdsSettings | StandardEbooksSettings) and settings.username:
        url = origin(settings.url)
        return SignIn(url, settings.username, settings.secret(), settings.name, reread=settings.secret)
    return None


def _paces(sections: Sequence[_Section], near: frozenset[str]) -> tuple[Mapping[str, Pace], frozenset[str]]:
    """Give the pace of every host that is named, as its sections say, and those that are the person's own."""
    naming: dict[str, list[_Section]] = {}
    for each in sections:
        for name in dict.fromkeys(map(host_and_port, each.addresses)):
            naming.setdefault(name, []).append(each)
    local = {host_and_port(url) for each in sections for url in each.addresses if each.is_own(url, near)}
    paces = {name: pace for name, some in naming.items() if (pace := _shared_pace(some, own=name in local))}
    local |= {host_and_port(each.settings.solver) for each in sections if each.settings.solver}
    return paces, frozenset(local)


def _shared_pace(sections: Sequence[_Section], *, own: bool) -> Pace | None:
    """Give the gentlest pace that is asked for at a host; None where nobody asks for any.

    A definition comes from a stranger: where another source goes to the same host, it makes nobody hasty.
    """
    asked = [pace for each in sections if (pace := each.pace)]
    defined = [pace for each in sections if (pace := each.defined_pace)]
    if defined and not asked and len(defined) < len(sections) and not own:
        asked = [Pace()]
    paces = [*asked, *defined]
    return reduce(Pace.gentler, paces) if paces else None
