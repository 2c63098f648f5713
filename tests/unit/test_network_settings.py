"""What a source's section says of its way to its servers, from the file to the connection."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route as Page

from bookhopper.config import load
from bookhopper.errors import ConfigError, PermanentError
from bookhopper.search.sources import registry
from bookhopper.settings import Settings
from bookhopper.ticket import Ticket
from tests.fakes.proxies import socks_proxy
from tests.fakes.server import serving
from tests.fakes.solver import FakeSolver, GuardedSite

SOURCE = "sources:\n  - kind: opds\n    name: home\n    url: http://books.example/opds\n    "


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        (
            "proxy: ftp://a.example:1",
            "5:5",
            "proxy: write http://, https:// or socks5h://, a host and its port",
        ),
        ("proxy: http://a.example", "5:5", "a host and its port"),
        ("proxy: http://a.example:1/path", "5:5", "a host and its port"),
        ("proxy: http://a.example:99999", "5:5", "a host and its port"),
        ("proxy: socks5://a.example:9050", "5:5", "write socks5h:// instead"),
        ("proxy: http://a.example:1\n    dns: quad9", "5:5", "looks the names up by itself: leave dns out"),
        ("dns: cloudfare", "5:5", "'cloudfare' is no resolver: write system, cloudflare"),
        ("dns: [system, quad9]", "5:5", "write either system or the resolvers to ask instead"),
        ("dns: []", "5:5", "write either system or the resolvers"),
        ("dns: http://dns.example/q", "5:5", "is no resolver"),
        (
            "solver: 127.0.0.1:8191",
            "5:5",
            "solver: write its whole address, such as http://127.0.0.1:8191/v1",
        ),
    ],
)
def test_a_fault_says_where_and_what(tmp_path: Path, line: str, place: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SOURCE + line + "\n")
    with pytest.raises(ConfigError) as raised:
        load(path)
    (fault,) = raised.value.faults
    assert fault.startswith(f"{path}:{place}: ")
    assert words in fault


def test_a_password_in_a_proxy_s_address_is_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SOURCE + "proxy: http://reader:s3cret@a.example\n")
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert "s3cret" not in str(raised.value)
    path.write_text(SOURCE + "proxy: http://reader:s3cret@a.example:3128\n")
    assert "s3cret" not in repr(load(path))


def sources(folder: Path, **more: Any) -> registry.SourceSet:
    found = {"kind": "opds", "name": "home", "url": "http://books.onion/opds", **more}
    settings = Settings.model_validate({"folders": {"state": str(folder)}, "sources": [found]})
    return registry.build(settings.sources, folder)


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names that this machine is asked for."""
    names: list[str] = []

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        names.append(host)
        return ask(host, *rest, **more)

    ask = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


def test_behind_a_proxy_no_name_is_looked_up_here(tmp_path: Path, looked_up: list[str]) -> None:
    async def book(_: object) -> PlainTextResponse:
        return PlainTextResponse("a book")

    with serving(Starlette(routes=[Page("/book", book)])) as url, socks_proxy() as proxy:
        port = url.rpartition(":")[2]
        built = sources(tmp_path, proxy=proxy.url, url=f"http://books.onion:{port}/opds")
        found = built.webs["home"].get(f"http://books.onion:{port}/book", Ticket(1), max_bytes=100)
        built.close()
    assert found.content == b"a book"
    assert set(looked_up) == {"127.0.0.1"}, "the proxy's own address, and no other"


def test_with_resolvers_of_its_own_neither(tmp_path: Path, looked_up: list[str]) -> None:
    built = sources(tmp_path, dns="quad9")
    built.close()
    assert looked_up == []


def test_the_solver_is_the_source_s_own(tmp_path: Path) -> None:
    solver, site = FakeSolver(), GuardedSite()
    with serving(solver.app()) as solver_url, serving(site.app()) as url:
        built = sources(tmp_path, url=f"{url}/opds", solver=f"{solver_url}/v1")
        assert built.webs["home"].get(f"{url}/book", Ticket(1), max_bytes=100).content == b"a book"
        built.close()
    assert len(solver.asked) == 1


def test_answers_are_cached_but_for_those_of_one_s_own_servers(tmp_path: Path) -> None:
    """A book that was just added to a library of one's own is found at once."""
    for url, cached in (("https://books.example/opds", True), ("http://127.0.0.1:9/opds", False)):
        built = sources(tmp_path, url=url)
        assert built.cache is not None
        assert built.webs["home"].cache is (built.cache if cached else None)
        built.close()


def test_a_password_is_read_where_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("old\n")
    built = sources(tmp_path, username="anne", password_file=str(tmp_path / "password"))
    assert built.webs["home"].sign_in is not None
    built.close()


def test_a_source_that_is_gone_from_the_configuration(tmp_path: Path) -> None:
    built = sources(tmp_path)
    opener = registry.Opener(built, (1.0, 1.0))
    with pytest.raises(PermanentError, match="source shelf is not in the configuration"):
        opener("http://books.example/a.epub", "shelf", Ticket(1), {}, ())
    built.close()
