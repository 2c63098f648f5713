"""What a book of a catalogue is called in reports, logs and the API: never an address with a secret in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlsplit

from requests.utils import requote_uri

from bookhopper.errors import PermanentError
from bookhopper.net.addresses import is_token, origin, without_credentials

_BELOW = "./"
_OPAQUE = re.compile(r"~[0-9a-f]{16}")

_HARMLESS = frozenset({
    "action", "author", "authors", "book", "bookid", "book_id", "doc", "docid", "document", "edition", "ext",
    "file", "filename", "fmt", "format", "id", "isbn", "item", "itemid", "kind", "lang", "language", "nr",
    "number", "page", "record", "recordid", "title", "type", "view", "vol", "volume",
})  # fmt: skip
"""What queries call a book, a page or a format."""

_TELLING = re.compile(
    r"access|account|api|auth|card|code|cookie|cred|hash|jwt|key|login|member|nonce|otp|pass|pin|pwd|secret"
    r"|sess|sid|sig|ticket|token|user"
)
"""What is in the name of what nobody else may know, be it only a number."""

_NUMBER = re.compile(r"[0-9]{1,12}")
_WORD = re.compile(r"[A-Za-z0-9-]+")
_LONGEST_VALUE = 100


class Keys:
    """Keys for the addresses of one catalogue.

    `./books/1` lies below the root feed, whose own path may hold an API key; `/book?id=1` elsewhere on its
    origin; another origin's address stands there as a whole.  `~` and 16 hexadecimal digits stand for an
    address that may hold a secret: credentials, or a query of which more is unknown than numbers.
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
        if _is_plain(parts.path) and _is_harmless(parts.query):
            query = f"?{parts.query}" if parts.query else ""
            if origin(address) == self._origin:
                below = self._base != "/" and parts.path.startswith(self._base)
                key = _BELOW + parts.path.removeprefix(self._base) if below else parts.path
                if self._secrets.isdisjoint(key.split("/")):
                    return key + query
            elif _is_open(href, parts):
                return address
        return self.opaque(href)

    def opaque(self, href: str) -> str:
        """Give the key that shows nothing of an address; raises PermanentError when it is no HTTP address."""
        address = without_credentials(requote_uri(href))
        return "~" + hashlib.sha256(address.encode()).hexdigest()[:16]

    def among(self, key: str, known: Iterable[str]) -> str:
        """Give which of the known keys an opaque one stands for, as older reports show it, or itself."""
        if not is_opaque(key):
            return key
        addresses = ((each, self.address(each)) for each in known)
        return next((each for each, address in addresses if address and self.opaque(address) == key), key)

    def address(self, key: str) -> str:
        """Give the address that a key stands for; empty when it is opaque, or no key at all.

        A person may also have written an address with a query, or a whole one, that no key would show.
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


def _is_harmless(query: str) -> bool:
    """Whether a query holds nothing but what names a book, as far as its names and values tell."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        return False
    for name, value in pairs:
        if name.lower() in _HARMLESS:
            if len(value) > _LONGEST_VALUE or any(map(is_token, _WORD.findall(value))):
                return False
        elif _TELLING.search(name.lower()) or not _NUMBER.fullmatch(value):
            return False
    return True


def _is_open(href: str, parts: SplitResult) -> bool:
    """Whether anybody may see another origin's address: no credentials, and nothing like a token in it."""
    return "@" not in urlsplit(href).netloc and not any(map(is_token, parts.path.split("/")))


def _is_plain(path: str) -> bool:
    """Whether a path leads where it seems to: absolute, and without steps upwards."""
    return path.startswith("/") and not path.startswith("//") and {".", ".."}.isdisjoint(path.split("/"))
