"""What lies in config/container: it fits together, and agrees with the files beside it that it uses."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bookhopper import __version__
from bookhopper.config import load
from bookhopper.settings import Settings
from tests.daemon import ROOT

FOLDER = ROOT / "config" / "container"
FILES = ("compose.yaml", "compose.tor.yaml")
CONFIGS = {"compose.yaml": "bookhopper", "compose.tor.yaml": "bookhopper-tor"}
OURS = ("bookhopper", "prometheus", "grafana", "tor")
"""The services that need no right at all."""


def read(path: str) -> Any:
    return yaml.safe_load((FOLDER / path).read_text(encoding="utf-8"))


def services(*files: str) -> dict[str, dict[str, Any]]:
    """Put the services of compose files together, as an engine does: lists add up."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        for name, service in read(file)["services"].items():
            mine = found.setdefault(name, {})
            for key, value in service.items():
                mine[key] = [*mine.get(key, []), *value] if isinstance(value, list) else value
    return found


ALL = services(*FILES)


def mounts(service: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Give a service's mounts: by target, the source and whether it is only read."""
    found = {}
    for mount in service.get("volumes", ()):
        if isinstance(mount, str):
            source, target, *rest = mount.split(":")
            found[target] = (source, rest == ["ro"])
        else:
            found[mount["target"]] = (mount["source"], mount.get("read_only", False))
    return found


def containerfile(name: str = "Containerfile") -> str:
    return (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", "")


def image_environment() -> dict[str, str]:
    (line,) = re.findall(r"^ENV (.*)$", containerfile(), re.MULTILINE)
    return dict(word.split("=", 1) for word in shlex.split(line))


@pytest.fixture(params=CONFIGS.values())
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an example as they hold in a container."""
    for name in list(os.environ):
        if name.startswith("BOOKHOPPER_"):
            monkeypatch.delenv(name)
    for name, value in image_environment().items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    return load(FOLDER / request.param / "bookhopper.yaml")


def test_it_is_of_this_version() -> None:
    assert re.findall(r"^ARG VERSION=(.*)$", containerfile(), re.MULTILINE) == [__version__]
    ours = [service["image"] for service in ALL.values() if "build" in service]
    assert {image.rpartition(":")[2] for image in ours} == {__version__}
    for name, service in ALL.items():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+(\.\d+){2}", service["image"]), name


@pytest.mark.parametrize("name", ["Containerfile", "tor.Containerfile"])
def test_a_linter_finds_nothing(name: str) -> None:
    beside = str(Path(sys.executable).parent)
    program = shutil.which("hadolint", path=os.pathsep.join((beside, os.environ["PATH"])))
    if program is None:
        pytest.skip("hadolint is not installed")
    ended = subprocess.run(
        [program, "--no-color", FOLDER / name], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_build_s_context_is_all_that_it_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", containerfile(), re.MULTILINE)
    named = {word.partition("/")[0] for line in copied for word in line.split()}
    ignored = (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert named == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in named)


def test_every_file_that_is_mounted_or_built_is_there() -> None:
    for name, service in ALL.items():
        for source, only_read in mounts(service).values():
            if source.startswith("."):
                assert (FOLDER / source).resolve().is_relative_to(ROOT / "config"), name
                assert (FOLDER / source).exists(), source
                assert only_read, source
        if build := service.get("build"):
            assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_no_folder_is_made_by_the_engine_as_root() -> None:
    for service in ALL.values():
        for mount in service.get("volumes", ()):
            if "DATA" in str(mount):
                assert mount["source"].startswith("${DATA:?}/")
                assert mount["bind"] == {"create_host_path": False}
    told = (FOLDER / "compose.yaml").read_text(encoding="utf-8").split("\nname:")[0]
    used = {source for service in ALL.values() for source, _ in mounts(service).values() if "DATA" in source}
    assert set(re.findall(r"~/books/([\w-]+)", told)) == {source.rpartition("/")[2] for source in used}


def test_both_see_the_same_ingest_folder_as_the_same_user() -> None:
    ours, theirs = ALL["bookhopper"], ALL["calibre-web"]
    for target in ("/cwa-book-ingest", "/calibre-library"):
        assert mounts(ours)[target][0] == mounts(theirs)[target][0]
    assert mounts(ours)["/calibre-library"][1], "it is only read"
    user = (theirs["environment"]["PUID"], theirs["environment"]["PGID"])
    assert ":".join(user) == ours["user"]


def test_nothing_is_reached_from_elsewhere() -> None:
    for service in ALL.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert service.get("network_mode") is None
    for name in ("prometheus", "tor", "solver"):
        assert "ports" not in ALL[name]
    internal = {
        name
        for file in FILES
        for name, network in read(file)["networks"].items()
        if network and network.get("internal")
    }
    assert internal == {"watching", "private"}
    shared = set(ALL["bookhopper"]["networks"])
    assert shared & set(ALL["tor"]["networks"]) == shared & set(ALL["solver"]["networks"]) == {"private"}
    assert shared & set(ALL["prometheus"]["networks"]) == {"watching"}


@pytest.mark.parametrize("name", OURS)
def test_what_needs_no_right_has_none(name: str) -> None:
    service = ALL[name] if name == "tor" else {**read("compose.yaml")["x-hardened"], **ALL[name]}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_example_holds_in_the_container(settings: Settings) -> None:
    assert (settings.server.listen, settings.server.sign_in, settings.server.open) == (
        "0.0.0.0:8084",
        "token",
        False,
    )
    assert settings.warnings == ()
    targets = mounts(ALL["bookhopper"])
    folders = settings.folders
    for folder in (folders.requests, folders.state, folders.ingest):
        assert targets[str(folder)][1] is False
    assert str(settings.calibre_library) in targets
    assert image_environment()["BOOKHOPPER_CONFIG"] == "/config/bookhopper.yaml"
    assert ALL["bookhopper"]["ports"] == ["127.0.0.1:8084:8084"]
    assert "\nEXPOSE 8084\n" in containerfile()
    seconds = ALL["bookhopper"]["stop_grace_period"]
    assert float(seconds.removesuffix("s")) > settings.grace


def test_the_ways_to_the_sources_lead_to_services() -> None:
    (gutenberg, *_) = read("bookhopper-tor/bookhopper.yaml")["sources"]
    text = (FOLDER / "bookhopper-tor" / "bookhopper.yaml").read_text(encoding="utf-8")
    assert gutenberg["proxy"] == "socks5h://tor:9050"
    assert "\nEXPOSE 9050\n" in containerfile("tor.Containerfile")
    (solver,) = re.findall(r"solver: http://([a-z]+):8191/v1", text)
    assert solver in ALL
    assert mounts(ALL["bookhopper"])["/config"] == ("./bookhopper-tor", True), "the later file replaces it"


def test_prometheus_scrapes_it_by_a_name_that_it_knows(settings: Settings) -> None:
    theirs = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    ours = read("prometheus.yml")
    (job,) = ours["scrape_configs"]
    ((target,),) = (each["targets"] for each in job["static_configs"])
    assert target == "bookhopper:8084"
    assert "bookhopper" in settings.server.hosts
    theirs["scrape_configs"][0]["static_configs"] = job["static_configs"]
    assert ours == theirs
    targets = mounts(ALL["prometheus"])
    assert targets["/etc/prometheus/prometheus.yml"][0] == "./prometheus.yml"
    for rules in ours["rule_files"]:
        assert f"/etc/prometheus/{rules}" in targets


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = ROOT / "config/grafana/provisioning"
    theirs = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text(encoding="utf-8"))
    ours = read("grafana-datasource.yaml")
    assert ours["datasources"][0]["url"] == "http://prometheus:9090"
    theirs["datasources"][0]["url"] = ours["datasources"][0]["url"]
    assert ours == theirs
    targets = mounts(ALL["grafana"])
    loader = yaml.safe_load((provisioning / "dashboards/bookhopper.yaml").read_text(encoding="utf-8"))
    (provider,) = loader["providers"]
    assert targets[provider["options"]["path"]][0] == "../grafana/dashboards"
    assert targets["/etc/grafana/provisioning/dashboards"][0] == "../grafana/provisioning/dashboards"
    assert set(ALL["grafana"]["networks"]) & set(ALL["prometheus"]["networks"])
