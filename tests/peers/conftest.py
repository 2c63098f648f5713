"""One library for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.peers.library import make_library

Run = Callable[..., Daemon]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("calibre"))


@pytest.fixture
def run_daemon(tmp_path: Path) -> Iterator[Run]:
    """Give a starter of a daemon with one OPDS source, any language taken."""
    daemons: list[Daemon] = []

    def run(url: str, **sign_in: str) -> Daemon:
        source: dict[str, Any] = {"kind": "opds", "name": "home", "url": url, **sign_in}
        daemon = Daemon(tmp_path / "daemon", {"sources": [source], "languages": []})
        daemons.append(daemon)
        daemon.start()
        return daemon

    yield run
    for daemon in daemons:
        daemon.close()
