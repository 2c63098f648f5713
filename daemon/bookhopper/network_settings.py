"""What a source may say of the way to its servers: a proxy, resolvers, a challenge solver."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from bookhopper.setting_types import Words

PRESETS = {
    "cloudflare": "https://1.1.1.1/dns-query",
    "google": "https://8.8.8.8/dns-query",
    "quad9": "https://9.9.9.9/dns-query",
    "opendns": "https://doh.opendns.com/dns-query",
}
"""Public resolvers that speak DNS over HTTPS, as their own pages name them; most need no look-up first."""

_DNS_PORT = 53
_SERVER = re.compile(
    r"\[(?P<bracketed>[0-9a-f:.]+)\](:(?P<port6>\d{1,5}))?"
    r"|(?P<v4>[0-9.]+)(:(?P<port4>\d{1,5}))?"
    r"|(?P<v6>[0-9a-f:.]+)",
    re.IGNORECASE,
)

Server = str | tuple[str, int]
"""A resolver: the URL of one that speaks DNS over HTTPS, or the address and port of a DNS server."""


def parse_resolver(name: str) -> Server:
    """Read a resolver's name, a preset's too; raises ValueError in words for whoever wrote it."""
    url = PRESETS.get(name, name)
    if url.startswith("https://") and _is_web_address(url):
        return url
    match = _SERVER.fullmatch(name)
    try:
        if match is not None:
            address = ip_address(match["bracketed"] or match["v4"] or match["v6"])
            port = int(match["port6"] or match["port4"] or _DNS_PORT)
            if 0 < port < 65536:
                return str(address), port
    except ValueError:
        pass
    raise ValueError(
        f"{name!r} is no resolver: write system, {', '.join(PRESETS)}, the https:// address of one that "
        "speaks DNS over HTTPS, or the IP address of a DNS server"
    )


def _resolvers(names: tuple[str, ...]) -> tuple[str, ...]:
    if names == ("system",):
        return names
    if not names or "system" in names:
        raise ValueError("write either system or the resolvers to ask instead, in turn")
    for name in names:
        parse_resolver(name)
    return names


def proxy_address(url: str) -> str:
    """Judge a proxy's address without ever showing it: it may hold a password.  Raises ValueError."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname and parts.port) and parts.path in {"", "/"} and not parts.query
    except ValueError:
        usable = False
    if not url:
        return url
    if url.startswith(("socks5://", "socks://", "socks4")):
        raise ValueError("write socks5h:// instead, so that the proxy looks the names up as well")
    if not usable or not url.startswith(("http://", "https://", "socks5h://")) or re.search(r"\s", url):
        raise ValueError("write http://, https:// or socks5h://, a host and its port")
    return url


def _proxy(secret: SecretStr) -> SecretStr:
    proxy_address(secret.get_secret_value())
    return secret


def _solver(url: str) -> str:
    if url and not _is_web_address(url):
        raise ValueError("write its whole address, such as http://127.0.0.1:8191/v1")
    return url


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and named and not re.search(r"\s", url)


ProxyAddress = Annotated[SecretStr, AfterValidator(_proxy)]
ResolverNames = Annotated[Words, AfterValidator(_resolvers)]
SolverAddress = Annotated[str, AfterValidator(_solver)]
