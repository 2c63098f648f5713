"""Authors as persons: two names are one when nothing in them contradicts, not when they are spelt alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from bookhopper.search.slips import slips
from bookhopper.search.words import (
    EPITHETS,
    NO_AUTHOR,
    PARTICLES,
    RANKS_OF_FIGURES,
    SUFFIXES,
    TITLES,
    name_words,
)

_ALSO_KNOWN_AS = (
    ("mark twain", "samuel clemens", "samuel langhorne clemens"),
    ("lewis carroll", "charles dodgson", "charles lutwidge dodgson"),
    ("george eliot", "mary ann evans", "marian evans"),
    ("george sand", "aurore dupin", "amantine aurore lucile dupin"),
    ("o henry", "william sydney porter"),
    ("saki", "h h munro", "hector hugh munro"),
    ("stendhal", "henri beyle", "marie henri beyle"),
    ("voltaire", "francois marie arouet"),
    ("moliere", "jean baptiste poquelin"),
    ("novalis", "friedrich von hardenberg"),
    ("pierre loti", "julien viaud"),
    ("anatole france", "jacques anatole thibault"),
    ("maxim gorky", "alexei peshkov"),
    ("knut hamsun", "knut pedersen"),
    ("multatuli", "eduard douwes dekker"),
    ("isak dinesen", "karen blixen"),
    ("ouida", "marie louise de la ramee"),
    ("sax rohmer", "arthur henry ward"),
    ("anthony hope", "anthony hope hawkins"),
    ("ian maclaren", "john watson"),
    ("currer bell", "charlotte bronte"),
    ("ellis bell", "emily bronte"),
    ("acton bell", "anne bronte"),
    ("laozi", "lao tzu", "lao tse", "lao tsu", "lao zi"),
    ("zhuangzi", "chuang tzu", "chuang tse", "zhuang zi"),
    ("sunzi", "sun tzu", "sun tsu", "sun tze", "sun zi"),
    ("confucius", "kong fuzi", "kongzi", "kung fu tzu"),
    ("mencius", "mengzi"),
    ("avicenna", "ibn sina"),
    ("averroes", "ibn rushd"),
    ("virgil", "vergil", "publius vergilius maro"),
    ("horace", "quintus horatius flaccus"),
    ("ovid", "publius ovidius naso"),
    ("cicero", "marcus tullius cicero"),
    ("livy", "titus livius"),
    ("pliny the younger", "pliny the younger", "gaius plinius caecilius secundus"),
    ("saint augustine", "augustine of hippo", "saint augustine of hippo", "st augustine"),
    ("thomas aquinas", "saint thomas aquinas", "st thomas aquinas"),
    ("erasmus", "desiderius erasmus"),
    ("rabelais", "francois rabelais"),
    ("spinoza", "baruch spinoza", "baruch de spinoza", "benedict de spinoza", "benedictus de spinoza"),
    ("a square", "edwin abbott", "edwin a abbott", "edwin abbott abbott"),
    ("boz", "charles dickens"),
    ("washington irving", "geoffrey crayon", "diedrich knickerbocker"),
    ("benjamin franklin", "richard saunders", "silence dogood"),
    ("joseph conrad", "jozef korzeniowski"),
    ("george orwell", "eric blair"),
    ("gerard de nerval", "gerard labrunie"),
    ("comte de lautreamont", "isidore ducasse"),
    ("guillaume apollinaire", "wilhelm kostrowicki"),
    ("clarin", "leopoldo alas"),
    ("fernan caballero", "cecilia bohl de faber"),
    ("italo svevo", "ettore schmitz"),
    ("jeremias gotthelf", "albert bitzius"),
    ("nellie bly", "elizabeth cochrane", "elizabeth cochran seaman"),
    ("fanny burney", "frances burney", "madame d arblay"),
    ("ellen wood", "mrs henry wood"),
    ("mrs gaskell", "elizabeth gaskell", "elizabeth cleghorn gaskell"),
    ("mrs humphry ward", "mary augusta ward"),
    ("susan coolidge", "sarah chauncey woolsey"),
    ("vernon lee", "violet paget"),
    ("fiona macleod", "william sharp"),
    ("ae", "a e", "george william russell"),
    ("sapper", "h c mcneile"),
    ("max brand", "frederick faust", "frederick schiller faust"),
    ("ralph connor", "charles william gordon"),
    ("elizabeth von arnim", "countess von arnim", "mary annette russell"),
    ("rumi", "jalal al din rumi", "jelaluddin rumi", "jalalu d din rumi"),
    ("hafez", "hafiz"),
    ("ferdowsi", "firdausi", "firdawsi"),
    ("li bai", "li po", "li bo"),
    ("lu xun", "lu hsun"),
    ("luo guanzhong", "lo kuan chung"),
    ("vyasa", "krishna dwaipayana vyasa"),
    ("josephus", "flavius josephus"),
    ("dante", "dante alighieri"),
    ("petrarch", "petrarca", "francesco petrarca"),
    ("michelangelo", "michelangelo buonarroti"),
    ("galileo", "galileo galilei"),
    ("leonardo", "leonardo da vinci"),
    ("napoleon", "napoleon bonaparte", "napoleon i"),
    ("murasaki", "murasaki shikibu", "lady murasaki"),
    ("snorri", "snorri sturluson"),
    ("captain marryat", "frederick marryat"),
    ("boethius", "anicius manlius severinus boethius"),
)
"""Writers whom catalogues know by a pen name or under several forms.

