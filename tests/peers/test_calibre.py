"""calibre's content server: searched and downloaded from over its OPDS feed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bookhopper.model import Reading
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds import OpdsSource
from bookhopper.ticket import Ticket
from tests.fakes.server import free_port
from tests.peers.conftest import Run
from tests.peers.library import (
    BOOKS,
    PASSWORD,
    SERIES,
    USER,
    WANTED,
    calibre_alone,
    digests,
    environment,
    found,
    running,
    served,
)
from tests.waiting import DEADLINE, until

NEWEST = "/opds/navcatalog/4f6e6577657374"
"""The feed of all books, the newest first; the last part is `Onewest` in hexadecimal digits."""


@contextmanager
def content_server(library: Path, folder: Path, *options: str) -> Iterator[str]:
    """Serve a library on loopback for the block; gives the address of its root feed."""
    port = free_port()
    command = [found("calibre-server"), "--listen-on", "127.0.0.1", "--port", str(port)]
    command += ["--disable-use-bonjour", *options, str(library)]
    url = f"http://127.0.0.1:{port}/opds"
    with calibre_alone(), running(command, url, environment(folder), folder / "calibre-server.log"):
        yield url


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Make a database of one user."""
    path = tmp_path / "users.sqlite"
    command = [found("calibre-server"), "--userdb", str(path), "--manage-users", "--", "add", USER, PASSWORD]
    subprocess.run(command, env=environment(tmp_path), check=True, capture_output=True, timeout=DEADLINE)
    return path


def test_a_whole_list_is_found_and_fetched(library: Path, tmp_path: Path, run_daemon: Run) -> None:
    with content_server(library, tmp_path) as url:
        daemon = run_daemon(url)
        daemon.drop("to-read.txt", WANTED)
        daemon.await_counts(done=len(BOOKS))
        origin = f"http://{urlsplit(url).netloc}"
        assert digests(daemon.ingest) == served(origin, NEWEST)
        assert sorted(name.rpartition(".")[2] for name in daemon.delivered()) == ["epub"] * len(BOOKS)
        assert daemon.stop() == 0


def test_what_it_says_of_a_book(library: Path, tmp_path: Path) -> None:
    with content_server(library, tmp_path) as url:
        host = urlsplit(url).netloc
        web = Web(new_session(Route(allowed=frozenset({host}))), Hosts(local={host}))
        with closing(OpdsSource("home", url, web)) as source:
            reading = Reading("A Wizard of Earthsea", ("Le Guin, Ursula K.",))
            found_books = source.search(Query((reading,)), Ticket(1))
            assert {book.format for book in found_books} == {"epub", "pdf"}
            assert {(book.title, book.authors, book.series) for book in found_books} == {
                ("A Wizard of Earthsea", ("Ursula K. Le Guin",), SERIES)
            }
            (omens,) = source.search(Query((Reading("Good Omens"),)), Ticket(1))
            assert omens.authors == ("Terry Pratchett", "Neil Gaiman")
            (again,) = source.lookup(omens.key, ("epub",), Ticket(1))
            assert again == omens


def test_a_server_with_a_sign_in(library: Path, users: Path, tmp_path: Path, run_daemon: Run) -> None:
    options = ("--enable-auth", "--auth-mode", "basic", "--userdb", str(users))
    with content_server(library, tmp_path, *options) as url:
        daemon = run_daemon(url, username=USER, password=PASSWORD)
        daemon.drop("to-read.txt", WANTED)
        daemon.await_counts(done=len(BOOKS))
        origin = f"http://{urlsplit(url).netloc}"
        assert digests(daemon.ingest) == served(origin, NEWEST, (USER, PASSWORD))
        assert daemon.stop() == 0


def test_a_server_with_a_sign_in_as_it_comes(
    library: Path, users: Path, tmp_path: Path, run_daemon: Run
) -> None:
    """Without TLS it takes Digest, and answers Basic as a bad request."""
    with content_server(library, tmp_path, "--enable-auth", "--userdb", str(users)) as url:
        daemon = run_daemon(url, username=USER, password=PASSWORD)
        daemon.drop("to-read.txt", WANTED)
        daemon.await_counts(done=len(BOOKS))
        assert daemon.stop() == 0


def test_a_digest_sign_in_that_is_refused_is_named(
    library: Path, users: Path, tmp_path: Path, run_daemon: Run
) -> None:
    with content_server(library, tmp_path, "--enable-auth", "--userdb", str(users)) as url:
        daemon = run_daemon(url, username=USER, password="another")
        daemon.drop("to-read.txt", WANTED)
        until(lambda: "sign-in refused (401)" in daemon.log, lambda: daemon.log)
        assert daemon.delivered() == []
        assert daemon.stop() == 0


def test_a_sign_in_that_is_missing_is_named(
    library: Path, users: Path, tmp_path: Path, run_daemon: Run
) -> None:
    options = ("--enable-auth", "--auth-mode", "basic", "--userdb", str(users))
    with content_server(library, tmp_path, *options) as url:
        daemon = run_daemon(url)
        daemon.drop("to-read.txt", WANTED)
        until(lambda: "set username and password_file" in daemon.log, lambda: daemon.log)
        assert daemon.delivered() == []
        assert daemon.stop() == 0
