"""The filters of definitions: what may be done to a value on its way from a page into a field."""

from __future__ import annotations

import difflib
import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, quote_plus, unquote_plus, urlsplit

from pathvalidate import sanitize_filename

from bookhopper.search.definitions import dates
from bookhopper.search.definitions.budget import Budget
from bookhopper.search.definitions.paths import json_path, json_text
from bookhopper.search.definitions.patterns import pattern

_WORDS = re.compile(r"[\s,;/|()\[\]]+")

Apply = Callable[[str, Sequence[str], Budget], str]
Check = Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class FilterKind:
    """How many arguments a filter takes, what it does, and how those that are no templates are checked."""

    least: int
    most: int
    apply: Apply
    check: Check = tuple


def kind_of(name: str) -> FilterKind:
    """Find a filter; raises ValueError with the one that may be meant."""
    if name in FILTERS:
        return FILTERS[name]
    near = difflib.get_close_matches(name, FILTERS, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(FILTERS))}"
    raise ValueError(f"no filter is called `{name}`: {hint}")


def check_arguments(name: str, arguments: Sequence[str], *, are_static: bool) -> None:
    """Raise ValueError when a filter cannot be given these arguments."""
    kind = kind_of(name)
    if not kind.least <= len(arguments) <= kind.most:
        number = str(kind.least) if kind.least == kind.most else f"{kind.least} to {kind.most}"
        raise ValueError(f"`{name}` takes {number} arguments, not {len(arguments)}")
    if are_static:
        kind.check(arguments)


def _check_replacing(arguments: Sequence[str]) -> None:
    pattern(arguments[0]).check_replacement(arguments[1])


def _check_number(arguments: Sequence[str]) -> None:
    if not re.fullmatch(r"-?\d{1,4}", arguments[1]):
        raise ValueError(f"`split` needs a whole number, not `{arguments[1]}`: which part is wanted, from 0")
    if not arguments[0]:
        raise ValueError("`split` needs a text to split at")


def _replace(text: str, arguments: Sequence[str], budget: Budget) -> str:
    old, new = arguments
    if not old:
        return text
    budget.fits(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _split(text: str, arguments: Sequence[str], _: Budget) -> str:
    parts = text.split(arguments[0]) if arguments[0] else [text]
    number = int(arguments[1])
    return parts[number] if -len(parts) <= number < len(parts) else ""


def _querystring(text: str, arguments: Sequence[str], _: Budget) -> str:
    try:
        values = parse_qs(urlsplit(text).query, max_num_fields=200)
    except ValueError:
        return ""
    return next(iter(values.get(arguments[0], ())), "")


def _diacritics(text: str, _: Sequence[str], __: Budget) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(each for each in apart if not unicodedata.combining(each)))


def _validate(text: str, arguments: Sequence[str], _: Budget) -> str:
    allowed = {word.strip().lower(): word.strip() for word in arguments[0].split(",")}
    words = (word.lower() for word in _WORDS.split(text))
    return ", ".join(dict.fromkeys(allowed[word] for word in words if word in allowed))


def _joined_array(text: str, arguments: Sequence[str], _: Budget) -> str:
    try:
        found = json_path(arguments[0]).find(json.loads(text))
    except (ValueError, RecursionError):
        return ""
    return arguments[1].join(json_text(item) for item in found)


FILTERS: Mapping[str, FilterKind] = {
    "append": FilterKind(1, 1, lambda text, arguments, _: text + arguments[0]),
    "dateparse": FilterKind(1, 1, lambda text, arguments, _: dates.parse_date(text, arguments[0])),
    "diacritics": FilterKind(0, 1, _diacritics),
    "fuzzytime": FilterKind(0, 1, lambda text, _, __: dates.parse_fuzzy(text)),
    "htmldecode": FilterKind(0, 0, lambda text, _, __: html.unescape(text)),
    "jsonjoinarray": FilterKind(2, 2, _joined_array, lambda arguments: json_path(arguments[0])),
    "prepend": FilterKind(1, 1, lambda text, arguments, _: arguments[0] + text),
    "querystring": FilterKind(1, 1, _querystring),
    "re_replace": FilterKind(
        2,
        2,
        lambda text, arguments, budget: pattern(arguments[0]).replace(text, arguments[1], budget),
        _check_replacing,
    ),
    "regexp": FilterKind(
        1,
        1,
        lambda text, arguments, budget: pattern(arguments[0]).find(text, budget) or "",
        lambda arguments: pattern(arguments[0]),
    ),
    "replace": FilterKind(2, 2, _replace),
    "split": FilterKind(2, 2, _split, _check_number),
    "timeago": FilterKind(0, 0, lambda text, _, __: dates.parse_ago(text)),
    "tolower": FilterKind(0, 0, lambda text, _, __: text.lower()),
    "toupper": FilterKind(0, 0, lambda text, _, __: text.upper()),
    "trim": FilterKind(0, 1, lambda text, arguments, _: text.strip(*arguments)),
    "urldecode": FilterKind(0, 0, lambda text, _, __: unquote_plus(text)),
    "urlencode": FilterKind(0, 0, lambda text, _, __: quote_plus(text)),
    "validate": FilterKind(1, 1, _validate),
    "validfilename": FilterKind(0, 0, lambda text, _, __: sanitize_filename(text)),
}
"""Every filter by its name."""
