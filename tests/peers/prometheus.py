"""A real Prometheus on loopback over a daemon's metrics, asked over its HTTP API and gone after the test."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml

from tests.peers.library import found
from tests.waiting import DEADLINE, until

JOB = "bookhopper"
_SCRAPE = "250ms"
_opener = build_opener(ProxyHandler({}))


class Prometheus:
    """One that runs; its answers are those of the API, and raise AssertionError where it refuses a query."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    @property
    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with _opener.open(f"{self._url}/-/ready", timeout=DEADLINE) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    def query(self, expression: str) -> list[float]:
        """Give the values that an expression has now, one a series."""
        result = self._get("query", query=expression)
        assert result["resultType"] == "vector", expression
        return [float(series["value"][1]) for series in result["result"]]

    def label_values(self, label: str, selector: str) -> list[str]:
        """List the values of a label among the series that a selector finds."""
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return values

    def rules(self, group: str) -> dict[str, dict[str, Any]]:
        """Give the rules of a group by name, with their state, health and alerts."""
        (found,) = (each for each in self._get("rules")["groups"] if each["name"] == group)
        return {rule["name"]: rule for rule in found["rules"]}

    def _get(self, what: str, **parameters: str) -> Any:
        try:
            with _opener.open(
                f"{self._url}/api/v1/{what}?{urlencode(parameters)}", timeout=DEADLINE
            ) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(f"{what} {parameters}: {error.read().decode()}") from None


@contextmanager
def watching(
    folder: Path, metrics: str, rules: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[Prometheus]:
    """Run a Prometheus in a folder for the block: it scrapes `metrics`, a host and port.

    `rules` are given by group.
    """
    program = found("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    groups = [{"name": name, "rules": list(each)} for name, each in rules.items()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    config = {
        "global": {"scrape_interval": _SCRAPE, "scrape_timeout": _SCRAPE, "evaluation_interval": _SCRAPE},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [metrics]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        running = Prometheus(port)
        until(lambda: running.ready or process.poll() is not None, lambda: log.read_text(encoding="utf-8"))
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield running
    finally:
        process.terminate()
        process.wait(DEADLINE)
