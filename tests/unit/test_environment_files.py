"""Where an ancestor's environment is found: files of variables, compose files, units of systemd."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookhopper.ancestors import env_file, unit
from bookhopper.ancestors.found import in_file
from bookhopper.errors import BookhopperError

IMAGE = {"INGEST_DIR": "/cwa-book-ingest", "FLASK_HOST": "0.0.0.0"}
AROUND = {"A": "a", "EMPTY": "", "PORT": "9000"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$A-${A}-$B-${B}", "a-a--"),
        ("$$A $", "$A $"),
        ("${B:-x}${B-y}${A:-n}", "xya"),
        ("${EMPTY:-x}|${EMPTY-y}", "x|"),
        ("${A:+set}|${EMPTY:+set}|${EMPTY+set}|${B+set}", "set||set|"),
        ("${A:?no}${A?no}${EMPTY?no}", "aa"),
        ("${B:-${C:-$A}}/x", "a/x"),
        ("${B:-a}b}", "ab}"),
        ("$1 $-", "$1 $-"),
    ],
)
def test_variables_are_put_in_their_places(text: str, value: str) -> None:
    assert env_file.interpolated(text, AROUND) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${B:?set it}", r"^B has to be set in the environment \(set it\)"),
        ("${EMPTY:?}", r"^EMPTY has to be set in the environment: set it"),
        ("${A", r"is not closed"),
        ("${A:-x", r"is not closed"),
        ("${A!}", r"is not closed"),
        ("${}", r"is followed by no name"),
        ("${A:-" * 10_000, r"deep in itself"),
    ],
)
def test_what_compose_refuses_is_refused(text: str, words: str) -> None:
    with pytest.raises(BookhopperError, match=words):
        env_file.interpolated(text, AROUND)


@given(st.text("${}:-+?A \\'\"=#\n", max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    for read in (env_file.interpolated, env_file.read, unit.environment):
        with suppress(BookhopperError):
            read(f"[Service]\nEnvironment={text}" if read is unit.environment else text, AROUND)


def test_a_file_of_variables() -> None:
    text = """\
# a comment
INGEST_DIR=/in   # where books go
export FLASK_PORT = ${PORT:-1}
SINGLE='$A # "x" \\n'
DOUBLE="a \\"b\\" \\$A $A \\\\ # c"
EMPTY=
OTHER=$INGEST_DIR/x
no line of ours
=nothing
"""
    assert env_file.read(text, AROUND) == {
        "INGEST_DIR": "/in",
        "FLASK_PORT": "9000",
        "SINGLE": '$A # "x" \\n',
        "DOUBLE": 'a "b" $A a \\ # c',
        "EMPTY": "",
        "OTHER": "/in/x",
    }


def compose(
    folder: Path, text: str, around: Mapping[str, str] = AROUND, service: str | None = None
) -> Mapping[str, str]:
    path = folder / "compose.yml"
    path.write_text(text, encoding="utf-8")
    return in_file(path, around, service).variables


def test_a_compose_file_with_a_mapping(tmp_path: Path) -> None:
    text = """\
x-common: &common {TZ: "Europe/Rome", BOOK_LANGUAGE: no}
services:
  downloader:
    image: example
    environment:
      <<: *common
      FLASK_PORT: ${PORT:-8084}
      USE_BOOK_TITLE: true
      UID: 0100
      LOG_LEVEL:
      A:
  other: {image: example, environment: {TZ: UTC}}
"""
    assert compose(tmp_path, text) == {
        **IMAGE,
        "TZ": "Europe/Rome",
        "BOOK_LANGUAGE": "no",
        "FLASK_PORT": "9000",
        "USE_BOOK_TITLE": "true",
        "UID": "0100",
        "A": "a",
    }


def test_a_compose_file_with_a_list_and_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nWHERE=/from/env\n")
    (tmp_path / "one.env").write_text("INGEST_DIR=${WHERE}\nMAX_RETRY=3\n", encoding="utf-8-sig")
    text = """\
services:
  downloader:
    env_file: [one.env, {path: two.env, required: false}]
    environment: [FLASK_PORT=$PORT, MAX_RETRY=4, LOG_LEVEL, A, "CWA_DB_PATH=/a=b"]
