"""Whether an offered book is the wanted text, all of it: no volume, sequel, abridgement, book about it."""

from __future__ import annotations

import re

from bookhopper.search.person import SURELY_THE_AUTHOR
from bookhopper.search.similarity import telling_words
from bookhopper.search.title import Title

_DERIVED = frozenset({
    "abridged", "abridgment", "abridgement", "shortened", "condensed", "simplified", "adapted",
    "adaptation", "retelling", "selections", "extracts", "excerpt", "excerpts", "sample", "sampler",
    "preview", "index", "dramatized", "dramatised", "dramatization", "libretto", "opera", "audio",
    "audiobook", "contents", "syllable", "workbook", "sparknotes", "cliffsnotes",
})  # fmt: skip
"""Words beside a title which say that it is not the text itself, or not all of it."""

_REWORKED = frozenset({"retold", "selected", "fragment", "specimens", "founded", "arranged"})
"""The same, unless it is the subtitle that an author gave a work: `The Death Shot: A Story Retold`."""

_SEQUEL = frozenset({"sequel", "continuation"})
"""The same, unless the title itself is the one that was asked for: `Rose in Bloom: A Sequel`."""

_APPARATUS = frozenset({
    "preface", "prefaces", "postscript", "introduction", "prologue", "appendix", "index", "supplement",
    "prospectus", "glossary",
})  # fmt: skip
"""Words with which a subtitle begins when the book is only what stands around the text."""

_ABOUT = frozenset({
    "essay", "study", "studies", "notes", "guide", "summary", "analysis", "commentary", "companion",
    "concordance", "parody", "burlesque", "criticism",
})  # fmt: skip
"""Words beside a title which say that it is a book about that one, unless its own author wrote it."""

_ASKED_KINDS = frozenset({
    "abridged", "abridgment", "abridgement", "shortened", "condensed", "simplified", "adapted",
    "adaptation", "retold", "retelling", "selections", "extracts", "excerpts", "dramatized", "dramatised",
    "dramatization", "screenplay", "libretto", "audio", "audiobook", "guide", "summary", "commentary",
    "companion", "concordance", "workbook", "parody", "sparknotes", "cliffsnotes", "graphic", "comics",
    "manga", "coloring", "colouring",
})  # fmt: skip
"""Words beside the wanted title which say that not the text itself is meant.

Fewer than the offered ones', for many a text calls itself a study, an essay, a fragment.
"""

_ASKED_AT_ENDS = _ASKED_KINDS | {"notes"}
"""The same as the first or the last word of the title: `Selections from X`, `Notes on X`, `X Retold`."""

_ASKED_ANYWHERE = frozenset({"abridged", "audiobook", "sparknotes", "cliffsnotes"})
"""Those of them that are no word of a title."""

_SIMPLER = frozenset({"children", "child", "young", "boys", "girls", "school", "schools", "readers"})
"""Words beside a title that may mean a simpler text: where there is another edition, that one is taken."""

_OTHER_KIND = re.compile(
    r"\b(?:(?P<drawn>graphic (?:novel|edition|adaptation|version|classic)s?|manga"
    r"|comics?(?: (?:book|strip|edition|version|adaptation))s?|comics"
    r"|colou?ring book|board book|pop up book|picture book)"
    r"|(?P<played>(?:film|movie|shooting|screen) ?(?:script|play)s?|teleplay|photoplay edition"
    r"|(?:radio|stage) (?:play|drama|script|adaptation|version)s?|the musical$)"
    r"|(?P<simpler>(?:young|younger|junior|little|early) (?:readers?|folks?) (?:edition|version)s?"
    r"|(?:edition|version) for (?:young|younger|little) (?:readers|people|folks?)"
    r"|retold for (?:the )?(?:child|children|kids|boys|girls|young|younger|little|schools)"
    r"|(?:easy|graded) readers?|concise edition)"
    # An edition `with a study guide` is the text.
    r"|(?<!with )(?<!with a )(?<!including )(?<!includes )(?P<guide>"
    r"(?:study|teachers?|teaching|students?|instructors?|lesson) (?:guide|notes|plan)s?"
    r"|summary and (?:study|analysis|review)|analysis and summary|(?:chapter|plot) summar(?:y|ies)"
    r"|(?:spark|cliffs?|york) notes))\b"
)
"""Words which say, whoever is named as the author, that a book was made of the text: drawn, played, told
again more simply; or a guide or a summary for those who have to read it."""


