"""Names and titles as libraries write them, turned into those on a cover."""

from __future__ import annotations

import re

MAX_TITLE = 2_000
"""A bound for hostile records; real titles are below 1,000 characters."""

_ROLE = re.compile(r"\s*\[([^\]]*)\]\s*$")
_DATES = re.compile(
    r",\s*(?:(?:active|approximately|born|died|fl\.|ca?\.|b\.|d\.)\s[^,]*\d[^,]*|-*\??\d[^,]*|-+)$",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\s*\([^)]*\)")
_SUFFIX = re.compile(r"(?:jr|sr|esq|[ivx]+)\.?", re.IGNORECASE)
_EPITHET = re.compile(r"(?:of|the|à|da)\s")
"""What follows the name in `Augustine, of Hippo` and `Pliny, the Younger`."""
_MARC_SUBTITLE = re.compile(r"\s*:?\s*\$b\s*")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_LINE_BREAK = re.compile(r"\s*[\r\n]+\s*")
_NO_NAME = frozenset({"", "various", "unknown", "anonymous", "n/a"})


def natural_name(name: str) -> str:
    """Turn a catalogue's name into the one on a cover: `Wells, H. G. (Herbert George)` → `H. G. Wells`."""
    family, *rest = [part.strip() for part in _BRACKETED.sub("", name).split(",") if part.strip()] or [""]
    if not rest:
        return family
    given, *titles = rest
    suffix = " ".join(title for title in titles if _SUFFIX.fullmatch(title))
    if _SUFFIX.fullmatch(given):
        given, suffix = "", given
    if _EPITHET.match(given):
        given, family = family, given
    if given.endswith(f" {family}"):
        family = ""
    return " ".join(part for part in (given, family, suffix) if part)


def clean_title(title: str) -> str:
    """Write a catalogue's title on one line: library marks and line breaks become `: `."""
    plain = _LINE_BREAK.sub("\n", _MARC_SUBTITLE.sub(": ", title.strip()))
    plain = _BLANKS.sub(" ", re.sub(r"[:;,]?\n", ": ", plain))
    return plain[:MAX_TITLE].strip(" :")


def split_names(field: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split an Authors field into authors and contributors (translators, editors …), without their dates."""
    authors: list[str] = []
    contributors: list[str] = []
    for part in field[:MAX_TITLE].split(";"):
        role = _ROLE.search(part)
        name = _DATES.sub("", _ROLE.sub("", part).strip()).strip()
        if name.lower() in _NO_NAME:
            continue
        is_author = role is None or role[1].lower() in {"author", "pseud.", "pseudonym"}
        if is_author or (role and role[1].lower() != "translator"):
            (authors if is_author else contributors).append(natural_name(name))
    return tuple(authors[:16]), tuple(contributors[:16])


def named(field: str) -> str:
    """Leave out who is nobody: `Anonymous` is no word to find a book by."""
    parts = (part.strip() for part in field[:MAX_TITLE].split(";"))
    return "; ".join(part for part in parts if part.lower() not in _NO_NAME)