"""
    assert compose(tmp_path, text) == {
        **IMAGE,
        "INGEST_DIR": "/from/env",
        "MAX_RETRY": "4",
        "FLASK_PORT": "9000",
        "A": "a",
        "CWA_DB_PATH": "/a=b",
    }


def test_of_several_services_one_is_chosen(tmp_path: Path) -> None:
    text = "services: {a: {environment: [MAX_RETRY=1]}, b: {environment: [MAX_RETRY=2]}, c: }"
    assert compose(tmp_path, text, service="b") == {**IMAGE, "MAX_RETRY": "2"}
    assert compose(tmp_path, text, service="c") == IMAGE
    for service, words in ((None, "a, b could be meant: choose one with --service"), ("x", "no service x")):
        with pytest.raises(BookhopperError, match=words):
            compose(tmp_path, text, service=service)


def test_a_log_s_level_alone_does_not_make_a_service_the_one(tmp_path: Path) -> None:
    text = "services: {solver: {environment: [LOG_LEVEL=info]}, b: {environment: [LOG_LEVEL=debug, UID=1%s]}}"
    assert compose(tmp_path, text % ", MAX_RETRY=2")["LOG_LEVEL"] == "debug"
    with pytest.raises(BookhopperError, match="solver, b could be meant"):
        compose(tmp_path, text % "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", r"compose\.yml:2:1: "),
        ("- a", "this is no compose file"),
        ("services: 3", "this is no compose file"),
        ("services: {a: {environment: {TZ: x}}}", "no service sets a variable of the ancestors"),
        ("services: {a: 3, b: [x]}", "no service sets a variable of the ancestors"),
        ("services: {a: {environment: {MAX_RETRY: [1]}}}", "MAX_RETRY is no text"),
        ("services: {a: {env_file: nope.env}}", r"nope\.env: cannot be read"),
        ("services: {a: {environment: ['MAX_RETRY=${X:?why}']}}", "X has to be set"),
        ("!!python/object/apply:os.system [x]", "could not determine a constructor"),
    ],
)
def test_a_bad_compose_file_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BookhopperError, match=words) as refused:
        compose(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_a_unit(tmp_path: Path) -> None:
    (tmp_path / "one.env").write_text("# x\nCUSTOM_DNS='9.9.9.9, ::1'\nMAX_RETRY=9\nSTATUS_TIMEOUT=6\\\n0\n")
    path = tmp_path / "downloader.service"
    path.write_text(
        f"""\
[Unit]
Environment=FLASK_PORT=1
[Service]
Environment=MAX_RETRY=1 "INGEST_DIR=/a b/100%%" \\
    'BOOK_LANGUAGE=en, de'   CWA_DB_PATH=/x\\x20y
; Environment=LOG_LEVEL=debug
Environment="TZ=\\"q\\" it's" LOG_LEVEL=info
EnvironmentFile=-/nope/at/all
EnvironmentFile={tmp_path}/*.env
PassEnvironment=A NOPE
UnsetEnvironment=LOG_LEVEL
ExecStart=/bin/true
[Install]
Environment=FLASK_PORT=2
"""
    )
    assert in_file(path, AROUND).variables == {
        "A": "a",
        "MAX_RETRY": "9",
        "INGEST_DIR": "/a b/100%",
        "BOOK_LANGUAGE": "en, de",
        "CWA_DB_PATH": "/x y",
        "TZ": '"q" it\'s',
        "CUSTOM_DNS": "9.9.9.9, ::1",
        "STATUS_TIMEOUT": "60",
    }


def test_a_quadlet_tells_of_its_container(tmp_path: Path) -> None:
    path = tmp_path / "downloader.container"
    lines = "Image=example\nEnvironment=FLASK_PORT=8085 'BOOK_LANGUAGE=en, de'\nVolume=/x:/cwa-book-ingest\n"
    path.write_text(f"[Container]\n{lines}[Service]\nEnvironment=MAX_RETRY=1\n")
    found = in_file(path, AROUND)
    assert found.variables == {**IMAGE, "FLASK_PORT": "8085", "BOOK_LANGUAGE": "en, de"}
    assert found.notes


def test_a_line_without_anything_begins_anew() -> None:
    lines = "Environment=MAX_RETRY=1\nEnvironment=\nEnvironment=FLASK_PORT=2\n"
    assert unit.environment(f"[Service]\n{lines}", {}) == {"FLASK_PORT": "2"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Environment=INGEST_DIR=%h/in", "INGEST_DIR in the unit has a specifier of systemd's"),
        ("EnvironmentFile=/nope.env", r"/nope\.env, the unit's EnvironmentFile, is not there"),
    ],
)
def test_what_only_systemd_knows_is_refused(line: str, words: str) -> None:
    with pytest.raises(BookhopperError, match=words):
        unit.environment(f"[Service]\n{line}\n", {})


def test_any_other_file_holds_variables(tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_bytes(b"\xef\xbb\xbfMAX_RETRY=1\r\nINGEST_DIR=/\xff\r\n")
    assert in_file(path, {}).variables == {"MAX_RETRY": "1", "INGEST_DIR": "/�"}
    with pytest.raises(BookhopperError, match="--service is for compose files"):
        in_file(path, {}, "a")
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(BookhopperError, match="larger than 1 MiB"):
        in_file(path, {})
