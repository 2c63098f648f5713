"""What Prometheus and its rules see of a daemon that has done some work and failed at some.

Whether an expression "gives data" is told apart in two ways.  A panel's has to: it must give a number.  An
alert's must not, on a healthy daemon; so each alert is loaded a second time with its thresholds taken away
(`> 3600` becomes `!= Inf`, which every number passes) and without its `for`, and has to fire then.  One whose
metric or label does not exist, or whose two halves do not match, still gives nothing and so is found out.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import pytest
import yaml

from bookhopper.cli import main
from tests import books
from tests.daemon import ROOT, Daemon
from tests.peers.library import found
from tests.peers.prometheus import JOB, Prometheus, watching
from tests.waiting import until

RULES = ROOT / "config/prometheus/bookhopper.rules.yml"
DASHBOARD = ROOT / "config/grafana/dashboards/bookhopper.json"
_BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
_ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
_VARIABLES = {
    "$__rate_interval": "5m",
    "$__range": "5m",
    "$job": f"({JOB})",
    "$instance": ".+",
    "$source": "(shelf|away)",
}
_AS_THEY_ARE, _WITHOUT_THRESHOLD = "as they are", "without their thresholds"
_THRESHOLD = re.compile(r"(?:==|[<>]=?)\s*\d+(?:\.\d+)?")
_OWN = re.compile(r"\bbookhopper_\w+")
_PART_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
_COMMANDS = re.compile(r"`bookhopper ([^`]+)`")


@dataclass(frozen=True, slots=True)
class Watched:
    """A daemon and the Prometheus that scrapes it."""

    daemon: Daemon
    prometheus: Prometheus
    address: str


def _each_query() -> Iterator[tuple[str, str]]:
    """Give every expression of the dashboard, after where it stands."""
    for panel in _BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in _BOARD["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"]


_QUERIES = list(_each_query())


def _with_variables(expression: str) -> str:
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def _without_threshold(alert: dict[str, Any]) -> dict[str, Any]:
    expression, thresholds = _THRESHOLD.subn("!= Inf", alert["expr"])
    assert thresholds, alert["alert"]
    return {name: value for name, value in alert.items() if name != "for"} | {"expr": expression}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A daemon with a script, a dead source, and a book of each kind: delivered, torn, missing, waiting."""
    folder = tmp_path_factory.mktemp("watched")
    shelf = folder / "shelf"
    shelf.mkdir()
    for title in ("Emma", "Persuasion"):
        (shelf / f"{title} - Jane Austen.epub").write_bytes(books.epub(title, "Jane Austen"))
    torn = books.epub("Sanditon", "Jane Austen", images=3)
    (shelf / "Sanditon - Jane Austen.epub").write_bytes(torn[: len(torn) // 2])
    sources = [
        {"kind": "folder", "name": "shelf", "path": str(shelf)},
        {"kind": "opds", "name": "away", "url": "http://127.0.0.1:9/opds"},
    ]
    told = [{"name": "phone", "url": "json://127.0.0.1:9/", "events": ["delivered"]}]
    settings = {"sources": sources, "script": {"after_verify": "/bin/true"}, "notify": told}
    daemon = Daemon(folder / "daemon", settings)
    try:
        daemon.start()
        until((daemon.state / "server.json").exists)
        address = json.loads((daemon.state / "server.json").read_text(encoding="utf-8"))["url"]
        address = address.removeprefix("http://")
        rules = {_AS_THEY_ARE: _ALERTS, _WITHOUT_THRESHOLD: [*map(_without_threshold, _ALERTS)]}
        with watching(folder, address, rules) as prometheus:
            # counters are to be seen at zero, so that what follows is an increase
            until(lambda: prometheus.query(f'count(up{{job="{JOB}"}} == 1)'), "the first scrape")
            _work(daemon)
            until(
                lambda: prometheus.query(
                    'bookhopper_queue_items{state="queued"} == 1 and on () bookhopper_queue_paused == 1'
                ),
                "what was done last to be scraped",
            )
            yield Watched(daemon, prometheus, address)
    finally:
        daemon.close()


def _work(daemon: Daemon) -> None:
    daemon.drop("good.txt", "Emma — Jane Austen")
    daemon.await_counts(done=1)
    daemon.drop("bad.txt", "Sanditon — Jane Austen\nNothing of the Kind — Nobody\n???")
    until(lambda: {"failed", "missing"} <= daemon.counts().keys(), lambda: f"{daemon.counts()}\n{daemon.log}")
    daemon.ask("POST", "/api/downloads/pause")
    daemon.drop("later.txt", "Persuasion — Jane Austen")
    until(lambda: daemon.counts().get("queued") == 1, lambda: f"{daemon.counts()}\n{daemon.log}")


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "bookhopper.rules.yml"),
        ("test", "rules", "bookhopper.rules-test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(command: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [found("promtool"), *command], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "SUCCESS" in ended.stdout
    assert "FAILED" not in ended.stdout


def test_a_scrape_is_as_it_should_be(watched: Watched) -> None:
    text = watched.daemon.text("/metrics")
    ended = subprocess.run(
        [found("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(("where", "expression"), _QUERIES, ids=[where for where, _ in _QUERIES])
def test_each_query_of_the_dashboard_gives_data(watched: Watched, where: str, expression: str) -> None:
    values = watched.prometheus.query(_with_variables(expression))
    assert any(math.isfinite(value) for value in values), f"{where} shows {values or 'nothing'}"


def test_each_variable_of_the_dashboard_has_values(watched: Watched) -> None:
    shown = {}
    for variable in _BOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert asked is not None
            selector = _with_variables(asked[1])
            shown[variable["name"]] = watched.prometheus.label_values(asked[2], selector)
    assert shown == {"job": [JOB], "instance": [watched.address], "source": ["away", "shelf"]}


def test_each_alert_fires_once_its_threshold_is_gone(watched: Watched) -> None:
    def silent() -> list[str]:
        rules = watched.prometheus.rules(_WITHOUT_THRESHOLD)
        return [name for name, rule in rules.items() if rule["state"] != "firing"]

    until(lambda: not silent(), lambda: f"these alerts do not fire: {silent()}")
    for name, rule in watched.prometheus.rules(_WITHOUT_THRESHOLD).items():
        for alert in rule["alerts"]:
            for text in alert["annotations"].values():
                assert "error expanding" not in text, name
                assert "<no value>" not in text, name


def test_no_alert_fires_as_it_is(watched: Watched) -> None:
    rules = watched.prometheus.rules(_AS_THEY_ARE)
    assert rules.keys() == {alert["alert"] for alert in _ALERTS}
    for name, rule in rules.items():
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), name
        assert rule["state"] != "firing", name


def test_each_metric_is_shown_or_alerted_on(watched: Watched) -> None:
    told = {
        line.split()[2]
        for line in watched.daemon.text("/metrics").splitlines()
        if line.startswith("# TYPE bookhopper_")
    }
    used = {
        _PART_OF_HISTOGRAM.sub("", name)
        for expression in [*(query for _, query in _QUERIES), *(alert["expr"] for alert in _ALERTS)]
        for name in _OWN.findall(expression)
    }
    assert used == told


@pytest.mark.parametrize("alert", _ALERTS, ids=[alert["alert"] for alert in _ALERTS])
def test_each_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    for name in ("description", "runbook"):
        assert alert["annotations"][name].endswith("."), name
    for command in _COMMANDS.findall(alert["annotations"]["runbook"]):
        _find_command(shlex.split(command))


def _find_command(words: list[str]) -> None:
    """Follow a command line's words to a command that there is."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group):
            break
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, f"there is no {' '.join(words)}"
        command = inner
    whole = not isinstance(command, click.Group) or command.invoke_without_command
    assert whole, f"{' '.join(words)} is no whole command"
