"""Titles taken apart into the forms they are known by, and how alike two of them are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from bookhopper.search.words import title_words

Words = tuple[str, ...]

_ARTICLES = frozenset({
    "the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "l", "un", "une", "el", "los",
    "las", "il", "lo", "gli", "i", "de", "het", "een", "o", "os", "as",
})  # fmt: skip
_SMALL_WORDS = frozenset({
    "the", "a", "an", "of", "and", "in", "on", "to", "or", "for", "from", "with", "by", "at", "as", "its",
    "der", "die", "das", "und", "von", "le", "la", "les", "et", "du", "des", "de", "el", "y", "il", "e",
    "en", "s",
})  # fmt: skip
_COMMON_WORDS = frozenset({
    "story", "stories", "tale", "tales", "history", "life", "adventure", "adventures", "book", "books",
    "novel", "romance", "works", "work", "poems", "letters", "essays", "great", "new", "little", "old",
    "man", "strange", "memoirs", "journal", "case", "king", "his", "her", "their", "my", "other", "being",
    "volume", "edition",
})  # fmt: skip
"""Words that half the titles share, so that sharing them says little."""

_EDITION_WORDS = frozenset({"complete", "unabridged", "illustrated", "annotated", "version"})
"""Words that say what kind of edition it is, and nothing about the work."""

_ADDRESSES = frozenset({"dr", "mr", "mrs", "miss", "sir", "st", "saint", "lady", "lord", "captain"})

_JOINTS = frozenset(
    {"from", "by", "being", "with", "written", "in", "as", "containing", "which", "translated"}
)
"""Words with which an old title goes on after the part that everybody knows."""

_REMARK = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_SERIES_REMARK = re.compile(r"#\s*\d|\b(?:book|vol(?:ume)?|series|trilogy|saga)\b|\d\s*$", re.IGNORECASE)
_OMNIBUS = re.compile(r"#\s*\d+(?:\.\d+)?\s*[-–,&]\s*#?\d")
_BREAK = re.compile(r"\s*(?:[:;—]|\s[-–/]\s|--|(?<=\w{5})\.\s|\?\s)\s*|(?<=\w{4})/(?=\w{4})")
_OR = re.compile(r"[,;:.]?\s+or,?\s*[,;:]\s*(?=\w)|[,;:.]\s+or,?\s+(?=\w)|^or,?\s+", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:,|;|:)\s+(?:and|with|to which is added)\s|\s(?:and|&|with) (?:some )?(?:other|selected)\s",
    re.IGNORECASE,
)
_AND = re.compile(r",? (?:and|&) ", re.IGNORECASE)
_COUNT = re.compile(r"\((of \w{1,5})\)", re.IGNORECASE)
_PLACE = re.compile(r"#\s*(\d+)(?![\d.]*\s*[-–,&])")
_NUMBER_SIGN = re.compile(r"#\s*\d[\d.]*")
_HEAD = re.compile(
    r"(?:(?:complete|true|strange|famous|tragical?|surprising|comical|personal|private) )*"
    r"(?:history|life|lives|tragedy|comedy|adventures?|case|fortunes|romance|legend|memoirs)"
    r"(?: and (?:[a-z]+ )?(?:adventures|misfortunes|times|death|opinions|exploits|travels|history))?"
    r" of (?:the famous |the )?|on (?:the )?",
)
_VOLUME = re.compile(
    r"[\s,;:.(\[—–-]*\b(?P<kind>vol(?:ume)?s?|v|parts?|pt|books?|tomes?|band|bd|teil|issue|nos?|number|chapters?)\b\.?\s*"
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
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Title:
    """A title by its forms: each is a tuple of plain words without a leading article.

    `full` holds everything but remarks in brackets, `main` ends before the subtitle, `core` is without what
    old titles begin with (`The Life and Adventures of X`) or end with (`X, written by herself`), `lead` is
    what a collection (`X, and Other Stories`) is named after, `first` is what stands before an `and` if that
    says enough, `others` are alternative titles (`X; or, Y`), `extra` is what `main` leaves out, `remarks`
    and `series` are what stood in brackets, `place` is the number in the series.
    """

    full: Words
    main: Words
    core: Words
    lead: Words
    first: Words
    others: tuple[Words, ...]
    extra: Words
    remarks: Words
    series: Words
    place: str
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
    # Volumes counted from the first on are mostly all there are; books and parts of a work are not.
    counted = count == last or (not count and match["kind"].lower().startswith("v"))
    whole = bool(match["whole"]) or (first == "1" and bool(last) and counted)
    return f"{text[: match.start()]} : {text[match.end() :]}", Volume(first, last, count, whole)


def _without_article(words: Words) -> Words:
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _form(text: str) -> Words:
    return _without_article(title_words(text))


def without_number(text: str) -> str:
    """Take a place in a series (`#1`) out of a title."""
    return _NUMBER_SIGN.sub(" ", text)


def _flat(parts: Iterable[str]) -> Words:
    return tuple(word for part in parts for word in title_words(part))


def _weigh(words: Iterable[str]) -> float:
    return sum(map(_weight, words))


def is_telling(words: Words) -> bool:
    """Tell whether the first words of a title are enough to know it by: two of meaning, or a long one."""
    return _weigh(words) >= 1.7 or any(len(word) > 9 and word not in _COMMON_WORDS for word in words)


def _core(text: str) -> Words:
    words = _form(text.split(", ", maxsplit=1)[0])
    head = _HEAD.match(" ".join(words))
    core = _without_article(words[head[0].count(" ") :] if head else words)
    joint = next((place for place, word in enumerate(core) if word in _JOINTS), 0)
    return core[:joint] if is_telling(core[:joint]) else core


@lru_cache(maxsize=16384)
def title(text: str) -> Title:
    """Take a title apart."""
    text = _COUNT.sub(r"\1", text)
    inside = [first or second for first, second in _REMARK.findall(text)]
    bare = without_number(_REMARK.sub(" ", text))
    if not title_words(bare):
        bare, inside = text, []
    in_remark = next(
        (volume for _, volume in map(_take_volume, (f"x, {part}" for part in inside)) if volume), None
    )
    bare, volume = _take_volume(bare)
    series = [part for part in inside if _SERIES_REMARK.search(part)]
    works = [part for part in _OR.split(bare) if title_words(part)] or [bare]
    sections = [part for part in _BREAK.split(works[0]) if title_words(part)] or [works[0]]
    lead = _LEAD.split(sections[0], maxsplit=1)
    first = _form(before) if (before := _AND.split(sections[0], maxsplit=1)[0]) != sections[0] else ()
    return Title(
        full=_form(" ".join(works)),
        main=_form(sections[0]),
        core=_core(sections[0]),
        lead=_form(lead[0]) if len(lead) > 1 else (),
        others=tuple(_form(_BREAK.split(part)[0]) or _form(part) for part in works[1:]),
        extra=_form(" ".join(sections[1:])),
        first=first if is_telling(first) else (),
        remarks=_flat(part for part in inside if part not in series),
        series=_form(without_number(" ".join(series))),
        place=next((match[1] for part in series if (match := _PLACE.search(part))), ""),
        volume=volume or in_remark,
        is_omnibus=bool(_OMNIBUS.search(text)),
    )


def _weight(word: str) -> float:
    if word in _SMALL_WORDS or word in _ADDRESSES or word in _EDITION_WORDS:
        return 0.12
    return 0.6 if word in _COMMON_WORDS else 1.0


def _alike(one: str, other: str) -> float:
    """Compare two words of titles: a slip of the pen counts nearly as the word, another number does not."""
    longer, shorter = max(len(one), len(other)), min(len(one), len(other))
    if longer < 4 or longer - shorter > 2:
        return 0.0
    if one.isdigit() or other.isdigit() or (one in _COMMON_WORDS and other in _COMMON_WORDS):
        return 0.0
    slips = OSA.distance(one, other, score_cutoff=2)
    if slips == 1:
        return 0.88 if longer < 6 else 0.92
    return 0.85 if slips == 2 and longer >= 8 else 0.0


@lru_cache(maxsize=16384)
def word_ends(text: str) -> frozenset[str]:
    """Give the first and the last letters of a title's telling words: alike words share one of the two."""
    telling = [word for word in title_words(text) if word not in _SMALL_WORDS] or title_words(text)
    ends = {f"{word[:3] if len(word) > 5 else word[:2]}-" for word in telling}
    return frozenset(ends.union(f"-{word[-3:]}" for word in telling))


def _nearest(word: str, pool: Iterable[str]) -> tuple[float, str]:
    best, twin = 0.0, ""
    for other in pool:
        # A slip seldom hits both ends of a word.
        if word[0] == other[0] or word[-1] == other[-1]:
            worth = _alike(word, other)
            if worth > best:
                best, twin = worth, other
    return best, twin


@lru_cache(maxsize=65536)
def similarity(one: Words, other: Words) -> float:
    """Compare two forms by the words they share, weighed by how much a word says: 0 to 1."""
    if one == other:
        return 1.0 if one else 0.0
    pool = list(other)
    rest: list[str] = []
    shared = 0.0
    for word in one:
        if word in pool:
            pool.remove(word)
            shared += 2 * _weight(word)
        else:
            rest.append(word)
    whole = _weigh(one) + _weigh(other)
    if shared < 0.25 * whole and len(one) > 2:
        return shared / whole
    for word in rest:
        worth, twin = _nearest(word, pool)
        if worth:
            pool.remove(twin)
            shared += worth * (_weight(word) + _weight(twin))
    if rest and pool and "".join(one) == "".join(other):
        return 0.99
    return shared / whole
