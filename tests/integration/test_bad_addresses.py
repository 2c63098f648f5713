"""Wants whose questions make the only server fail: whoever else wants a book of it does not wait for them."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from bookhopper.model import State
from bookhopper.search.collections import Collector
from bookhopper.search.resolve import Resolver
from bookhopper.search.sources.registry import build
from bookhopper.searching import Search
from bookhopper.source_settings import HtmlSettings
from bookhopper.worker import Pool
from tests.fakes.library_site import library_site, page
from tests.queues import Queue, want
from tests.waiting import until

GOOD = ("Emma", "Walden", "Dracula")
BAD = ("Poison", "Arsenic", "Cyanide")


@pytest.mark.parametrize(
    ("bad_titles", "headers"),
    [(BAD, {}), (BAD[:1], {"Retry-After": "3600"})],
    ids=["failing", "asking for a pause"],
)
def test_bad_addresses_hold_nobody_else(
    tmp_path: Path, bad_titles: tuple[str, ...], headers: dict[str, str]
) -> None:
    with library_site(*((title, "Ann Author") for title in GOOD)) as site:
        find = site._find

        def fails_for_some(request: Request) -> Response:
            if any(word in request.state.form.get("q", "") for word in BAD):
                answer = page("it fails", 503 if headers else 500)
                answer.headers.update(headers)
                return answer
            return find(request)

        site.answers["/find"] = fails_for_some
        section = HtmlSettings(
            kind="html",
            definition=site.write(tmp_path / "library.yaml"),
            hosts=(site.url.removeprefix("http://"),),
        )
        queue = Queue(tmp_path)
        good = queue.add(*(want(title) for title in GOOD))
        bad = queue.add(*(replace(want(title), priority=0) for title in bad_titles))
        with closing(build([section], tmp_path)) as sources, closing(queue):
            resolver = Resolver(
                sources.sources, accept=0.85, margin=0.05, languages=(), formats=("epub",), deadlines={}
            )
            search = Search(queue.store, resolver, Collector((), languages=(), formats=()))
            pool = Pool(queue.store, State.WANTED, search, size=1, attempts=5)
            with closing(resolver):
                if headers:  # a server of which nothing is known is taken at its word
                    sources.hosts.succeeded(site.url)
                pool.start()
                try:
                    until(lambda: all(queue.job(job).state is State.QUEUED for job in good))
                    assert pool.held == ""
                    assert all(queue.job(job).state is not State.FAILED for job in bad)
                finally:
                    pool.stop()
                    assert pool.join(time.monotonic() + 20)
