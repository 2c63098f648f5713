"""The settings of the sources: one section for each kind, told apart by its `kind:`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from bookhopper.network_settings import ProxyAddress, ResolverNames, SolverAddress, proxy_address
from bookhopper.search.definitions.places import find as find_definition
from bookhopper.setting_types import (
    Duration,
    Folder,
    Name,
    Section,
    Words,
    expanded_path,
    read_secret,
    web_address,
)

CATALOGUE_URL = "https://www.gutenberg.org/cache/epub/feeds/pg_catalog.csv.gz"
"""Where Project Gutenberg offers its catalogue to programs (its "Offline Catalogs" page)."""

ARCHIVE_URL = "https://archive.org"
OPEN_LIBRARY_URL = "https://openlibrary.org"
STANDARD_EBOOKS_URL = "https://standardebooks.org"

MIRRORS = ("https://aleph.pglaf.org", "https://gutenberg.pglaf.org")
"""Mirrors of Project Gutenberg that programs may use (its "Mirroring How-To" page)."""


_PROXY_RESOLVES = "a proxy looks the names up by itself: leave dns out"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from, which `config.load` gives as pydantic's context.

    `folder` is that of the file; `warnings` are what whoever starts the daemon should read.
    """

    folder: Path
    warnings: tuple[str, ...] = ()


class Pace(Section):
    """How gently a host is asked: seconds between two requests, and requests at once."""

    delay: Duration = 1.0
    connections: Annotated[int, Field(ge=1, le=32)] = 2


class _SourceSection(Section):
    """What every source may say of itself; without a pace, loopback and private hosts are not paced.

    `deadline` is for how long its answer to a search is waited for.  `proxy` is the one way to its servers,
    whatever the environment says, and `proxy_file` a file that holds its address; `dns` the resolvers that
    are asked for their names; `solver` the address of a FlareSolverr for servers that want to see a browser,
    and is asked for nothing else, `solver_timeout` how long it may take for one challenge.
    """

    name: Name
    pace: Pace | None = None
    dns: ResolverNames = ("system",)
    proxy: ProxyAddress = SecretStr("")
    proxy_file: Folder | None = None
    solver: SolverAddress = ""
    solver_timeout: Annotated[Duration, Field(ge=1, le=600)] = 60.0
    deadline: Annotated[Duration, Field(gt=0, le=600)] = 20.0

    @field_validator("proxy")
    @classmethod
    def _looks_up_by_itself(cls, proxy: SecretStr, info: ValidationInfo) -> SecretStr:
        if proxy.get_secret_value() and info.data.get("dns", ("system",)) != ("system",):
            raise ValueError(_PROXY_RESOLVES)
        return proxy

    @model_validator(mode="after")
    def _one_proxy(self) -> Self:
        if self.proxy_file is not None and self.proxy.get_secret_value():
            raise ValueError("give proxy or proxy_file, not both")
        if self.proxy_file is not None and self.dns != ("system",):
            raise ValueError(_PROXY_RESOLVES)
        return self

    def proxy_address(self) -> str:
        """Read the proxy's address, empty without one; raises OSError and ValueError."""
        if self.proxy_file is None:
            return self.proxy.get_secret_value()
        return proxy_address(read_secret(self.proxy_file))


