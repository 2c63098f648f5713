"""A calibre library, made by calibre itself, and servers over it that stop with their block."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests import books
from tests.waiting import DEADLINE, until

BOOKS = (
    ("Good Omens", "Terry Pratchett & Neil Gaiman", "en"),
    ("A Wizard of Earthsea", "Ursula K. Le Guin", "en"),
    ("Les Misérables", "Victor Hugo", "fr"),
    ("Война и мир", "Лев Толстой", "ru"),
    ("Emma & Friends: A Sequel", "Jane Austen", "en"),
)
"""Title, authors as calibre writes them, language; Earthsea is the first of its series and has a PDF too."""

SERIES = "Earthsea"
WANTED = """\
Good Omens - Neil Gaiman
A Wizard of Earthsea - Ursula K. Le Guin
Les Misérables - Victor Hugo
Война и мир - Лев Толстой
Emma & Friends: A Sequel - Jane Austen
"""
"""The list that asks for all of them."""

USER, PASSWORD = "reader", "Fish & 7 Chips!"
_opener = build_opener(ProxyHandler({}))


def found(program: str, variable: str = "") -> str:
    """Give the path of a program, which `variable` may name; skips the test where it is not installed."""
    path = os.environ.get(variable) if variable else None
    path = path or shutil.which(program)
    if path is None:
        hint = f", nor named by {variable}" if variable else ""
        pytest.skip(f"{program} is not installed{hint}")
    return path


def make_library(folder: Path) -> Path:
    """Let `calibredb` make a library of the books under a folder."""
    library, incoming = folder / "library", folder / "incoming"
    incoming.mkdir()
    files = []
    for number, (title, authors, language) in enumerate(BOOKS):
        file = incoming / f"{number}.epub"
        file.write_bytes(books.epub(title, authors, language=language, identifier=f"urn:uuid:{number}"))
        files.append(str(file))
    (incoming / "1.pdf").write_bytes(books.pdf())

    with calibre_alone():
        calibredb(library, "add", "--series", SERIES, "--series-index", "1", files[1])
        calibredb(library, "add", *files[:1], *files[2:])
        calibredb(library, "add_format", "1", str(incoming / "1.pdf"))
    return library


def calibredb(library: Path, *arguments: str) -> None:
    """Run one command of `calibredb` on a library; skips the test where another calibre is at work."""
    command = [found("calibredb"), *arguments, "--library-path", str(library)]
    done = subprocess.run(
        command,
        env=environment(library.parent),
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    if "Another calibre program" in done.stderr:
        pytest.skip("another calibre is running on this machine, and calibredb refuses to work beside it")
    assert done.returncode == 0, done.stderr


@contextmanager
def calibre_alone() -> Iterator[None]:
    """Wait until no other test runs one of calibre's programs: calibredb refuses to start beside them."""
    with (Path(tempfile.gettempdir()) / f"bookhopper-tests-calibre-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(folder: Path, **more: str) -> Mapping[str, str]:
    """Keep what calibre remembers of its user inside a folder."""
    settings = folder / "settings"
    settings.mkdir(exist_ok=True)
    own = {"CALIBRE_CONFIG_DIRECTORY": str(settings), "QT_QPA_PLATFORM": "offscreen"}
    return {**os.environ, **own, "no_proxy": "127.0.0.1", **more}


@contextmanager
def running(command: Sequence[str], url: str, env: Mapping[str, str], log: Path) -> Iterator[str]:
    """Run a server until the block ends, which begins once something answers at `url`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def answers() -> bool:
        assert process.poll() is None, f"{command[0]} ended:\n{log.read_text(errors='replace')}"
        return status(url) > 0

    try:
        until(answers, lambda: f"{command[0]} to answer:\n{log.read_text(errors='replace')}")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def status(url: str) -> int:
    """Give the HTTP status at an address; 0 while nobody answers."""
    try:
        with _opener.open(url, timeout=DEADLINE) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
    except (URLError, ConnectionError):
        return 0


def get(url: str, sign_in: tuple[str, str] | None = None) -> bytes:
    """Fetch an answer, past everything under test."""
    headers = {}
    if sign_in is not None:
        headers["Authorization"] = "Basic " + b64encode(":".join(sign_in).encode()).decode()
    with _opener.open(Request(url, headers=headers), timeout=DEADLINE) as answer:
        content: bytes = answer.read()
        return content


def served(origin: str, feed: str, sign_in: tuple[str, str] | None = None) -> set[str]:
    """Give the sha256 of each EPUB that a feed offers, fetched past everything under test."""
    page = get(origin + feed, sign_in).decode()
    hrefs = set(re.findall(r'href="([^"]*/epub/[^"]*)"', page))
    return {sha256(get(origin + href, sign_in)).hexdigest() for href in hrefs}


def digests(folder: Path) -> set[str]:
    """Give the sha256 of each file in a folder."""
    return {sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
