"""Secrets that the configuration file need not hold: systemd's credentials and variables of the environment.

Where a source's section does not say `KEY`, its secret KEY is the file `NAME.KEY` in
`$CREDENTIALS_DIRECTORY`, which the unit's `LoadCredential=NAME.KEY:PATH` puts there.  That holds where it
says `KEY_file` too, since that file may be root's alone.  Without both, it is the variable
`BOOKHOPPER_NAME_KEY` (in capitals, `-` as `_`).  NAME is the source's; KEY is `password` or `proxy`, and of
a source of web pages every credential of its is one of its `settings`.  Facts: systemd.exec(5),
"Credentials".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DIRECTORY = "CREDENTIALS_DIRECTORY"
_WITH_PASSWORD = frozenset(("opds", "html"))


def with_secrets(
    data: Mapping[Any, Any], variables: Mapping[str, str]
) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Add to a file's data the secrets of its sources; returns them, and a word for each that is nobody's."""
    found = dict(data)
    sources = data.get("sources")
    if not isinstance(sources, list):
        return found, ()
    files = dict(_files(variables.get(DIRECTORY, "")))
    found["sources"] = [
        _completed(each, files, variables) if isinstance(each, dict) else each for each in sources
    ]
    names = {_name(each) for each in sources if isinstance(each, dict)}
    return found, tuple(
        f"the credential {name} is no source's: its name is that of a source, a dot, and password or proxy"
        for name in files
        if name.partition(".")[0] not in names
    )


def _completed(
    source: dict[Any, Any], files: Mapping[str, Path], variables: Mapping[str, str]
) -> dict[Any, Any]:
    """Add to a source's section what it does not say of its secrets."""
    kind, name = source.get("kind"), _name(source)
    completed = dict(source)
    is_html = kind == "html"
    given = source.get("settings") or {}
    settings = dict(given) if is_html and isinstance(given, dict) else {}
    for key in _keys(kind, name, files):
        section = settings if is_html and key != "proxy" else completed
        if section.get(key):
            continue
        if path := files.get(f"{name}.{key}"):
            section[f"{key}_file"] = str(path)
        elif section.get(f"{key}_file"):
            continue
        elif secret := variables.get(f"BOOKHOPPER_{name}_{key}".upper().replace("-", "_")):
            section[key] = secret
    if settings:
        completed["settings"] = settings
    return completed


def _keys(kind: object, name: str, files: Mapping[str, Path]) -> list[str]:
    if kind == "folder":
        return []
    keys = ["proxy", *(["password"] if kind in _WITH_PASSWORD else [])]
    if kind == "html":
        keys += [file.partition(".")[2] for file in files if file.startswith(f"{name}.")]
    return list(dict.fromkeys(keys))


def _name(source: Mapping[Any, Any]) -> str:
    """Give a source's name, which is its kind where it has no other."""
    return str(source.get("name") or source.get("kind") or "")


def _files(folder: str) -> Iterator[tuple[str, Path]]:
    """List the credentials that the service manager hands over, by their names."""
    try:
        for path in sorted(Path(folder).iterdir()) if folder else ():
            if path.is_file():
                yield path.name, path
    except OSError:
        return  # none were handed over
