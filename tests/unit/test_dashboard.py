"""The dashboard as Grafana reads it, by the types of Grafana's own SDK, and as a person does."""

from __future__ import annotations

import enum
import itertools
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.daemon import ROOT

sdk = pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402 - after the skip
from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: E402
from grafana_foundation_sdk.models import units  # noqa: E402
from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: E402

_GRAFANA = ROOT / "config/grafana"
_BOARD: dict[str, Any] = json.loads((_GRAFANA / "dashboards/bookhopper.json").read_text(encoding="utf-8"))
_PANELS = [panel for panel in _BOARD["panels"] if panel["type"] != "row"]
_TITLES = [panel["title"] for panel in _PANELS]
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_UNKNOWN_TO_THE_SDK = {"titleFormat", "textFormat", "useValueForTime"}
"""What Grafana's Prometheus source reads from an annotation, beside what is common to all sources."""


@pytest.fixture(scope="module")
def parsed() -> Any:
    register_default_plugins()
    return Dashboard.from_json(_BOARD)


def _lost(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Tell what the SDK dropped or changed; that it adds defaults is no loss."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name in theirs:
                yield from _lost(value, theirs[name], f"{where}.{name}")
            elif name not in _UNKNOWN_TO_THE_SDK or ".annotations." not in where:
                yield f"{where}.{name} is unknown"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(one, other, f"{where}.{number}")
    elif ours != theirs:
        yield f"{where} is {ours!r}, read as {theirs!r}"


def _misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    """Tell which values are not of the type that the SDK gives them; it reads without looking."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        tried = [list(_misfits(value, each, where)) for each in inner]
        yield from [] if [] in tried else tried[0]
        return
    if origin is list and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _misfits(each, inner[0], f"{where}.{number}")
    elif origin is dict and isinstance(value, dict):
        for name, each in value.items():
            yield from _misfits(each, inner[1], f"{where}.{name}")
    elif origin is typing.Literal or (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        allowed = inner or tuple(each.value for each in hint)
        if value not in allowed:
            yield f"{where} is {value!r} and may be {allowed}"
    elif not _is(value, origin or hint):
        yield f"{where} is {value!r} and should be {hint}"
    if type(value).__module__.startswith("grafana_foundation_sdk.models"):
        for name, each in typing.get_type_hints(type(value)).items():
            yield from _misfits(getattr(value, name), each, f"{where}.{name}")


def _is(value: Any, hint: Any) -> bool:
    if hint in {Any, object} or not isinstance(hint, type):
        return True
    return isinstance(value, (int, float) if hint is float else hint)


def test_grafana_knows_every_field(parsed: Any) -> None:
    read = json.loads(JSONEncoder(sort_keys=True).encode(parsed))
    assert list(_lost(_BOARD, read)) == []


def test_every_value_is_of_its_type(parsed: Any) -> None:
    assert list(_misfits(parsed, Dashboard, "dashboard")) == []


def test_the_types_are_looked_at() -> None:
    """What the two tests above look for is found where it is."""
    register_default_plugins()
    bad = json.loads(json.dumps(_BOARD))
    bad["panels"][1]["gridPos"]["w"] = "wide"
    bad["panels"][1]["options"]["colorMode"] = "rainbow"
    bad["panels"][1]["options"]["colour"] = "red"
    parsed = Dashboard.from_json(bad)
    misfits = list(_misfits(parsed, Dashboard, "dashboard"))
    assert len(misfits) == 2
    assert any("grid_pos.w is 'wide'" in misfit for misfit in misfits)
    assert any("color_mode is 'rainbow'" in misfit for misfit in misfits)
    assert list(_lost(bad, json.loads(JSONEncoder().encode(parsed)))) == [
        ".panels.1.options.colour is unknown"
    ]


def test_it_stays_the_same_dashboard_wherever_it_is_imported() -> None:
    assert _BOARD["uid"] == "bookhopper"
    assert "id" not in _BOARD
    assert "__inputs" not in _BOARD
    numbers = [panel["id"] for panel in _BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    referred = [_BOARD["annotations"]["list"], _BOARD["templating"]["list"], _PANELS]
    for each in itertools.chain(*referred):
        if each.get("type") != "datasource":
            assert each["datasource"] == _SOURCE or each.get("builtIn") == 1, each
        for target in each.get("targets", ()):
            assert target["datasource"] == _SOURCE, each["title"]


def test_seven_rows_from_what_counts_to_the_machine() -> None:
    rows = [panel["title"] for panel in _BOARD["panels"] if panel["type"] == "row"]
    assert [title.split(":")[0] for title in rows] == [
        "Status",
        "Sources",
        "From a line to a book",
        "Workers and queue",
        "Download and delivery",
        "Watcher and store",
        "Process",
    ]
    assert [variable["name"] for variable in _BOARD["templating"]["list"]] == [
        "datasource",
        "job",
        "instance",
        "source",
    ]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        fields = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert not fields & taken, panel["title"]
        taken |= fields


@pytest.mark.parametrize("panel", _PANELS, ids=_TITLES)
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert _TITLES.count(panel["title"]) == 1
    assert panel["description"].endswith(".")
    assert "_" not in panel["title"], "plain words"
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in {value for value in vars(units).values() if isinstance(value, str)}
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    bounds = [step["value"] for step in steps[1:]]
    assert bounds == sorted(bounds)
    drawn = defaults.get("custom", {}).get("thresholdsStyle", {"mode": "off"})["mode"] != "off"
    assert not drawn or bounds, "a line that is drawn has a place"
    many = len(panel["targets"]) > 1 or " by (" in panel["targets"][0]["expr"]
    for target in panel["targets"]:
        assert target["legendFormat"] or not many, "more series than one have names"
        assert 'job=~"$job", instance=~"$instance"' in target["expr"]


def test_provisioning_fits_the_scrape_example() -> None:
    (source,) = _yaml("provisioning/datasources/prometheus.yaml")["datasources"]
    scrape = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]
    (provider,) = _yaml("provisioning/dashboards/bookhopper.yaml")["providers"]
    assert (provider["type"], provider["options"].keys()) == ("file", {"path"})


def _yaml(path: str) -> Any:
    parsed = yaml.safe_load((_GRAFANA / path).read_text(encoding="utf-8"))
    assert parsed["apiVersion"] == 1
    return parsed
