"""A daemon that has nothing but an environment, as an ancestor's unit or compose file has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from tests.daemon import Daemon
from tests.e2e.conftest import MakeDaemon, number_in
from tests.fakes.server import free_port
from tests.waiting import until


class WithoutFile(Daemon):
    """A daemon whose configuration file says nothing."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, {})
        self.config.write_text("# nothing\n")
        self.environment = environment


@pytest.fixture
def daemon(make_daemon: MakeDaemon, tmp_path: Path) -> Iterator[Daemon]:
    source = yaml.safe_load(make_daemon().config.read_text())["sources"]
    base = tmp_path / "ancestor"
    made = WithoutFile(
        base,
        {
            "HOME": str(base),
            # what the ancestors had no variables for: the test's own catalogue, and where lists come in
            "BOOKHOPPER_SOURCES": json.dumps(source),
            "BOOKHOPPER_FOLDERS_REQUESTS": str(base / "requests"),
            "BOOKHOPPER_FOLDERS_STATE": str(base / "state"),
            "INGEST_DIR": str(base / "ingest"),
            "TMP_DIR": str(base / "tmp"),
            "FLASK_HOST": "127.0.0.1",
            "FLASK_PORT": str(free_port()),
            "MAX_CONCURRENT_DOWNLOADS": "2",
            "SUPPORTED_FORMATS": "epub,mobi,azw3,fb2,djvu,cbz,cbr",
            "BOOK_LANGUAGE": "en",
            "USE_BOOK_TITLE": "true",
            "LOG_LEVEL": "DEBUG",
            "ENABLE_LOGGING": "true",
            "DEFAULT_SLEEP": "1",
            "MAIN_LOOP_SLEEP_TIME": "5",
            "UID": "1000",
            "GID": "100",
            "TZ": "America/New_York",
        },
    )
    yield made
    made.close()


def test_an_ancestor_s_environment_is_enough(daemon: Daemon) -> None:
    daemon.start()
    daemon.drop("to-read.txt", "The Picture of Dorian Gray — Oscar Wilde\n")
    until(lambda: daemon.delivered() == ["The Picture of Dorian Gray.epub"], daemon.log)
    assert number_in(daemon.ingest / "The Picture of Dorian Gray.epub") == 174
    port = daemon.environment["FLASK_PORT"]
    assert f"(server.listen: 127.0.0.1:{port})" in daemon.log
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/api/status") as answer:
        assert "available" in json.load(answer)
    assert daemon.get("/api/workers")["workers"] == 2
    assert daemon.log.count(" WARNING ") <= 1  # CWA takes no djvu
    assert daemon.stop() == 0