Facts about persons as the Library of Congress' name authority file (id.loc.gov) and VIAF hold them, for those
whom people ask for most; the names of living languages' many others come from Open Library's.
"""

_SLAVIC_AND_OTHER = (
    (re.compile(r"t?sch|tch|ch|cz|č|sh|sz|zh"), "c"),
    (re.compile(r"kh"), "h"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"ph|ff?\b"), "v"),
    (re.compile(r"[fw]"), "v"),
    (re.compile(r"q|ck"), "k"),
    (re.compile(r"(?<=[^c])h"), ""),
    (re.compile(r"^[yj](?=[aeiou])"), ""),
    (re.compile(r"(?<!^)[aeiouyj]+"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)
"""How one sound is written in different transcriptions; vowels inside a word are the least certain of all."""


SURELY_THE_AUTHOR = 0.85
"""From this likelihood on two names are taken for one person's."""

_ONLY_A_GIVEN_NAME = 0.5
"""What a lone word is worth at most that is some name of the other, but not the one it is known by."""

_MOST_EXTRA_NAMES = 3
"""How many names of a person a catalogue may leave out before it is not a name that was compared."""


@lru_cache(maxsize=8192)
def sound(word: str) -> str:
    """Give the consonants a word is recognised by: `turgenev` and `turgenieff` are `trgnv`."""
    for pattern, letters in _SLAVIC_AND_OTHER:
        word = pattern.sub(letters, word)
    return word


