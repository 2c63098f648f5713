"""File names that every filesystem, every share and the ingest consumer take.

The bounds are those of `reference/calibre-ingest.md`'s facts: Calibre-Web-Automated cuts names beyond 150
characters with a rename that can overwrite a neighbour, and filesystems end at 255 bytes, of which the
`.uploading` that a name wears at first takes ten.  With its folders a name is at most 240 characters long,
since Windows ends at 260, the name of the drive or share among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import isfinite

from pathvalidate import sanitize_filename

from bookhopper.model import Candidate, Job, State, Want
from bookhopper.name_template import Template, parse
from bookhopper.naming_settings import NamingSettings, tag_key
from bookhopper.search.words import SUFFIXES

MAX_CHARACTERS = 150
STAGED_SUFFIX = ".uploading"
MAX_BYTES = 255 - len(STAGED_SUFFIX)

MAX_PATH_CHARACTERS = 240

_FOLDER_CHARACTERS = MAX_PATH_CHARACTERS - 1 - MAX_CHARACTERS
_ROOM_FOR_NUMBER = len("_9999")
_LONGEST_DEVICE = len("CONOUT$")
"""Names that Windows keeps for devices are short; of a longer one `clean` has left nothing to mend."""
_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f-\x9f:*?"<>|/\\\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+'
)
_SPACES = re.compile(r"\s+")
_SUBTITLE = re.compile(r"(.*?\S)\s*(?:[:;—–]\s|\s[—–-]\s)\s*(\S.*)", re.DOTALL)
_UNDERSCORES = re.compile(r"_{2,}")


_EXAMPLE_WANT = Want(title="Guards! Guards!", tags=("holidays",))
_EXAMPLE = Candidate(
    *("shelf", "8", "Guards! Guards!: A Discworld Novel", ("Terry Pratchett",), "en", "epub"),
    *(None, 1989, ("9780575046061",), "Discworld", 8.0),
)
"""A book of which all is known, for `examples`."""


def clean(text: str) -> str:
    """Make one part of a name safe: no separators, control characters, or dots and blanks at its ends."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _FORBIDDEN.sub("_", _SPACES.sub(" ", text))
    return _UNDERSCORES.sub("_", text).strip(" ._")


class Names:
    """Gives each book its name as the settings say it."""

    def __init__(self, settings: NamingSettings) -> None:
        self._rules = settings

    def path(self, job: Job, candidate: Candidate, form: str, list_of: Callable[[int], str]) -> str:
        """Name a book's file in the ingest folder, with the folders that it is to lie in: `Kids/A Tale.epub`.

        Every part of it is safe on any filesystem, and all of it short enough.  `form` is the file's
        extension; `list_of` tells the name of a request's list, where a template asks for it.
        """
        ruling = [tag for tag in job.want.tags if tag_key(tag) in self._rules.tags]
        rules = [self._rules.tags[tag_key(tag)] for tag in ruling]
        rules += [self._rules.formats[form]] if form in self._rules.formats else []
        file = next((rule.file for rule in rules if rule.file is not None), self._rules.file)
        folder = next((rule.folder for rule in rules if rule.folder is not None), self._rules.folder)
        template = Template((*parse(folder).pieces, "/", *parse(file).pieces))
        facts = _facts(job, candidate, form)
        facts["tag"] = next(iter((*ruling, *job.want.tags)), "")
        if "subtitle" in template.fields:
            facts["title"], facts["subtitle"] = _parted(facts["title"])
        if "request" in template.fields:
            facts["request"] = list_of(job.request)
        cleaned = {name: clean(fact) for name, fact in facts.items()}
        *folders, stem = (clean(part) for part in template.fill(cleaned))
        return "/".join((*_folders(folders), _file(stem or clean(job.want.raw) or "book", form)))

    def examples(self) -> Iterator[tuple[str, str]]:
        """Give a name as each rule makes it, with what the rule is for: nothing, a format or a tag."""
        named: list[tuple[str, str, tuple[str, ...]]] = [("", "epub", ())]
        named += [(form, form, ()) for form in self._rules.formats]
        named += [(f"tag {tag}", "epub", (tag,)) for tag in self._rules.tags]
        for what, form, tags in named:
            job = Job(12, 3, replace(_EXAMPLE_WANT, tags=tags or _EXAMPLE_WANT.tags), State.DONE)
            yield what, self.path(job, _EXAMPLE, form, lambda _: "to-read")


