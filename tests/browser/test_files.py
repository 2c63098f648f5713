"""The page's files as they are served: known ones only, checked anew each time, and safe in themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from bookhopper.api.routes import page
from tests.fakes.server import serving
from tests.waiting import DEADLINE

FILES = {path.name: path.read_text(encoding="utf-8") for path in (files("bookhopper.api") / "page").iterdir()}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(Starlette(routes=page.routes())) as url:
        yield urlsplit(url).netloc


def ask(address: str, path: str, **headers: str) -> Answer:
    """Ask for a path as it stands here: other clients would put it in order first."""
    connection = HTTPConnection(address, timeout=DEADLINE)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/", "text/html; charset=utf-8", "index.html"),
        ("/api/docs", "text/html; charset=utf-8", "docs.html"),
        ("/page/main.js", "text/javascript; charset=utf-8", "main.js"),
        ("/page/base.css", "text/css; charset=utf-8", "base.css"),
        ("/page/mark.svg", "image/svg+xml", "mark.svg"),
    ],
)
def test_a_file_is_served_with_its_type_and_asked_for_again(
    address: str, path: str, kind: str, name: str
) -> None:
    answer = ask(address, path)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert answer.body.decode() == FILES[name]
    assert answer.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    tag = answer.headers["etag"]
    again = ask(address, path, **{"If-None-Match": f'"other", W/{tag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert ask(address, path, **{"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "../view.py",
        "..%2fview.py",
        "%2e%2e/view.py",
        "..%2f..%2f__main__.py",
        "main.js%00",
        ".",
    ],
)
def test_what_is_not_in_the_table_is_not_there(address: str, name: str) -> None:
    assert ask(address, f"/page/{name}").status == 404


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_comes_from_another_host_and_nothing_becomes_markup(name: str) -> None:
    text = FILES[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\bimport\s*\(|@import", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text)
    if name.endswith(".html"):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith((".html", ".js"))))
def test_every_file_that_is_named_is_there(name: str) -> None:
    named = re.findall(r'(?:from "\./|(?:src|href)="/?page/)([\w.-]+)"', FILES[name])
    assert set(named) <= FILES.keys()
