"""What the ancestors' variables set where neither the file nor a variable of our own says anything.

Only what is set counts: none of the ancestors' own defaults is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from bookhopper.ancestors import reading
from bookhopper.ancestors.filling import Filling
from bookhopper.ancestors.network import fill_sources
from bookhopper.draft import Draft, Key
from bookhopper.model import FORMATS
from bookhopper.search.language import language_tag
from bookhopper.settings import ServerSettings, split_listen

_MOST_WORKERS = 32
_MOST_ATTEMPTS = 20

_LEVELS = {
    **{name: name for name in ("debug", "info", "warning", "error")},
    "trace": "debug",
    "notset": "debug",
    "warn": "warning",
    "critical": "error",
    "fatal": "error",
}

_SHUT = frozenset(("false", "no", "off", "n", "f", "0"))

_PROXY = (
    "it holds for every connection whose source names no `proxy` of its own, those to lists too, apart from "
    "the hosts of NO_PROXY: leave it in the environment"
)
_LOG = "the log goes to standard error, which the journal or the container keeps"
_ACCOUNT = "whom the daemon runs as is said by its unit (`User=`, `Group=`) or its container"
_KINDS = "all books go to folders.ingest; `naming.folder` sorts them"
_FORMER_SOURCE = "books come from the sources that `sources:` names"

SETTING = frozenset(
    (
        *("INGEST_DIR", "CWA_DB_PATH", "STATUS_TIMEOUT", "FLASK_HOST", "FLASK_PORT", "LOG_LEVEL"),
        *("MAX_CONCURRENT_DOWNLOADS", "MAX_RETRY", "DEFAULT_SLEEP", "USE_BOOK_TITLE", "CUSTOM_SCRIPT"),
        *("SUPPORTED_FORMATS", "BOOK_LANGUAGE", "CUSTOM_DNS", "USE_DOH", "USING_TOR"),
        *("USING_EXTERNAL_BYPASSER", "EXT_BYPASSER_URL", "EXT_BYPASSER_PATH", "EXT_BYPASSER_TIMEOUT"),
        *("DOWNLOAD__MAX_CONCURRENT_DOWNLOADS", "DOWNLOAD__DEFAULT_MAX_RETRIES"),
        "DOWNLOAD__ENABLE_PRIORITY_QUEUE",
    )
)
"""The variables that are settings here."""

ELSEWHERE: Mapping[str, str] = {
    "TMP_DIR": "unfinished downloads lie under folders.state, since they outlive a restart",
    "LOG_ROOT": _LOG,
    "ENABLE_LOGGING": _LOG,
    "MAIN_LOOP_SLEEP_TIME": "nothing waits for it: a worker is woken when there is something to do",
    "DOWNLOAD_PROGRESS_UPDATE_INTERVAL": "nothing waits for it: progress is told as it comes",
    "UID": _ACCOUNT,
    "GID": _ACCOUNT,
    "PUID": _ACCOUNT,
    "PGID": _ACCOUNT,
    "TZ": "the C library heeds it: the times that are shown are of this zone",
    "HTTP_PROXY": _PROXY,
    "HTTPS_PROXY": _PROXY,
    "ALL_PROXY": _PROXY,
    "NO_PROXY": "it is heeded: the hosts that no proxy of the environment is used for",
    "AA_BASE_URL": _FORMER_SOURCE,
    "AA_ADDITIONAL_URLS": _FORMER_SOURCE,
    "AA_DONATOR_KEY": _FORMER_SOURCE,
    "INGEST_DIR_BOOK_FICTION": _KINDS,
    "INGEST_DIR_BOOK_NON_FICTION": _KINDS,
    "INGEST_DIR_BOOK_UNKNOWN": _KINDS,
    "INGEST_DIR_MAGAZINE": _KINDS,
    "INGEST_DIR_COMIC_BOOK": _KINDS,
    "INGEST_DIR_AUDIOBOOK": _KINDS,
    "INGEST_DIR_STANDARDS_DOCUMENT": _KINDS,
    "INGEST_DIR_MUSICAL_SCORE": _KINDS,
    "INGEST_DIR_OTHER": _KINDS,
}
"""The variables that are no setting here, and why."""


def fill(draft: Draft, variables: Mapping[str, str]) -> None:
    """Fill in what the variables say; faults, warnings and what is idle are noted in the draft."""
    filling = Filling(draft, variables)
    filling.fill(("folders", "ingest"), "INGEST_DIR", reading.path)
    _formats(filling)
    _languages(filling)
    _download(filling)
    _queue(filling)
    _naming(filling)
    filling.fill(("script", "after_verify"), "CUSTOM_SCRIPT", reading.program)
    _server(filling)
    _log_level(filling)
    fill_sources(filling)
    for name, why in ELSEWHERE.items():
        filling.idle(why, name)


def _formats(filling: Filling) -> None:
    name = "SUPPORTED_FORMATS"
    if not filling.wants(("formats",), name) or not (told := filling.read(name, reading.words)):
        return
    known = [word for word in (word.removeprefix(".") for word in told) if word in FORMATS]
    if unknown := [word for word in told if word.removeprefix(".") not in FORMATS]:
        filling.warn(f"{name}: no format is called {', '.join(unknown)}: left out")
    if known:
        filling.put(("formats",), list(dict.fromkeys(known)), name)


def _languages(filling: Filling) -> None:
    name = "BOOK_LANGUAGE"
    if not filling.wants(("languages",), name) or not (told := filling.read(name, reading.words)):
        return
    if unknown := [word for word in told if not language_tag(word)]:
        filling.warn(f"{name}: no language is called {', '.join(unknown)}: left out")
    if known := [word for word in told if language_tag(word)]:
        filling.put(("languages",), list(dict.fromkeys(known)), name)


def _download(filling: Filling) -> None:
    names = ("MAX_CONCURRENT_DOWNLOADS", "DOWNLOAD__MAX_CONCURRENT_DOWNLOADS")
    _count(filling, ("download", "workers"), names, 0, _MOST_WORKERS)
    # the ancestors counted what comes after the first attempt
    _count(
        filling, ("download", "attempts"), ("MAX_RETRY", "DOWNLOAD__DEFAULT_MAX_RETRIES"), 1, _MOST_ATTEMPTS
    )


def _count(filling: Filling, key: Key, names: tuple[str, str], more: int, most: int) -> None:
    """Fill in a number, which either ancestor's variable may say; the first one's goes before."""
    if not filling.wants(key, *names):
        return
    name, *others = (name for name in names if filling.text(name))
    filling.idle(f"{name} goes before it", *others)
    told = filling.read(name, reading.number)
    if told is None:
        return
    if told + more > most:
        filling.warn(f"{name}={told} is more than {'.'.join(map(str, key))} takes: {most} holds")
    filling.put(key, min(told + more, most), name)


def _queue(filling: Filling) -> None:
    name = "DOWNLOAD__ENABLE_PRIORITY_QUEUE"
    if filling.wants(("queue", "order"), name):
        told = filling.read(name, reading.boolean)
        if told is not None:
            filling.put(("queue", "order"), "priority" if told else "arrival", name)


def _naming(filling: Filling) -> None:
    name = "USE_BOOK_TITLE"
    if filling.wants(("naming", "file"), name):
        told = filling.read(name, reading.boolean)
        if told is not None:
            filling.put(("naming", "file"), "{title}" if told else "{key}", name)


def _server(filling: Filling) -> None:
    name = "CWA_DB_PATH"
    if filling.wants(("server", "sign_in"), name) and (app_db := filling.read(name, reading.path)):
        filling.put(("server", "sign_in"), "calibre-web", name)
        if filling.draft.is_open(("server", "app_db")):
            filling.put(("server", "app_db"), app_db, name)
    filling.fill(("server", "status_timeout"), "STATUS_TIMEOUT", reading.seconds)
    _listen(filling)


def _listen(filling: Filling) -> None:
    names = [name for name in ("FLASK_HOST", "FLASK_PORT") if filling.text(name)]
    if not filling.wants(("server", "listen"), *names):
        return
    host = filling.read("FLASK_HOST", reading.address)
    port = filling.read("FLASK_PORT", reading.port)
    if host is None and port is None:
        return
    usual_host, usual_port = split_listen(ServerSettings.model_fields["listen"].default)
    host = usual_host if host is None else host
    port = usual_port if port is None else port
    if not ip_address(host).is_loopback and not _let_in(filling):
        return
    filling.put(("server", "listen"), f"[{host}]:{port}" if ":" in host else f"{host}:{port}", *names)


def _let_in(filling: Filling) -> bool:
    """Settle who gets in from the network, where that is not said; False, with a fault, where nobody can."""
    if (filling.draft.get(("server", "sign_in")) or "none") != "none":
        return True
    told = f"FLASK_HOST={filling.text('FLASK_HOST')}"
    if filling.draft.is_open(("server", "open")):
        filling.warn(f"{told} opens the server to the network without a sign-in: set server.sign_in")
        filling.put(("server", "open"), True, "FLASK_HOST")
    elif str(filling.draft.get(("server", "open"))).lower() in _SHUT:
        if not filling.draft.is_open(("server", "sign_in")):
            filling.draft.faults.append(
                f"{told} asks for the network, and server.open says no, without a sign-in: "
                "set server.sign_in, or leave out one of the two"
            )
            return False
        # what both of them leave
        filling.warn(
            f"{told} lets in whoever has a token, since server.open says no: `bookhopper token new NAME` "
            "makes one; server.sign_in: token says the same without this warning"
        )
        filling.put(("server", "sign_in"), "token", "FLASK_HOST")
    return True


def _log_level(filling: Filling) -> None:
    name = "LOG_LEVEL"
    if not filling.wants(("log_level",), name):
        return
    told = filling.text(name).lower()
    if told in _LEVELS:
        filling.put(("log_level",), _LEVELS[told], name)
    else:  # a name that many programs use
        filling.warn(f"{name}: no level is called {told}: write debug, info, warning or error")
