"""The image as it is built and run: by podman, on a Debian that was made for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from bookhopper import __version__
from tests import books
from tests.container import BASE, NAME, Container, Podman, build, podman, requirements
from tests.daemon import ROOT
from tests.waiting import DEADLINE, until

pytestmark = pytest.mark.timeout(600)

Run = Callable[..., Container]

PROMETHEUS = f"""\
FROM {BASE}
COPY prometheus /bin/prometheus
RUN install --directory --owner=65534 /prometheus /etc/prometheus
USER 65534
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""
"""As the image of its makers has it."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    folder = tmp_path_factory.mktemp("podman")
    with podman(folder) as engine:
        build(engine, folder)
        yield engine


@pytest.fixture
def run(engine: Podman, tmp_path: Path) -> Iterator[Run]:
    """Give a starter of containers that find Emma on a shelf."""
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "Emma.epub").write_bytes(books.epub("Emma", "Austen, Jane"))
    started: list[Container] = []

    def run(*more: str, user: str = "1000:100", **settings: Any) -> Container:
        whole = {
            "sources": [{"kind": "folder", "name": "shelf", "path": "/shelf"}],
            "intake": {"settle": "0.1s"},
            "download": {"keep_free": 0},
            **settings,
        }
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "bookhopper.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
        container = Container(engine, tmp_path, f"--volume={tmp_path / 'shelf'}:/shelf:ro", *more, user=user)
        started.append(container)
        return container

    yield run
    for container in started:
        print(container.log[-8_000:])
        container.do("rm", "--force", "--time=0")


def is_well(container: Container) -> bool:
    return container.exec("bookhopper", "healthcheck", check=False).returncode == 0


def ask(container: Container, path: str) -> tuple[int, Any]:
    """Ask as somebody on the network does: without a token."""
    url = json.loads((container.state / "server.json").read_text(encoding="utf-8"))["url"]
    try:
        with build_opener(ProxyHandler({})).open(url + path, timeout=DEADLINE) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, None


def drop(container: Container, line: str) -> None:
    hidden = container.requests / ".list.tmp"
    hidden.write_text(line, encoding="utf-8")
    hidden.chmod(0o666)
    os.chown(hidden, *(getattr(container.requests.stat(), name) for name in ("st_uid", "st_gid")))
    hidden.rename(container.requests / "list.txt")


@pytest.mark.parametrize("user", ["1000:100", "1234:1234"])
def test_a_list_becomes_a_book_and_a_stop_is_in_order(run: Run, user: str) -> None:
    """Its user may be another than the image's: nothing in it belongs to one."""
    container = run(user=user)
    until(lambda: is_well(container), lambda: container.log)
    drop(container, "Emma — Jane Austen")
    until(lambda: any(container.ingest.glob("*.epub")), lambda: container.log)
    (book,) = container.ingest.iterdir()
    found = book.stat()
    assert (f"{found.st_uid}:{found.st_gid}", found.st_mode & 0o777) == (user, 0o644)
    container.do("stop", "--time=30")
    assert container.inspect("{{.State.ExitCode}}") == "0"
    assert json.loads(container.log.splitlines()[-1])["message"] == "stopped"
    assert not (container.state / "server.json").exists()
    container.do("start")
    until(lambda: is_well(container), lambda: container.log)
    assert json.loads(container.exec("bookhopper", "status", "--json").stdout)["counts"]["done"] == 1


def test_its_health_is_asked_by_the_engine(run: Run) -> None:
    container = run()
    until(lambda: container.do("healthcheck", "run", check=False).returncode == 0, lambda: container.log)
    container.exec("sh", "-c", "kill -STOP 2")  # tini is the first process and starts the daemon
    until(lambda: container.do("healthcheck", "run", check=False).returncode == 1, lambda: container.log)


def test_it_is_bounded(run: Run) -> None:
    container = run()
    facts = container.exec("cat", "/proc/1/status").stdout
    bounds = dict(line.split(":\t", 1) for line in facts.splitlines() if ":\t" in line)
    assert (bounds["Uid"].split()[0], bounds["CapBnd"], bounds["NoNewPrivs"]) == ("1000", "0" * 16, "1")
    for place in ("/x", "/opt/bookhopper/x", "/config/x"):
        assert "Read-only" in container.exec("touch", place, check=False).stderr
    assert container.exec("touch", "/tmp/x", "/state/x").returncode == 0


