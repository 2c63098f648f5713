"""From the `sources:` section to sources that can be asked, and the way their books are fetched."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bookhopper.net.addresses import host_and_port, is_local
from bookhopper.net.hosts import Hosts, Pace
from bookhopper.net.session import SignIn, new_session, open_stream
from bookhopper.search.sources.base import Credentials, Source
from bookhopper.search.sources.folder import FolderSource
from bookhopper.search.sources.gutenberg import GutenbergSource
from bookhopper.search.sources.gutenberg_index import GutenbergIndex
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.settings import FolderSettings, GutenbergSettings, OpdsSettings, SourceSettings
from bookhopper.ticket import Ticket


@dataclass(frozen=True, slots=True)
class SourceSet:
    """The configured sources, and what the downloader needs to fetch from them.

    `roots` are the folders of folder sources by name, `sign_ins` the credentials by source, `allowed` the
    hosts by source that its links may lead to although they are private.
    """

    sources: tuple[Source, ...]
    hosts: Hosts
    roots: Mapping[str, Path]
    sign_ins: Mapping[str, SignIn]
    allowed: Mapping[str, frozenset[str]]

    def close(self) -> None:
        """Close every source."""
        for source in self.sources:
            source.close()


class Opener:
    """Opens URLs for the downloader, with a session for each thread."""

    def __init__(self, sources: SourceSet, timeout: tuple[float, float]) -> None:
        self._sources = sources
        self._timeout = timeout
        self._local = threading.local()

    def __call__(
        self, url: str, source: str, ticket: Ticket, headers: Mapping[str, str], statuses: Collection[int]
    ) -> AbstractContextManager[requests.Response]:
        """Open a stream on behalf of a source, with its sign-in and the private hosts it may visit."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = new_session()
        return open_stream(
            session,
            url,
            hosts=self._sources.hosts,
            ticket=ticket,
            headers=headers,
            timeout=self._timeout,
            sign_in=self._sources.sign_ins.get(source),
            allowed=self._sources.allowed.get(source, frozenset()),
            statuses=statuses,
        )


def build(settings: Sequence[SourceSettings], state: Path) -> SourceSet:
    """Make the sources; nothing is asked yet.  Raises OSError when a password cannot be read."""
    hosts = _hosts(settings)
    allowed = {each.name: frozenset(map(host_and_port, addresses(each))) for each in settings}
    built = tuple(_source(each, hosts, allowed[each.name], state) for each in settings)
    sign_ins = {
        source.name: source.sign_in
        for source in built
        if isinstance(source, OpdsSource) and source.sign_in is not None
    }
    roots = {each.name: each.path for each in settings if isinstance(each, FolderSettings)}
    return SourceSet(built, hosts, roots, sign_ins, allowed)


def _source(settings: SourceSettings, hosts: Hosts, allowed: frozenset[str], state: Path) -> Source:
    if isinstance(settings, GutenbergSettings):
        index = GutenbergIndex(state / f"{settings.name}.index")
        return GutenbergSource(
            settings.name,
            index,
            settings.mirrors,
            settings.catalogue,
            session=new_session(),
            hosts=hosts,
            allowed=allowed,
        )
    if isinstance(settings, OpdsSettings):
        credentials = Credentials(settings.username, settings.secret()) if settings.username else None
        return OpdsSource(
            settings.name,
            settings.url,
            session=new_session(),
            hosts=hosts,
            credentials=credentials,
            allowed=allowed,
        )
    return FolderSource(settings.name, settings.path)


def addresses(settings: SourceSettings) -> tuple[str, ...]:
    """List the web addresses that a source's section names."""
    if isinstance(settings, GutenbergSettings):
        catalogue = (settings.catalogue,) if settings.catalogue.startswith(("http://", "https://")) else ()
        return (*settings.mirrors, *catalogue)
    return (settings.url,) if isinstance(settings, OpdsSettings) else ()


def _hosts(settings: Sequence[SourceSettings]) -> Hosts:
    """Set the pace of every host that is named: as its section says, and none for the person's own."""
    paces = {
        host_and_port(url): Pace(each.pace.delay, each.pace.connections)
        for each in settings
        if not isinstance(each, FolderSettings) and each.pace is not None
        for url in addresses(each)
    }
    named = {url for each in settings for url in addresses(each)}
    local = {host_and_port(url) for url in named if is_local(urlsplit(url).hostname or "")}
    return Hosts(paces=paces, local=local)
