"""`bookhopper config`: every key with where it comes from, and files made of an ancestor's environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bookhopper import config
from bookhopper.settings import Settings
from tests.integration.test_cli import Shell, called, shell

__all__ = ["shell"]

SECRET = "s3same-0pen"


@pytest.fixture(autouse=True)
def _no_ancestor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "LOG_LEVEL", "UID"):
        monkeypatch.delenv(name, raising=False)


def lines(shown: str) -> dict[str, tuple[str, str]]:
    """Read what `show` prints: the value and the origin of each key."""
    found = re.findall(r"^(\S+) = (.*?) +# (.*)$", shown, re.MULTILINE)
    assert len({key for key, _, _ in found}) == len(found)
    return {key: (value, origin) for key, value, origin in found}


def keys(held: BaseModel, above: str) -> Iterator[str]:
    """Name every key of a section and of those inside it."""
    for name, field in type(held).model_fields.items():
        value: Any = getattr(held, name)
        if isinstance(value, BaseModel):
            yield from keys(value, f"{above}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, each in enumerate(value):
                yield from keys(each, f"{above}{name}.{getattr(each, 'name', number)}.")
        else:
            yield f"{above}{field.alias or name}"


def test_every_key_is_shown(shell: Shell) -> None:
    shown = lines(shell("config", "show", "--config", str(shell.config), config=False).output)
    assert list(shown) == list(keys(config.load(shell.config), ""))
    assert {key.partition(".")[0] for key in shown} == set(Settings.model_fields)


def test_each_value_has_its_origin(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "far.password").write_text(SECRET)
    for name in [each for each in os.environ if each.startswith("BOOKHOPPER_")]:
        monkeypatch.delenv(name)  # those of the tests themselves
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("BOOKHOPPER_DOWNLOAD_WORKERS", "7")
    monkeypatch.setenv("BOOKHOPPER_LISTS", "[{url: 'http://127.0.0.1/rss?key=abc', name: mine}]")
    monkeypatch.setenv("BOOKHOPPER_NEAR_PASSWORD", SECRET)
    monkeypatch.setenv("FLASK_PORT", "8085")
    monkeypatch.setenv("FLASK_HOST", "127.0.0.2")
    monkeypatch.setenv("DEFAULT_SLEEP", "2.5")
    monkeypatch.setenv("TMP_DIR", "/tmp/x")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy:3128")
    monkeypatch.setenv("BOOKHOPPER_DOWNLOAD_WORKER", SECRET)
    shell.config.write_text(
        f"folders:\n  ingest: {tmp_path}/ingest\n"
        "sources:\n"
        "- kind: opds\n  name: near\n  url: http://nas/opds\n  username: me\n"
        "- {kind: opds, name: far, username: me,\n"
        "   url: https://books.example.org/opds?apikey=0123}\n"
        f"- {{kind: opds, name: own, url: http://nas/, proxy: 'http://me:{SECRET}@x:1'}}\n"
        "download: {timeout: 90s}\n"
        "naming:\n  tags:\n    Kids: {folder: Kids}\n"
    )
    output = shell("config", "show", "--config", str(shell.config), config=False).output
    shown = lines(output)
    file = str(shell.config)
    expected = {
        "folders.ingest": (f"{tmp_path}/ingest", "bookhopper.yaml:2"),
        "folders.state": (shown["folders.state"][0], "default"),
        "sources.near.url": ("http://nas/opds", "bookhopper.yaml:6"),
        "sources.near.password": ("••••", "variable BOOKHOPPER_NEAR_PASSWORD"),
        "sources.near.pace": ("null", "default"),
        "sources.far.password": ("''", "default"),
        "sources.far.password_file": (f"{credentials}/far.password", "credential far.password"),
        "sources.far.url": ("https://books.example.org/opds?…", "bookhopper.yaml:9"),
        "sources.far.pace.delay": ("2.5s", "variable DEFAULT_SLEEP"),
        "sources.far.pace.connections": ("2", "default"),
        "sources.own.proxy": ("••••", "bookhopper.yaml:10"),
        "lists.mine.url": ("http://127.0.0.1/rss?…", "variable BOOKHOPPER_LISTS"),
        "lists.mine.every": ("6h", "default"),
        "download.workers": ("7", "variable BOOKHOPPER_DOWNLOAD_WORKERS"),
        "download.timeout": ("90s", "bookhopper.yaml:11"),
        "download.max_size": ("500MB", "default"),
        "naming.tags.kids.folder": ("Kids", "bookhopper.yaml:14"),
        "server.listen": ("127.0.0.2:8085", "variables FLASK_HOST, FLASK_PORT"),
    }
    assert {key: shown[key] for key in expected} == expected
    assert "#   TMP_DIR: unfinished downloads lie under folders.state" in output
    assert "#   HTTPS_PROXY: it holds for every connection whose source names no `proxy`" in output
    assert "#   BOOKHOPPER_DOWNLOAD_WORKER: bookhopper has no such variable" in output
    assert "did you mean BOOKHOPPER_DOWNLOAD_WORKERS?" in output
    assert SECRET not in output
    assert "0123" not in output
    assert "abc" not in output
    said = shell("config", "show", "--json", "--config", str(shell.config), config=False).output
    assert SECRET not in said
    told = json.loads(said)
    assert told["file"] == file
    rows = {row["key"]: row for row in told["settings"]}
    assert list(rows) == list(shown)
    assert rows["download.workers"] == {
        "key": "download.workers",
        "value": 7,
        "origin": {"kind": "variable", "where": "BOOKHOPPER_DOWNLOAD_WORKERS"},
    }
    assert rows["download.timeout"]["origin"] == {"kind": "file", "where": f"{file}:11"}
    assert [each["variable"] for each in told["idle"]] == [
        *("BOOKHOPPER_DOWNLOAD_WORKER", "HTTPS_PROXY", "TMP_DIR")
    ]
    assert len(told["warnings"]) == 1


def test_what_is_no_text_is_shown_all_the_same(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_CALIBRE_LIBRARY", "/b\udcff\x1b[2J")
    monkeypatch.setenv("BOOKHOPPER_\udcff\n", "x")
    for given in ((), ("--json",)):
        ended = called("config", "show", "--config", str(shell.config), *given)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "\x1b" not in ended.stdout
    assert json.loads(ended.stdout)["idle"][0]["why"] == "bookhopper has no such variable"
    migrated = called("config", "migrate", INGEST_DIR="/b\udcff", MAX_RETRY="1")
    assert yaml.safe_load(migrated.stdout) == {"download": {"attempts": 2}}
    assert "#   INGEST_DIR: what it says cannot be written in a file: keep the variable" in migrated.stdout


def test_without_a_file_it_says_so(shell: Shell) -> None:
    output = shell("config", "show", config=False).output
    assert output.startswith(f"# {config.default_path()} is not there\n")
    assert {origin for _, origin in lines(output).values()} == {"default"}
    assert json.loads(shell("config", "show", "--json", config=False).output)["file"] is None


def test_a_wrong_configuration_is_told_as_everywhere(shell: Shell) -> None:
    shell.config.write_text("grace: 0\n")
    ended = called("config", "show", "--config", str(shell.config), BOOKHOPPER_DOWNLOAD_WORKERS="0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "bookhopper: BOOKHOPPER_DOWNLOAD_WORKERS: download.workers: it must be greater than or equal to 1",
        f"bookhopper: {shell.config}:1:1: grace: it must be greater than or equal to 1",
    ]


# migrate

COMPOSE = """\
services:
  downloader:
    environment:
      FLASK_PORT: 8085
      BOOK_LANGUAGE: en,de
      INGEST_DIR: ${BASE:-/data}/ingest
      CUSTOM_DNS: quad9
      USE_DOH: true
      TZ: Europe/Rome
      HTTP_PROXY: http://me:s3same-0pen@proxy:3128
      CLOUDFLARE_PROXY_URL: http://me:s3same-0pen@cf:8000
      CWA_DB_PATH: /auth/app.db
  solver: {image: example, environment: ["LOG_LEVEL=${LOG_LEVEL:-info}"]}
