r"""Text as BibTeX files write it: `Bront{\"e}` is Brontë, `\emph{Emma}` is Emma, `--` a dash.

Only what titles and names are made of; a command that is not known is left out and what it encloses is kept.
"""

from __future__ import annotations

import re
import unicodedata

_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
    "b": "\u0331",
}  # fmt: skip
"""LaTeX's commands for accents, and Unicode's combining marks."""

_LETTERS = {
    "ss": "ß", "SS": "ẞ", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø",
    "aa": "å", "AA": "Å", "l": "ł", "L": "Ł", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ",
    "dj": "đ", "DJ": "Đ", "ng": "ŋ", "NG": "Ŋ", "i": "ı", "j": "ȷ",
    "textendash": "–", "textemdash": "—", "textquoteright": "’", "textquoteleft": "‘",
    "textquotedblleft": "“", "textquotedblright": "”", "guillemotleft": "«", "guillemotright": "»",
    "ldots": "…", "dots": "…", "textellipsis": "…", "P": "¶", "S": "§", "textregistered": "®",
    "texttrademark": "™", "copyright": "©", "pounds": "£", "euro": "€", "textasciitilde": "~",
    "textbackslash": "\\", "slash": "/", "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX",
}  # fmt: skip
_TOKEN = re.compile(
    r"""
    \\ (?P<accent> [`'^~=."] | [urHvdckb] (?![a-zA-Z]) ) \s*
       (?: \{ \s* (?P<braced> \\ [ij] \b | [^\W\d_] )? \s* \}
         | (?P<bare> \\ [ij] (?![a-zA-Z]) \s* | [^\W\d_] )
         | )
    | \\ (?P<command> [a-zA-Z]+ ) \s* (?: \{\} )?
    | \\ (?P<escaped> .? )
    | (?P<dash> -{2,3} ) | (?P<quotes> `` | '' ) | (?P<blank> [~\s]+ ) | (?P<gone> [{}$] )
    """,
    re.VERBOSE | re.DOTALL,
)
_DASHES = {"--": "–", "---": "—"}
_QUOTES = {"``": "“", "''": "”"}
_ITSELF = frozenset("&%$#_{}")
_DOTLESS = {"\\i": "i", "\\j": "j"}


def decode_latex(text: str) -> str:
    """Give the text without LaTeX's commands, in composed Unicode."""
    if text.isalnum():
        return text
    return unicodedata.normalize("NFC", _TOKEN.sub(_decoded, text)).strip()


def _decoded(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if found["accent"]:
        letter = found["braced"] or found["bare"] or ""
        letter = _DOTLESS.get(letter.rstrip(), letter)
        return letter + _ACCENTS[found["accent"]] if letter else ""
    if kind == "command":
        return _LETTERS.get(found["command"], "")
    if kind == "escaped":
        return found["escaped"] if found["escaped"] in _ITSELF else " "
    if kind == "dash":
        return _DASHES[found["dash"]]
    if kind == "quotes":
        return _QUOTES[found["quotes"]]
    return " " if kind == "blank" else ""
