"""Secrets planted wherever a daemon can have one; it works and fails; nothing that comes out names any."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from starlette.requests import Request as Asked
from starlette.responses import RedirectResponse, Response

from bookhopper.api.openapi import openapi_json
from tests.books import epub
from tests.daemon import Daemon
from tests.fakes.inbox import inbox
from tests.fakes.journald import Journald
from tests.fakes.library_site import LOGIN, PASSWORD, LibrarySite, library_site
from tests.fakes.opds_server import FakeCatalogue, fake_catalogue
from tests.fakes.proxies import http_proxy
from tests.fakes.server import free_port, serving
from tests.fakes.solver import FakeSolver, GuardedSite
from tests.fakes.tls_server import new_authority, serving_tls
from tests.waiting import DEADLINE, until

SECRETS = {
    name: f"pl4nted-{name}-{number:04x}"
    for number, name in enumerate(
        (
            "password", "wrong", "credential", "variable", "setting", "proxy", "far-proxy", "its-proxy",
            "solver-proxy", "query", "redirect", "list", "cookie", "clearance", "bearer", "basic", "session",
            "api-query", "notify", "notify-file", "notify-credential", "notify-variable", "notify-password",
        ),
        start=0xA000,
    )
}  # fmt: skip
PATH_TOKEN = "4b7c9d01e2f3a4b5c6d7e8f90a1b2c3d"
"""As Kavita has it in the path of a catalogue."""

PLACES = {"server.json"}
"""Files of the state folder in which a secret must live, and which only the daemon's user reads."""

_BUSY = frozenset(("wanted", "searching", "queued", "downloading", "placed"))
_opener = build_opener(ProxyHandler({}))


