"""What is asked of a site that a definition describes, and in which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bookhopper.search.definitions.templates import Template
from bookhopper.search.sources.base import Query


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a site: a path below it, and what goes along, as templates."""

    path: Template
    method: str = "get"
    inputs: Mapping[str, Template] | None = None
    headers: Mapping[str, Template] | None = None


def literal(address: str) -> Template:
    """Take an address from a page as it is: what looks like a template in it means nothing."""
    return Template(address, (), (address,))


def questions(query: Query, *, by_isbn: bool) -> Iterator[Mapping[str, str]]:
    """Give what to ask for, as templates know it: the ISBN, then title and author, then titles alone."""
    year = str(query.year or "")
    if by_isbn and query.isbn:
        yield _asked(query.isbn, isbn=query.isbn, year=year)
    once: set[str] = set()
    for with_authors in (True, False):
        for reading in query.readings:
            author = reading.authors[0] if reading.authors and with_authors else ""
            keywords = f"{reading.title} {author}".strip()
            if keywords and keywords not in once:
                once.add(keywords)
                yield _asked(keywords, title=reading.title, author=author, year=year)


def _asked(
    keywords: str, *, title: str = "", author: str = "", isbn: str = "", year: str = ""
) -> Mapping[str, str]:
    return {
        "Keywords": keywords,
        "Query.Title": title,
        "Query.Author": author,
        "Query.Isbn": isbn,
        "Query.Year": year,
    }
