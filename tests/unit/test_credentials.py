"""Secrets from files, systemd's credentials and the environment: which one counts, what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from bookhopper.config import load
from bookhopper.errors import ConfigError
from bookhopper.net.sign_in import SignIn
from bookhopper.settings import Settings
from bookhopper.source_settings import FolderSettings, HtmlSettings, OpdsSettings
from tests.fakes.library_site import LOGIN, PASSWORD, LibrarySite

HOME = {"kind": "opds", "name": "home-1", "url": "http://127.0.0.1/opds", "username": "reader"}
OPEN = {name: value for name, value in HOME.items() if name != "username"}
PROXY = "http://reader:pr0xy@127.0.0.1:3128"


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def loaded(folder: Path, *sources: dict[str, Any]) -> Settings:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"sources": list(sources)}), encoding="utf-8")
    return load(path)


def opds(settings: Settings) -> OpdsSettings:
    (source,) = settings.sources
    assert isinstance(source, OpdsSettings)
    return source


def test_a_credential_is_a_source_s_by_its_name(tmp_path: Path, credentials: Path) -> None:
    (credentials / "home-1.password").write_text("pässword\n", encoding="utf-8")
    (credentials / "home-1.proxy").write_text(f"{PROXY}\n")
    settings = loaded(tmp_path, HOME)
    assert opds(settings).secret() == "pässword"
    assert opds(settings).proxy_address() == PROXY
    assert settings.warnings == ()
    assert "pässword" not in repr(settings)
    assert "pr0xy" not in repr(settings)


def test_a_variable_is_one_by_its_name_in_capitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_HOME_1_PASSWORD", "from outside")
    monkeypatch.setenv("BOOKHOPPER_HOME_1_PROXY", PROXY)
    settings = loaded(tmp_path, HOME)
    assert opds(settings).secret() == "from outside"
    assert opds(settings).proxy_address() == PROXY
    assert "from outside" not in repr(settings)
    assert "pr0xy" not in repr(settings)


def test_a_source_without_a_name_has_its_kind_s(tmp_path: Path, credentials: Path) -> None:
    (credentials / "opds.password").write_text("by kind")
    assert opds(loaded(tmp_path, {"kind": "opds", "url": "http://127.0.0.1/"})).secret() == "by kind"


def test_the_credential_counts_before_the_file_that_it_was_made_of_and_that_before_the_variable(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKHOPPER_HOME_1_PASSWORD", "variable")
    assert opds(loaded(tmp_path, HOME)).secret() == "variable"
    (credentials / "home-1.password").write_text("credential")
    assert opds(loaded(tmp_path, HOME)).secret() == "credential"
    assert opds(loaded(tmp_path, {**HOME, "password": "key"})).secret() == "key"
    (tmp_path / "kept").write_text("file")
    assert opds(loaded(tmp_path, {**HOME, "password_file": str(tmp_path / "kept")})).secret() == "credential"


def test_settings_of_a_definition_may_be_credentials(
    tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*PASSWORD, {"name": "apikey", "type": "password", "label": "Key"}]
    site = LibrarySite(url="http://127.0.0.1")
    definition = site.write(tmp_path / "library.yaml", settings=asked, login=LOGIN)
    section = {"kind": "html", "name": "library", "definition": str(definition)}
    (credentials / "library.apikey").write_text("k3y")
    monkeypatch.setenv("BOOKHOPPER_LIBRARY_PASSWORD", "sesame")
    settings = loaded(tmp_path, section)
    (source,) = settings.sources
    assert isinstance(source, HtmlSettings)
    assert source.given == {"apikey_file": str(credentials / "library.apikey"), "password": "sesame"}
    assert "sesame" not in repr(settings)
    (credentials / "library.apikye").write_text("x")
    with pytest.raises(ConfigError, match=r"no setting `apikye_file`"):
        loaded(tmp_path, section)


def test_a_credential_that_is_nobody_s_is_told_of(tmp_path: Path, credentials: Path) -> None:
    (credentials / "hom.password").write_text("s3cret")
    (warning,) = loaded(tmp_path, OPEN).warnings
    assert warning.startswith("the credential hom.password is nobody's")
    assert "s3cret" not in warning


def test_what_has_no_secret_gets_none(tmp_path: Path, credentials: Path) -> None:
    (credentials / "shelf.password").write_text("x")
    (credentials / "shelf.proxy").write_text(PROXY)
    (source,) = loaded(tmp_path, {"kind": "folder", "name": "shelf", "path": "/mnt/books"}).sources
    assert isinstance(source, FolderSettings)
    assert source.proxy_address() == ""


def test_where_no_credentials_are_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "gone"))
    assert opds(loaded(tmp_path, OPEN)).secret() == ""
    (tmp_path / "config.yaml").write_text("sources: 5")
    with pytest.raises(ConfigError, match="a list is expected here"):
        load(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("key", "content", "words"),
    [
        ("password_file", b"p\xe4ss", "it is no text in UTF-8"),
        ("password_file", None, "cannot be read: No such file"),
        ("proxy_file", None, "cannot be read: No such file"),
        ("proxy_file", b"http://reader:p4ss@host", "write http://, https:// or socks5h://"),
        ("proxy_file", b"socks5://reader:p4ss@host:1", "write socks5h:// instead"),
    ],
)
def test_a_file_of_no_use_is_a_fault_at_its_place(
    tmp_path: Path, key: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "kept").write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, {**OPEN, key: str(tmp_path / "kept")})
    (fault,) = raised.value.faults
    assert words in fault
    assert f"{key} {tmp_path / 'kept'}" in fault
    assert "p4ss" not in fault
    assert "p4ss" not in str(raised.value.__cause__)


def test_two_ways_to_say_it_are_one_too_many(tmp_path: Path) -> None:
    for more, words in (
        ({"proxy": PROXY}, "give proxy or proxy_file, not both"),
        ({"dns": ["9.9.9.9"]}, "a proxy looks the names up by itself"),
    ):
        with pytest.raises(ConfigError, match=words):
            loaded(tmp_path, {**OPEN, "proxy_file": str(tmp_path / "kept"), **more})


def test_a_password_that_cannot_be_read_again_stays_as_it_was() -> None:
    def unreadable() -> str:
        raise ValueError("it is no text in UTF-8")

    sign_in = SignIn("http://127.0.0.1", "reader", "old", "home", unreadable)
    refused = requests.Response()
    refused.status_code, refused.url = 401, "http://127.0.0.1/opds"
    refused.headers["WWW-Authenticate"] = "Basic"
    refused.request = requests.Request("GET", refused.url).prepare()
    assert sign_in.told(refused)
    refused.request = sign_in.auth(refused.url)(refused.request)
    assert not sign_in.renewed(refused)