def edition_doubt(wanted: Title, offered: Title, author: float) -> float:
    """Tell what speaks against an offered book being the wanted text, and all of it."""
    return (
        max(_volume_doubt(wanted, offered), _number_doubt(wanted, offered))
        + max(_kind_doubt(wanted, offered), _text_doubt(wanted, offered, author))
        + _extent_doubt(wanted, offered)
    )


def _volume_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether it is another volume than the one that is wanted, or one where all are."""
    asked, given = wanted.volume, offered.volume
    if given is None:
        return 0.0 if asked is None else 0.2
    if given.is_whole:
        return 0.0
    return 0.0 if given.first == (asked.first if asked else wanted.place) else 0.2


def _number_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether the wanted title ends with the number of a sequel, which this is not."""
    return 0.2 if wanted.sequel and wanted.sequel not in offered.numbers else 0.0


def _kind_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether an adaptation, a part or a book about it is wanted, and this is none."""
    if _other_kinds(wanted) - _other_kinds(offered):
        return 0.2
    asked = {
        *_ASKED_KINDS.intersection((*wanted.extra, *wanted.remarks)),
        *_ASKED_AT_ENDS.intersection((*wanted.main[:1], *wanted.main[-1:])),
        *(_SEQUEL.intersection(wanted.extra) if len(wanted.extra) == 1 else ()),
        *_ASKED_ANYWHERE.intersection(wanted.full),
    }
    return 0.2 if asked.difference(offered.full, offered.remarks) else 0.0


def _text_doubt(wanted: Title, offered: Title, author: float) -> float:
    """Tell whether it is an adaptation, a part, or a book about the wanted one."""
    if _other_kinds(offered) - _other_kinds(wanted):
        return 0.2
    known = {*wanted.full, *wanted.extra, *wanted.remarks}
    beside = {*offered.full, *offered.remarks} - known
    if offered.lead:  # `X, and Selected Stories`: what else it holds takes nothing away
        beside -= {"selected", "selections"}
    if wanted.main != offered.main and beside & _SEQUEL:
        return 0.16
    about = beside if author < SURELY_THE_AUTHOR else beside.intersection(offered.remarks)
    if beside & _DERIVED or about & (_ABOUT | _REWORKED) or beside.intersection(offered.main) & _REWORKED:
        return 0.16
    if offered.extra and offered.extra[0] in _APPARATUS - known:
        return 0.2
    if "illustrated" in known and "illustrated" not in {*offered.full, *offered.remarks}:
        return 0.03
    return 0.03 if beside & (_SIMPLER | _REWORKED) else 0.0


def _other_kinds(named: Title) -> frozenset[str]:
    """Tell of which kinds a title says that it is no text, but was made of one."""
    return frozenset(
        found.lastgroup or ""
        for words in (named.full, named.remarks)
        for found in _OTHER_KIND.finditer(" ".join(words))
    )


def _extent_doubt(wanted: Title, offered: Title) -> float:
    """Tell whether more than the offered book is wanted, or it is some piece that a remark names."""
    words = {*offered.full, *offered.remarks}
    doubt = 0.0
    lacks_works = any(not words.issuperset(telling_words(work)) for work in wanted.works)
    lacks_rest = (wanted.is_omnibus and "complete" not in words) or (wanted.lead and not offered.lead)
    if lacks_works or lacks_rest:
        doubt += 0.16
    if offered.remarks and not wanted.remarks and not set(wanted.full).issuperset(offered.remarks):
        is_part = any(word.isdigit() and len(word) < 4 for word in offered.remarks)
        doubt += 0.2 if is_part and "edition" not in offered.remarks else 0.02
    return doubt
