"""The sections of `notify:`: what they take, where their addresses come from, what their faults say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bookhopper.config import load
from bookhopper.errors import ConfigError
from bookhopper.notify_settings import Event, NotifySettings
from bookhopper.service.install import _credentials
from bookhopper.settings import Settings

TOKEN = "s3cr3t-t0pic"
URL = f"ntfy://ntfy.sh/{TOKEN}"


def loaded(folder: Path, *targets: dict[str, Any]) -> Settings:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"notify": list(targets)}), encoding="utf-8")
    return load(path)


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(path)
    assert TOKEN not in "".join(error.value.faults)
    return [fault.removeprefix(f"{path}:") for fault in error.value.faults]


def one(settings: Settings) -> NotifySettings:
    (target,) = settings.notify
    return target


def test_a_name_and_an_address_are_enough(tmp_path: Path) -> None:
    target = one(loaded(tmp_path, {"name": "phone", "url": URL}))
    assert target.address() == URL
    assert target.events == (Event.LIST, Event.AMBIGUOUS, Event.FAILED)
    assert (target.every, target.digest_minute) == (300.0, 8 * 60)
    assert TOKEN not in repr(target)
    assert TOKEN not in target.model_dump_json()


@pytest.mark.parametrize(
    ("written", "minute"), [("18:00", 1080), ('"08:30"', 510), ("0:05", 5), ("08:00", 480)]
)
def test_a_time_of_day_with_or_without_quotes(tmp_path: Path, written: str, minute: int) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"notify: [{{name: a, url: '{URL}', events: digest, digest_at: {written}}}]")
    assert one(load(path)).digest_minute == minute


def test_the_address_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    target = one(loaded(tmp_path, {"name": "phone", "url_file": str(tmp_path / "url")}))
    assert target.address() == URL


def test_the_address_as_credential_or_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKHOPPER_MY_PHONE_URL", URL)
    assert one(loaded(tmp_path, {"name": "my-phone"})).address() == URL
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "my-phone.url").write_text("json://127.0.0.1\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    settings = loaded(tmp_path, {"name": "my-phone"})
    assert one(settings).address() == "json://127.0.0.1"
    assert settings.warnings == ()


def test_the_unit_hands_its_file_over(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL)
    settings = loaded(tmp_path, {"name": "phone", "url_file": str(tmp_path / "url")})
    assert list(_credentials(settings)) == [f"phone.url:{tmp_path / 'url'}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("notify: [{name: a}]", ["1:10: notify.0: whom to tell is missing: give url or url_file"]),
        (
            f"notify: [{{name: a, url: '{URL}', url_file: /x}}]",
            ["1:10: notify.0: give url or url_file, not both"],
        ),
        (
            f"notify:\n- name: a\n  url: '{TOKEN}'",
            [
                "3:3: notify.0.url: write one address as apprise knows them, such as ntfy://ntfy.sh/a-topic",
            ],
        ),
        (
            f"notify:\n- name: a\n  url: '{URL}, {URL}'",
            [
                "3:3: notify.0.url: write one address as apprise knows them, such as ntfy://ntfy.sh/a-topic",
            ],
        ),
        (
            f"notify: [{{name: a, url: '{URL}', events: [mised]}}]",
            [
                f"1:56: notify.0.events: nothing is called `mised` here: known are {', '.join(Event)}",
            ],
        ),
        (
            f"notify: [{{name: a, url: '{URL}', digest_at: '25:00', events: digest}}]",
            ['1:56: notify.0.digest_at: write a time of day such as "08:00", in quotes'],
        ),
        (
            f"notify: [{{name: a, url: '{URL}', digest_at: '08:00'}}]",
            ["1:10: notify.0: digest_at is heeded where `digest` is among the events"],
        ),
        (
            f"notify: [{{name: a, url: '{URL}'}}, {{name: a, url: '{URL}'}}]",
            ["1:1: notify: two that are told are named a: give each a name of its own"],
        ),
        (
            "notify:\n- {name: a, url_file: /nope}",
            ["2:13: url_file /nope: it cannot be read: No such file or directory"],
        ),
        (
            f"notify: [{{name: a, url: '{URL}', on: x}}]",
            ["1:10: notify.0: a key here is no text: to YAML a number is none, nor are on, off, yes and no"],
        ),
    ],
)
def test_faults_have_a_place_and_name_no_address(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert faults(tmp_path, text) == expected


def test_a_file_that_holds_no_address(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{TOKEN}\n")
    (fault,) = faults(tmp_path, f"notify: [{{name: a, url_file: '{tmp_path}/url'}}]")
    assert fault.endswith("write one address as apprise knows them, such as ntfy://ntfy.sh/a-topic")
