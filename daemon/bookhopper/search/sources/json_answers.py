"""JSON as catalogues answer with it: fetched within bounds, and taken apart without trusting its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bookhopper.errors import TransientError
from bookhopper.hostile_json import JsonError, parse_json
from bookhopper.net.addresses import safe_url
from bookhopper.net.web import Web
from bookhopper.search.sources.fields import one_line
from bookhopper.ticket import Ticket

MAX_ANSWER = 8 << 20
"""Bytes of one answer; the item of a book with a few hundred files has some 100 KB."""

MAX_VALUES = 1_000
"""How many values of one field are looked at."""


def get_json(web: Web, url: str, ticket: Ticket, *, fresh: bool = False) -> Mapping[str, object]:
    """GET a JSON object; raises TransientError for any other answer, and what `Web.get` does.

    An answer that is none, or that tells of an error, is not kept for the next time.
    """
    asked = {"Accept": "application/json"}
    fetched = web.get(url, ticket, max_bytes=MAX_ANSWER, headers=asked, fresh=fresh)
    try:
        answer = parse_json(fetched.content)
    except JsonError as error:
        web.forget(url, asked)
        raise TransientError(f"{safe_url(url)}: the answer is {error}, though JSON was expected") from error
    if not isinstance(answer, dict):
        web.forget(url, asked)
        raise TransientError(f"{safe_url(url)}: the answer is no JSON object")
    if answer.get("error"):  # whoever asked decides what that means; it may be another answer next time
        web.forget(url, asked)
    return answer


def texts(value: object) -> tuple[str, ...]:
    """Give a field's values, each on one line: some services write a list only where there are several."""
    values = value[:MAX_VALUES] if isinstance(value, list) else [value]
    plain = (
        one_line(str(each)) for each in values if isinstance(each, str | int) and not isinstance(each, bool)
    )
    return tuple(line for line in plain if line)


def text(value: object) -> str:
    """Give a field's first value; empty where it has none."""
    return next(iter(texts(value)), "")


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """Give the objects in a field that should be a list of them."""
    for each in value[:MAX_VALUES] if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each


def is_true(value: object) -> bool:
    """Whether a field says yes, as a truth value or in words."""
    return value is True or text(value).lower() in {"true", "1", "yes"}
