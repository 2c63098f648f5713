"""The environment that a unit of systemd gives its service, or a quadlet of podman's its container.

Facts: systemd.exec(5), "Environment"; systemd.syntax(7), "Quoting"; podman-systemd.unit(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path

from bookhopper import located
from bookhopper.errors import BookhopperError

MAX_BYTES = 1024 * 1024
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+""", re.DOTALL)
_PIECE = re.compile(r"""\\(?P<escape>x[0-9a-fA-F]{2}|[0-7]{3}|.)|(?P<quote>["'])|[^\\"']""", re.DOTALL)
_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " ",
}  # fmt: skip
_FILE_LINE = re.compile(r"^\s*([A-Za-z_]\w*)=(.*)$")


def is_unit(text: str) -> bool:
    """Whether a text is a unit with a service in it."""
    return re.search(r"^\[(Service|Container)\]\s*$", text, re.MULTILINE) is not None


def is_quadlet(text: str) -> bool:
    """Whether a unit's service is a container, which has an environment of its own."""
    return re.search(r"^\[Container\]\s*$", text, re.MULTILINE) is not None


def environment(text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Give a unit's environment; `variables` are what it may hand on.  Raises BookhopperError.

    Its drop-ins are files of their own, and are not looked for.
    """
    found: dict[str, str] = {}
    handed: dict[str, str] = {}
    files: list[str] = []
    dropped: list[str] = []
    for key, value in _lines(text, "[Container]" if is_quadlet(text) else "[Service]"):
        if key == "Environment":
            found = {**found, **dict(_assignments(value))} if value else {}
        elif key == "EnvironmentFile":
            files = [*files, value] if value else []
        elif key == "PassEnvironment":
            handed |= {name: variables[name] for name in value.split() if name in variables}
        elif key == "UnsetEnvironment":
            dropped += value.split()
    for name in files:
        found |= _of_files(name)
    return {name: value for name, value in {**handed, **found}.items() if name not in dropped}


def _lines(text: str, of: str) -> Iterator[tuple[str, str]]:
    """Give the lines of a section, those that go on joined."""
    section = ""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    for line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + " " + next(lines, "")
        if whole.startswith("["):
            section = whole.strip()
        elif section == of and "=" in whole:
            key, _, value = whole.partition("=")
            yield key.strip(), value.strip()


def _assignments(value: str) -> Iterator[tuple[str, str]]:
    for word in _WORD.findall(value):
        name, equals, text = _unquoted(word).partition("=")
        if equals:
            yield name, _without_specifiers(name, text)


def _unquoted(word: str) -> str:
    """Take the quotes and escapes out of a word."""
    quote, text = "", ""
    for piece in _PIECE.finditer(word):
        if (escape := piece["escape"]) is not None:
            text += _escaped(escape)
        elif piece["quote"] is None or quote not in {"", piece["quote"]}:
            text += piece[0]
        else:
            quote = "" if quote else piece["quote"]
    return text


def _escaped(escape: str) -> str:
    if len(escape) == 3:
        return chr(int(escape[1:], 16) if escape[0] == "x" else int(escape, 8))
    return _ESCAPES.get(escape, escape)


def _without_specifiers(name: str, text: str) -> str:
    if re.search(r"%(?:%%)*(?!%)\w", text.replace("%%", "")):
        raise BookhopperError(f"{name} in the unit has a specifier of systemd's: write what it stands for")
    return text.replace("%%", "%")


def _of_files(name: str) -> dict[str, str]:
    """Read the files that a line names, whose values are taken as they are, apart from quotes around them."""
    found: dict[str, str] = {}
    paths = sorted(glob(name.removeprefix("-")))  # noqa: PTH207 - the pattern is absolute
    if not paths and not name.startswith("-"):
        raise BookhopperError(f"{name}, the unit's EnvironmentFile, is not there: check its path and rights")
    for path in paths:
        text = located.read(Path(path), MAX_BYTES, "file of variables").decode("utf-8", "replace")
        lines = re.sub(r"\\\n", "", text).splitlines()
        matches = (_FILE_LINE.match(line) for line in lines if not line.lstrip().startswith(("#", ";")))
        found |= {match[1]: _unquoted(match[2].strip()) for match in matches if match}
    return found
