"""Search templates, of OpenSearch 1.1 and RFC 6570, which OPDS 2.0 uses: one syntax holds both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_EXPRESSION = re.compile(r"\{([?&/;.#+]?)([^{}]{1,200})\}")
_MODIFIER = re.compile(r"(?:[*?]|:\d{1,4})$")
_PHRASE = frozenset({"searchterms", "query", "q"})
_TITLE = frozenset({"atom:title", "title"})
_AUTHOR = frozenset({"atom:author", "author"})
_NAMED = {"?": "&", "&": "&", ";": ";"}
_LISTED = {"": ",", "+": ",", "#": ",", "/": "/", ".": "."}
_RESERVED = ":/?#[]@!$&'()*+,;="


def can_search(template: str) -> bool:
    """Whether a template has a parameter for what is looked for."""
    return not (_PHRASE | _TITLE).isdisjoint(_names(template))


def fill_template(template: str, title: str, author: str, count: int) -> str:
    """Fill a search template: percent-encoded, what is not known left empty or out.

    A template with parameters of their own for title and author gets them there, any other as one phrase.
    """
    names = _names(template)
    apart = bool(title and author and names & _TITLE and names & _AUTHOR)
    alone = names.isdisjoint(_PHRASE)
    phrase = title if apart else f"{title} {author}".strip()
    values = dict.fromkeys(_PHRASE, phrase) | {"count": str(count)}
    values |= dict.fromkeys(("startindex", "startpage"), "1")
    values |= dict.fromkeys(("inputencoding", "outputencoding"), "UTF-8")
    if apart or alone:
        values |= dict.fromkeys(_TITLE, title) | dict.fromkeys(_AUTHOR, author)
    return _EXPRESSION.sub(lambda match: _expanded(match[1], match[2], values), template)


def _names(template: str) -> frozenset[str]:
    return frozenset(
        _MODIFIER.sub("", name).lower()
        for _, expression in _EXPRESSION.findall(template)
        for name in expression.split(",")
    )


def _expanded(operator: str, expression: str, values: Mapping[str, str]) -> str:
    """Expand one expression (RFC 6570, 3.2), its modifiers for lists and prefixes left aside."""
    given = {}
    for variable in expression.split(","):
        name = _MODIFIER.sub("", variable)
        if value := values.get(name.lower(), "*" if (operator, name) == ("", "language") else ""):
            given[name] = quote(value, safe=_RESERVED if operator in {"+", "#"} else "")
    first = "" if operator in {"", "+"} or not given else operator
    if operator in _NAMED:
        return first + _NAMED[operator].join(f"{name}={value}" for name, value in given.items())
    return first + _LISTED[operator].join(given.values())