@lru_cache(maxsize=65536)
def likeness(one: str, other: str, spread: float = 0.3) -> float:
    """Compare two words of names: 1 the same, about 0.9 a slip or another transcription, 0 something else.

    `spread` is the share of letters in which transcriptions of one sound may differ.
    """
    if one == other:
        return 1.0
    longer = max(len(one), len(other))
    if min(len(one), len(other)) < 4:
        return 0.0
    apart = slips(one, other, longer // 2)
    if apart <= (0 if longer < 5 else 1 if longer < 8 else 2):
        return 0.92
    if apart <= spread * longer and sound(one) == sound(other) and len(sound(one)) > 2:
        return 0.88
    return 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """A name taken apart: its words without titles and particles, and the word it is filed under."""

    words: tuple[str, ...]
    family: str
    alias: int | None

    def is_named(self, word: str) -> bool:
        """Tell whether a word, in full, belongs to this name."""
        return _is_one_of(word, self.words)

    def is_family(self, word: str) -> bool:
        """Tell whether a word is one that this name is known by, also as a possessive."""
        known = (self.family,) if len(self.words) < 3 else (self.family, *self.words[1:])
        return _is_one_of(word, known) or (word.endswith("s") and word[:-1] in known)

    def admits(self, word: str) -> bool:
        """Tell whether a word may stand in this name: in full, as an initial, as a title."""
        if len(word) == 1:
            return any(own[0] == word for own in self.words)
        return is_title(word) or word in PARTICLES or self.is_named(word)


def is_title(word: str) -> bool:
    """Tell whether a word stands before or after names: `Sir`, `Jr.`; it may also begin a title of a book."""
    return word in TITLES or word in SUFFIXES


def _is_one_of(word: str, names: Sequence[str]) -> bool:
    if len(word) < 2:
        return False
    return word in names or (len(word) > 3 and any(likeness(word, name) for name in names))


def _alias_key(words: Sequence[str]) -> str:
    return " ".join(sorted(words))


_ALIASES = {_alias_key(name.split()): number for number, names in enumerate(_ALSO_KNOWN_AS) for name in names}


def _plain_name(words: Sequence[str]) -> list[str]:
    """Take titles off the front and suffixes off the end; a title at the end is a name: Stephen King."""
    plain = list(words)
    while len(plain) > 1 and plain[-1] in SUFFIXES:
        plain.pop()
    while len(plain) > 1 and plain[0] in TITLES:
        plain.pop(0)
    return [word for word in plain if word not in PARTICLES] or plain


@lru_cache(maxsize=16384)
def person(name: str) -> Person:
    """Take a name apart, in either order: `Tolkien, J. R. R.` and `J.R.R. Tolkien`."""
    before, comma, after = name.partition(",")
    in_order = name_words(f"{after} {before}" if comma else name)
    words = _plain_name(in_order)
    return Person(tuple(words), _family(in_order, words), _ALIASES.get(_alias_key(in_order)))


def _family(in_order: Sequence[str], plain: Sequence[str]) -> str:
    """Give the word that a name is filed under: the last one, or what `of Hippo` and `the Younger` follow."""
    for word, after in pairwise(in_order):
        if after in EPITHETS and not is_title(word):
            return word
    return plain[-1] if plain else ""


def forms_of(name: str) -> Sequence[Person]:
    """Give a name and the others that its bearer is known by."""
    who = person(name)
    others = () if who.alias is None else _ALSO_KNOWN_AS[who.alias]
    return [who, *(person(other) for other in others)]


def is_nobody(name: str) -> bool:
    """Tell whether a name says that the author is not known."""
    return " ".join(name_words(name)) in NO_AUTHOR


def is_figure(name: str) -> bool:
    """Tell whether a name is rather that of somebody in a book: `King John`, `Father Brown`."""
    who = person(name)
    return len(who.words) == 1 and who.alias is None and name_words(name)[0] in RANKS_OF_FIGURES


def _take(word: str, pool: list[str]) -> float:
    """Match a word with one of the pool, which then loses it; an initial stands for a name it begins."""
    best, place = 0.0, -1
    for number, other in enumerate(pool):
        if len(word) == 1 or len(other) == 1:
            worth = 0.97 if word[0] == other[0] else 0.0
        elif min(len(word), len(other)) >= 3 and (word.startswith(other) or other.startswith(word)):
            worth = 1.0 if word == other else 0.95
        else:
            worth = likeness(word, other, 0.5)
        if worth > best:
            best, place = worth, number
    if place >= 0:
        pool.pop(place)
    return best


def same_person(wanted: Person, offered: Person) -> float:
    """Tell how likely two names are one person, from 0 to 1."""
    if wanted.alias is not None and wanted.alias == offered.alias:
        return 1.0
    families = [
        max((likeness(wanted.family, word) for word in offered.words), default=0.0),
        max((likeness(offered.family, word) for word in wanted.words), default=0.0),
    ]
    family = max(families)
    if not family:
        return _run_together(wanted, offered)
    pool = list(offered.words)
    matched = [(word, _take(word, pool)) for word in sorted(wanted.words, key=len, reverse=True)]
    left = [word for word, worth in matched if not worth]
    given = [worth for word, worth in matched if worth and word != wanted.family]
    if len(left) > _MOST_EXTRA_NAMES:
        return 0.3 * family
    if left and pool:
        if wanted.family in left or offered.family in pool:
            return 0.0
        if given and wanted.words[0] not in left:
            # A name of a wife or a monk may be another; an initial is only written where it is known.
            return (0.6 if any(len(word) == 1 for word in left) else 0.75) * family
        return (0.6 if any(word[0] == other[0] for word in left for other in pool) else 0.3) * family
    if _begin_apart(wanted, offered):
        return 0.3 * family
    if len(wanted.words) == 1 and not offered.is_family(wanted.family):
        return _ONLY_A_GIVEN_NAME * family
    if not given:
        return family * (1.0 if len(wanted.words) == len(offered.words) else 0.95)
    return family * min(given)


def _begin_apart(one: Person, other: Person) -> bool:
    """Tell whether two names begin with given names of which the other has at most a later initial."""
    firsts = (one.words[0], other.words[0])
    if any(len(first) == 1 for first in firsts) or one.family == firsts[0] or other.family == firsts[1]:
        return False
    return not any(
        _take(first, [word for word in who.words if len(word) > 1])
        for first, who in zip(firsts, (other, one), strict=True)
    )


def _run_together(wanted: Person, offered: Person) -> float:
    """Compare names whose words are split differently: `Lao Tzu`, `Laotzu`."""
    if len(wanted.words) == len(offered.words):
        return 0.0
    one, other = "".join(wanted.words), "".join(offered.words)
    return 0.9 * (likeness(one, other) if len(one) > 5 else one == other)


@lru_cache(maxsize=65536)
def _same_name(wanted: str, offered: str) -> float:
    return same_person(person(wanted), person(offered))


def authorship(wanted: Sequence[str], offered: Sequence[str]) -> float:
    """Tell how well the authors of a want agree with a book's; the first wanted one counts most."""
    best = 0.0
    for place, name in enumerate(wanted[:4]):
        for other in offered[:8]:
            best = max(best, _same_name(name, other) * (1.0 if place == 0 else 0.95))
    return best
