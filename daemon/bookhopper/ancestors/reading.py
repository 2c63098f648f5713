"""What the texts of the ancestors' variables mean; each raises ValueError with the remedy."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from pathlib import Path

_TRUE = frozenset(("true", "yes", "1", "y", "on"))
_FALSE = frozenset(("false", "no", "0", "n", "off"))


def path(text: str) -> Path:
    """Give a path as it is written: the ancestors knew no `~` and no variables in one."""
    return Path(text).absolute()


def program(text: str) -> str:
    """Give the path of a program, in which a variable is put in its place as in a file."""
    return str(path(text))


def words(text: str) -> list[str]:
    """Give the words between commas, in lower case."""
    found = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not found:
        raise ValueError("write words with commas between them")
    return found


def address(text: str) -> str:
    """Give the address that is meant: as it is written, or of the host of that name."""
    try:
        return str(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ValueError("write an address such as 0.0.0.0, or the name of this machine") from None
    # IPv4 first, as everywhere else: `localhost` is 127.0.0.1 here
    return str(min(found, key=lambda entry: entry[0] is not socket.AF_INET)[4][0])


def port(text: str) -> int:
    """Give a port's number."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("write a port from 0 to 65535")
    return int(text)


def seconds(text: str) -> float:
    """Give a number of seconds."""
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise ValueError("write a number of seconds")
    return float(text)


def milliseconds(text: str) -> float:
    """Give a number of milliseconds as seconds."""
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError("write a number of milliseconds")
    return int(text) / 1000


def number(text: str) -> int:
    """Give a whole number."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("write a whole number")
    return int(text)


def boolean(text: str) -> bool:
    """Give what is true or false."""
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("write true or false")
    return text.lower() in _TRUE
