"""Under which names the daemon is reached, and whether a web page elsewhere made a request.

The Host header keeps a page elsewhere from reaching the daemon under a name of its own (DNS rebinding); the
others tell where a request comes from (Fetch Metadata; RFC 6454, section 7).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@\\]+)(?::(?P<port>[0-9]{1,5}))?")
_SAME_SITE = frozenset(("same-origin", "none"))
_BROWSER = "Mozilla/"  # how the User-Agent of every browser begins


def own_names(hosts: Iterable[str]) -> frozenset[str]:
    """List the names that the daemon answers to, beside addresses; `hosts` are further ones."""
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    return frozenset(("localhost", machine, short, f"{short}.local", *hosts)) - {"", ".local"}


def is_own(host: str, names: frozenset[str]) -> bool:
    """Tell whether a Host header names this daemon: any address does, since no name stands behind one."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower()
    if name in names:
        return True
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        return False
    return (address.version == 6) == name.startswith("[")


def is_foreign(headers: Headers) -> bool:
    """Tell whether a page of another origin made a request; one that tells nothing comes from no browser."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _SAME_SITE
    for name in ("origin", "referer"):
        origin = headers.get(name)
        if origin is not None:
            return not _is_of(origin, headers.get("host", ""))
    return False


def hides_its_page(headers: Headers) -> bool:
    """Tell whether a browser made a request and says nothing of the page that it comes from.

    Over plain HTTP browsers send no Fetch Metadata, and a page may have them send no Referer either.
    """
    tells = any(name in headers for name in ("sec-fetch-site", "origin", "referer"))
    return not tells and headers.get("user-agent", "").startswith(_BROWSER)


def _is_of(address: str, host: str) -> bool:
    """Tell whether an address lies on a host; http or https cannot be told apart behind a proxy."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
