"""Titles taken apart into the forms they are known by, and how alike two of them are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from bookhopper.search.language import language_tag
from bookhopper.search.similarity import Words, is_telling, telling_words, weigh
from bookhopper.search.words import title_words

_ARTICLES = frozenset({
    "the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "l", "un", "une", "el", "los",
    "las", "il", "lo", "gli", "i", "de", "het", "een", "o", "os", "as",
})  # fmt: skip
_JOINTS = frozenset(
    {
        *("from", "by", "being", "with", "written", "containing", "which", "translated"),
        *("through", "into", "upon", "concerning", "wherein", "showing"),
    }
)
"""Words with which an old title goes on after the part that everybody knows."""

_RENDERED = frozenset({
    "english", "french", "german", "latin", "prose", "verse", "blank", "modern", "rhyme", "2", "3", "4", "5",
})  # fmt: skip
"""What follows `in` when it says in which language, form or number of parts a text is given."""

_TREATISE = frozenset({
    "inquiry", "enquiry", "essay", "essays", "treatise", "discourse", "discourses", "lecture", "lectures",
    "outline", "outlines", "nature", "causes", "duty", "on", "into", "of", "the", "and", "concerning", "upon",
})  # fmt: skip
"""What a treatise begins with before it names its matter, by which it is known: `An Inquiry into the Nature
and Causes of the Wealth of Nations`."""

_SAME_WORD = {
    "dr": "doctor", "mr": "mister", "st": "saint", "ste": "saint", "mt": "mount", "capt": "captain",
    "grey": "gray", "colour": "color", "centre": "center", "theatre": "theater", "honour": "honor",
    "labour": "labor", "labours": "labors", "spake": "spoke", "gaol": "jail", "shew": "show",
    "pere": "father", "mere": "mother", "frere": "brother", "soeur": "sister", "fils": "son",
    "cousine": "cousin", "roi": "king", "reine": "queen", "rex": "king", "regina": "queen",
    "princesse": "princess", "comte": "count", "comtesse": "countess", "chevalier": "knight",
    "teh": "te", "ching": "king", "jing": "king", "dao": "tao", "koran": "quran", "alcoran": "quran",
    "autobiography": "life",
}  # fmt: skip
"""One word written in two ways: abbreviations; British, American and old spellings; ranks and kinship, which
translators translate or leave (`Père Goriot`, `Oedipus Rex`); other transcriptions (a Chinese classic is a
*ching* in Wade's, a *jing* in pinyin, a *king* in Legge's)."""

_REMARK = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_SERIES_REMARK = re.compile(r"#\s*\d|\b(?:book|vol(?:ume)?|series|trilogy|saga)\b|\d\s*$", re.IGNORECASE)
_OMNIBUS = re.compile(r"#\s*\d+(?:\.\d+)?\s*[-–,&]\s*#?\d")
_BREAK = re.compile(r"\s*(?:[:;—]|\s[-–/]\s|--|(?<=\w{5})\.\s|\?\s)\s*|(?<=\w{4})/(?=\w{4})")
_OR = re.compile(r"[,;:.]?\s+or,?\s*[,;:]\s*(?=\w)|[,;:.]\s+or,?\s+(?=\w)|^or,?\s+", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:,|;|:)\s+(?:and|with|to which is added)\s(?!(?:what|how|why|where|when|his|her|its|their)\b)"
    r"|\s(?:and|&|with) (?:some )?(?:other|selected)\s",
    re.IGNORECASE,
)
_OTHER_STORIES = re.compile(r"(?<=ther )(?:(?:short )?tales|short stories)\b", re.IGNORECASE)
_AND = re.compile(r",? (?:and|&) ", re.IGNORECASE)
_ADVENTURES = re.compile(r"['’]s (?:\w+ )?adventures (?=(?:in|on|among|under|through)\b)", re.IGNORECASE)
_SLASH = re.compile(r"(?<=\w\w)\s?/\s?(?=\w\w)")
_EDITION = re.compile(
    r"[,;:]\s*((?:\d+(?:st|nd|rd|th)|second|third|fourth|revised) ed(?:ition|n?\.))$", re.IGNORECASE
)
_LANGUAGE = re.compile(
    r"(?:[(\[:;,—–]|\s-)\s*(?:the |in )?"
    r"(?P<name>[a-z]+(?:ish|ese|an)|french|dutch|greek|czech|welsh|latin|arabic|hebrew|hindi|thai|icelandic|esperanto)"
    r"(?:[- ]language)? (?:edition|translation|version)\b",
    re.IGNORECASE,
)
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
_TAIL = re.compile(r"\s*(?:[;:(\[]|,?\s+or,?\s).*$", re.IGNORECASE | re.DOTALL)
_ORDINALS = {
    "first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7",
    "eighth": "8", "ninth": "9",
}  # fmt: skip
_SEQUELS = frozenset(map(str, range(2, 100)))


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
    old titles begin with (`The Life and Adventures of X`, its words of meaning the `head`) or end with (`X,
    written by herself`), `lead` is what a collection (`X, and Other Stories`) is named after, `first` is what
    stands before an `and` if that says enough, `shorts` are what a long title may be known by, `others` are
    alternative titles (`X; or, Y`), `extra` is what `main` leaves out, `remarks` and `series` are what stood
    in brackets, `place` is the number in the series, `works` are the titles of an omnibus (`X/Y`).
    """

    full: Words
    main: Words
    core: Words
    head: frozenset[str]
    is_cut: bool
    lead: Words
    first: Words
    shorts: tuple[Words, ...]
    others: tuple[Words, ...]
    extra: Words
    remarks: Words
    series: Words
    place: str
    volume: Volume | None
    works: tuple[Words, ...]
    is_omnibus: bool

    @property
    def sequel(self) -> str:
        """The number that the main title ends with, or is followed by, from 2 on; empty: none."""
        number = self.extra[0] if len(self.extra) == 1 else self.main[-1] if len(self.main) > 1 else ""
        return number if number in _SEQUELS else ""

    @property
    def numbers(self) -> frozenset[str]:
        """All words that may be a number, wherever they stand; ordinals as numbers."""
        words = (*self.full, *self.remarks, *self.series, self.place)
        volumes = (self.volume.first, self.volume.last) if self.volume else ()
        return frozenset((*(_ORDINALS.get(word, word) for word in words), *volumes))


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