"""


def test_a_compose_file_becomes_a_configuration(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(COMPOSE)
    made = tmp_path / "made.yaml"
    given = ["config", "migrate", str(tmp_path / "compose.yml")]
    printed = shell(*given, config=False)
    assert SECRET not in printed.output
    assert yaml.safe_load(printed.output) == {
        "folders": {"ingest": "/data/ingest"},
        "sources": [{"kind": "gutenberg", "dns": ["quad9"]}],
        "languages": ["en", "de"],
        "server": {"sign_in": "calibre-web", "app_db": "/auth/app.db", "listen": "0.0.0.0:8085"},
    }
    assert re.search(r"^  ingest: /data/ingest +# INGEST_DIR$", printed.output, re.MULTILINE)
    assert "#   TZ: the C library heeds it" in printed.output
    assert "#   HTTP_PROXY: it holds for every connection" in printed.output
    assert "#   CLOUDFLARE_PROXY_URL: bookhopper has no such variable" in printed.output
    written = shell(*given, "--output", str(made), config=False)
    assert written.stdout == ""
    assert f"Next: bookhopper check --config {made}" in written.stderr
    assert made.read_text(encoding="utf-8") == printed.output
    assert config.load(made).languages == ("en", "de")
    refused = shell(*given, "--output", str(made), config=False, status=1)
    assert f"{made} is there already: name another, or replace it with --force" in refused.stderr
    made.write_text("old")
    shell(*given, "--output", str(made), "--force", config=False)
    assert made.read_text(encoding="utf-8") == printed.output


def test_what_its_image_says_holds_where_a_compose_file_is_silent(shell: Shell, tmp_path: Path) -> None:
    """As most of them are: the folder is a volume's target, and the port is published."""
    (tmp_path / "compose.yml").write_text("services: {a: {environment: {FLASK_PORT: 8084, TZ: UTC}}}")
    made = tmp_path / "made.yaml"
    shell("config", "migrate", str(tmp_path / "compose.yml"), "--output", str(made), config=False)
    found = config.load(made)
    assert found.folders.ingest == Path("/cwa-book-ingest")
    assert (found.server.listen, found.server.open) == ("0.0.0.0:8084", True)
    assert "# Mind: FLASK_HOST=0.0.0.0 opens the server to the network without a sign-in" in made.read_text()