def plain_name(job: Job, form: str) -> str:
    """Name a book so that the poorest filesystem takes it."""
    return _file(f"Book {job.id}", form)


def _facts(job: Job, candidate: Candidate, form: str) -> dict[str, str]:
    """Tell what is known of a book: as its source has it, else as its want says it."""
    want = job.want
    authors = candidate.authors or want.authors
    year, position = candidate.year or want.year, candidate.position
    return {
        "title": candidate.title or want.title,
        "author": authors[0] if authors else "",
        "authors": " & ".join(authors),
        "author_sort": _by_surname(authors[0]) if authors else "",
        "series": candidate.series or want.series,
        "position": "" if position is None or not isfinite(position) else f"{position:.6g}",
        "year": str(year) if year else "",
        "language": candidate.language or want.language,
        "isbn": want.isbn if want.isbn in candidate.isbns else next(iter(candidate.isbns), want.isbn),
        "format": form,
        "source": candidate.source,
        "key": candidate.key,
        "job": str(job.id),
    }


def _parted(title: str) -> tuple[str, str]:
    """Part a title from its subtitle."""
    found = _SUBTITLE.fullmatch(title)
    return (found[1], found[2]) if found else (title, "")


def _by_surname(author: str) -> str:
    """Write a name as shelves are sorted: `Tolkien, J. R. R.`; what has a comma is taken for sorted."""
    *given, last = author.split() or [""]
    rank = ""
    if len(given) > 1 and last.strip(".,").casefold() in SUFFIXES:
        rank, last = f" {last}", given.pop()
    return author if "," in author or not given else f"{last}, {' '.join(given)}{rank}"


def _folders(parts: Iterable[str]) -> list[str]:
    """Cut folders' names, the longest first, to what leaves a file in them enough room."""
    kept = [part for part in parts if part]
    longest = _FOLDER_CHARACTERS + 1
    while len("/".join(kept)) > _FOLDER_CHARACTERS:
        longest -= 1
        kept = [part[:longest] for part in kept]
    return [_usable(cut) for part in kept if (cut := _cut(part, MAX_BYTES - _ROOM_FOR_NUMBER))]


def _file(stem: str, form: str) -> str:
    """Make a file's name that stays within all bounds when it gets a number, its extension kept."""
    suffix = "." + re.sub(r"[^a-z0-9-]", "", form.lower())
    stem = stem[: MAX_CHARACTERS - len(suffix) - _ROOM_FOR_NUMBER]
    return _usable(_cut(stem, MAX_BYTES - len(suffix) - _ROOM_FOR_NUMBER) + suffix)


def _cut(text: str, room: int) -> str:
    """Cut to so many bytes, without what must not stand at an end."""
    return text.encode("utf-8")[:room].decode("utf-8", "ignore").rstrip(" ._")


def _usable(name: str) -> str:
    """Change a name that Windows keeps for a device."""
    if len(name.partition(".")[0]) > _LONGEST_DEVICE:
        return name
    return str(sanitize_filename(name, replacement_text="_", platform="universal"))


def variants(name: str) -> Iterator[str]:
    """Give a file's name, then `name_1`, `name_2` and so on before its extension, for when it is taken."""
    stem, dot, extension = name.rpartition(".")
    return (f"{each}{dot}{extension}" for each in numbered(stem))


def numbered(text: str) -> Iterator[str]:
    """Give a text, then `text_1`, `text_2` and so on."""
    yield text
    for number in range(1, 10_000):
        yield f"{text}_{number}"