def _words(text: str) -> Words:
    return tuple(_SAME_WORD.get(word, word) for word in title_words(text))


def _form(text: str) -> Words:
    return _without_article(_words(text))


def without_number(text: str) -> str:
    """Take a place in a series (`#1`) out of a title."""
    return _NUMBER_SIGN.sub(" ", text)


@lru_cache(maxsize=1024)
def named_language(text: str) -> str:
    """Give the tag of the language that a remark names: `Heidi (Spanish edition)`; empty for none."""
    match = _LANGUAGE.search(text)
    return language_tag(match["name"]) if match else ""


def main_title(text: str) -> str:
    """Give a title as it is written, without subtitle, alternative title and what stands in brackets."""
    return _TAIL.sub("", text) or text


def _flat(parts: Iterable[str]) -> Words:
    return tuple(word for part in parts for word in _words(part))


def _core(text: str) -> tuple[Words, frozenset[str], bool]:
    """Give the core of a title, the words of meaning that stood before it, and whether it went on behind."""
    words = _form(_ADVENTURES.sub(" ", text.split(", ", maxsplit=1)[0]))
    match = _HEAD.match(" ".join(words))
    length = match[0].count(" ") if match else 0
    core = _without_article(words[length:])
    joint = next((place for place in range(len(core)) if _goes_on(core, place)), 0)
    is_cut = is_telling(core[:joint])
    return core[:joint] if is_cut else core, telling_words(words[:length]), is_cut


def _goes_on(words: Words, place: int) -> bool:
    """Tell whether from a word on a title only says how, by whom or in which form."""
    if words[place] == "in":
        return words[place + 1 : place + 2] != () and words[place + 1] in _RENDERED
    return words[place] in _JOINTS


def _shorts(main: Words) -> Iterator[Words]:
    """Give what a long title may be known by: `The Life of X` of Y, a treatise on `the Wealth of Nations`."""
    for place, word in enumerate(main):
        if word == "of" and weigh(main[:place]) >= 1.5:
            yield main[:place]
    matter = next((place for place, word in enumerate(main) if word not in _TREATISE), len(main))
    if matter > 1 and is_telling(main[matter:]):
        yield main[matter:]


def _several(text: str) -> tuple[Words, ...]:
    """Give the titles of `X/Y` and `X, Y, Z`; nothing where there is only one."""
    parts = _SLASH.split(text)
    if len(parts) == 1:
        parts = _BREAK.split(text)[0].split(", ")
        parts = parts if len(parts) > 2 else []
    return tuple(form for part in parts if (form := _form(part)))


@lru_cache(maxsize=16384)
def title(text: str) -> Title:
    """Take a title apart."""
    text = _EDITION.sub(r" (\1)", _COUNT.sub(r"\1", text))
    if "ther " in text:
        text = _OTHER_STORIES.sub("stories", text)
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
    main = _form(sections[0])
    core, head, is_cut = _core(sections[0])
    return Title(
        full=_form(" ".join(works)),
        main=main,
        core=core,
        head=head,
        is_cut=is_cut,
        lead=_form(lead[0]) if len(lead) > 1 else (),
        others=tuple(_form(_BREAK.split(part)[0]) or _form(part) for part in works[1:]),
        extra=_form(" ".join(sections[1:])),
        first=first if is_telling(first) else (),
        shorts=tuple(_shorts(main)),
        remarks=_flat(part for part in inside if part not in series),
        series=_form(without_number(" ".join(series))),
        place=next((match[1] for part in series if (match := _PLACE.search(part))), ""),
        volume=volume or in_remark,
        works=_several(bare),
        is_omnibus=bool(_OMNIBUS.search(text)),
    )
