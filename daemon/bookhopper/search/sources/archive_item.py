"""What an item of the Internet Archive holds: the answer of `metadata/<identifier>` as candidates.

Its shape: https://archive.org/developers/md-read.html.  A field with several values is a list there and a
text otherwise (openlibrary/core/ia.py says so); an item that does not exist is `{}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from bookhopper.model import Candidate
from bookhopper.search.language import language_tag
from bookhopper.search.sources.fields import isbn_in, year_in
from bookhopper.search.sources.json_answers import is_true, objects, text, texts
from bookhopper.search.sources.library_names import clean_title, split_names

MAX_FILES = 1_000
MIRRORS = 2
"""How many of an item's own servers stand behind its address."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_LENT = frozenset({"inlibrary", "printdisabled", "lendinglibrary"})
"""Collections of what is lent, or open to readers with a print disability only."""

_FORMATS: Mapping[str, tuple[str, int]] = {
    "epub": ("epub", 0),
    "kindle": ("mobi", 0),
    "mobipocket": ("mobi", 0),
    "text pdf": ("pdf", 0),
    "pdf": ("pdf", 0),
    "additional text pdf": ("pdf", 1),
    "grayscale pdf": ("pdf", 2),
    "image container pdf": ("pdf", 3),
    "djvu": ("djvu", 0),
    "comic book zip": ("cbz", 0),
    "comic book rar": ("cbr", 0),
    "text": ("txt", 0),
    "rich text format": ("rtf", 0),
}
"""Format names of files, and how much each is liked among its kind (lower is better): of PDFs those with a
text layer.  `DjVuTXT`, the raw text that was recognised in a scan, is no book and left out."""

_BY_EXTENSION = frozenset({"epub", "azw3", "mobi", "pdf", "fb2", "cbz", "cbr", "djvu"})
_PROTECTED = re.compile(r"encrypted|\bacs\b|\blcp\b|_lcp\.|\.lcp|\.acsm|daisy", re.IGNORECASE)
_DERIVED = re.compile(r"_(?:text|bw|djvu|images|kindle)$")
_VOLUME = re.compile(r"(?:v(?:ol(?:ume)?)?\.?\s*)?(\d{1,4}|[ivxlc]{1,8})\.?", re.IGNORECASE)
_NAMES_VOLUME = re.compile(r"\bv(?:ol(?:ume)?)?\.?\s*[\divxlc]+\b", re.IGNORECASE)
_SERVER = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_FOLDER = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_DIGESTS = {"md5": re.compile(r"[0-9a-f]{32}"), "sha1": re.compile(r"[0-9a-f]{40}")}


@dataclass(frozen=True, slots=True)
class _File:
    """A file that can be read: `rank` orders those of one format, `book` is its name without its forms."""

    name: str
    format: str
    rank: tuple[int, bool, str]
    book: str
    size: int | None
    checksums: Mapping[str, str]


def is_identifier(key: str) -> bool:
    """Whether a text can be an item's identifier, and so a step of a path that leads nowhere else."""
    return _IDENTIFIER.fullmatch(key) is not None


def is_public(metadata: Mapping[str, object]) -> bool:
    """Whether anybody may download an item of texts, by its metadata or its line of a search's answer."""
    return (
        text(metadata.get("mediatype")) == "texts"
        and not is_true(metadata.get("access-restricted-item"))
        and not is_true(metadata.get("noindex"))
        and _LENT.isdisjoint(texts(metadata.get("collection")))
    )


def is_lent(metadata: object) -> bool:
    """Whether an item is one of those that the archive lends, by its metadata."""
    return isinstance(metadata, dict) and not _LENT.isdisjoint(texts(metadata.get("collection")))


def formats_in(names: object) -> frozenset[str]:
    """Give the formats behind an item's format names, without those of protected files."""
    known = (_FORMATS.get(name.lower()) for name in texts(names) if not _PROTECTED.search(name))
    return frozenset(form[0] for form in known if form)


def names_in(creator: object) -> tuple[str, ...]:
    """Give the authors of a `creator` field as they stand on a cover, without their dates."""
    authors, others = split_names("; ".join(texts(creator)))
    return authors or others


