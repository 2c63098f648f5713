"""What the README and the example configuration say holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from bookhopper.cli import COMMANDS
from bookhopper.config import load
from bookhopper.intake.parse import parse
from bookhopper.model import BadLine, Want
from bookhopper.settings import Settings
from tests.bench.__main__ import NAMES
from tests.commands import calls, every_command, understood

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "config" / "bookhopper.example.yaml"


def block(kind: str, containing: str) -> str:
    """Find the README's code block of a kind that contains a text."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with a home folder of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return subprocess.run(
        [sys.executable, "-m", "bookhopper", *arguments],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_shows_every_default() -> None:
    assert load(EXAMPLE) == Settings()


def test_the_example_names_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for name, section in Settings.model_fields.items():
        assert re.search(rf"^{name}:", text, re.MULTILINE), name
        for key in getattr(section.default, "__class__", Settings).__dict__.get("model_fields", {}):
            assert re.search(rf"^\s+(# )?(- )?{key}:", text, re.MULTILINE), f"{name}.{key}"


def test_the_commented_sources_are_right(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"^(\s+)# (- kind|  \w+:)", r"\1\2", text, flags=re.MULTILINE)
    text = re.sub(r"password_file: \S+", f"password_file: {tmp_path}/secret", text)
    (tmp_path / "secret").write_text("x")
    config = tmp_path / "all.yaml"
    config.write_text(text)
    assert [source.kind for source in load(config).sources] == [
        "gutenberg",
        "opds",
        "internet_archive",
        "open_library",
        "standard_ebooks",
        "html",
        "folder",
    ]


def test_the_text_list_is_understood() -> None:
    listed = block("text", "# a comment")
    lines = "\n".join(re.sub(r" {3,}.*", "", line) for line in listed.splitlines())
    entries = list(parse("list.txt", lines.encode()))
    wants = [entry for entry in entries if isinstance(entry, Want)]
    assert len(wants) == len(entries) == 13
    assert [want.priority for want in wants] == [1, 1, 1, 1, 1, 1, 0, -1, 1, 1, 1, 1, 1]
    assert wants[5].isbn == "9780141441146"
    assert wants[9].pick is not None
    assert wants[9].pick.job == 17
    collections = [want.collection for want in wants[10:] if want.collection is not None]
    assert [(each.kind, each.limit) for each in collections] == [("author", 50), ("series", 20), ("feed", 50)]


def test_the_yaml_list_is_understood() -> None:
    entries = list(parse("list.yaml", block("yaml", "wants:").encode()))
    assert not [entry for entry in entries if isinstance(entry, BadLine)]
    assert len(entries) == 3


def test_the_table_of_commands_is_whole(tmp_path: Path) -> None:
    named = set(re.findall(r"^\| `bookhopper (\w+)", README, re.MULTILINE))
    shown = run("--help", home=tmp_path).stdout
    listed = shown.split("Options:")[1].split("Exit codes:")[0]
    assert named == set(COMMANDS) == set(re.findall(r"^  ([a-z]+)  +\S", listed, re.MULTILINE))


def test_the_calls_are_those_of_the_reference() -> None:
    document = yaml.safe_load((ROOT / "daemon/bookhopper/api/openapi.yaml").read_text(encoding="utf-8"))
    known = {re.sub(r"{[^}]*}", "{id}", path) for path in document["paths"]}
    section = README.split("## HTTP")[1].split("### Sign-in")[0]
    paths = re.findall(r"`(?:[A-Z, `]+)?(/api/[a-z/{}.-]+)", section)
    named = {re.sub(r"{[^}]*}", "{id}", path) for path in paths}
    asked = {
        re.sub(r"/\d+", "/{id}", path) for path in re.findall(r"127\.0\.0\.1:8084(/api/[\w/-]+)", section)
    }
    assert asked
    assert named > {"/api/requests", "/api/events", "/api/downloads/{id}"}
    assert (named | asked) <= known


def test_the_sign_in_s_settings_are_right(tmp_path: Path) -> None:
    config = tmp_path / "server.yaml"
    config.write_text(block("yaml", "sign_in"))
    assert load(config).server.sign_in == "token"


def alternatives(call: str) -> list[str]:
    """Write out `a|b`, one call for each."""
    found = re.search(r"\w+(?:\|\w+)+", call)
    return [call.replace(found[0], each) for each in found[0].split("|")] if found else [call]


def test_every_call_in_it_is_understood() -> None:
    written = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for inline in re.findall(r"`((?:sudo )?bookhopper [a-z-][^`]*)`", README):
        written += alternatives(re.sub(r"[\[\]\\]", "", inline))
    found = [words for text in written for words in calls(text)]
    assert len(found) > 30
    for words in found:
        understood(words)


def test_every_option_it_names_is_there() -> None:
    ours = {name for ctx in every_command() for param in ctx.command.params for name in param.opts}
    tools = [ROOT / "tests" / "conftest.py", *ROOT.glob("tests/bench/*.py"), *ROOT.glob("tests/fuzz/*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in tools)
    theirs = set(re.findall(r'"(--[a-z-]+)"', text))
    others = {"--dist", "--quiet", "--parallel", "--data-binary"}  # of pytest, pip and curl
    others |= {"--format", "--read-only", "--stop-timeout"}  # of podman
    others |= {"--now", "--create", "--reference"}  # of systemctl, systemd-tmpfiles and chown
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", README))
    assert named <= ours | theirs | others | {"--help", "--version"}


def test_the_set_up_works(tmp_path: Path) -> None:
    """The lines after the installation, with a folder for ingest and no source that needs a network."""
    steps = block("sh", "bookhopper check")
    assert "cp config/bookhopper.example.yaml ~/.config/bookhopper/bookhopper.yaml" in steps
    (tmp_path / ".config" / "bookhopper").mkdir(parents=True)
    text = EXAMPLE.read_text(encoding="utf-8")
    sources = re.compile(r"^sources:.*?(?=^# What is taken)", re.MULTILINE | re.DOTALL)
    text = sources.sub("sources: [{kind: folder, name: shelf, path: ~/shelf}]\n", text)
    (tmp_path / ".config" / "bookhopper" / "bookhopper.yaml").write_text(text)
    (tmp_path / "shelf").mkdir()
    before = run("check", home=tmp_path)
    assert before.returncode == 1
    assert "ingest is not there: create it, or mount it" in " ".join(before.stdout.split())
    (tmp_path / ".local" / "share" / "bookhopper" / "ingest").mkdir(parents=True)
    assert run("check", home=tmp_path).returncode == 0
    added = run("add", "Jane Eyre — Charlotte Brontë", home=tmp_path)
    assert added.returncode == 0
    requests = tmp_path / ".local" / "share" / "bookhopper" / "requests"
    (dropped,) = requests.iterdir()
    assert dropped.read_text(encoding="utf-8") == "Jane Eyre — Charlotte Brontë\n"
    status = run("status", home=tmp_path)
    assert status.returncode == 1
    assert "start it with `bookhopper run`" in status.stderr


def test_the_promises_are_tested_where_they_say() -> None:
    table = README.split("## Promises")[1].split("## Figures")[0]
    paths = re.findall(r"`(tests/[^`]+)`", table)
    assert paths
    for path in paths:
        assert list(ROOT.glob(path)), path


def test_the_benchmarks_exist() -> None:
    for name in NAMES:
        assert (ROOT / "tests" / "bench" / f"{name}.py").is_file()
