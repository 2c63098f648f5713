"""What stands behind the gate: API tokens and their command, app.db, sessions, locks."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.security import generate_password_hash

from bookhopper.api.callers import ANYBODY, Caller, ForbiddenError, caller, require_admin, require_owner
from bookhopper.api.sign_in.errors import LockedError, SignInUnavailableError
from bookhopper.api.sign_in.lockout import FAILURES, LOCKED_SECONDS, Lockout
from bookhopper.api.sign_in.sessions import IDLE_SECONDS, Identity, Sessions
from bookhopper.api.sign_in.tokens import ApiToken, TokenFile
from bookhopper.api.sign_in.users import User, Users
from bookhopper.cli.token import command
from bookhopper.errors import BookhopperError
from bookhopper.model import Job, State, Want
from tests.daemon import ROOT

# callers


def job_of(owner: str) -> Job:
    return Job(id=7, request=1, want=Want(), state=State.QUEUED, owner=owner)


def test_who_may_change_what() -> None:
    ann, admin = {"caller": Caller("Ann", admin=False)}, {"caller": Caller("root", admin=True)}
    assert caller({}) is ANYBODY
    for scope in ({}, admin):
        require_admin(scope)
        require_owner(scope, job_of("Ann"))
    require_owner(ann, job_of("Ann"))
    for owner in ("", "ann", "Bob"):
        with pytest.raises(ForbiddenError, match=r"^download 7 was queued by somebody else: ask them"):
            require_owner(ann, job_of(owner))
    with pytest.raises(ForbiddenError, match="only an administrator may do this"):
        require_admin(ann)


# API tokens


def test_a_token_is_kept_as_a_hash_for_its_user_only(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    assert tokens.tokens() == ()
    before = time.time()
    token = tokens.add("phone")
    (known,) = tokens.tokens()
    assert known == ApiToken("phone", hashlib.sha256(token.encode()).hexdigest(), known.created)
    assert before <= known.created <= time.time()
    assert len(token) >= 43
    path = tmp_path / "state" / "tokens.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()
    assert tokens.find(token) == tokens.named("phone") == known
    for wrong in ("", token[:-1], token + "x", known.sha256, "ä", "\udcff"):
        assert tokens.find(wrong) is None
    assert [entry.name for entry in path.parent.iterdir()] == ["tokens.json"]


def test_what_another_process_changes_is_seen(tmp_path: Path) -> None:
    daemon, command_line = TokenFile(tmp_path), TokenFile(tmp_path)
    assert daemon.tokens() == ()
    for round_ in range(20):
        token = command_line.add(f"t{round_}")
        found = daemon.find(token)
        assert found is not None
        assert found.name == f"t{round_}"
        command_line.remove(f"t{round_}")
        assert daemon.find(token) is None
    (tmp_path / "tokens.json").unlink()
    assert daemon.tokens() == ()


def test_no_token_is_lost_when_many_are_made_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: TokenFile(tmp_path).add(f"t{number}"), range(40)))
    tokens = TokenFile(tmp_path)
    assert len(tokens.tokens()) == 40
    assert all(tokens.find(token) for token in made)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a\n", "a/b", "a" * 65, "\udcff", "_"])
def test_names_that_no_token_may_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(BookhopperError, match="cannot name a token: write at most 64 letters") as refused:
        TokenFile(tmp_path).add(name)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "Ännchen's".replace("'", "."), "me@home", "script-2", "a" * 64])
def test_names_that_a_token_may_have(tmp_path: Path, name: str) -> None:
    token = TokenFile(tmp_path).add(name)
    found = TokenFile(tmp_path).find(token)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "content",
    [
        *("", "x", "[]", "{}", '{"tokens": 1}', '{"tokens": [1]}', '{"tokens": [{"name": "a"}]}', "\x80"),
        *(
            '{"tokens": [{"name": "a", "sha256": "é", "created": 1}]}',
            '{"tokens": [{"name": "a", "sha256": 1, "created": 1}]}',
            '{"tokens": [{"name": "a", "sha256": "00", "created": null}]}',
        ),
    ],
)
def test_a_damaged_file_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens.json").write_bytes(content.encode("latin-1"))
    tokens = TokenFile(tmp_path)
    for use in (tokens.tokens, lambda: tokens.find("x"), lambda: tokens.add("b"), lambda: tokens.remove("a")):
        with pytest.raises(BookhopperError, match=r"tokens\.json is damaged: remove it and make the tokens"):
            use()


def test_a_file_or_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").mkdir()
    with pytest.raises(BookhopperError, match="Is a directory: give it to bookhopper's own user"):
        TokenFile(tmp_path).tokens()
    (tmp_path / "file").write_text("")
    with pytest.raises(BookhopperError, match=r"cannot be written: .*: run this as bookhopper's own user"):
        TokenFile(tmp_path / "file" / "state").add("a")


def test_root_makes_tokens_for_the_folder_s_owner(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can do this")
    os.chown(tmp_path, 12345, 23456)
    TokenFile(tmp_path).add("a")
    made = (tmp_path / "tokens.json").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (12345, 23456, 0o600)


# the command


class Command:
    """Runs `bookhopper token` with a configuration."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def __call__(self, verb: str, *words: str, good: bool = True) -> Result:
        assert isinstance(command, click.Group)
        result = CliRunner().invoke(command, [verb, "--config", str(self._config), *words])
        assert (result.exit_code == 0) == good, result.output
        return result