class Home:
    """A daemon with a source of every kind of trouble, and what it was told to keep to itself."""

    def __init__(self, folder: Path, stack: ExitStack, journald: Journald | None) -> None:
        self.folder = folder
        self.journald = journald
        self._entries: list[dict[str, str]] = []
        self.catalogue = stack.enter_context(fake_catalogue())
        self.site = stack.enter_context(library_site(("Moby Dick", "Herman Melville")))
        self.strict = stack.enter_context(fake_catalogue())
        loose = stack.enter_context(fake_catalogue())
        self.solver = FakeSolver()
        solver_url = stack.enter_context(serving(self.solver.app()))
        guarded = stack.enter_context(serving(GuardedSite().app()))
        proxy = stack.enter_context(http_proxy())
        refusing = stack.enter_context(http_proxy(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"))
        authority = new_authority(folder / "ca")
        tls = stack.enter_context(
            serving_tls(authority.certificate("DNS:x.example"), lambda *_: ("text/html", b""))
        )
        _misbehave(self.catalogue, self.strict, loose, self.site, self.solver)
        (folder / "password").write_text(f"{SECRETS['password']}\n")
        (folder / "proxy").write_text(_with(proxy.url, "its-proxy"))
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "strict.password").write_text(SECRETS["credential"])
        definition = self.site.write(folder / "library.yaml", login=LOGIN, settings=PASSWORD)
        reader = {"username": "reader", "password_file": str(folder / "password")}
        dead = f"http://127.0.0.1:{free_port()}"
        wary = {"solver": f"{solver_url}/v1", "proxy": _with(proxy.url, "solver-proxy")}
        sources = [
            _opds("home", self.catalogue.root, **reader),
            _opds("strict", self.strict.root, username="reader"),
            _opds("varied", self.strict.root, username="reader"),
            _opds("wrong", self.strict.root, username="reader", password=SECRETS["wrong"]),
            _opds("query", f"{loose.url}/gone?apikey={SECRETS['query']}"),
            _opds("kavita", f"{loose.url}/api/opds/{PATH_TOKEN}"),
            _opds("moved", f"{loose.url}/moved?apikey={SECRETS['query']}"),
            _opds("refused", "http://books.example.org/opds", proxy=_with(refusing.url, "proxy")),
            _opds("far", "http://far.example.org/opds", proxy=_with(dead, "far-proxy")),
            _opds("proxied", self.catalogue.root, proxy_file=str(folder / "proxy"), **reader),
            _opds("tls", f"https://127.0.0.1:{tls}/opds?key={SECRETS['query']}"),
            _opds("guarded", f"{guarded}/opds", **wary),
            {
                "kind": "html", "name": "library", "definition": str(definition),
                "hosts": [urlsplit(self.site.url).netloc], "settings": {"password": SECRETS["setting"]},
            },
        ]  # fmt: skip
        lists = [
            {"url": f"{loose.url}/list?key={SECRETS['list']}", "name": "mine"},
            {"url": f"{loose.url}/none?key={SECRETS['list']}", "name": "gone"},
        ]
        events = ["list", "missed", "failed", "ambiguous", "delivered", "digest"]
        (folder / "notify").write_text(f"json://127.0.0.1:{free_port()}/{SECRETS['notify-file']}\n")
        (self.credentials / "handed.url").write_text(f"nosuch://{SECRETS['notify-credential']}\n")
        box = stack.enter_context(inbox())
        box.status = 403
        targets = [
            {"name": "plain", "url": f"{box.url}/{SECRETS['notify']}?-key={SECRETS['notify']}"},
            {"name": "in-file", "url_file": str(folder / "notify")},
            {"name": "handed"},
            {"name": "varied-one"},
            {
                "name": "signed",
                "url": f"ntfy://bob:{SECRETS['notify-password']}@127.0.0.1:{free_port()}/topic",
            },
        ]
        settings = {
            "notify": [{**each, "events": events, "every": "0.1s"} for each in targets],
            "sources": [{**each, "deadline": 8} for each in sources],
            "lists": lists,
            "server": {"listen": "127.0.0.1:0", "sign_in": "token"},
            "download": {"keep_free": 0, "attempts": 1},
            "log_format": "auto",
        }
        self.daemon = Daemon(folder / "home", settings)
        if journald is not None:
            journald.serve(self.daemon)
        self.told: dict[str, str] = {}

    # what comes out

    @property
    def log(self) -> str:
        """What the daemon has logged: lines of JSON, or the fields of the journal's entries."""
        if self.journald is None:
            assert len(self.daemon.lines()) > 0
            return self.daemon.log
        self._entries += self.journald.entries()
        return "\n".join(f"{name}={value}" for entry in self._entries for name, value in entry.items())

    def command(self, *arguments: str) -> str:
        """Call a command, and keep what it says."""
        done = self.daemon.command(*arguments)
        assert "Traceback" not in done.stderr
        self.told[f"bookhopper {' '.join(arguments)}"] = done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, **headers: str) -> None:
        """Call the HTTP server, and keep the answer with its head."""
        address = json.loads((self.daemon.state / "server.json").read_text())
        headers = headers or {"Authorization": f"Bearer {address['token']}"}
        try:
            with _opener.open(Request(address["url"] + path, headers=headers), timeout=DEADLINE) as answer:
                told = f"{answer.headers}\n{answer.read().decode('utf-8', 'replace')}"
        except HTTPError as refusal:
            with refusal:
                told = f"{refusal.headers}\n{refusal.read().decode('utf-8', 'replace')}"
        self.told[f"{path} {headers}" if "pl4nted" in str(headers) else path] = told

    def leaks(self, more: Mapping[str, str]) -> list[str]:
        """Name every place where a secret is told, as it is or in another spelling."""
        secrets = {**SECRETS, **more, "path": PATH_TOKEN}
        texts = self.told | {
            "the log": self.log,
            "standard error": self.daemon.log,
            "arguments": self.daemon.arguments,
            **{
                str(path.relative_to(self.folder)): path.read_bytes().decode("latin-1")
                for top in (self.daemon.requests, self.daemon.ingest, self.daemon.state)
                for path in sorted(top.rglob("*"))
                if path.is_file() and path.name not in PLACES
            },
        }
        return [
            f"{place} tells {name}: {text[max(0, text.find(spelt) - 80) :][:160]!r}"
            for place, text in texts.items()
            for name, secret in secrets.items()
            for spelt in _spellings(secret)
            if spelt in text
        ]


def _opds(name: str, url: str, **more: str) -> dict[str, Any]:
    return {"kind": "opds", "name": name, "url": url, **more}


def _with(url: str, secret: str) -> str:
    return url.replace("://", f"://reader:{SECRETS[secret]}@", 1)


def _spellings(secret: str) -> set[str]:
    basic = b64encode(f"reader:{secret}".encode()).decode()
    return {secret, quote(secret, safe=""), basic, b64encode(secret.encode()).decode().rstrip("=")}