class GutenbergSettings(_SourceSection):
    """Project Gutenberg by its catalogue file, books from mirrors."""

    kind: Literal["gutenberg"]
    name: Name = "gutenberg"
    catalogue: str = CATALOGUE_URL
    mirrors: Annotated[tuple[str, ...], Field(min_length=1)] = MIRRORS

    @field_validator("catalogue")
    @classmethod
    def _address_or_path(cls, catalogue: str) -> str:
        return catalogue if "://" in catalogue else str(expanded_path(catalogue))

    @field_validator("mirrors")
    @classmethod
    def _web_addresses(cls, mirrors: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(web_address(mirror) for mirror in mirrors)


class OpdsSettings(_SourceSection):
    """A catalogue that speaks OPDS: calibre's content server, Calibre-Web, Kavita, Standard Ebooks."""

    kind: Literal["opds"]
    name: Name = "opds"
    url: str
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Folder | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if "@" in urlsplit(web_address(url)).netloc:
            raise ValueError("give username and password_file instead of a sign-in in the address")
        return url

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password.get_secret_value() and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username and self.password_file is None and "password" not in self.model_fields_set:
            raise ValueError(
                "username needs a password: give password_file, or `password: ''` where it is empty"
            )
        return self

    def secret(self) -> str:
        """Read the password from where it is kept; raises OSError."""
        if self.password_file is None:
            return self.password.get_secret_value()
        return read_secret(self.password_file)


class StandardEbooksSettings(_SourceSection):
    """Standard Ebooks: `opds` with its address filled in.

    Its OPDS feeds and their search are for its patrons: `username` is the e-mail address of one, and there is
    no password.  Open to all is the news feed of new releases, some thirty books, which is what is looked
    through without a `username` (its pages "Ebook feeds" and "Accessing the feeds").
    """

    kind: Literal["standard_ebooks"]
    name: Name = "standard_ebooks"
    site: str = STANDARD_EBOOKS_URL
    username: str = ""

    @field_validator("site")
    @classmethod
    def _web_address(cls, site: str) -> str:
        return web_address(site).rstrip("/")

    @property
    def url(self) -> str:
        """The feed with which it is entered: the catalogue's root, or what is open to all."""
        return f"{self.site}/feeds/opds" if self.username else f"{self.site}/feeds/atom/new-releases"

    def secret(self) -> str:
        """Give the password, which is empty for everybody."""
        return ""


class InternetArchiveSettings(_SourceSection):
    """The Internet Archive: its public texts, nothing that is lent."""

    kind: Literal["internet_archive"]
    name: Name = "internet_archive"
    url: str = ARCHIVE_URL
    deadline: Annotated[Duration, Field(gt=0, le=600)] = 40.0  # several requests a want, at its pace

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        return web_address(url)


class OpenLibrarySettings(_SourceSection):
    """Open Library: what an ISBN names, and public scans of works, which lie in the `archive`."""

    kind: Literal["open_library"]
    name: Name = "open_library"
    url: str = OPEN_LIBRARY_URL
    archive: str = ARCHIVE_URL
    deadline: Annotated[Duration, Field(gt=0, le=600)] = 40.0

    @field_validator("url", "archive")
    @classmethod
    def _web_address(cls, url: str) -> str:
        return web_address(url)


class HtmlSettings(_SourceSection):
    """A catalogue of web pages; `definition` is a path, or the name of a file in sources.d.

    `settings` are what that definition asks for; of one called `password`, `password_file` names a file.
    `hosts` are those in the person's own network that it may visit, whatever its definition says.
    """

    kind: Literal["html"]
    name: Name = "html"
    definition: Path
    hosts: Words = ()
    settings: Mapping[str, bool | int | float | SecretStr] = {}

    @field_validator("definition", mode="before")
    @classmethod
    def _found(cls, definition: object, info: ValidationInfo) -> object:
        beside = info.context.folder if isinstance(info.context, Origin) else Path.cwd()
        return find_definition(definition, beside) if isinstance(definition, str) else definition

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if re.search(r"[/?#@]", host):
                raise ValueError(f"`{host}` is no host: write one such as nas or 192.168.1.10:8080")
            web_address(f"http://{host}")
        return hosts

    @property
    def given(self) -> Mapping[str, str | bool | int | float]:
        """The settings in the clear."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.settings.items()
        }


class FolderSettings(_SourceSection):
    """A folder or mounted share of books; a pace changes nothing there."""

    kind: Literal["folder"]
    name: Name = "folder"
    path: Folder


SourceSettings = Annotated[
    GutenbergSettings
    | OpdsSettings
    | StandardEbooksSettings
    | InternetArchiveSettings
    | OpenLibrarySettings
    | HtmlSettings
    | FolderSettings,
    Field(discriminator="kind"),
]