def test_tokens_by_the_command(tmp_path: Path) -> None:
    folders = {name: str(tmp_path / name) for name in ("requests", "ingest", "state")}
    (tmp_path / "b.yaml").write_text(json.dumps({"folders": folders, "server": {"sign_in": "token"}}))
    run = Command(tmp_path / "b.yaml")
    assert run("list").stdout == "There are no tokens: `bookhopper token new NAME` makes one.\n"
    made = run("new", "phone")
    (token,) = made.stdout.splitlines()
    assert "Authorization: Bearer" in made.stderr
    assert "not needed yet" not in made.stderr
    tokens = TokenFile(tmp_path / "state")
    known = tokens.find(token)
    assert known is not None
    as_json = json.loads(run("new", "script", "--json").stdout)
    assert as_json["name"] == "script"
    assert tokens.find(as_json["token"]) is not None
    listed = run("list").stdout.splitlines()
    assert listed[0].split() == ["name", "made"]
    assert [line.split()[0] for line in listed[1:]] == ["phone", "script"]
    assert json.loads(run("list", "--json").stdout)["tokens"][0] == {
        "name": "phone",
        "created": known.created,
    }
    assert run("remove", "phone").stdout == "The token phone is removed.\n"
    assert tokens.find(token) is None
    for words, message in (
        (("new", "script"), "there is a token script already: take another name, or remove it first"),
        (("remove", "phone"), "there is no token phone: `bookhopper token list` shows them all"),
    ):
        result = run(*words, good=False)
        assert isinstance(result.exception, BookhopperError)
        assert str(result.exception) == message


def test_a_token_that_is_not_needed_yet(tmp_path: Path) -> None:
    folders = {name: str(tmp_path / name) for name in ("requests", "ingest", "state")}
    (tmp_path / "b.yaml").write_text(json.dumps({"folders": folders}))
    assert "It is not needed yet: `sign_in: none`" in Command(tmp_path / "b.yaml")("new", "a").stderr


# Calibre-Web's app.db


@pytest.fixture
def app_db(tmp_path: Path) -> Path:
    path = tmp_path / "a folder?x=1#%20" / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE user (name TEXT, password TEXT, role INTEGER)")
        connection.execute(
            "INSERT INTO user VALUES ('ann', ?, 1)", (generate_password_hash("x", "pbkdf2:sha256:10"),)
        )
        connection.commit()
    return path


def test_the_app_db_may_lie_anywhere(app_db: Path) -> None:
    users = Users(app_db)
    users.check()
    found = users.find("ANN")
    assert found is not None
    assert (found.name, found.admin) == ("ann", True)
    assert not users.remembers(found, "x")
    assert users.verify(found, "x")
    assert users.remembers(found, "x")
    assert not users.verify(found, "y")
    assert not users.remembers(found, "y")
    assert not users.remembers(User("ann", "another hash", admin=True), "x")
    assert not users.verify(None, "x")


def test_two_names_that_differ_by_case_only(app_db: Path) -> None:
    with closing(sqlite3.connect(app_db)) as connection:
        connection.execute("INSERT INTO user VALUES ('ANN', 'x', 0)")
        connection.commit()
    users = Users(app_db)
    names = [found.name for name in ("ann", "ANN") if (found := users.find(name))]
    assert names == ["ann", "ANN"]


