"""Which hosts are not on the public internet, by their address or by their very name."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_LOCAL_ZONES = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
"""Where names of private networks end (RFC 6761, 6762 and 8375, ICANN's .internal, and what routers use)."""


def is_plainly_local(host: str) -> bool:
    """Whether a host shows by its very name that it is not on the public internet; nobody is asked."""
    name = in_ascii(host).rstrip(".").lower()  # in which full-width digits, say, are digits
    try:
        return is_private(ip_address(name))
    except ValueError:
        pass
    try:  # 127.1, 0x7f000001 and the other spellings that C libraries take for an IPv4 address
        return is_private(IPv4Address(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return "." not in name or f".{name}".endswith(_LOCAL_ZONES)
    except ValueError:  # a NUL, at which C libraries end the name: what is behind it could be anything
        return True


def is_private(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address, or the IPv4 address inside it, is not one of the public internet."""
    if isinstance(ip, IPv6Address):
        ip = _embedded(ip) or ip
    local = not ip.is_global or ip.is_multicast or ip.is_reserved
    return local or (isinstance(ip, IPv6Address) and ip.is_site_local)


def in_ascii(host: str) -> str:
    """Give a host's name as it goes on the wire."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """Give the IPv4 address that an IPv6 address stands for: mapped, compatible, 6to4 or NAT64."""
    if ip in _NAT64 or ip in _COMPATIBLE:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
