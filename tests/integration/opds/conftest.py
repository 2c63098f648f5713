"""A catalogue on a real socket, and sources that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from bookhopper.model import Reading
from bookhopper.net.addresses import origin
from bookhopper.net.hosts import Hosts
from bookhopper.net.route import Route
from bookhopper.net.session import SignIn, new_session
from bookhopper.net.web import Web
from bookhopper.search.sources.base import Query
from bookhopper.search.sources.opds import OpdsSource
from tests.fakes.opds_server import FakeCatalogue, fake_catalogue


@pytest.fixture(scope="module")
def server() -> Iterator[FakeCatalogue]:
    with fake_catalogue() as catalogue:
        yield catalogue


@pytest.fixture
def catalogue(server: FakeCatalogue) -> FakeCatalogue:
    url, fresh = server.url, FakeCatalogue()
    for name in vars(fresh):
        setattr(server, name, getattr(fresh, name))
    server.url = url
    return server


Make = Callable[..., OpdsSource]


@pytest.fixture
def make(catalogue: FakeCatalogue) -> Iterator[Make]:
    """Give a maker of sources: at another `url` than the catalogue, with a sign-in, with a host allowed."""
    with ExitStack() as stack:

        def made(url: str = "", sign_in: tuple[str, str] | None = None, allowed: str = "") -> OpdsSource:
            url = url or catalogue.root
            own = frozenset({urlsplit(url).netloc, urlsplit(catalogue.url).netloc, allowed})
            session = stack.enter_context(new_session(Route(allowed=own)))
            signed = SignIn(origin(url), *sign_in, "home") if sign_in else None
            return OpdsSource("home", url, Web(session, Hosts(local={"127.0.0.1"}), signed))

        yield made


@pytest.fixture
def source(make: Make) -> OpdsSource:
    return make()


def query(title: str, *authors: str, formats: tuple[str, ...] = (), limit: int = 60, isbn: str = "") -> Query:
    readings = (Reading(title, authors),) if title or authors else ()
    return Query(readings=readings, formats=formats, limit=limit, isbn=isbn)


def titles(candidates: object) -> list[str]:
    assert isinstance(candidates, tuple)
    return [candidate.title for candidate in candidates]


def searches(catalogue: FakeCatalogue) -> list[str]:
    return [asked for asked in catalogue.requests if asked.startswith("/opds/search")]