@pytest.mark.parametrize(
    "hashed",
    [
        *("", "$", "$$", "plain", "sha256$x$y", "scrypt$x$y", "scrypt:1$x$y", "scrypt:a:b:c$x$y"),
        *("scrypt:1073741824:8:1$x$y", "scrypt:99999999999999999999:8:1$x$y", "scrypt:0:0:0$x$y"),
        *(
            "pbkdf2:nope:10$x$y",
            "pbkdf2:sha256:0$x$y",
            "pbkdf2:sha256:99999999999999999999$x$y",
            "pbkdf2:a:b$x$y",
        ),
        *("pbkdf2:sha256:-1$x$y", "pbkdf2:sha256:1$ä$ö", "pbkdf2:sha256:1:1$x$y"),
    ],
)
def test_hashes_of_a_kind_that_nobody_knows(app_db: Path, hashed: str) -> None:
    assert not Users(app_db).verify(User("ann", hashed, admin=False), "x")


def test_without_any_user_there_is_a_hash_to_compare_with(app_db: Path) -> None:
    with closing(sqlite3.connect(app_db)) as connection:
        connection.execute("DELETE FROM user")
        connection.commit()
    assert not Users(app_db).verify(None, "x")


def test_few_passwords_are_remembered(app_db: Path) -> None:
    users = Users(app_db)
    made = [
        User(f"user {number}", generate_password_hash("x", "pbkdf2:sha256:1"), admin=False)
        for number in range(300)
    ]
    assert all(users.verify(user, "x") for user in made)
    assert sum(users.remembers(user, "x") for user in made) == 256
    assert users.remembers(made[-1], "x")


def test_an_app_db_that_its_writer_keeps_to_itself(app_db: Path) -> None:
    users = Users(app_db)
    with closing(sqlite3.connect(app_db, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SignInUnavailableError) as refused:
            users.find("ann")
        assert "database is locked" in refused.value.cause
        writer.execute("ROLLBACK")
    assert users.find("ann") is not None


# sessions and locks

ANN = Identity(Caller("Ann", admin=False), "user", "a hash")


def test_sessions_are_bounded_and_the_used_ones_stay() -> None:
    sessions = Sessions(most=3)
    first, second, third = (sessions.start(ANN) for _ in range(3))
    assert sessions.find(first) == ANN
    fourth = sessions.start(ANN)
    assert [sessions.find(session) for session in (first, second, third, fourth)] == [ANN, None, ANN, ANN]
    sessions.end(first)
    sessions.end("nobody's")
    assert sessions.find(first) is None
    assert len(first) >= 43


def test_a_session_ends_when_it_idles() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    session = sessions.start(ANN)
    now = IDLE_SECONDS
    assert sessions.find(session) == ANN
    now = 2 * IDLE_SECONDS
    assert sessions.holds(session)
    now += 1  # to look at it was no use of it
    assert not sessions.holds(session)
    assert sessions.find(session) is None
    now = 0.0
    assert sessions.find(session) is None


def test_ten_failures_in_a_row_lock_for_half_an_hour() -> None:
    now = 0.0
    names = Lockout(lambda: now)
    for _ in range(2):
        assert [names.failed("ann") for _ in range(FAILURES - 1)] == [False] * (FAILURES - 1)
        names.check("ann")
        names.succeeded("ann")
    assert [names.failed("ann") for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    names.check("Ann")
    now = 60.0
    with pytest.raises(LockedError) as locked:
        names.check("ann")
    assert locked.value.seconds == LOCKED_SECONDS - 60
    names.succeeded("ann")
    with pytest.raises(LockedError):
        names.check("ann")
    now = LOCKED_SECONDS
    names.check("ann")
    assert not names.failed("ann")


def test_names_are_forgotten_before_locked_ones() -> None:
    now = 0.0
    names = Lockout(lambda: now, most=50)
    for _ in range(FAILURES):
        names.failed("the locked one")
    for number in range(500):
        names.failed(f"name {number}")
    assert len(names._records) == 50
    with pytest.raises(LockedError):
        names.check("the locked one")
    for name in range(60):
        for _ in range(FAILURES):
            names.failed(f"locked {name}")
    assert len(names._records) == 50


# what a daemon without a sign-in need not load


def printed_by(code: str) -> str:
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon")},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_the_gate_loads_no_password_check() -> None:
    code = "import sys, bookhopper.api.auth; print([m for m in ('werkzeug',) if m in sys.modules])"
    assert printed_by(code) == "[]\n"


def test_the_token_command_loads_no_server() -> None:
    code = (
        "import sys, bookhopper.cli.token; "
        "print([m for m in ('werkzeug', 'starlette', 'anyio', 'uvicorn') if m in sys.modules])"
    )
    assert printed_by(code) == "[]\n"
