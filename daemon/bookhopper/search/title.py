"""Titles taken apart into the forms they are known by, and how alike two of them are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from bookhopper.search.words import title_words

Words = tuple[str, ...]

_ARTICLES = frozenset(
    {
        "the",
        "a",
        "an",
        "der",
        "die",
        "das",
        "ein",
        "eine",
        "le",
        "la",
        "les",
        "l",
        "un",
        "une",
        "el",
        "los",
        "las",
    }
    | {"il", "lo", "gli", "i", "de", "het", "een", "o", "os", "as"}
)
_SMALL_WORDS = frozenset(
    {
        "the",
        "a",
        "an",
        "of",
        "and",
        "in",
        "on",
        "to",
        "or",
        "for",
        "from",
        "with",
        "by",
        "at",
        "as",
        "its",
        "der",
    }
    | {
        "die",
        "das",
        "und",
        "von",
        "le",
        "la",
        "les",
        "et",
        "du",
        "des",
        "de",
        "el",
        "y",
        "il",
        "e",
        "en",
        "s",
    }
)
_COMMON_WORDS = frozenset(
    {
        "story",
        "stories",
        "tale",
        "tales",
        "history",
        "life",
        "adventure",
        "adventures",
        "book",
        "books",
        "novel",
    }
    | {
        "romance",
        "works",
        "work",
        "poems",
        "letters",
        "essays",
        "great",
        "new",
        "little",
        "old",
        "man",
        "strange",
    }
    | {
        "memoirs",
        "journal",
        "case",
        "king",
        "his",
        "her",
        "their",
        "my",
        "other",
        "being",
        "volume",
        "edition",
    }
)
"""Words that half the titles share, so that sharing them says little."""

_REMARK = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_SERIES_REMARK = re.compile(r"#\s*\d|\b(?:book|vol(?:ume)?|series|trilogy|saga)\b|\d\s*$", re.IGNORECASE)
_OMNIBUS = re.compile(r"#\s*\d+(?:\.\d+)?\s*[-–,&]\s*#?\d")
_BREAK = re.compile(r"\s*(?:[:;—]|\s[-–/]\s|--|\.\s+(?=\w{3}))\s*|(?<=\w{4})/(?=\w{4})")
_OR = re.compile(r"[,;:.]?\s+or,?\s*[,;:]\s*(?=\w)|[,;:.]\s+or,?\s+(?=\w)|^or,?\s+", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:,|;|:)\s+(?:and|with|to which is added)\s|\s(?:and|&|with) (?:some )?(?:other|selected)\s",
    re.IGNORECASE,
)
_VOLUME = re.compile(
    r"[\s,;:.(\[—–-]*\b(?:vol(?:ume)?s?|v|parts?|pt|books?|tomes?|band|bd|teil|issue|nos?|number|chapters?)\b\.?\s*"
    r"(?P<first>\d+|[ivxl]+|one|two|three|four|five|six|first|second|third|fourth)\b"
    r"(?:\s*(?:-|–|to|and|&|,)\s*(?P<last>\d+|[ivxl]+))?"
    r"(?:[\s,(]*of\s+(?P<all>\d+|[ivxl]+|two|three|four|five|six))?[)\]]*(?:,?\s*\(?(?P<whole>complete)\)?)?",
    re.IGNORECASE,
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}


@dataclass(frozen=True, slots=True)
class Volume:
    """Which part of a work a title names: `first` to `last` of `count`, in digits or empty."""

    first: str
    last: str
    count: str

    @property
    def is_whole(self) -> bool:
        """Tell whether these are all the volumes there are."""
        return self.first == "1" and bool(self.last) and self.count in {"", self.last}


@dataclass(frozen=True, slots=True)
class Title:
    """A title by its forms: each is a tuple of plain words without a leading article.

    `full` holds everything but remarks in brackets, `main` ends before the subtitle, `lead` is what a
    collection (`X, and Other Stories`) is named after, `others` are alternative titles (`X; or, Y`), `extra`
    is what `main` leaves out, `remarks` is what stood in brackets.
    """

    full: Words
    main: Words
    lead: Words
    others: tuple[Words, ...]
    extra: Words
    remarks: Words
    volume: Volume | None
    is_omnibus: bool


def _number(text: str | None) -> str:
    if not text:
        return ""
    plain = text.lower()
    words = title_words(f"volume {_ORDINALS.get(plain, plain)}")
    return words[1] if len(words) > 1 else ""


def _take_volume(text: str) -> tuple[str, Volume | None]:
    """Split the words off that say which volume it is; a title that is nothing else keeps them."""
    match = _VOLUME.search(text)
    if match is None or not title_words(text[: match.start()]):
        return text, None
    first, last, count = (_number(match[name]) for name in ("first", "last", "all"))
    return f"{text[: match.start()]} : {text[match.end() :]}", Volume(first, last, count)


def _without_article(words: Words) -> Words:
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _form(text: str) -> Words:
    return _without_article(title_words(text))


@lru_cache(maxsize=16384)
def title(text: str) -> Title:
    """Take a title apart."""
    inside = [first or second for first, second in _REMARK.findall(text)]
    bare = _REMARK.sub(" ", text)
    if not title_words(bare):
        bare, inside = text, []
    in_remark = next(
        (volume for _, volume in map(_take_volume, (f"x, {part}" for part in inside)) if volume), None
    )
    bare, volume = _take_volume(bare)
    remarks = tuple(word for part in inside if not _SERIES_REMARK.search(part) for word in title_words(part))
    works = [part for part in _OR.split(bare) if title_words(part)] or [bare]
    sections = [part for part in _BREAK.split(works[0]) if title_words(part)] or [works[0]]
    lead = _LEAD.split(sections[0], maxsplit=1)
    return Title(
        full=_form(" ".join(works)),
        main=_form(sections[0]),
        lead=_form(lead[0]) if len(lead) > 1 else (),
        others=tuple(_form(_BREAK.split(part)[0]) or _form(part) for part in works[1:]),
        extra=tuple(word for part in sections[1:] for word in title_words(part)),
        remarks=remarks,
        volume=volume or in_remark,
        is_omnibus=bool(_OMNIBUS.search(text)),
    )


def _weight(word: str) -> float:
    if word in _SMALL_WORDS:
        return 0.12
    return 0.6 if word in _COMMON_WORDS else 1.0


def _alike(one: str, other: str) -> float:
    """Compare two words of titles: slips of the pen count nearly as the word, numbers never do."""
    longer = max(len(one), len(other))
    if longer < 4 or min(len(one), len(other)) < 3 or one.isdigit() or other.isdigit():
        return 0.0
    slips = OSA.distance(one, other, score_cutoff=2)
    if slips == 1:
        return 0.85 if longer < 6 else 0.92
    return 0.85 if slips == 2 and longer >= 8 else 0.0


@lru_cache(maxsize=65536)
def similarity(one: Words, other: Words) -> float:
    """Compare two forms by the words they share, weighed by how much a word says: 0 to 1."""
    if one == other:
        return 1.0 if one else 0.0
    if "".join(one) == "".join(other):
        return 0.99
    pool = list(other)
    rest: list[str] = []
    shared = 0.0
    for word in one:
        if word in pool:
            pool.remove(word)
            shared += 2 * _weight(word)
        else:
            rest.append(word)
    whole = sum(map(_weight, one)) + sum(map(_weight, other))
    if not shared and len(rest) > 3:
        return 0.0
    for word in rest:
        worth, twin = max(((_alike(word, left), left) for left in pool), default=(0.0, ""))
        if worth:
            pool.remove(twin)
            shared += worth * (_weight(word) + _weight(twin))
    return shared / whole if whole else 0.0