def test_what_scripts_leave_behind_is_buried(run: Run) -> None:
    container = run()
    orphan = container.exec("sh", "-c", "sleep 0.1 & echo $!").stdout.strip()
    until(lambda: container.exec("test", "-e", f"/proc/{orphan}", check=False).returncode != 0, orphan)


def test_nobody_gets_in_without_a_sign_in_that_is_meant(run: Run) -> None:
    container = run()
    until(lambda: is_well(container), lambda: container.log)
    assert "lets in whoever has a token" in container.log
    assert ask(container, "/healthz")[0] == 200
    assert ask(container, "/api/queue")[0] == 401
    assert container.exec("bookhopper", "token", "new", "me").stdout.strip()
    container.do("stop")
    opened = run("--env=BOOKHOPPER_SERVER_OPEN=true")
    until(lambda: is_well(opened), lambda: opened.log)
    assert ask(opened, "/api/queue")[0] == 200


def test_an_ingest_folder_that_nobody_mounted_is_missed(engine: Podman) -> None:
    ended = engine("run", "--rm", "--read-only", "--network=none", NAME, "check", check=False)
    assert "/cwa-book-ingest is not there: create it, or mount it" in ended.stdout
    assert "/requests" in ended.stdout


def test_nothing_is_in_it_that_only_the_build_needs(engine: Podman) -> None:
    assert engine("run", "--rm", NAME, "--version").stdout == f"bookhopper, version {__version__}\n"
    shell = ("run", "--rm", "--user=root", "--entrypoint=sh", NAME, "-c")
    assert engine(*shell, "command -v gcc pip pip3 curl; true").stdout == ""
    left = "find /tmp /var/lib/apt/lists /var/cache/apt /var/log /root/.cache -type f -size +0"
    assert engine(*shell, f"{left}; true").stdout == ""
    installed = engine(*shell, "cat /opt/bookhopper/constraints.txt").stdout.lower().replace("_", "-")
    needed = [re.split(r"[^\w-]", each)[0].lower() for each in requirements()]
    assert [name for name in needed if f"\n{name}==" not in f"\n{installed}"] == []
    (image,) = json.loads(engine("inspect", NAME).stdout)
    assert image["Config"]["User"] == "1000:100"
    assert image["Healthcheck"]["Test"] == ["CMD", "bookhopper", "healthcheck"]
    assert image["Config"]["Labels"]["org.opencontainers.image.version"] == __version__
    assert image["Size"] < 300 * 10**6


def test_the_compose_file_runs_as_it_stands(engine: Podman, tmp_path: Path) -> None:
    """Of its services the two whose programs are at hand: Prometheus' image is made of Debian's."""
    program = shutil.which("prometheus")
    if program is None or find_spec("podman_compose") is None:
        pytest.skip("Prometheus or podman-compose is not installed")
    file = ROOT / "config" / "container" / "compose.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    shutil.copy(program, tmp_path / "prometheus")
    (tmp_path / "Containerfile").write_text(PROMETHEUS, encoding="utf-8")
    engine("build", "--isolation=chroot", "--tag", services["prometheus"]["image"], str(tmp_path))
    engine("tag", NAME, services["bookhopper"]["image"])
    for name in ("requests", "ingest", "state", "library"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 1234, 1234)
    variables = {"UID": "1234", "GID": "1234", "DATA": str(tmp_path)}
    compose = (sys.executable, "-m", "podman_compose", "--file", str(file))
    try:
        engine.within(*compose, "up", "--detach", "bookhopper", "prometheus", variables=variables)

        def log() -> str:
            return engine("logs", "books_bookhopper_1", check=False).stderr

        def seen(url: str) -> str:
            return engine.within("curl", "-fsS", "--max-time", "10", url, check=False).stdout

        until(lambda: '"ok":true' in seen("http://127.0.0.1:8084/healthz"), log)
        place = engine(
            "inspect",
            "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            "books_prometheus_1",
        ).stdout.strip()
        scraped = f"http://{place}:9090/api/v1/query?query=up%7Bjob%3D%22bookhopper%22%7D"
        until(lambda: '"1"]' in seen(scraped), lambda: seen(scraped))
        assert "BookhopperDown" in seen(f"http://{place}:9090/api/v1/rules")
        assert (tmp_path / "state" / "queue.db").stat().st_uid == 1234
    finally:
        engine.within(*compose, "down", "--timeout=20", check=False, variables=variables)
