"""The ways to read `A - B`: which part is the title, which the author.

A line seldom says so: `A - B` may be either way round, `X by Y` may be a title of its own, `X, Y` too.  The
likeliest reading comes first; the scores of what is found decide between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bookhopper.intake.base import plain
from bookhopper.model import Reading

DASHES = "‐‑‒–—―−-"  # the hyphen last, as patterns put them into a class

_MOST = 6
"""Readings kept of one line; each costs a search."""

_SEPARATOR = re.compile(rf" (?:[{DASHES}]{{1,3}}|[/|]) ")
_TIGHT_DASH = re.compile(r"(?<=\w{2})[—―](?=\w{2})")
_BY = re.compile(r",? (?:by|By|BY) (?=\S)")
_COMMA = re.compile(r"[,;] (?![^(]*\))")  # not one within brackets
_COLON = re.compile(r": ")
_SENTENCE = re.compile(r"(?<=\w{3})\. (?=\w)")
_POSSESSIVE = re.compile(r"(?P<owner>\w[\w.' ’-]{1,40}?)(?:['’]s|(?<=s)['’]) (?P<title>\w.*)")
_REMARK = re.compile(r"\((?P<inside>[^()]*)\),?")
_NAME = re.compile(r"[^\W\d_][^\d#:()]{2,60}")
_LAST_YEAR = re.compile(r",? (?:1[4-9]|20)\d\d$")
_SERIES = re.compile(r"\([^()]*#\d[^()]*\)")
_ARTICLE = re.compile(r"(?:the|an?|der|die|das|les?|la) |l['’]", re.IGNORECASE)
_INVERTED = re.compile(
    r"[^\W\d_][\w'’.-]*(?: [\w'’.-]+){0,2}, (?!(?:or|and|oder|ou|the|an?|mr)\b)[^\s,]+(?: [^\s,]+){0,3}",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s*(?:;|&|\+|\b(?:and|und|et|with)\b)\s*", re.IGNORECASE)
_JOINT_SIGN = re.compile(r"[,;&+]")
_JOINT_WORD = re.compile(r" (?:and|AND|And|und|et|with) ")
_TRANSLATED = re.compile(r",? (?:translated|transl\.|tr\.|edited|illustrated) by .+$", re.IGNORECASE)
_ET_AL = re.compile(r",? (?:et al\.?|and others)$", re.IGNORECASE)
_QUOTES = {
    '"': '"',
    "“": "”",
    "„": "“",
    "«": "»",
    "»": "«",
    "‘": "’",
    "'": "'",
    "‹": "›",
    "「": "」",
    "『": "』",
}
_LOOSE = " ,;:"


def title_and_authors(text: str) -> tuple[str, tuple[str, ...], tuple[Reading, ...]]:
    """Read one plain line without mark-up: title, authors, and the other readings, likeliest first."""
    parts = text.split(" — ")
    if len(parts) != 2:
        parts = _SEPARATOR.split(text)
    has_by = " by " in text or " BY " in text or " By " in text
    if len(parts) == 2 and not has_by:  # nearly every line of a real list: no detours
        title, author = parts
        if _author_first(title, author):
            author, title = parts
        turned = Reading(unquoted(author), split_authors(title))
        return unquoted(title), split_authors(author), (turned, Reading(text))
    if len(parts) > 1:
        guesses = _dashed(parts, text)
    elif has_by:
        guesses = _said_by(text)
    else:
        guesses = _loose(text)
    first, *others = _distinct(guesses)
    return first.title, first.authors, tuple(others)


def split_authors(text: str) -> tuple[str, ...]:
    """Give the names in `A & B`, `A, B and C`; `Surname, Given` stays one name."""
    plain_names = text
    if "(" in text:
        last = text[-1] == ")" and text.count("(") == 1
        plain_names = (text[: text.index("(")] if last else _REMARK.sub("", text)).strip(_LOOSE)
    if not (_JOINT_SIGN.search(plain_names) or _JOINT_WORD.search(plain_names)):
        return (plain_names or text,)
    names: list[str] = []
    for part in _JOINT.split(_ET_AL.sub("", plain_names)):
        pieces = [piece.strip() for piece in part.split(",")]
        if all(" " in piece for piece in pieces):
            names += pieces
        elif part.strip(_LOOSE):
            names.append(part.strip(_LOOSE))
    if len(names) == 2 and " " not in names[0] and " " in names[1] and "," not in names[1]:
        names[0] += " " + names[1].rsplit(" ", 1)[1]  # Arkady and Boris Strugatsky
    return tuple(names) or (text,)


def unquoted(title: str) -> str:
    """Take the quotation marks off a title that stands in them as a whole."""
    closing = _QUOTES.get(title[:1])
    if closing and len(title) > 2 and title[-1] == closing and closing not in title[1:-1]:
        return title[1:-1].strip()
    return title


def _author_first(left: str, right: str) -> bool:
    if "," in left and _INVERTED.fullmatch(left):
        return True
    if _ARTICLE.match(right) or ("#" in right and _SERIES.search(right)):
        return not _ARTICLE.match(left) and "(" not in left
    return False


def _dashed(parts: list[str], text: str) -> Iterator[tuple[str, str]]:
    first, last = parts[0], parts[-1]
    if last[:3].lower() == "by ":
        yield text[: -len(last)].rstrip(DASHES + " /|"), last[3:]
    elif _BY.search(last):
        yield from _split_at_last(_BY, text)
    if len(parts) == 2:
        yield first, last
        yield last, first
    else:
        before, after = text[: -len(last)].rstrip(DASHES + " /|"), text[len(first) :].lstrip(DASHES + " /|")
        if _author_first(first, last):
            yield last, first
        yield before, last
        yield first, parts[1]
        yield after, first
        yield parts[1], first
    yield text, ""


def _said_by(text: str) -> Iterator[tuple[str, str]]:
    without = _TRANSLATED.sub("", text)
    if without != text and " by " in without:
        yield from _split_at_last(_BY, without)
    yield from _split_at_last(_BY, text)
    yield text, ""
    yield from _by_comma(text)


def _loose(text: str) -> Iterator[tuple[str, str]]:
    """Read a line that has no clear separator: as it stands first, as that is wrong least often."""
    yield text, ""
    core = _LAST_YEAR.sub("", text)
    for match in _TIGHT_DASH.finditer(core):
        yield core[: match.start()], core[match.end() :]
    colon = _COLON.search(core)
    if colon and colon.start() < 40 and not _ARTICLE.match(core):
        yield core[colon.end() :], core[: colon.start()]
    remark = _REMARK.search(core)
    if remark and _NAME.fullmatch(remark["inside"]):
        yield core[: remark.start()], remark["inside"]
        core = plain(f"{core[: remark.start()]} {core[remark.end() :]}")
    stop = _SENTENCE.search(core)
    if stop:
        yield core[stop.end() :], core[: stop.start()]
        yield core[: stop.start()], core[stop.end() :]
    yield from _by_comma(core)
    owned = _POSSESSIVE.fullmatch(core)
    if owned:
        yield owned["title"], owned["owner"]
    if core != text:
        yield core, ""


def _by_comma(text: str) -> Iterator[tuple[str, str]]:
    parts = _COMMA.split(text)
    if len(parts) == 1:
        return
    yield ", ".join(parts[:-1]), parts[-1]
    yield ", ".join(parts[1:]), parts[0]
    if len(parts) > 2:
        yield ", ".join(parts[2:]), f"{parts[0]}, {parts[1]}"
        yield parts[0], parts[1]


def _split_at_last(separator: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    place = None
    for match in separator.finditer(text):
        place = match
    if place is not None:
        yield text[: place.start()], text[place.end() :]


def _distinct(guesses: Iterator[tuple[str, str]]) -> list[Reading]:
    readings: dict[Reading, None] = {}
    for title, author in guesses:
        name = author.strip(_LOOSE + DASHES)
        plain_title = unquoted(title.strip(_LOOSE))
        if plain_title:
            readings[Reading(plain_title, split_authors(name) if name else ())] = None
        if len(readings) == _MOST:
            break
    return list(readings)
