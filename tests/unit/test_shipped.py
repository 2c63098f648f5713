"""The files that come with the program, and `bookhopper files`, which gives them away."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bookhopper import shipped
from bookhopper.cli import main

ROOT = Path(__file__).resolve().parents[2]


def files(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["files", *words])
    assert result.exit_code == status, result.output
    return result


def kept() -> set[str]:
    """Name what the project keeps below config/ and systemd/."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "config", "systemd"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone: nothing tells which files there are to be")
    return {name.removeprefix("config/") for name in os.fsdecode(listed.stdout).split("\0") if name}


def test_every_file_of_the_project_has_a_name() -> None:
    assert set(shipped.named()) == kept()


def test_every_file_s_purpose_is_said() -> None:
    listed = json.loads(files("list", "--json").stdout)["files"]
    assert {row["name"] for row in listed} == set(shipped.named())
    assert all(row["purpose"] and Path(row["path"]).stat().st_size == row["size"] for row in listed)
    for_people = files("list").stdout
    assert all(for_people.count(name) for name in shipped.named())


def test_a_file_is_shown_as_it_is() -> None:
    shown = files("show", "bookhopper.example.yaml").stdout_bytes
    assert shown == (ROOT / "config" / "bookhopper.example.yaml").read_bytes()


def test_a_file_and_a_folder_are_copied(tmp_path: Path) -> None:
    goal = tmp_path / "new" / "folder"
    done = files("copy", "grafana", "sources.d/oapen.yaml", "--to", str(goal)).stdout
    dashboard = goal / "grafana/dashboards/bookhopper.json"
    assert dashboard.read_bytes() == (ROOT / "config/grafana/dashboards/bookhopper.json").read_bytes()
    assert (goal / "oapen.yaml").is_file()
    assert f"wrote {dashboard}\n" in done
    again = files("copy", "grafana", "sources.d/oapen.yaml", "--to", str(goal)).stdout
    assert re.findall(r"^\w+", again, re.MULTILINE) == ["unchanged"] * len(done.splitlines())


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_nothing_is_copied_over_what_is_there(tmp_path: Path, kind: str) -> None:
    own = tmp_path / "bookhopper.rules.yml"
    other = tmp_path / "other"
    other.write_text("of somebody else")
    if kind == "file":
        own.write_text("of somebody else")
    elif kind == "link":
        own.symlink_to(other)
    else:
        own.mkdir()
    names = ("prometheus/prometheus.yml", "prometheus/bookhopper.rules.yml")
    refused = files("copy", *names, "--to", str(tmp_path), status=1)
    assert f"{own} is there already, and is something else: nothing is copied" in refused.stderr
    assert not (tmp_path / "prometheus.yml").exists()
    if kind == "folder":
        refused = files("copy", *names, "--to", str(tmp_path), "--force", status=1)
        assert refused.stderr.count("\n") == 1
        assert set(tmp_path.iterdir()) == {own, other}
        return
    files("copy", *names, "--to", str(tmp_path), "--force")
    assert own.read_bytes() == (ROOT / "config" / names[1]).read_bytes()
    assert not own.is_symlink()
    assert other.read_text() == "of somebody else"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../systemd", "/etc/passwd", "grafana/../grafana", "nothing"]
)
def test_what_is_no_file_of_ours_is_not_given(tmp_path: Path, name: str) -> None:
    assert f"no file is called {name!r}" in files("copy", name, "--to", str(tmp_path), status=2).stderr
    assert f"no file is called {name!r}" in files("show", name, status=2).stderr
    assert not list(tmp_path.iterdir())


def test_the_name_alone_is_not_enough_but_tells_which_is_meant() -> None:
    said = files("show", "oapen.yaml", status=2).stderr
    assert "did you mean sources.d/oapen.yaml?" in said


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    said = files("copy", "grafana", "--to", str(tmp_path / "taken" / "below"), status=1).stderr
    assert re.fullmatch(r"bookhopper: \S+/taken\S*: Not a directory: .*\n", said)