def title_in(metadata: Mapping[str, object]) -> str:
    """Give the title with the volume that it is, where the title itself does not say that."""
    title = clean_title(text(metadata.get("title"))).rstrip(" /:;,")
    volume = text(metadata.get("volume"))
    if not title or not volume or _NAMES_VOLUME.search(title):
        return title
    number = _VOLUME.fullmatch(volume)
    return f"{title}, Volume {number[1]}" if number else f"{title}, {volume}"


def language_in(value: object) -> str:
    """Give the tag of the first language that is named, by code or name."""
    first = re.split(r"[;,/]", text(value))[0]
    return language_tag(first)


def offers(item: Mapping[str, object], identifier: str, *, source: str, site: str) -> tuple[Candidate, ...]:
    """Make one candidate of each format in which an item holds its one book.

    Empty for an item that is not public, and for one with several books, of which none is meant.
    """
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or is_true(item.get("is_dark")) or not is_public(metadata):
        return ()
    title = title_in(metadata)
    if not title:
        return ()
    isbns = dict.fromkeys(filter(None, map(isbn_in, texts(metadata.get("isbn"))[:20])))
    return tuple(
        Candidate(
            source=source,
            key=identifier,
            title=title,
            authors=names_in(metadata.get("creator")),
            language=language_in(metadata.get("language")),
            format=file.format,
            size=file.size,
            year=year_in(text(metadata.get("year"))) or year_in(text(metadata.get("date"))),
            isbns=tuple(isbns),
            urls=tuple(_addresses(item, identifier, file.name, site)),
            checksums=file.checksums,
        )
        for file in _chosen(_files(item), identifier)
    )


def _files(item: Mapping[str, object]) -> Iterator[_File]:
    for entry in list(objects(item.get("files")))[:MAX_FILES]:
        name, form = text(entry.get("name")), text(entry.get("format"))
        original = text(entry.get("source")) == "original"
        known = _format_of(name, form, original=original)
        if known is None or not _is_plain(name) or name != entry.get("name") or is_true(entry.get("private")):
            continue
        stem = PurePosixPath(name).stem
        book = _DERIVED.sub("", stem)
        size = text(entry.get("size"))
        digests = {name: text(entry.get(name)).lower() for name in _DIGESTS}
        yield _File(
            name=name,
            format=known[0],
            rank=(known[1] + (book != stem), not original, name),
            book=book.casefold(),
            size=int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
            checksums={name: digest for name, digest in digests.items() if _DIGESTS[name].fullmatch(digest)},
        )


def _format_of(name: str, form: str, *, original: bool) -> tuple[str, int] | None:
    """Tell a file's format by its format's name, of what was uploaded also by its own."""
    if _PROTECTED.search(form) or _PROTECTED.search(name):
        return None
    extension = PurePosixPath(name).suffix.lower().removeprefix(".")
    by_extension = (extension, 1) if original and extension in _BY_EXTENSION else None
    return _FORMATS.get(form.lower(), by_extension)


def _is_plain(name: str) -> bool:
    """Whether a file's name leads into its item and nowhere else."""
    return 0 < len(name) <= 500 and "\\" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))


def _chosen(files: Iterator[_File], identifier: str) -> Sequence[_File]:
    """Choose the best file of each format, all of one book: that of the item's name if there are several."""
    listed = sorted(files, key=lambda file: file.rank)
    books = {file.book for file in listed}
    if len(books) > 1:
        listed = [file for file in listed if file.book == identifier.casefold()]
    best: dict[str, _File] = {}
    for file in listed:
        best.setdefault(file.format, file)
    return tuple(best[kind] for kind in sorted(best))


def _addresses(item: Mapping[str, object], identifier: str, name: str, site: str) -> Iterator[str]:
    """Give the address that finds the file wherever it lies, then those on the servers that hold it now."""
    path = quote(name, safe="/")
    yield f"{site}/download/{identifier}/{path}"
    folder = text(item.get("dir"))
    if not _FOLDER.fullmatch(folder):
        return
    parts = urlsplit(site)
    domain = f".{(parts.hostname or '').removeprefix('www.')}"
    named = (*texts(item.get("workable_servers")), text(item.get("d1")), text(item.get("d2")))
    servers = dict.fromkeys(each for each in named if _SERVER.fullmatch(each) and each.endswith(domain))
    for server in list(servers)[:MIRRORS]:
        yield f"{parts.scheme}://{server}{folder}/{path}"