def test_the_environment_itself_becomes_one(tmp_path: Path) -> None:
    ended = called("config", "migrate", INGEST_DIR=str(tmp_path), MAX_RETRY="4")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert yaml.safe_load(ended.stdout) == {
        "folders": {"ingest": str(tmp_path)},
        "download": {"attempts": 5},
    }


@pytest.mark.parametrize(
    ("file", "status", "words"),
    [
        (("a.env", "TZ=UTC\n"), 1, "sets no variable of the ancestors: name the file that does"),
        (("a.env", "MAX_RETRY=x\n"), 2, "MAX_RETRY='x' in the environment: write a whole number"),
        (("a.env", "MAX_CONCURRENT_DOWNLOADS=0\n"), 2, "MAX_CONCURRENT_DOWNLOADS: download.workers: it must"),
        (("a.yml", "services: ["), 2, "a.yml:2:1: "),
        (("a.service", "[Service]\nEnvironment=INGEST_DIR=%h\n"), 1, "INGEST_DIR in the unit has a spec"),
    ],
)
def test_what_cannot_be_migrated_is_told_in_one_line(
    shell: Shell, tmp_path: Path, file: tuple[str, str], status: int, words: str
) -> None:
    path, made = tmp_path / file[0], tmp_path / "made.yaml"
    path.write_text(file[1])
    ended = shell("config", "migrate", str(path), "--output", str(made), config=False, status=status)
    (line,) = ended.stderr.splitlines()
    assert words in line
    assert not made.exists()
