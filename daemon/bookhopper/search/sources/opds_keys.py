"""What a book of a catalogue is called in reports, logs and the API: never an address with a secret in it."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from requests.utils import requote_uri

from bookhopper.errors import PermanentError
from bookhopper.net.addresses import is_token, origin, without_credentials

_BELOW = "./"
_OPAQUE = re.compile(r"~[0-9a-f]{16}")


class Keys:
    """Keys for the addresses of one catalogue.

    `./books/1` lies below the root feed, whose own path may hold an API key; `/books/1` elsewhere on its
    origin; `~` and 16 hexadecimal digits stand for any other address: another origin's, or one with a query,
    where tokens are.
    """

    def __init__(self, root: str) -> None:
        """Take the address of the root feed; raises PermanentError when it is no HTTP address."""
        self._origin = origin(root)
        path = urlsplit(requote_uri(without_credentials(root))).path
        folder, _, last = path.rpartition("/")
        self._base = (folder if "." in last else path).rstrip("/") + "/"
        self._secrets = frozenset(filter(is_token, path.split("/")))

    def key(self, href: str) -> str:
        """Give the key of an address; raises PermanentError when it is no HTTP address."""
        address = without_credentials(requote_uri(href))
        parts = urlsplit(address)
        if origin(address) == self._origin and not parts.query and _is_plain(parts.path):
            below = self._base != "/" and parts.path.startswith(self._base)
            key = _BELOW + parts.path.removeprefix(self._base) if below else parts.path
            if self._secrets.isdisjoint(key.split("/")):
                return key
        return "~" + hashlib.sha256(address.encode()).hexdigest()[:16]

    def address(self, key: str) -> str:
        """Give the address that a key stands for; empty when it is opaque, or no key at all.

        A person may also have written an address with a query, or a whole one.
        """
        path = self._base + key.removeprefix(_BELOW) if key.startswith(_BELOW) else key
        try:
            address = without_credentials(requote_uri(self._origin + path if path.startswith("/") else path))
            plain = _is_plain(urlsplit(address).path)
        except (PermanentError, ValueError):
            return ""
        return address if plain else ""


def is_opaque(key: str) -> bool:
    """Whether a key is one that cannot be turned back into an address."""
    return _OPAQUE.fullmatch(key) is not None


def _is_plain(path: str) -> bool:
    """Whether a path leads where it seems to: absolute, and without steps upwards."""
    return path.startswith("/") and not path.startswith("//") and {".", ".."}.isdisjoint(path.split("/"))