def _misbehave(
    home: FakeCatalogue, strict: FakeCatalogue, loose: FakeCatalogue, site: LibrarySite, solver: FakeSolver
) -> None:
    def cookie(answer: Response) -> Response:
        answer.set_cookie("session", SECRETS["cookie"])
        return answer

    def redirect(asked: Asked) -> Response:
        return RedirectResponse(
            f"http://user:{SECRETS['redirect']}@{asked.url.netloc}/x?token={SECRETS['redirect']}"
        )

    home.sign_in = ("reader", SECRETS["password"])
    home.answers["/opds/files/2/Emma.epub"] = lambda _: Response(epub("Emma", "Jane Austen"))
    loose.answers["/moved"] = redirect
    loose.answers["/list"] = lambda _: cookie(Response("Emma — Jane Austen\nMoby Dick — Herman Melville\n"))
    strict.sign_in = ("reader", "another one")
    site.members, site.password = True, "another one"
    site.files["0.epub"] = epub("Moby Dick", "Herman Melville")
    solver.answer["solution"]["cookies"][0]["value"] = SECRETS["clearance"]


@pytest.fixture(params=["json", "journal"])
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Home]:
    with ExitStack() as stack:
        journald = stack.enter_context(Journald()) if request.param == "journal" else None
        made = Home(tmp_path, stack, journald)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(made.credentials))
        monkeypatch.setenv("BOOKHOPPER_VARIED_PASSWORD", SECRETS["variable"])
        monkeypatch.setenv("BOOKHOPPER_VARIED_ONE_URL", f"tgram://{SECRETS['notify-variable']}/")
        try:
            yield made
        finally:
            made.daemon.close()


def test_nothing_that_comes_out_names_a_secret(home: Home) -> None:
    daemon = home.daemon
    daemon.start()
    daemon.drop("list.txt", "Dracula — Bram Stoker\nA Book That Is Not There — Nobody\n")
    until(lambda: _settled(daemon) >= 4, lambda: f"{daemon.counts()}\n{daemon.log}")
    until(lambda: daemon.report("list.txt"))
    new = json.loads(home.command("token", "new", "phone", "--json"))["token"]
    del home.told["bookhopper token new phone --json"]  # the one that is to tell it
    for path in ("/metrics", "/healthz", "/readyz", *_described()):
        home.ask(path)
    home.ask(f"/api/status?token={SECRETS['api-query']}")
    home.ask("/api/status", Authorization=f"Bearer {SECRETS['bearer']}")
    home.ask("/api/status", Authorization=f"Bearer {new}")
    basic = b64encode(f"reader:{SECRETS['basic']}".encode()).decode()
    home.ask("/api/status", Authorization=f"Basic {basic}")
    home.ask("/api/status", Cookie=f"bookhopper={SECRETS['session']}")
    for arguments in (
        ("status", "--json"), ("history", "--json"), ("queue", "list", "--json"),
        ("queue", "show", "1", "--json"), ("check", "--json"), ("source", "list", "--json"),
        ("token", "list", "--json"),
        ("search", "Emma", "--json"), ("notify", "test"), ("notify", "test", "--json"),
        ("config", "show"), ("config", "show", "--json"),
        *(("source", "show", name) for name in ("query", "kavita", "refused", "library")),
    ):  # fmt: skip
        home.command(*arguments)
    own = json.loads((daemon.state / "server.json").read_text())["token"]
    tokens = {"the new token": new, "the daemon's token": own}
    assert not (leaks := home.leaks(tokens)), "\n".join(leaks)
    _assert_trouble(home)
    assert daemon.stop() == 0
    assert not (leaks := home.leaks(tokens)), "\n".join(leaks)


def _described() -> list[str]:
    """List the calls of the description that read something and need no more than a number."""
    paths = json.loads(openapi_json())["paths"]
    return [
        path.replace("{id}", "1").replace("{name}", "list.txt")
        for path, item in paths.items()
        if "get" in item and path != "/api/events"
    ]


def _assert_trouble(home: Home) -> None:
    """See that there was something to tell: each way to fail was met and is in the log."""
    told = "\n".join((home.log, *home.told.values()))
    for words in (
        "sign-in refused (401)", "the proxy asks for a sign-in (407)", "the proxy cannot be reached",
        "no trusted connection", "Wrong password", "not there (404)",
        "the server answered 403", "apprise knows no service at `nosuch://`",
        "apprise cannot use this tgram:// address", "the server cannot be reached",
    ):  # fmt: skip
        assert words in told, f"{words!r} was not met:\n{told}"
    assert home.daemon.delivered() == ["Emma - Jane Austen.epub"]
    assert home.solver.asked, "the solver was not asked"
    assert home.solver.asked[0]["proxy"]["password"] == SECRETS["solver-proxy"]
    assert oct((home.daemon.state / "server.json").stat().st_mode)[-3:] == "600"


def _settled(daemon: Daemon) -> int:
    """Count the jobs that nobody works on any more."""
    counts = daemon.counts()
    return sum(number for state, number in counts.items() if state not in _BUSY)
