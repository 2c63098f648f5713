"""One plain form for titles and names, so that what means the same compares as the same.

Standard library only: intake needs this before the daemon is ready, and for 100,000 lines at a time.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b

from bookhopper.model import Want

_SPELLED_OUT = {
    "&": " and ",
    "'": "",
    "’": "",
    "‘": "",
    "ʼ": "",
    "`": "",
    "´": "",
    "ʻ": "",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ı": "i",
}
"""What Unicode does not decompose, and the signs that are a word or nothing at all."""

_LATIN_MARKS = range(0x0300, 0x0370)
"""Combining accents; the vowel signs of other scripts lie elsewhere and stay, as they make other words."""


class _Folding(dict[int, str]):
    """A `str.translate` table that works out each character when it is first met."""

    LIMIT = 50_000

    def __missing__(self, code: int) -> str:
        """Work out and keep the plain form of a character; a hostile text cannot make the table huge."""
        folded = _fold_character(chr(code))
        if len(self) < self.LIMIT:
            self[code] = folded
        return folded


def _fold_character(character: str) -> str:
    lower = character.casefold()
    if lower in _SPELLED_OUT:
        return _SPELLED_OUT[lower]
    plain = []
    for part in unicodedata.normalize("NFKD", lower):
        if ord(part) in _LATIN_MARKS or unicodedata.category(part) == "Cf":
            continue
        kept = _SPELLED_OUT.get(part, part).casefold()
        plain.append(kept if unicodedata.category(part)[0] in "LNM" else " ")
    return "".join(plain)


_FOLDING = _Folding()
_ASCII = [_fold_character(chr(code)) for code in range(128)]
_FOLDING.update(enumerate(_ASCII))
_ASCII_FOLDING = bytes(ord(folded) if len(folded) == 1 else 0 for folded in _ASCII).ljust(256, b"\0")
_ASCII_DROPPED = bytes(code for code, folded in enumerate(_ASCII) if not folded)
_ISBN_NOISE = re.compile(r"[^0-9X]")


def fold(text: str) -> str:
    """Lower case, no accents, no punctuation, single blanks: `Père  Goriot!` → `pere goriot`."""
    return " ".join(_folded(text).split())


def _folded(text: str) -> str:
    if text.isascii():  # most titles and names; bytes are translated many times faster than characters
        spelled_out = text.replace("&", _SPELLED_OUT["&"])
        return spelled_out.encode().translate(_ASCII_FOLDING, _ASCII_DROPPED).decode()
    return text.translate(_FOLDING)


def isbn13(isbn: str) -> str:
    """Give the thirteen digits of an ISBN-10 or -13 that was checked before; otherwise its plain digits."""
    digits = _ISBN_NOISE.sub("", isbn.upper())
    if len(digits) != 10:
        return digits
    core = "978" + digits[:9]
    if not core.isdigit():
        return digits
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(core))
    return f"{core}{-total % 10}"


@lru_cache(maxsize=4096)
def _name_key(name: str) -> str:
    """Make a key of a name that is the same for `Tolkien, J.R.R.` and `J. R. R. Tolkien`."""
    return " ".join(sorted(_folded(name).split()))


def identity(want: Want) -> bytes:
    """Tell wants apart: 16 bytes, equal for two lines that ask for the same book.

    What counts is the ISBN, or else title and first author, with language and formats; a pick is a want of
    its own, whatever else its line says, and so is a collection with its limit.  Titles are folded gently: a
    subtitle or the number of a volume makes another want.
    """
    if want.collection is not None:
        whole = want.collection
        name = whole.value if whole.kind == "feed" else _name_key(whole.value)
        author = _name_key(want.authors[0]) if want.authors else ""
        key = f"{whole.kind}\0{name}\0{author}\0{whole.limit}"
    elif want.pick is not None:
        key = f"pick\0{want.pick.source}\0{want.pick.key}\0{want.pick.job or ''}"
    elif want.isbn:
        key = f"isbn\0{isbn13(want.isbn)}"
    else:
        title = fold(want.title) or want.title.strip() or want.raw.strip()
        key = f"book\0{title}\0{_name_key(want.authors[0]) if want.authors else ''}"
    if want.language or want.formats:
        key = f"{key}\0{want.language.lower()}\0{','.join(want.formats).lower()}"
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
