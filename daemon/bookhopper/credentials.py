"""Secrets that the configuration file need not hold: systemd's credentials and variables of the environment.

Where a source's section does not say `KEY`, its secret KEY is the file `NAME.KEY` in
`$CREDENTIALS_DIRECTORY`, which the unit's `LoadCredential=NAME.KEY:PATH` puts there.  That holds where it
says `KEY_file` too, since that file may be root's alone.  Without both, it is the variable
`BOOKHOPPER_NAME_KEY` (in capitals, `-` as `_`), unless that is the name of a setting.  NAME is the source's;
KEY is `password` or `proxy`, and of a source of web pages every credential of its is one of its `settings`.
The same holds for the `url` of those of `notify:`.  Facts: systemd.exec(5), "Credentials".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bookhopper.draft import Draft, Given, Key, variable

DIRECTORY = "CREDENTIALS_DIRECTORY"
_WITH_PASSWORD = frozenset(("opds", "html"))


def complete(draft: Draft, variables: Mapping[str, str], settings: Collection[str]) -> frozenset[str]:
    """Add the secrets of the sources and of `notify:`; returns the names of the variables that may hold one.

    `settings` are the variables of the settings, which nobody else gets.
    """
    files = dict(_files(variables.get(DIRECTORY, "")))
    known: set[str] = set()
    names: set[str] = set()
    for name, above, key in _secrets(draft, files):
        secret = f"BOOKHOPPER_{name}_{key}".upper().replace("-", "_")
        told = "" if secret in settings else variables.get(secret, "")
        names.add(name)
        known.add(secret)
        _complete(draft, (*above, key), files.get(f"{name}.{key}"), told, variable(secret))
    draft.warnings += [
        f"the credential {name} is nobody's: its name is that of a source, a dot, and password or proxy, "
        "or that of one of notify, a dot, and url"
        for name in files
        if name.partition(".")[0] not in names | {_name(source) for _, source in _sections(draft, "sources")}
    ]
    return frozenset(known)


def _secrets(draft: Draft, files: Mapping[str, Path]) -> Iterator[tuple[str, Key, str]]:
    """List what may be secret: whose it is, the section that holds it, and its key there."""
    for number, source in _sections(draft, "sources"):
        kind, name = source.get("kind"), _name(source)
        for key in _keys(kind, name, files):
            is_setting = kind == "html" and key != "proxy"
            yield name, ("sources", number, *(["settings"] if is_setting else [])), key
    for number, target in _sections(draft, "notify"):
        yield _name(target), ("notify", number), "url"


def _sections(draft: Draft, key: str) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """List the sections of a list, leaving out what is none, of which it is told elsewhere."""
    sections = draft.data.get(key)
    for number, section in enumerate(sections if isinstance(sections, list) else ()):
        if isinstance(section, dict):
            yield number, section


def _complete(draft: Draft, key: Key, file: Path | None, secret: str, given: Given) -> None:
    """Add one secret, unless the source's section says it: a credential's file, or what a variable holds."""
    in_file: Key = (*key[:-1], f"{key[-1]}_file")
    if not draft.can_hold(key) or draft.get(key):
        return
    if file is not None:
        draft.put(in_file, str(file), Given("credential", (file.name,)))
    elif secret and not draft.get(in_file):
        draft.put(key, secret, given)


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
