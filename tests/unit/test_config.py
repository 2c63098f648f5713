"""Bad configurations and their exact messages; good ones and what they mean; the example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bookhopper import config, settings
from bookhopper.config import load
from bookhopper.errors import ConfigError
from bookhopper.settings import DeliverSettings, Settings, split_listen
from bookhopper.source_settings import FolderSettings, GutenbergSettings, OpdsSettings, Pace

A_KIND = (
    "a source needs `kind: gutenberg`, `kind: opds`, `kind: standard_ebooks`, `kind: internet_archive`, "
    "`kind: open_library`, `kind: html` or `kind: folder`"
)
EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "bookhopper.example.yaml"

OPDS = "sources:\n  - {kind: opds, name: a, url: http://x"

VARIABLES = ("CWA_DB_PATH", "DOWNLOAD__ENABLE_PRIORITY_QUEUE", "FLASK_HOST", "FLASK_PORT", "STATUS_TIMEOUT")

EVIL = "tag:yaml.org,2002:python/object/apply:os.system"

UNGUARDED = (
    "is reached from the network, and there is no sign-in: set sign_in, or open: true to let everybody in, "
    "or listen on a loopback address"
)

TOO_SOON = "consumers take what comes again so soon for a repeat"

NO_APP_DB = "app_db is needed with this: write the path of Calibre-Web's app.db"

HOST_NAME = "write one such as books.example.org, without a port"

BAD: list[tuple[str, list[str]]] = [
    # what is no YAML, or no mapping
    ("a: b: c", ["1:5: mapping values are not allowed in this context: mend it there"]),
    ("- a\n\t- b", ["2:1: found a tab character that violates indentation: mend it there"]),
    ("? [a]\n: 1", ["1:3: found unhashable key: mend it there"]),
    ("a: *b", ["1:4: found undefined alias: mend it there"]),
    ("a: {b: 1", ["2:1: did not find expected ',' or '}': mend it there"]),
    (
        "!!python/object/apply:os.system [x]",
        [f"1:1: could not determine a constructor for the tag '{EVIL}': mend it there"],
    ),
    ("[1, 2]", ["1:1: a mapping is expected here, such as `folders:`"]),
    ("just words", ["1:1: a mapping is expected here, such as `folders:`"]),
    ("--- {}\n--- {}", ["2:1: but found another document: mend it there"]),
    # keys
    ("1: 2", ["1:1: 1: a key here is no text: to YAML a number is none, nor are on, off, yes and no"]),
    ("sourcs: []", ["1:1: unknown key `sourcs`: did you mean `sources`?"]),
    ("folders:\n  request: /x", ["2:3: unknown key `request`: did you mean `requests`?"]),
    ("intake:\n  settle: 1s\n  settel: 2s", ["3:3: unknown key `settel`: did you mean `settle`?"]),
    (
        "deliver: {xyzzy: 1}",
        [f"1:11: unknown key `xyzzy`: known here: {', '.join(sorted(DeliverSettings.model_fields))}"],
    ),
    (OPDS + ", pasword: y}", ["2:42: unknown key `pasword`: did you mean `password`?"]),
    (OPDS + ", path: /x}", ["2:42: unknown key `path`: did you mean `pace`?"]),
    (OPDS + ", pace: {delays: 1}}", ["2:49: unknown key `delays`: did you mean `delay`?"]),
    (OPDS + ", password:s3cret}", ["2:42: `password:` needs a blank after its colon"]),
    ("sources: [{kind: folder, name: b}]", ["1:11: `path` is missing"]),
    (
        "queue: {order: arrival, preempt: true}",
        ["1:1: queue: preempt needs `order: priority`, since by arrival nothing is more urgent"],
    ),
    ("sources:\n  - {kind: opds}", ["2:5: `url` is missing"]),
    (
        "download: {}\nserver: {listen: '127.0.0.1:1'}\ndownload: {workers: 1}",
        ["3:1: `download` stands here twice, first in line 1"],
    ),
    (
        "sources:\n  - &a {kind: folder, name: b,\n     name: c, path: /x}",
        ["3:6: `name` stands here twice, first in line 2"],
    ),
    # kinds of sources
    (
        "sources: [{name: x}]",
        [f"1:11: {A_KIND}"],
    ),
    (
        "sources:\n  - kind: opdz\n    name: a",
        [f"2:5: {A_KIND}"],
    ),
    ("sources: 3", ["1:1: sources: a list is expected here"]),
    ("sources: [3]", ["1:11: sources.0: a mapping is expected here"]),
    ("sources: &a [*a]", ["1:10: sources.0: a mapping is expected here"]),
    (
        "sources:\n  - {kind: gutenberg, mirrors: []}",
        ["2:23: sources.0.mirrors: at least one is expected here"],
    ),
    (
        "sources:\n  - {kind: folder, name: a, path: /x}\n  - {kind: opds, name: a, url: http://x}",
        ["1:1: sources: two sources are named a: give each a name of its own"],
    ),
    (
        OPDS + ", password: x, password_file: /nope}",
        ["2:5: sources.0: give password or password_file, not both"],
    ),
    (
        "sources: [{kind: opds, name: a, url: 'http://bob:pw@x/opds'}]",
        ["1:33: sources.0.url: give username and password_file instead of a sign-in in the address"],
    ),
    (
        "lists: [{url: 'http://x/a', name: a}, {url: 'http://x/b', name: a}]",
        ["1:1: lists: two lists are named a: give each a name of its own"],
    ),
    (
        "lists:\n- {url: 'ftp://x/a', name: a, every: 0s}\n- {url: 'http://x/b', formats: epug, tag: x}",
        [
            "2:4: lists.0.url: write an address that begins with http:// or https://",
            "2:31: lists.0.every: it must be greater than or equal to 1",
            "3:3: `name` is missing",
            "3:23: lists.1.formats: no format is called `epug`: did you mean `epub`?",
            "3:38: unknown key `tag`: did you mean `tags`?",
        ],
    ),
    (
        "lists: [{url: 'http://x/a', name: a, every: 299s}, {url: 'http://127.0.0.1/b', name: b, every: 1s}]",
        ["1:38: lists.0.every: a guest does not ask that often: write 5m or more"],
    ),
    (
        OPDS + ", username: bob}",
        [
            (
                "2:5: sources.0: username needs a password: give password_file, "
                "or `password: ''` where it is empty"
            )
        ],
    ),
    (
        OPDS + ", password_file: /nope}",
        ["2:42: password_file /nope cannot be read: No such file or directory"],
    ),
    *(
        (
            f"sources: [{{kind: opds, name: a, url: '{url}'}}]",
            ["1:33: sources.0.url: write an address that begins with http:// or https://"],
        )
        for url in (
            "ftp://x",
            "x.org/opds",
            "http://",
            "http://[",
            "http://x:0/",
            "http://x:y/",
            "http://a b/",
        )
    ),
    *(
        (
            f"sources: [{{kind: folder, path: /x, name: '{name}'}}]",
            ["1:36: sources.0.name: write a name of lower-case letters, digits, - and _, at most 32 of them"],
        )
        for name in ("Home", "my books", "", "-a", "a" * 33, "a\\n", "é")
    ),
    # values
    ("folders: 3", ["1:1: folders: a mapping is expected here"]),
    ("folders: {requests: 5}", ["1:11: folders.requests: a path is expected here: put it in quotes"]),
    ("folders: {requests: ''}", ["1:11: folders.requests: write the path of a folder or file"]),
    ('folders: {requests: "a\\0b"}', ["1:11: folders.requests: write the path of a folder or file"]),
    ("folders: {requests: $NOPE/x}", ["1:11: folders.requests: $NOPE is not set in the environment"]),
    ("folders: {requests: '${NOPE}/x'}", ["1:11: folders.requests: ${NOPE} is not set in the environment"]),
    (
        "folders: {requests: ~nobodyhere/x}",
        ["1:11: folders.requests: the home folder in ~nobodyhere/x is not known"],
    ),
    (
        "folders: {requests: /i/r, ingest: /i, state: /s}",
        ["1:1: folders: requests must not lie inside ingest: its consumer deletes what it does not know"],
    ),
    (
        "folders: {requests: /r, ingest: /i, state: /i/../i/s}",
        ["1:1: folders: state must not lie inside ingest: its consumer deletes what it does not know"],
    ),
    (
        "folders: {requests: /r, ingest: /r/i, state: /s}",
        ["1:1: folders: ingest and state must not lie inside requests"],
    ),
    (
        "folders: {requests: /r, ingest: /i, state: /r/s}",
        ["1:1: folders: ingest and state must not lie inside requests"],
    ),
    ("intake: {settle: soon}", ["1:10: intake.settle: write a duration such as 500ms, 10s, 5m, 2h or 7d"]),
    ("intake: {settle: -1}", ["1:10: intake.settle: it must be greater than or equal to 0"]),
    ("intake: {settle: .inf}", ["1:10: intake.settle: it must be a finite number"]),
    ("intake: {settle: [1]}", ["1:10: intake.settle: a number is expected here"]),
    ("intake: {max_size: 1XB}", ["1:10: intake.max_size: write a size such as 500KB, 300MB or 2GB"]),
    ("intake: {polling: maybe}", ["1:10: intake.polling: it must be 'auto', 'always' or 'never'"]),
    ("match: {accept: 1.5}", ["1:9: match.accept: it must be less than or equal to 1"]),
    ("match: {accept: high}", ["1:9: match.accept: a number is expected here"]),
    ("download: {workers: 0}", ["1:12: download.workers: it must be greater than or equal to 1"]),
    ("download: {workers: 33}", ["1:12: download.workers: it must be less than or equal to 32"]),
    ("download: {workers: many}", ["1:12: download.workers: a whole number is expected here"]),
    ("download: {workers: 2.5}", ["1:12: download.workers: a whole number is expected here"]),
    ("deliver: {mode: 0664}", ["1:11: deliver.mode: a text is expected here: put it in quotes"]),
    ('deliver: {mode: "999"}', ['1:11: deliver.mode: write a mode such as "0664", in quotes']),
    ('deliver: {mode: "4755"}', ['1:11: deliver.mode: write a mode such as "0664", in quotes']),
    (
        "deliver: {nudge_after: 119s}",
        [f"1:11: deliver.nudge_after: {TOO_SOON}: write 2m or more, or 0s"],
    ),
    ("deliver: {require_mount: perhaps}", ["1:11: deliver.require_mount: true or false is expected here"]),
    (
        'server: {listen: "0.0.0.0:80"}',
        [f"1:10: server.listen: 0.0.0.0 {UNGUARDED}"],
    ),
    ("server:\n  open: false\n  listen: '[::]:80'", [f"3:3: server.listen: :: {UNGUARDED}"]),
    ("server:\n  listen: 192.168.1.2:80\n  hosts: [a]", [f"2:3: server.listen: 192.168.1.2 {UNGUARDED}"]),
    ("server: {sign_in: calibre-web}", [f"1:10: server.sign_in: {NO_APP_DB}"]),
    (
        "server:\n  listen: '0.0.0.0:80'\n  sign_in: calibre-web",
        [f"3:3: server.sign_in: {NO_APP_DB}"],
    ),
    (
        "server: {sign_in: calibre-web, app_db: 5}",
        ["1:32: server.app_db: a path is expected here: put it in quotes"],
    ),
    *(
        (
            f"server: {{{given}app_db: /app.db}}",
            ["1:1: server: app_db is used with `sign_in: calibre-web` only: set that, or leave app_db out"],
        )
        for given in ("", "sign_in: token, ")
    ),
    ("server: {sign_in: basic}", ["1:10: server.sign_in: it must be 'none', 'token' or 'calibre-web'"]),
    ("server: {open: perhaps}", ["1:10: server.open: true or false is expected here"]),
    *(
        (
            f"server: {{hosts: ['{name}']}}",
            [f"1:10: server.hosts: '{name}' is no host name: {HOST_NAME}"],
        )
        for name in ("", "a:80", "http://a", "*.a", "a..b", "a" * 64, "a b", "ä", ".".join(["a" * 60] * 5))
    ),
    (
        "server: {status_timeout: soon}",
        ["1:10: server.status_timeout: write a duration such as 500ms, 10s, 5m, 2h or 7d"],
    ),
    ("queue: {order: size}", ["1:9: queue.order: it must be 'priority' or 'arrival'"]),
    ("deliver: {keep_copies: -1}", ["1:11: deliver.keep_copies: it must be greater than or equal to 0"]),
    (
        "server: {listen: example.org}",
        [
            '1:10: server.listen: write an address and a port such as "127.0.0.1:8084" or "[::1]:8084"',
        ],
    ),
    (
        'server: {listen: "127.0.0.1:99999"}',
        ["1:10: server.listen: the port must lie between 0 and 65535"],
    ),
    (
        'server: {listen: "1.2.3:99"}',
        ["1:10: server.listen: '1.2.3' does not appear to be an IPv4 or IPv6 address"],
    ),
    ("log_level: loud", ["1:1: log_level: it must be 'debug', 'info', 'warning' or 'error'"]),
    ("formats: []", ["1:1: formats: at least one is expected here"]),
    ("languages: [en, no]", ["1:17: languages.1: a text is expected here: put it in quotes"]),
    ("grace: 0", ["1:1: grace: it must be greater than or equal to 1"]),
    # every fault at once
    (
        "folders:\n  ingest: 5\ndownload:\n  workers: 0\n  atempts: 3\n",
        [
            "2:3: folders.ingest: a path is expected here: put it in quotes",
            "4:3: download.workers: it must be greater than or equal to 1",
            "5:3: unknown key `atempts`: did you mean `attempts`?",
        ],
    ),
    (
        "script:\n  after_verify: [a, 5]\n  after_delivery: ''\n  timeout: 0s\n",
        [
            "2:3: script.after_verify: write the path of a program, or a list of texts: it and its arguments",
            "3:3: script.after_delivery: write the path of a folder or file",
            "4:3: script.timeout: it must be greater than 0",
        ],
    ),
]


@pytest.mark.parametrize(("text", "faults"), BAD)
def test_a_bad_file_says_where_and_what(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert refused.value.faults == [f"{path}:{fault}" for fault in faults]
    assert str(refused.value) == "\n".join(refused.value.faults)


def test_a_link_does_not_hide_that_a_folder_lies_inside_ingest(tmp_path: Path) -> None:
    (tmp_path / "ingest" / "lists").mkdir(parents=True)
    (tmp_path / "lists").symlink_to(tmp_path / "ingest" / "lists")
    with pytest.raises(ValueError, match="requests must not lie inside ingest"):
        settings.Folders(requests=tmp_path / "lists", ingest=tmp_path / "ingest", state=tmp_path / "state")


def test_a_format_that_the_usual_consumer_passes_over_is_warned_of() -> None:
    (warning,) = Settings(formats=("epub", "djvu")).warnings
    assert warning.startswith("formats: Calibre-Web-Automated does not take djvu files")
    assert Settings().warnings == ()


@pytest.mark.parametrize("content", [b"\xff", b"a: \xc3(", b"a: \x00", b"\xff\xfe\x00"])
def test_a_file_that_is_no_utf_8_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert re.fullmatch(rf"{path}: this is no YAML file in UTF-8: [^\n]+", str(refused.value))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "nope.yaml")
    remedy = "check the name and its rights"
    assert str(refused.value) == f"{tmp_path}/nope.yaml: cannot be read: No such file or directory: {remedy}"
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB: this is no configuration file"):
        load(path)


def test_an_alias_bomb_is_refused_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    path.write_text("\n".join([*lines, "formats: *a29"]))
    with pytest.raises(ConfigError, match="unknown key"):
        load(path)


def test_a_script_is_a_path_or_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    path = tmp_path / "b.yaml"
    path.write_text("script: {after_verify: ~/my scripts/x.sh, after_delivery: [/bin/tell, '~', a b]}")
    script = load(path).script
    assert script.after_verify == ("/home/ann/my scripts/x.sh",)
    assert script.after_delivery == ("/bin/tell", "~", "a b")


# without a file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"), *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_without_a_file_the_defaults_hold(home: Path) -> None:
    found = load(None)
    assert found.folders.requests == home / ".local/share/bookhopper/requests"
    assert found.folders.ingest == home / ".local/share/bookhopper/ingest"
    assert found.folders.state == home / ".local/state/bookhopper"
    (source,) = found.sources
    assert isinstance(source, GutenbergSettings)
    assert (found.download.workers, found.server.listen) == (3, "127.0.0.1:8084")
    assert found.deliver.permissions == 0o664


def test_the_xdg_folders_are_heeded_when_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "conf"))
    found = load(None)
    assert found.folders.requests == Path("/data/bookhopper/requests")
    assert found.folders.state == home / ".local/state/bookhopper"
    assert config.default_path() == home / "conf/bookhopper/bookhopper.yaml"


def test_the_default_file_is_found(home: Path) -> None:
    place = home / ".config/bookhopper"
    place.mkdir(parents=True)
    (place / "bookhopper.yaml").write_text("download: {workers: 7}")
    assert load(None).download.workers == 7


def test_who_has_no_file_means_the_service_s(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "etc.yaml"
    served.write_text("log_level: debug")
    monkeypatch.setattr(config, "SYSTEM_PATH", served)
    assert config.load(None).log_level == "debug"
    own = home / ".config" / "bookhopper" / "bookhopper.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert config.default_path() == own
    own.unlink()
    served.unlink()
    served.symlink_to(tmp_path / "nowhere")  # what cannot be read is not ours to take
    assert config.default_path() == own
    served.unlink()
    served.write_text("log_level: debug")
    own.symlink_to(tmp_path / "unmounted")
    assert config.default_path() == own  # but it was meant


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(homeless))
    path = tmp_path / "b.yaml"
    path.write_text("download: {workers: 7}")
    for given in (path, None):
        with pytest.raises(ConfigError, match="no home folder is known: set HOME, or name all three folders"):
            load(given)
    path.write_text("folders: {requests: /r, ingest: /i, state: /s}")
    assert load(path).folders.state == Path("/s")


# good files


def settings_of(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "good.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "\ufeff{}", "download:\nsources:\n"])
def test_an_empty_file_is_the_defaults(home: Path, tmp_path: Path, text: str) -> None:
    assert settings_of(tmp_path, text) == load(None)


def test_words_paths_durations_and_sizes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELF", "/mnt/books")
    found = settings_of(
        tmp_path,
        "folders: {requests: ~/in, ingest: $SHELF/in, state: '${SHELF}/../state'}\n"
        "formats: .EPUB, pdf\nlanguages: [de, en]\n"
        "intake: {settle: 500ms, rescan: 2m, max_size: 1.5 MB}\n"
        'download: {max_size: 2GiB, timeout: 45}\ndeliver: {mode: "640"}\n',
    )
    assert found.folders.requests == home / "in"
    assert found.folders.ingest == Path("/mnt/books/in")
    assert (found.formats, found.languages) == (("epub", "pdf"), ("de", "en"))
    assert (found.intake.settle, found.intake.rescan, found.intake.max_size) == (0.5, 120, 1572864)
    assert (found.download.max_size, found.download.timeout) == (2 * 1024**3, 45)
    assert found.deliver.permissions == 0o640


def test_a_password_is_read_from_its_file_and_never_shown(home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pässword\n", encoding="utf-8")
    found = settings_of(
        tmp_path,
        "sources:\n  - {kind: opds, name: a, url: http://x, password_file: ~/secret}\n"
        "  - {kind: opds, name: b, url: http://x, password: hunter2}\n"
        "  - {kind: folder, name: c, path: ~/books}\n",
    )
    a, b, c = found.sources
    assert isinstance(a, OpdsSettings)
    assert isinstance(b, OpdsSettings)
    assert isinstance(c, FolderSettings)
    assert (a.secret(), b.secret(), c.path) == ("pässword", "hunter2", home / "books")
    assert "hunter2" not in repr(found) + str(found)


def test_a_value_that_is_refused_is_not_repeated(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(tmp_path, "sources: [{kind: opds, name: a, url: http://x, password: [hunter2]}]")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8084", ("127.0.0.1", 8084)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("0.0.0.0:8084", ("0.0.0.0", 8084)),
        ("[0::0]:8084", ("::", 8084)),
        ("192.168.1.2:8084", ("192.168.1.2", 8084)),
    ],
)
def test_addresses_to_listen_on(tmp_path: Path, listen: str, expected: tuple[str, int]) -> None:
    found = settings_of(tmp_path, f'server: {{open: true, listen: "{listen}"}}')
    assert split_listen(found.server.listen) == expected


@pytest.mark.parametrize("sign_in", ["sign_in: token", "sign_in: calibre-web, app_db: /config/app.db"])
def test_the_network_may_be_listened_on_with_a_sign_in(tmp_path: Path, sign_in: str) -> None:
    found = settings_of(tmp_path, f"server: {{listen: '0.0.0.0:80', {sign_in}}}")
    assert (found.server.listen, found.server.open, found.warnings) == ("0.0.0.0:80", False, ())


def test_the_server_s_and_the_queue_s_words(tmp_path: Path) -> None:
    found = settings_of(
        tmp_path,
        "server: {hosts: Books.Example.Org nas, status_timeout: 10m}\n"
        "queue: {order: arrival}\ndeliver: {keep_copies: 0s}\n",
    )
    assert (found.server.hosts, found.server.status_timeout) == (("books.example.org", "nas"), 600)
    assert (found.queue.order, found.queue.preempt, found.deliver.keep_copies) == ("arrival", False, 0)


# the ancestors' environment


def in_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("host", "port", "listen"),
    [
        ("127.0.0.1", "", "127.0.0.1:8084"),
        ("", "9000", "127.0.0.1:9000"),
        ("localhost", "0", "127.0.0.1:0"),
        ("::1", "80", "[::1]:80"),
        (" [::1] ", " 80 ", "[::1]:80"),
        ("", "", "127.0.0.1:8084"),
    ],
)
def test_flask_host_and_port_say_where_to_listen(
    home: Path, monkeypatch: pytest.MonkeyPatch, host: str, port: str, listen: str
) -> None:
    in_environment(monkeypatch, FLASK_HOST=host, FLASK_PORT=port)
    found = load(None)
    assert (found.server.listen, found.server.open, found.warnings) == (listen, False, ())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_flask_host_may_open_the_network_with_a_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    in_environment(monkeypatch, FLASK_HOST=host)
    found = load(None)
    assert split_listen(found.server.listen) == (host, 8084)
    assert found.server.open
    assert found.warnings == (
        f"FLASK_HOST={host} opens the server to the network without a sign-in: set server.sign_in",
    )


def test_flask_host_needs_no_warning_with_a_sign_in(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(monkeypatch, FLASK_HOST="0.0.0.0", FLASK_PORT="80")
    for found in (
        settings_of(tmp_path, "server: {sign_in: token}"),
        settings_of(tmp_path, "server: {sign_in: calibre-web, app_db: /app.db}"),
    ):
        assert (found.server.listen, found.server.open, found.warnings) == ("0.0.0.0:80", False, ())
    monkeypatch.setenv("CWA_DB_PATH", "/auth/app.db")
    assert (load(None).server.open, load(None).warnings) == (False, ())


def test_the_file_goes_before_the_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(
        monkeypatch,
        FLASK_HOST="nonsense here",
        FLASK_PORT="x",
        CWA_DB_PATH="/auth/app.db",
        DOWNLOAD__ENABLE_PRIORITY_QUEUE="no",
    )
    found = settings_of(
        tmp_path, "server: {listen: '127.0.0.1:1', sign_in: none}\nqueue: {order: priority, preempt: true}"
    )
    assert (found.server.listen, found.server.sign_in, found.server.app_db) == ("127.0.0.1:1", "none", None)
    assert found.queue.order == "priority"
    assert found.warnings == ()


def test_the_rest_of_the_ancestors_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_environment(
        monkeypatch,
        CWA_DB_PATH="/auth/$x/app.db",
        STATUS_TIMEOUT="60",
        DOWNLOAD__ENABLE_PRIORITY_QUEUE="False",
    )
    found = load(None)
    assert (found.server.sign_in, found.server.app_db) == ("calibre-web", Path("/auth/$x/app.db"))
    assert (found.server.status_timeout, found.queue.order) == (60, "arrival")
    in_environment(monkeypatch, CWA_DB_PATH="", STATUS_TIMEOUT="", DOWNLOAD__ENABLE_PRIORITY_QUEUE="y")
    found = load(None)
    assert (found.server.sign_in, found.server.app_db) == ("none", None)
    assert (found.server.status_timeout, found.queue.order) == (3600, "priority")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("FLASK_HOST", "no such.host", "write an address such as 0.0.0.0, or the name of this machine"),
        ("FLASK_PORT", "99999", "write a port from 0 to 65535"),
        ("FLASK_PORT", "http", "write a port from 0 to 65535"),
        ("STATUS_TIMEOUT", "1h", "write a number of seconds"),
        ("STATUS_TIMEOUT", "-1", "write a number of seconds"),
        ("DOWNLOAD__ENABLE_PRIORITY_QUEUE", "perhaps", "write true or false"),
    ],
)
def test_a_bad_variable_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        load(None)
    assert refused.value.faults == [f"{name}={value!r} in the environment: {remedy}"]


def test_faults_of_file_and_environment_come_together(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(monkeypatch, FLASK_HOST="0.0.0.0", STATUS_TIMEOUT="x")
    with pytest.raises(ConfigError) as refused:
        settings_of(tmp_path, "server: {open: false, sign_in: none}\ngrace: 0")
    assert [fault.rpartition(": ")[0] for fault in refused.value.faults[:1]] == [
        f"{tmp_path}/good.yaml:2:1: grace"
    ]
    assert [fault.partition(" ")[0] for fault in refused.value.faults[1:]] == [
        "STATUS_TIMEOUT='x'",
        "FLASK_HOST=0.0.0.0",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "sources: [{{kind: opds, url: http://x, name: a, dns: '{}'}}]",
            "sources.0.dns: '…@nas/q' is no resolver: write",
        ),
        ("server: {{hosts: ['{}']}}", "server.hosts: '…@nas/q' is no host name: write"),
        (
            "sources: [{{kind: html, name: a, definition: '{}'}}]",
            "sources.0.definition: …@nas/q is not there",
        ),
        (
            "sources: [{{kind: html, name: a, definition: oapen, hosts: ['{}']}}]",
            "hosts: `…@nas/q` is no host",
        ),
        ("formats: ['{}']", "formats: no format is called `…@nas/q`: known are"),
    ],
)
@pytest.mark.parametrize(
    "address", ["https://me:s3cret@nas/q", "https://me:s3/cr@et@nas/q", "me:s3cret@nas/q"]
)
def test_an_address_in_a_wrong_place_is_shown_without_its_sign_in(
    home: Path, tmp_path: Path, text: str, shown: str, address: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(tmp_path, text.format(address))
    (fault,) = refused.value.faults
    assert shown in fault
    assert "s3" not in fault


@pytest.mark.parametrize("text", ["server: 3", "server: [a]", "queue: x"])
def test_a_section_that_is_none_is_told_with_an_environment_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    in_environment(monkeypatch, FLASK_PORT="80", DOWNLOAD__ENABLE_PRIORITY_QUEUE="no")
    with pytest.raises(ConfigError, match="a mapping is expected here"):
        settings_of(tmp_path, text)


# the example


def test_the_example_is_the_defaults(home: Path) -> None:
    assert load(EXAMPLE) == load(None)


def test_the_example_shows_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = set(re.findall(r"^[\s#-]*([a-z_]+):", text, re.MULTILINE)) | set(re.findall(r"([a-z_]+):", text))
    sections: list[type[BaseModel]] = [
        settings.Settings,
        settings.Folders,
        Pace,
        GutenbergSettings,
        OpdsSettings,
        FolderSettings,
        settings.IntakeSettings,
        settings.MatchSettings,
        settings.DownloadSettings,
        settings.DeliverSettings,
        settings.QueueSettings,
        settings.ServerSettings,
    ]
    known = {name for section in sections for name in section.model_fields}
    assert known <= shown


def test_the_commented_sources_of_the_example_are_good(home: Path, tmp_path: Path) -> None:
    place = home / ".config/bookhopper"
    place.mkdir(parents=True)
    (place / "home.password").write_text("x")
    text = EXAMPLE.read_text(encoding="utf-8")
    body = re.sub(
        r"^(\s*)# (- kind|  [a-z]+:|  user|  password|pace)",
        r"\1\2",
        text,
        flags=re.MULTILINE,
    )
    assert body != text
    found = settings_of(tmp_path, body)
    assert {source.kind for source in found.sources} >= {"gutenberg", "opds", "html", "folder"}
    assert yaml.safe_load(body)["sources"][1]["name"] == "home"
