"""What a URL says about where it leads: its origin, how to show it, and whether it may be visited."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from bookhopper.errors import PermanentError, printable, shortened
from bookhopper.private_hosts import in_ascii, is_private

LOOK_SECONDS = 2.0
"""For how long it is asked at most whether hosts are local."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN_CHARACTERS = 200
_TOKEN = re.compile(
    r"(?=.*\d)(?=.*[a-z])([a-z0-9]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE
)


def origin(url: str) -> str:
    """Give the origin of an HTTP URL (RFC 6454): scheme, host and port, the default port left out.

    Raises PermanentError for anything that is not an absolute HTTP URL.
    """
    return f"{_split(url).scheme}://{host_and_port(url)}"


def is_named(url: str, origins: Collection[str]) -> bool:
    """Whether a URL is at one of some origins, be it by way of https where that one says http."""
    place = origin(url)
    return place in origins or place.replace("https://", "http://", 1) in origins


def host_and_port(url: str) -> str:
    """Give the host of an HTTP URL in lower case, with its port where that is not the scheme's own."""
    parts = _split(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    port = parts.port
    return name if port in {None, _DEFAULT_PORTS[parts.scheme]} else f"{name}:{port}"


def port_of(url: str) -> int:
    """Give the port that an HTTP URL leads to."""
    parts = _split(url)
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def ports_named(url: str) -> tuple[str, ...]:
    """Give what a configured URL admits, as `host:port`: its own port, or both of HTTP's where it names none.

    `http://nas` so covers the move to `https://nas`, and no other service of that machine.
    """
    parts = _split(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else in_ascii(host)
    ports = _DEFAULT_PORTS.values() if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else (parts.port,)
    return tuple(f"{name}:{port}" for port in ports)


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
    return shortened(printable(shown), _SHOWN_CHARACTERS)


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
    return any(is_private(ip_address(str(address[0]))) for *_, address in found)


def local_among(hosts: Collection[str], seconds: float = LOOK_SECONDS) -> frozenset[str]:
    """Give those of some hosts that are local; all of them are looked up at once, and for so long at most.

    A resolver that does not answer, as before a network is there, would keep whoever asks for minutes.
    """
    found: set[str] = set()

    def look(host: str) -> None:
        if is_local(host):
            found.add(host)

    looking = [
        threading.Thread(target=look, args=(host,), name="resolver", daemon=True)
        for host in sorted(set(hosts))
    ]
    deadline = time.monotonic() + seconds
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join(max(0.0, deadline - time.monotonic()))
    return frozenset(found)


def is_admitted(host: str, port: int, allowed: Collection[str]) -> bool:
    """Whether `allowed` names a host (for every port of it) or that port of it."""
    name = f"[{host}]" if ":" in host else host
    return host in allowed or f"{name}:{port}" in allowed


def private_refusal(host: str, port: int) -> PermanentError:
    """Make the error for a link that leads to this machine or its network.

    Links and redirects come from outside, and must not make the daemon ask the router or a neighbour.
    """
    name = f"[{host}]" if ":" in host else host
    return PermanentError(
        f"{name}:{port} leads into the private network, which a link from outside may not: "
        "name it as a source or mirror in the configuration if it is yours, for a source of kind html "
        "under its `hosts`"
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
