"""A variable for every key: what it says, what goes before what, and which word is told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml

from bookhopper import config, environment
from bookhopper.config import load
from bookhopper.errors import ConfigError
from bookhopper.settings import Settings
from bookhopper.source_settings import FolderSettings, GutenbergSettings, OpdsSettings

OTHER: Mapping[str, str] = {
    "FOLDERS_REQUESTS": "/other/requests",
    "FOLDERS_INGEST": "/other/ingest",
    "FOLDERS_STATE": "/other/state",
    "SOURCES": "[{kind: folder, path: /mnt/books}]",
    "LISTS": "[{url: 'http://127.0.0.1/list', name: list}]",
    "FORMATS": "pdf, epub",
    "LANGUAGES": "[de, 'no']",
    "SERVER_HOSTS": "books.example.org",
    "SERVER_LISTEN": "[::1]:8085",
    "SERVER_APP_DB": "/auth/app.db",
    "DELIVER_MODE": "0640",
    "NAMING_FILE": "{author} - {title}",
    "NAMING_FOLDER": "{author}/{series/}",
    "NAMING_FORMATS": "{cbz: {folder: Comics}}",
    "NAMING_TAGS": "{kids: {folder: Kids}}",
    "SCRIPT_AFTER_VERIFY": "/other/look at it",
    "SCRIPT_AFTER_DELIVERY": "[/other/tell, --quietly]",
    "CALIBRE_LIBRARY": "/mnt/calibre",
    "INTAKE_SHELVES": "wishlist",
    "SERVER_URL": "https://books.example.org/",
    "NOTIFY": "[{name: phone, url: 'ntfy://ntfy.sh/a-topic'}]",
}
"""What some variables may say, other than the default; for the rest one is found."""

NEEDED: Mapping[str, Mapping[str, str]] = {"SERVER_APP_DB": {"SERVER_SIGN_IN": "calibre-web"}}
"""What has to be set beside a variable."""


@pytest.fixture(autouse=True)
def _plain_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.settings():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


def settings_of(folder: Path, text: str) -> Settings:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def faults_of(path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(path)
    return refused.value.faults


def value_at(settings: Settings, key: tuple[str | int, ...]) -> Any:
    found: Any = settings
    for part in key:
        found = getattr(found, str(part))
    return found


def other_than(key: tuple[str | int, ...]) -> str:
    """Write a value of the same kind as the default that is not the default."""
    value, section = value_at(Settings(), key), value_at(Settings(), key[:-1])
    annotation = type(section).model_fields[str(key[-1])].annotation
    if get_origin(annotation) is Literal:
        return next(str(word) for word in get_args(annotation) if word != value)
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, float):
        return str(value * 0.9 if 0 < value <= 1 else value + 1) if value else "300"
    assert isinstance(value, int), f"say in OTHER what it may be instead of {value!r}"
    return str(value + 1)


@pytest.mark.parametrize("name", list(environment.settings()))
def test_every_key_can_be_set_by_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = environment.settings()[name].key
    default = value_at(Settings(), key)
    stem = name.removeprefix(environment.PREFIX)
    for needed, value in NEEDED.get(stem, {}).items():
        monkeypatch.setenv(environment.PREFIX + needed, value)
    monkeypatch.setenv(name, OTHER.get(stem) or other_than(key))
    loaded = config.load_with_origins(None)
    assert value_at(loaded.settings, key) != default
    given = loaded.draft.giver(key)
    assert given is not None
    assert given.names == (name,)
    assert loaded.settings.warnings == ()


def test_no_two_keys_have_the_same_variable() -> None:
    def leaves(settings: type[Any]) -> int:
        return sum(
            leaves(each.annotation) if hasattr(each.annotation, "model_fields") else 1
            for each in settings.model_fields.values()
        )

    assert len(environment.settings()) == leaves(Settings)


def test_what_a_variable_says_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_DOWNLOAD_WORKERS", " 7 ")
    monkeypatch.setenv("BOOKHOPPER_DOWNLOAD_ATTEMPTS", "")
    found = settings_of(tmp_path, "download: {workers: 2, attempts: 9}\nserver:\n").download
    assert (found.workers, found.attempts) == (7, 9)


def test_and_before_an_ancestor_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_SERVER_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("FLASK_HOST", "0.0.0.0")
    monkeypatch.setenv("BOOKHOPPER_SERVER_SIGN_IN", "token")
    found = load(None)
    assert (found.server.listen, found.server.open, found.warnings) == ("127.0.0.1:1", False, ())
    monkeypatch.delenv("BOOKHOPPER_SERVER_LISTEN")
    found = load(None)
    assert (found.server.listen, found.server.open, found.warnings) == ("0.0.0.0:8084", False, ())
    monkeypatch.setenv("BOOKHOPPER_SERVER_SIGN_IN", "none")
    monkeypatch.setenv("BOOKHOPPER_SERVER_OPEN", "No")
    (fault,) = faults_of()
    assert fault.startswith("FLASK_HOST=0.0.0.0 asks for the network, and server.open says no")
    monkeypatch.delenv("BOOKHOPPER_SERVER_SIGN_IN")
    found = load(None)
    (warning,) = found.warnings
    assert (found.server.listen, found.server.open, found.server.sign_in) == ("0.0.0.0:8084", False, "token")
    assert warning.startswith("FLASK_HOST=0.0.0.0 lets in whoever has a token")


def test_the_file_s_place_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOKHOPPER_CONFIG", str(tmp_path / "bookhopper.yaml"))
    assert load(None) == Settings()
    assert load(None).warnings == ()
    (tmp_path / "bookhopper.yaml").write_text("download: {workers: 7}")
    assert load(None).download.workers == 7


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("epub,pdf", ("epub", "pdf")),
        (" epub  pdf ", ("epub", "pdf")),
        ("[epub, .PDF]", ("epub", "pdf")),
        ("- epub\n- pdf", ("epub", "pdf")),
        ("epub", ("epub",)),
    ],
)
def test_words_may_be_written_in_any_way(
    monkeypatch: pytest.MonkeyPatch, text: str, formats: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BOOKHOPPER_FORMATS", text)
    assert load(None).formats == formats


def test_an_empty_list_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_LANGUAGES", "[]")
    assert settings_of(tmp_path, "languages: [de]").languages == ()


def test_sources_are_written_as_yaml_and_get_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "BOOKHOPPER_SOURCES",
        "[{kind: folder, path: /mnt}, {kind: opds, name: home, url: 'http://nas/', username: me}]",
    )
    monkeypatch.setenv("BOOKHOPPER_HOME_PASSWORD", "sesame")
    loaded = config.load_with_origins(None)
    folder, home = loaded.settings.sources
    assert isinstance(folder, FolderSettings)
    assert isinstance(home, OpdsSettings)
    assert (folder.path, home.secret()) == (Path("/mnt"), "sesame")
    assert loaded.draft.giver(("sources", 1, "password")) == loaded.draft.given["sources", 1, "password"]
    assert loaded.settings.warnings == ()


def test_the_source_that_is_there_by_default_gets_its_secret_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_GUTENBERG_PROXY", "socks5h://127.0.0.1:9050")
    (source,) = load(None).sources
    assert isinstance(source, GutenbergSettings)
    assert source.proxy_address() == "socks5h://127.0.0.1:9050"


def test_no_setting_has_the_name_of_a_source_s_secret() -> None:
    assert not [name for name in environment.settings() if re.search("_(PASSWORD|PROXY)$", name)]


# what is wrong


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("DOWNLOAD_WORKERS", "0", "download.workers: it must be greater than or equal to 1"),
        ("DOWNLOAD_WORKERS", "[3", "download.workers: a whole number is expected here"),
        ("SERVER_OPEN", "perhaps", "server.open: true or false is expected here"),
        ("SOURCES", "gutenberg", "sources: a list is expected here"),
        ("LOG_LEVEL", "loud", "log_level: it must be 'debug', 'info', 'warning' or 'error'"),
        ("FORMATS", "epug", "formats: no format is called `epug`: did you mean `epub`?"),
        ("FOLDERS_STATE", "$NOPE/x", "folders.state: $NOPE is not set in the environment"),
    ],
)
def test_a_fault_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(f"BOOKHOPPER_{name}", value)
    assert faults_of() == [f"BOOKHOPPER_{name}: {fault}"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("[{kind: folder, pth: /x}]", "1:2: `path` is missing"),
        ("[{kind: folder", "2:1: did not find expected ',' or '}'"),
        ("[{kind: opds, name: a, url: ftp://x}]", "1:24: sources.0.url: write an address that begins with"),
        ("- kind: folder\n  path: /x\n  path: /y", "3:3: `path` stands here twice, first in line 2"),
        ("[!!python/object/apply:os.system [x]]", "1:2: could not determine a constructor for the tag"),
        ("[{kind: folder, path: /\udcff}]", " it is no text in UTF-8"),
    ],
)
def test_a_fault_in_a_document_has_its_place(monkeypatch: pytest.MonkeyPatch, value: str, fault: str) -> None:
    monkeypatch.setenv("BOOKHOPPER_SOURCES", value)
    assert [each for each in faults_of() if each.startswith(f"BOOKHOPPER_SOURCES:{fault}")]


def test_a_fault_of_a_whole_section_names_the_variables_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKHOPPER_FOLDERS_INGEST", str(tmp_path / "in"))
    path = tmp_path / "file.yaml"
    path.write_text(f"folders: {{requests: {tmp_path}/in/r, state: {tmp_path}/s}}")
    where = f"{path}:1:1 (with BOOKHOPPER_FOLDERS_INGEST)"
    what = "requests must not lie inside ingest: its consumer deletes what it does not know"
    assert faults_of(path) == [f"{where}: folders: {what}"]


def test_a_section_that_is_none_is_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_SERVER_LISTEN", "127.0.0.1:1")
    path = tmp_path / "file.yaml"
    path.write_text("server: 3")
    assert faults_of(path) == [f"{path}:1:1: server: a mapping is expected here"]


def test_a_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_SOURCES", "[{kind: opds, name: a, url: http://x, password: [hunter2]}]")
    assert "hunter2" not in str(faults_of())


# variables that are no setting


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("DOWLOAD_WORKERS", "DOWNLOAD_WORKERS"),
        ("WORKERS", "DOWNLOAD_WORKERS"),
        ("INGEST", "FOLDERS_INGEST"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("SOURCE", "SOURCES"),
        ("DOWNLOAD_WORKER_COUNT", "DOWNLOAD_WORKERS"),
        ("GUTENBURG_PROXY", "GUTENBERG_PROXY"),
    ],
)
def test_a_misspelt_variable_is_told_of(monkeypatch: pytest.MonkeyPatch, name: str, near: str) -> None:
    monkeypatch.setenv(f"BOOKHOPPER_{name}", "1")
    told = f"BOOKHOPPER_{name} is no variable of bookhopper's: did you mean BOOKHOPPER_{near}?"
    assert told in load(None).warnings


@pytest.mark.parametrize("name", ["REQUIRE_PEERS", "CALIBRE_WEB", "SCREENSHOTS", "SEED", "VERSION", ""])
def test_what_other_programs_have_is_let_be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"BOOKHOPPER_{name}", "1")
    loaded = config.load_with_origins(None)
    assert loaded.settings.warnings == ()
    assert loaded.draft.idle[f"BOOKHOPPER_{name}"] == "bookhopper has no such variable"


# finding the daemon when something is wrong


def test_the_folders_are_found_whatever_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_FOLDERS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("INGEST_DIR", str(tmp_path / "ingest"))
    monkeypatch.setenv("BOOKHOPPER_DOWNLOAD_WORKERS", "many")
    found = config.folders(None)
    assert (found.state, found.ingest) == (tmp_path / "state", tmp_path / "ingest")
    path = tmp_path / "file.yaml"
    path.write_text(yaml.safe_dump({"folders": {"ingest": str(tmp_path / "other")}, "grace": 0}))
    assert config.folders(path).ingest == tmp_path / "other"
