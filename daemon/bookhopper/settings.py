"""The settings, section by section: each part of the daemon gets its own and never sees the others.

What a key means and its default stand here once; `config/bookhopper.example.yaml` shows them all.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bookhopper.model import FORMATS
from bookhopper.network_settings import ProxyAddress, ResolverNames, SolverAddress
from bookhopper.search.definitions.places import find as find_definition
from bookhopper.search.language import language_tag
from bookhopper.setting_types import (
    Duration,
    Folder,
    HostNames,
    Mode,
    Name,
    Section,
    Size,
    Words,
    expanded_path,
)

CATALOGUE_URL = "https://www.gutenberg.org/cache/epub/feeds/pg_catalog.csv.gz"
"""Where Project Gutenberg offers its catalogue to programs (its "Offline Catalogs" page)."""

ARCHIVE_URL = "https://archive.org"
OPEN_LIBRARY_URL = "https://openlibrary.org"
STANDARD_EBOOKS_URL = "https://standardebooks.org"

MIRRORS = ("https://aleph.pglaf.org", "https://gutenberg.pglaf.org")
"""Mirrors of Project Gutenberg that programs may use (its "Mirroring How-To" page)."""


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable, "")
    return (Path(base) if base.startswith("/") else Path.home() / fallback) / "bookhopper"


class Folders(Section):
    """Where want-lists come in, where books go out, and where the daemon keeps what it must remember."""

    requests: Folder = Field(default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share") / "requests")
    ingest: Folder = Field(default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share") / "ingest")
    state: Folder = Field(default_factory=lambda: _xdg("XDG_STATE_HOME", ".local/state"))

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Refuse folders inside one another: the ingest consumer deletes what it does not know."""
        for inner in ("requests", "state"):
            if getattr(self, inner).is_relative_to(self.ingest):
                raise ValueError(
                    f"{inner} must not lie inside ingest: its consumer deletes what it does not know"
                )
        if self.ingest.is_relative_to(self.requests) or self.state.is_relative_to(self.requests):
            raise ValueError("ingest and state must not lie inside requests")
        return self


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
    whatever the environment says; `dns` the resolvers that are asked for their names; `solver` the address of
    a FlareSolverr for servers that want to see a browser, and is asked for nothing else.
    """

    name: Name
    pace: Pace | None = None
    dns: ResolverNames = ("system",)
    proxy: ProxyAddress = SecretStr("")
    solver: SolverAddress = ""
    deadline: Annotated[Duration, Field(gt=0, le=600)] = 20.0

    @field_validator("proxy")
    @classmethod
    def _looks_up_by_itself(cls, proxy: SecretStr, info: ValidationInfo) -> SecretStr:
        if proxy.get_secret_value() and info.data.get("dns", ("system",)) != ("system",):
            raise ValueError("a proxy looks the names up by itself: leave dns out")
        return proxy


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
        return tuple(_web_address(mirror) for mirror in mirrors)


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
        if "@" in urlsplit(_web_address(url)).netloc:
            raise ValueError("give username and password_file instead of a sign-in in the address")
        return url

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password.get_secret_value() and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        return self

    def secret(self) -> str:
        """Read the password from where it is kept; raises OSError."""
        if self.password_file is None:
            return self.password.get_secret_value()
        return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")


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
        return _web_address(site).rstrip("/")

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
        return _web_address(url)


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
        return _web_address(url)


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
            _web_address(f"http://{host}")
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


def _known_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    named = tuple(name.lower().lstrip(".") for name in formats)
    for name in named:
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(FORMATS))}"
            raise ValueError(f"no format is called `{name}`: {hint}")
    return named


Formats = Annotated[Words, AfterValidator(_known_formats)]

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


class IntakeSettings(Section):
    """How request files are watched for and how large they may be."""

    settle: Duration = 1.0
    rescan: Annotated[Duration, Field(ge=1)] = 300.0
    polling: Literal["auto", "always", "never"] = "auto"
    max_size: Size = 20 * 1024**2
    max_lines: Annotated[int, Field(ge=1)] = 200_000
    shelves: Words = ("to-read",)


class ListSettings(Section):
    """A list of books at an address, which is read again `every` so often; what is new in it becomes wants.

    `formats`, `tags` and `priority` hold for those of its wants that say nothing else.
    """

    url: str
    name: Name
    every: Annotated[Duration, Field(ge=1)] = 6 * 3600.0
    formats: Formats = ()
    tags: Words = ()
    priority: Annotated[int, Field(gt=-(10**9), lt=10**9)] | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if "@" in urlsplit(_web_address(url)).netloc:
            raise ValueError("an address with a sign-in in it cannot be used here")
        return url


class MatchSettings(Section):
    """From which score a book is taken unattended, and by how much it must lead over another work."""

    accept: Annotated[float, Field(gt=0, le=1)] = 0.85
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.05
    searchers: Annotated[int, Field(ge=1, le=8)] = 2


class DownloadSettings(Section):
    """How many books at once, how often each is tried, and the bounds on one file."""

    workers: Annotated[int, Field(ge=1, le=32)] = 3
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    connect_timeout: Annotated[Duration, Field(gt=0)] = 10.0
    timeout: Annotated[Duration, Field(gt=0)] = 30.0
    max_size: Size = 500 * 1024**2
    keep_free: Size = 200 * 1024**2


class DeliverSettings(Section):
    """How a book appears in the ingest folder, and how long a copy of it is kept (0: none is)."""

    mode: Mode = "0664"
    require_mount: bool = True
    keep_copies: Duration = 7 * 86400.0

    @property
    def permissions(self) -> int:
        """The mode as a number."""
        return int(self.mode, 8)


class QueueSettings(Section):
    """In which order downloads run, and whether a more urgent one pauses a running one."""

    order: Literal["priority", "arrival"] = "priority"
    preempt: bool = False

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if self.preempt and self.order == "arrival":
            raise ValueError("preempt needs `order: priority`, since by arrival nothing is more urgent")
        return self


SignIn = Literal["none", "token", "calibre-web"]
"""Who may use the server: anybody, whoever has an API token, or (also) the users of Calibre-Web."""


class ServerSettings(Section):
    """Where the HTTP server listens, by which names it is reached, and who may use it."""

    app_db: Folder | None = None
    open: bool = False
    hosts: HostNames = ()
    status_timeout: Duration = 3600.0
    # below what they are judged by: pydantic goes by the order in which the fields stand here
    sign_in: SignIn = "none"
    listen: str = "127.0.0.1:8084"

    @field_validator("sign_in")
    @classmethod
    def _with_app_db(cls, sign_in: SignIn, info: ValidationInfo) -> SignIn:
        if sign_in == "calibre-web" and info.data.get("app_db", ...) is None:
            raise ValueError("app_db is needed with this: write the path of Calibre-Web's app.db")
        return sign_in

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, listen: str, info: ValidationInfo) -> str:
        host, port = split_listen(listen)
        if not 0 <= port <= 65535:
            raise ValueError("the port must lie between 0 and 65535")
        unguarded = info.data.get("sign_in") == "none" and info.data.get("open") is False
        if unguarded and not ip_address(host).is_loopback:
            raise ValueError(
                f"{host} is reached from the network, and there is no sign-in: set sign_in, "
                "or open: true to let everybody in, or listen on a loopback address"
            )
        return listen

    @model_validator(mode="after")
    def _app_db_is_used(self) -> Self:
        """Refuse a file that names users but lets everybody in all the same."""
        if self.app_db is not None and self.sign_in != "calibre-web":
            raise ValueError("app_db is used with `sign_in: calibre-web` only: set that, or leave app_db out")
        return self


def split_listen(listen: str) -> tuple[str, int]:
    """Split `address:port` or `[address]:port`; raises ValueError."""
    match = re.fullmatch(r"\[?([0-9a-fA-F.:]+|localhost)\]?:(\d{1,5})", listen)
    if match is None:
        raise ValueError('write an address and a port such as "127.0.0.1:8084" or "[::1]:8084"')
    host = "127.0.0.1" if match[1] == "localhost" else match[1]
    return str(ip_address(host)), int(match[2])


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        raise ValueError("write an address that begins with http:// or https://")
    return url


class Settings(Section):
    """The whole configuration; only `app` sees it."""

    folders: Folders = Field(default_factory=Folders)
    sources: tuple[SourceSettings, ...] = (GutenbergSettings(kind="gutenberg"),)
    lists: tuple[ListSettings, ...] = ()
    formats: Annotated[Formats, Field(min_length=1)] = ("epub", "azw3", "mobi", "pdf", "fb2", "cbz", "txt")
    languages: Words = ("en",)
    calibre_library: Folder | None = None
    """A calibre library, whose books are not fetched again; it is only read."""
    intake: IntakeSettings = IntakeSettings()
    match: MatchSettings = MatchSettings()
    download: DownloadSettings = DownloadSettings()
    deliver: DeliverSettings = DeliverSettings()
    queue: QueueSettings = QueueSettings()
    server: ServerSettings = ServerSettings()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    grace: Annotated[Duration, Field(ge=1)] = 20.0
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: object, /) -> None:
        """Keep the warnings that `config.load` gives."""
        if isinstance(context, Origin):
            self._warnings = context.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever starts the daemon should read in its log; it is no part of the file."""
        return self._warnings

    @field_validator("languages")
    @classmethod
    def _known_languages(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for name in languages:
            if not language_tag(name):
                raise ValueError(f"no language is called `{name}`: write a tag such as en, fr or zh-Hant")
        return languages

    @field_validator("sources")
    @classmethod
    def _names_once(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are named {name}: give each a name of its own")
        return sources

    @field_validator("lists")
    @classmethod
    def _lists_once(cls, lists: tuple[ListSettings, ...]) -> tuple[ListSettings, ...]:
        names = [each.name for each in lists]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two lists are named {name}: give each a name of its own")
        return lists
