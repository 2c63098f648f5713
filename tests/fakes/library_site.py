"""A small library with web pages on a real socket: a search, pages of books, a sign-in, and its misdeeds."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakes.server import serving

PAGE = 4


@dataclass
class LibrarySite:
    """What the site does; tests change the fields while it runs.

    `members` lets only those in who know the password; `answers` puts another answer on a path; `files` are
    the books' files by path.
    """

    books: Sequence[tuple[str, str]] = ()
    members: bool = False
    password: str = "open sesame"
    session: str = "s1"
    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def app(self) -> Starlette:
        pages: dict[str, Callable[[Request], Response]] = {
            "/": self._home,
            "/find": self._find,
            "/api": self._api,
            "/book/{number:int}": self._book,
            "/thanks": self._thanks,
            "/login": self._login,
            "/member": self._home,
            "/files/{name}": self._file,
        }
        return Starlette(
            routes=[
                Route(path, self._told(answer), methods=["GET", "POST"]) for path, answer in pages.items()
            ]
        )

    def _told(self, answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def told(request: Request) -> Response:
            self.requests.append(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
            self.headers.append(dict(request.headers))
            form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
            request.state.form = {**request.query_params, **form}
            is_guarded = self.members and request.url.path != "/login"
            if is_guarded and request.cookies.get("session") != self.session:
                return RedirectResponse("/login", 303)
            return self.answers.get(request.url.path, answer)(request)

        return told

    def _home(self, _: Request) -> Response:
        return page("<p id='welcome'>Welcome</p>")

    def matching(self, text: str) -> list[int]:
        words = set(re.findall(r"\w+", text.lower()))
        return [
            number
            for number, (title, author) in enumerate(self.books)
            if words & set(re.findall(r"\w+", f"{title} {author}".lower()))
        ]

    def _find(self, request: Request) -> Response:
        form = request.state.form
        number = int(form.get("page", 1))
        found = self.matching(form.get("q", ""))
        rows = "".join(self.row(n) for n in found[(number - 1) * PAGE : number * PAGE])
        more = f'<a rel="next" href="/find?q={html.escape(form.get("q", ""))}&page={number + 1}">more</a>'
        return page(f"<p id='welcome'></p><table>{rows}</table>{more if len(found) > number * PAGE else ''}")

    def row(self, number: int) -> str:
        title, author = self.books[number]
        return (
            f'<tr class="book"><td class="title"><a href="/book/{number}">{html.escape(title)}</a></td>'
            f'<td class="author">{html.escape(author)}</td><td class="year">c. 1{number:03}</td>'
            f'<td class="kind">EPUB</td><td class="size">1.5 MB</td></tr>'
        )

    def _api(self, request: Request) -> Response:
        found = self.matching(request.state.form.get("q", ""))
        rows = [
            {"name": self.books[n][0], "by": [{"name": self.books[n][1]}], "link": f"/files/{n}.epub"}
            for n in found
        ]
        return JSONResponse({"data": {"items": rows}})

    def _book(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number >= len(self.books):
            return page("no such book", 404)
        title, author = self.books[number]
        return page(
            f"<p id='welcome'></p><h1>{html.escape(title)}</h1><h2>{html.escape(author)}</h2><ul>"
            f'<li><a class="broken" href="javascript:alert()">x</a></li>'
            f'<li><a class="mirror" href="/files/gone-{number}.epub">one</a></li>'
            f'<li><a class="mirror" href="/files/{number}.epub">two</a></li></ul>'
        )

    def _thanks(self, _: Request) -> Response:
        return page("you are welcome")

    def _login(self, request: Request) -> Response:
        form = request.state.form
        if form.get("password") == self.password and form.get("token") == "t0k3n":
            answer = RedirectResponse("/member", 303)
            answer.set_cookie("session", self.session)
            return answer
        fault = '<p class="fault">Wrong  password</p>' if "password" in form else ""
        return page(
            f'{fault}<form action="/search"></form><form id="in" method="post" action="/login">'
            '<input type="hidden" name="token" value="t0k3n"><input name="password"></form>'
        )

    def _file(self, request: Request) -> Response:
        content = self.files.get(request.path_params["name"])
        if content is None:
            return page("gone", 404)
        return Response(content, media_type="application/epub+zip")

    # its definition

    def definition(self, **changes: Any) -> dict[str, Any]:
        """Give a definition of this site; `changes` replace its parts, None takes one out."""
        cell = {"selector": "td.author"}
        whole: dict[str, Any] = {
            "id": "library",
            "name": "The Library",
            "language": "en",
            "links": [f"{self.url}/"],
            "formats": ["epub"],
            "search": {
                "paths": [{"path": "find"}],
                "inputs": {"q": "{{ .Keywords }}"},
                "rows": {"selector": "tr.book"},
                "fields": {
                    "title": {"selector": "td.title a"},
                    "author": cell,
                    "details": {"selector": "td.title a", "attribute": "href"},
                    "format": {"selector": "td.kind", "optional": True},
                    "size": {"selector": "td.size", "optional": True},
                    "year": {"selector": "td.year", "optional": True},
                },
                "pagination": {
                    "pages": 3,
                    "next": {"selector": "a[rel=next]", "attribute": "href", "optional": True},
                },
            },
            "download": {
                "selectors": [
                    {"selector": "a.nothing", "attribute": "href"},
                    {"selector": "a.mirror", "attribute": "href"},
                ],
                "fields": {"title": {"selector": "h1"}, "author": {"selector": "h2"}},
            },
            **changes,
        }
        return {key: value for key, value in whole.items() if value is not None}

    def write(self, path: Path, **changes: Any) -> Path:
        """Write its definition into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.definition(**changes), sort_keys=False), encoding="utf-8")
        return path


LOGIN = {
    "method": "form",
    "path": "login",
    "form": "form#in",
    "inputs": {"password": "{{ .Config.password }}"},
    "error": [{"selector": ".fault"}],
    "test": {"path": "member", "selector": "#welcome"},
}
"""How one signs in at the library; its definition needs the setting `password` for it."""

PASSWORD = [{"name": "password", "type": "password", "label": "Password"}]


def page(inside: str, status: int = 200) -> Response:
    return HTMLResponse(
        f"<!DOCTYPE html><html><head><title>Library</title></head><body>{inside}</body></html>", status
    )


@contextmanager
def library_site(*books: tuple[str, str]) -> Iterator[LibrarySite]:
    """Serve a library on loopback for the block."""
    site = LibrarySite(books=books)
    with serving(site.app()) as url:
        site.url = url
        yield site
