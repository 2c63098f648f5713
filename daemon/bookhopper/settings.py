"""The settings, section by section: each part of the daemon gets its own and never sees the others.

What a key means and its default stand here once; `config/bookhopper.example.yaml` shows them all.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bookhopper.keep_settings import KeepSettings
from bookhopper.model import UNNOTICED_FORMATS
from bookhopper.naming_settings import NamingSettings
from bookhopper.notify_settings import NotifySettings
from bookhopper.script_settings import ScriptSettings
from bookhopper.search.language import language_tag
from bookhopper.setting_types import (
    Duration,
    Folder,
    Formats,
    HostNames,
    Mode,
    Name,
    Section,
    Size,
    Words,
    web_address,
)
from bookhopper.source_settings import GutenbergSettings, Origin, SourceSettings

LISTS_PAUSE_SECONDS = 300.0
"""How long at least a list at an address is left alone between two looks; one's own machine minds less."""

CONSUMERS_REPEAT_SECONDS = 120.0
"""Within which Calibre-Web-Automated drops the same path, size and mtime as one that it has seen."""


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
        requests, ingest, state = (path.resolve() for path in (self.requests, self.ingest, self.state))
        for name, inner in (("requests", requests), ("state", state)):
            if inner.is_relative_to(ingest):
                raise ValueError(
                    f"{name} must not lie inside ingest: its consumer deletes what it does not know"
                )
        if ingest.is_relative_to(requests) or state.is_relative_to(requests):
            raise ValueError("ingest and state must not lie inside requests")
        return self


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
        if "@" in urlsplit(web_address(url)).netloc:
            raise ValueError("an address with a sign-in in it cannot be used here")
        return url

    @field_validator("every")
    @classmethod
    def _not_too_often(cls, seconds: float, told: ValidationInfo) -> float:
        host = urlsplit(told.data.get("url", "")).hostname or ""
        if seconds < LISTS_PAUSE_SECONDS and not _is_this_machine(host):
            raise ValueError("a guest does not ask that often: write 5m or more")
        return seconds


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
    """How a book appears in the ingest folder, and how long a copy of it is kept (0: none is).

    A book that lies there for `nudge_after` gets one more event (0: none does).  With `fill_metadata`, an
    EPUB that has no title or no author gets what is known.
    """

    mode: Mode = "0664"
    require_mount: bool = True
    keep_copies: Duration = 7 * 86400.0
    nudge_after: Duration = 6 * 3600.0
    fill_metadata: bool = False

    @field_validator("nudge_after")
    @classmethod
    def _no_repeat(cls, seconds: float) -> float:
        if 0 < seconds < CONSUMERS_REPEAT_SECONDS:
            raise ValueError("consumers take what comes again so soon for a repeat: write 2m or more, or 0s")
        return seconds

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
    """Where the HTTP server listens, by which names it is reached, and who may use it.

    `url` is the address of its page that people use, for links to it.
    """

    url: str = ""
    app_db: Folder | None = None
    open: bool = False
    hosts: HostNames = ()
    status_timeout: Duration = 3600.0
    # below what they are judged by: pydantic goes by the order in which the fields stand here
    sign_in: SignIn = "none"
    listen: str = "127.0.0.1:8084"

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        return web_address(url) if url else url

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


DEFAULT_SOURCES = (GutenbergSettings(kind="gutenberg"),)


class Settings(Section):
    """The whole configuration; only `app` sees it."""

    folders: Folders = Field(default_factory=Folders)
    sources: tuple[SourceSettings, ...] = DEFAULT_SOURCES
    lists: tuple[ListSettings, ...] = ()
    formats: Annotated[Formats, Field(min_length=1)] = ("epub", "azw3", "mobi", "pdf", "fb2", "cbz", "txt")
    languages: Words = ("en",)
    calibre_library: Folder | None = None
    """A calibre library, whose books are not fetched again; it is only read."""
    intake: IntakeSettings = IntakeSettings()
    match: MatchSettings = MatchSettings()
    download: DownloadSettings = DownloadSettings()
    deliver: DeliverSettings = DeliverSettings()
    naming: NamingSettings = NamingSettings()
    script: ScriptSettings = ScriptSettings()
    queue: QueueSettings = QueueSettings()
    keep: KeepSettings = KeepSettings()
    server: ServerSettings = ServerSettings()
    notify: tuple[NotifySettings, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "human", "json", "journal"] = "auto"
    grace: Annotated[Duration, Field(ge=1)] = 20.0
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: object, /) -> None:
        """Keep the warnings that `config.load` gives."""
        if isinstance(context, Origin):
            self._warnings = context.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever starts the daemon should read in its log; it is no part of the file."""
        unnoticed = (
            f"formats: Calibre-Web-Automated does not take {name} files from ingest; calibre itself does"
            for name in self.formats
            if name in UNNOTICED_FORMATS
        )
        return (*self._warnings, *unnoticed)

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

    @field_validator("notify")
    @classmethod
    def _targets_once(cls, targets: tuple[NotifySettings, ...]) -> tuple[NotifySettings, ...]:
        names = [each.name for each in targets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two that are told are named {name}: give each a name of its own")
        return targets
