"""What a URL says about where it leads: its origin, how to show it, and whether it may be visited."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from bookhopper.errors import PermanentError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")
_SHOWN_CHARACTERS = 200
_TOKEN = re.compile(
    r"(?=.*\d)(?=.*[a-z])([a-z0-9]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE
)


def origin(url: str) -> str:
    """Give the origin of an HTTP URL (RFC 6454): scheme, host and port, the default port left out.

    Raises PermanentError for anything that is not an absolute HTTP URL.
    """
    return f"{_split(url).scheme}://{host_and_port(url)}"


def host_and_port(url: str) -> str:
    """Give the host of an HTTP URL in lower case, with its port where that is not the scheme's own."""
    parts = _split(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    port = parts.port
    return name if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{name}:{port}"


def host_name(host_with_port: str) -> str:
    """Give the host alone, of what `host_and_port` gave; an IPv6 address without its brackets."""
    return urlsplit(f"//{host_with_port}").hostname or ""


def safe_url(url: str) -> str:
    """Show a URL in messages and logs: without credentials, tokens, query values and control characters."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        path = "/".join("…" if is_token(segment) else segment for segment in parts.path.split("/"))
        shown = urlunsplit((parts.scheme, place, path, "…" if parts.query else "", ""))
    except ValueError:
        shown = "(a malformed address)"
    printable = "".join(character if character.isprintable() else "�" for character in shown)
    return printable if len(printable) <= _SHOWN_CHARACTERS else printable[: _SHOWN_CHARACTERS - 1] + "…"


def is_token(segment: str) -> bool:
    """Whether a segment of a path looks like a secret, such as the API key in Kavita's addresses."""
    return _TOKEN.fullmatch(segment) is not None


def without_credentials(url: str) -> str:
    """Give the URL without user name, password and fragment, as it goes on the wire."""
    parts = _split(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def is_local(host: str) -> bool:
    """Whether a host is, or resolves to, an address that is not on the public internet.

    A name that cannot be resolved is not local: connecting to it tells what is wrong.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_private(str(address[0])) for *_, address in found)


def refuse_private(url: str, allowed: Collection[str] = ()) -> None:
    """Raise PermanentError when a URL leads to this machine or its network, unless `allowed` names the host.

    Links and redirects come from outside, and must not make the daemon ask the router or a neighbour.
    `allowed` holds `host` or `host:port` as the configuration names them.
    """
    with_port = host_and_port(url)
    host = host_name(with_port)
    if with_port in allowed or host in allowed:
        return
    if is_local(host):
        raise PermanentError(
            f"{safe_url(url)} leads into the private network, which a link from outside may not: "
            f"name {with_port} as a source or mirror in the configuration if it is yours"
        )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise PermanentError(
            f"{safe_url(url)} is no address that can be fetched: it takes http:// or https://"
        )
    return parts


def _is_private(address: str) -> bool:
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            embedded = IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = embedded or ip
    return not ip.is_global or ip.is_multicast
