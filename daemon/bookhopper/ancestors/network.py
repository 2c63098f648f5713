"""The way to the sources' servers as the ancestors' variables have it: pace, Tor, resolvers, a solver.

What is said of all servers holds for the sources on the internet: one that names an address of this machine
or of its network is reached as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bookhopper.ancestors import reading
from bookhopper.ancestors.filling import Filling
from bookhopper.draft import Key
from bookhopper.network_settings import PRESETS
from bookhopper.private_hosts import is_plainly_local

TOR = "socks5h://127.0.0.1:9050"
"""Where Tor answers by default; it looks the names up, too."""

_SERVERS = {
    "cloudflare": ["1.1.1.1", "1.0.0.1"],
    "google": ["8.8.8.8", "8.8.4.4"],
    "quad9": ["9.9.9.9", "149.112.112.112"],
    "opendns": ["208.67.222.222", "208.67.220.220"],
}
"""The plain DNS servers of those that speak DNS over HTTPS as well, as their own pages name them."""

_SOLVER = "http://flaresolverr:8191"
_SOLVER_PATH = "/v1"
_SOLVER_NAMES = ("EXT_BYPASSER_URL", "EXT_BYPASSER_PATH", "EXT_BYPASSER_TIMEOUT")
_NOBODY = "every source says its own, or lies in your own network"
_WITH_SETTLED_PACE = frozenset(("html",))
"""Definitions of web pages say how gently their site is to be asked."""


def fill_sources(filling: Filling) -> None:
    """Fill in what the variables say of every source."""
    sources = list(_distant(filling))
    _pace(filling, sources)
    uses_tor = bool(filling.read("USING_TOR", reading.boolean))
    if uses_tor:
        _tor(filling, sources)
    else:
        filling.idle("Tor is not asked for", "USING_TOR")
        _resolvers(filling, sources)
    _solver(filling, sources)


def _distant(filling: Filling) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """Give the sources that are on the internet, with their numbers."""
    sources = filling.draft.data.get("sources")
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict) and source.get("kind") != "folder" and not _is_near(source):
            yield number, source


def _is_near(source: Mapping[Any, Any]) -> bool:
    """Whether a source names addresses of this machine or its network."""
    if source.get("kind") == "html":
        return bool(source.get("hosts"))
    named = [source.get(key) for key in ("url", "site", "archive", "catalogue")]
    mirrors = source.get("mirrors")
    named += mirrors if isinstance(mirrors, list) else []
    return any(_is_local(url) for url in named if isinstance(url, str) and "://" in url)


def _is_local(url: str) -> bool:
    try:
        return is_plainly_local(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _put(filling: Filling, keys: list[Key], value: Any, *names: str) -> None:
    """Put a value wherever nobody has said one."""
    for key in keys:
        filling.put(key, value, *names)
    if not keys:
        filling.idle(_NOBODY, *names)


def _pace(filling: Filling, sources: list[tuple[int, Mapping[Any, Any]]]) -> None:
    delay = filling.read("DEFAULT_SLEEP", reading.seconds)
    if delay is None:
        return
    keys: list[Key] = [
        ("sources", number, "pace", "delay")
        for number, source in sources
        if source.get("kind") not in _WITH_SETTLED_PACE
    ]
    _put(filling, [key for key in keys if filling.draft.is_open(key)], delay, "DEFAULT_SLEEP")


def _tor(filling: Filling, sources: list[tuple[int, Mapping[Any, Any]]]) -> None:
    keys: list[Key] = [("sources", number, "proxy") for number, source in sources if not _has_proxy(source)]
    _put(filling, keys, TOR, "USING_TOR")
    filling.idle("USING_TOR goes before it", "CUSTOM_DNS", "USE_DOH")
    if filling.draft.data.get("lists"):
        filling.warn("USING_TOR holds for the sources: the lists at addresses are fetched without it")


def _resolvers(filling: Filling, sources: list[tuple[int, Mapping[Any, Any]]]) -> None:
    over_https = filling.read("USE_DOH", reading.boolean)
    told = filling.text("CUSTOM_DNS").lower()
    if told in {"", "auto", "system"}:
        filling.idle("the resolver of this machine is asked first and last", "CUSTOM_DNS")
        filling.idle("CUSTOM_DNS names no resolver that speaks it", "USE_DOH")
        return
    names = ["CUSTOM_DNS"]
    if told in PRESETS:
        servers = [told] if over_https else _SERVERS[told]
        names += ["USE_DOH"] if over_https else []
    else:
        found = filling.read("CUSTOM_DNS", _addresses)
        if found is None:
            return
        servers = found
    if "USE_DOH" not in names:
        filling.idle(
            "plain servers are named" if over_https else "DNS over HTTPS is not asked for", "USE_DOH"
        )
    keys: list[Key] = [
        ("sources", number, "dns")
        for number, source in sources
        if not _has_proxy(source) and filling.draft.is_open(("sources", number, "dns"))
    ]
    _put(filling, keys, servers, *names)


def _has_proxy(source: Mapping[Any, Any]) -> bool:
    return bool(source.get("proxy") or source.get("proxy_file"))


def _addresses(text: str) -> list[str]:
    try:
        return [str(ip_address(word)) for word in reading.words(text)]
    except ValueError:
        raise ValueError(f"write {', '.join(PRESETS)}, or the IP addresses of DNS servers") from None


def _solver(filling: Filling, sources: list[tuple[int, Mapping[Any, Any]]]) -> None:
    wanted = filling.read("USING_EXTERNAL_BYPASSER", reading.boolean)
    if wanted is None:  # the ancestor's image for it said so by itself
        wanted = bool(filling.text("EXT_BYPASSER_URL"))
    if not wanted:
        filling.idle("no solver is asked for", "USING_EXTERNAL_BYPASSER")
        filling.idle("USING_EXTERNAL_BYPASSER does not ask for it", *_SOLVER_NAMES)
        return
    told = [name for name in ("USING_EXTERNAL_BYPASSER", *_SOLVER_NAMES[:2]) if filling.text(name)]
    path = filling.text("EXT_BYPASSER_PATH") or _SOLVER_PATH
    url = f"{(filling.text('EXT_BYPASSER_URL') or _SOLVER).rstrip('/')}/{path.lstrip('/')}"
    numbers = [number for number, _ in sources if filling.draft.is_open(("sources", number, "solver"))]
    _put(filling, [("sources", number, "solver") for number in numbers], url, *told)
    timeout = filling.read("EXT_BYPASSER_TIMEOUT", reading.milliseconds)
    if timeout is not None:
        open_to = [("sources", number, "solver_timeout") for number in numbers]
        _put(filling, [key for key in open_to if filling.draft.is_open(key)], timeout, "EXT_BYPASSER_TIMEOUT")
