"""The ancestors' variables: what each sets, which go before, what changes nothing; and as a file the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bookhopper import config
from bookhopper.ancestors import migration
from bookhopper.ancestors.found import Found
from bookhopper.ancestors.network import TOR
from bookhopper.ancestors.overlay import ELSEWHERE, SETTING, fill
from bookhopper.draft import Draft
from bookhopper.errors import BookhopperError, ConfigError
from bookhopper.settings import Settings

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "ancestor-api.md"

NEAR = {"kind": "opds", "name": "near", "url": "http://nas:8083/opds"}
FAR = {"kind": "opds", "name": "far", "url": "https://books.example.org/opds"}
SHELF = {"kind": "folder", "path": "/mnt/books"}
PAGES = {"kind": "standard_ebooks", "dns": ["9.9.9.9"], "solver": "http://127.0.0.1:1/", "pace": {"delay": 7}}


def drafted(variables: Mapping[str, str], **data: Any) -> Draft:
    draft = Draft(deepcopy({"sources": [{"kind": "gutenberg"}], **data}), None, Path("file.yaml"))
    fill(draft, variables)
    return draft


def made(variables: Mapping[str, str], **data: Any) -> Settings:
    return config.validated(drafted(variables, **data))


def value_at(held: Settings, key: str) -> Any:
    found: Any = held
    for part in key.split("."):
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found


@pytest.mark.parametrize(
    ("variables", "key", "value"),
    [
        ({"INGEST_DIR": "/cwa-book-ingest"}, "folders.ingest", Path("/cwa-book-ingest")),
        ({"INGEST_DIR": "/a b/$x"}, "folders.ingest", Path("/a b/$x")),
        ({"SUPPORTED_FORMATS": "PDF, epub,.mobi,epub,"}, "formats", ("pdf", "epub", "mobi")),
        ({"BOOK_LANGUAGE": "de,EN"}, "languages", ("de", "en")),
        ({"MAX_CONCURRENT_DOWNLOADS": "5"}, "download.workers", 5),
        ({"DOWNLOAD__MAX_CONCURRENT_DOWNLOADS": "6"}, "download.workers", 6),
        ({"MAX_CONCURRENT_DOWNLOADS": "5", "DOWNLOAD__MAX_CONCURRENT_DOWNLOADS": "6"}, "download.workers", 5),
        ({"MAX_CONCURRENT_DOWNLOADS": "100"}, "download.workers", 32),
        ({"MAX_RETRY": "10"}, "download.attempts", 11),
        ({"MAX_RETRY": "0"}, "download.attempts", 1),
        ({"DOWNLOAD__DEFAULT_MAX_RETRIES": "3"}, "download.attempts", 4),
        ({"MAX_RETRY": "99"}, "download.attempts", 20),
        ({"DOWNLOAD__ENABLE_PRIORITY_QUEUE": "no"}, "queue.order", "arrival"),
        ({"DOWNLOAD__ENABLE_PRIORITY_QUEUE": "1"}, "queue.order", "priority"),
        ({"USE_BOOK_TITLE": "Y"}, "naming.file", "{title}"),
        ({"USE_BOOK_TITLE": "false"}, "naming.file", "{key}"),
        ({"CUSTOM_SCRIPT": "/a b/it.sh"}, "script.after_verify", ("/a b/it.sh",)),
        ({"CWA_DB_PATH": "/auth/app.db"}, "server.app_db", Path("/auth/app.db")),
        ({"CWA_DB_PATH": "/auth/app.db"}, "server.sign_in", "calibre-web"),
        ({"STATUS_TIMEOUT": "60"}, "server.status_timeout", 60),
        ({"FLASK_PORT": "8085"}, "server.listen", "127.0.0.1:8085"),
        ({"FLASK_HOST": "0.0.0.0"}, "server.open", True),
        ({"LOG_LEVEL": "INFO"}, "log_level", "info"),
        ({"LOG_LEVEL": "Critical"}, "log_level", "error"),
        ({"DEFAULT_SLEEP": "5"}, "sources.0.pace.delay", 5),
        ({"USING_TOR": "true"}, "sources.0.proxy_address", TOR),
        ({"CUSTOM_DNS": "Quad9", "USE_DOH": "true"}, "sources.0.dns", ("quad9",)),
        ({"CUSTOM_DNS": "quad9"}, "sources.0.dns", ("9.9.9.9", "149.112.112.112")),
        (
            {"CUSTOM_DNS": "1.1.1.1, 2606:4700:4700::1111"},
            "sources.0.dns",
            ("1.1.1.1", "2606:4700:4700::1111"),
        ),
        ({"CUSTOM_DNS": "auto", "USE_DOH": "true"}, "sources.0.dns", ("system",)),
        ({"USING_TOR": "yes", "CUSTOM_DNS": "google"}, "sources.0.dns", ("system",)),
        ({"USING_EXTERNAL_BYPASSER": "true"}, "sources.0.solver", "http://flaresolverr:8191/v1"),
        ({"EXT_BYPASSER_URL": "http://byparr:8191/"}, "sources.0.solver", "http://byparr:8191/v1"),
        (
            {"USING_EXTERNAL_BYPASSER": "1", "EXT_BYPASSER_URL": "http://a:1", "EXT_BYPASSER_PATH": "v2"},
            "sources.0.solver",
            "http://a:1/v2",
        ),
        ({"USING_EXTERNAL_BYPASSER": "false", "EXT_BYPASSER_URL": "http://a:1"}, "sources.0.solver", ""),
        (
            {"USING_EXTERNAL_BYPASSER": "1", "EXT_BYPASSER_TIMEOUT": "90000"},
            "sources.0.solver_timeout",
            90,
        ),
    ],
)
def test_what_a_variable_sets(variables: Mapping[str, str], key: str, value: object) -> None:
    found = value_at(made(variables), key)
    assert (found() if callable(found) else found) == value


def test_no_variable_of_the_reference_is_forgotten() -> None:
    if not REFERENCE.exists():
        pytest.skip("the reference is not there")
    paragraph = REFERENCE.read_text(encoding="utf-8").split("Environment variables")[1].split("\n\n")[0]
    named = {name for name in re.findall(r"`([A-Z_]{2,})`", paragraph) if not name.endswith("__")}
    assert len(named) > 25
    assert named <= SETTING | set(ELSEWHERE)
    assert not SETTING & set(ELSEWHERE)


def test_what_is_empty_is_not_set() -> None:
    draft = drafted(dict.fromkeys((*SETTING, *ELSEWHERE), " "))
    assert (draft.given, draft.idle, draft.faults, draft.warnings) == ({}, {}, [], [])


def test_what_changes_nothing_has_a_reason() -> None:
    draft = drafted(dict.fromkeys(ELSEWHERE, "http://user:s3cret@proxy:3128"))
    assert draft.given == {}
    assert set(draft.idle) == set(ELSEWHERE)
    assert "s3cret" not in str(draft)


def test_what_is_said_elsewhere_is_not_even_looked_at() -> None:
    variables = {"INGEST_DIR": "/a", "MAX_RETRY": "many", "BOOK_LANGUAGE": "tlhh", "FLASK_PORT": "x"}
    draft = drafted(
        variables,
        folders={"ingest": "/b"},
        download={"attempts": 3},
        languages=["en"],
        server={"listen": "127.0.0.1:1"},
    )
    assert (draft.given, draft.faults, draft.warnings) == ({}, [], [])
    assert draft.idle["INGEST_DIR"] == "folders.ingest is said elsewhere, which goes before it"
    assert set(draft.idle) == set(variables)


def test_of_every_source_that_is_on_the_internet_what_it_does_not_say_itself() -> None:
    variables = {
        "DEFAULT_SLEEP": "5",
        "CUSTOM_DNS": "google",
        "USE_DOH": "1",
        "EXT_BYPASSER_URL": "http://s:1",
    }
    found = made(variables, sources=[NEAR, FAR, SHELF, PAGES]).sources
    near, far, shelf, pages = found
    assert (near.pace, near.dns, near.solver) == (None, ("system",), "")
    assert (shelf.pace, shelf.dns, shelf.solver) == (None, ("system",), "")
    assert far.pace is not None
    assert (far.pace.delay, far.dns, far.solver) == (5, ("google",), "http://s:1/v1")
    assert pages.pace is not None
    assert (pages.pace.delay, pages.dns, pages.solver) == (7, ("9.9.9.9",), "http://127.0.0.1:1/")


def test_by_tor_goes_what_names_no_proxy() -> None:
    own = {**FAR, "name": "own", "proxy": "http://127.0.0.1:3128"}
    draft = drafted(
        {"USING_TOR": "1"}, sources=[NEAR, FAR, own], lists=[{"url": "https://x.org", "name": "a"}]
    )
    near, far, kept = config.validated(draft).sources
    assert (near.proxy_address(), far.proxy_address(), kept.proxy_address()) == (
        "",
        TOR,
        "http://127.0.0.1:3128",
    )
    assert draft.warnings == [
        "USING_TOR holds for the sources: the lists at addresses are fetched without it"
    ]


def test_resolvers_and_tor_do_not_go_together() -> None:
    with pytest.raises(ConfigError) as refused:
        made({"USING_TOR": "1"}, sources=[{**FAR, "dns": ["9.9.9.9"]}])
    assert refused.value.faults == [
        "USING_TOR: sources.0.proxy: a proxy looks the names up by itself: leave dns out"
    ]


def test_a_pace_may_be_half_said() -> None:
    (source,) = made({"DEFAULT_SLEEP": "0"}, sources=[{**FAR, "pace": {"connections": 4}}]).sources
    assert source.pace is not None
    assert (source.pace.delay, source.pace.connections) == (0, 4)


def test_what_no_source_takes_is_said() -> None:
    variables = {"DEFAULT_SLEEP": "5", "CUSTOM_DNS": "google", "EXT_BYPASSER_URL": "http://s:1"}
    assert set(drafted(variables, sources=[NEAR, SHELF]).idle) == set(variables)
    assert set(drafted({**variables, "USING_TOR": "1"}, sources=[NEAR]).idle) == {*variables, "USING_TOR"}


@pytest.mark.parametrize("sources", [3, None, [3], [None], [{}], [{"kind": 3, "url": 4, "mirrors": 5}]])
def test_sources_that_are_none_are_left_to_the_one_who_judges_them(sources: object) -> None:
    variables = {"DEFAULT_SLEEP": "5", "USING_TOR": "1", "EXT_BYPASSER_URL": "http://s:1"}
    with pytest.raises(ConfigError):
        made(variables, sources=sources)


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"SUPPORTED_FORMATS": "epub,zip,rar"}, "SUPPORTED_FORMATS: no format is called zip, rar: left out"),
        ({"SUPPORTED_FORMATS": "zip"}, "SUPPORTED_FORMATS: no format is called zip: left out"),
        ({"BOOK_LANGUAGE": "en,klingonese"}, "BOOK_LANGUAGE: no language is called klingonese: left out"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: no level is called loud: write debug, info, warning or error"),
        (
            {"MAX_CONCURRENT_DOWNLOADS": "50"},
            "MAX_CONCURRENT_DOWNLOADS=50 is more than download.workers takes: 32 holds",
        ),
        (
            {"FLASK_HOST": "::"},
            "FLASK_HOST=:: opens the server to the network without a sign-in: set server.sign_in",
        ),
    ],
)
def test_what_cannot_be_had_here_is_warned_of(variables: Mapping[str, str], warning: str) -> None:
    assert made(variables).warnings == (warning,)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("MAX_CONCURRENT_DOWNLOADS", "many", "write a whole number"),
        ("MAX_RETRY", "-1", "write a whole number"),
        ("DEFAULT_SLEEP", "5s", "write a number of seconds"),
        ("USING_TOR", "perhaps", "write true or false"),
        ("USE_BOOK_TITLE", "title", "write true or false"),
        (
            "CUSTOM_DNS",
            "nextdns",
            "write cloudflare, google, quad9, opendns, or the IP addresses of DNS servers",
        ),
        ("SUPPORTED_FORMATS", ",", "write words with commas between them"),
    ],
)
def test_a_bad_variable_is_named(name: str, value: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made({name: value})
    assert refused.value.faults == [f"{name}={value!r} in the environment: {remedy}"]


def test_a_bad_variable_is_shown_without_a_sign_in() -> None:
    with pytest.raises(ConfigError) as refused:
        made({"CUSTOM_DNS": "https://me:s3cret@dns.example.org/q"})
    assert refused.value.faults[0].startswith("CUSTOM_DNS='…@dns.example.org/q' in the environment: write")


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"MAX_CONCURRENT_DOWNLOADS": "0"},
            "MAX_CONCURRENT_DOWNLOADS: download.workers: it must be greater than",
        ),
        ({"EXT_BYPASSER_URL": "http://me:s3cret@x"}, "EXT_BYPASSER_URL: sources.0.solver: write its whole"),
        (
            {"EXT_BYPASSER_URL": "http://x", "EXT_BYPASSER_TIMEOUT": "10"},
            "EXT_BYPASSER_TIMEOUT: sources.0.solver_timeout: it must be greater than or equal to 1",
        ),
    ],
)
def test_what_the_settings_refuse_names_the_variable(variables: Mapping[str, str], fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(variables)
    (said,) = refused.value.faults
    assert said.startswith(fault)
    assert "s3cret" not in said


# as a file


def values(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(("", *choices))


BOOLEANS = values("true", "false", "yes", "No", "1", "0", "Y", "n")
NUMBERS = st.integers(0, 10**4).map(str)
PATHS = st.text("abc ~'\"#:{}-é\\/%", max_size=12).map(lambda text: f"/srv/{text}")
SAID: Mapping[str, st.SearchStrategy[str]] = {
    "INGEST_DIR": PATHS,
    "CUSTOM_SCRIPT": PATHS,
    "CWA_DB_PATH": PATHS,
    "MAX_CONCURRENT_DOWNLOADS": st.integers(1, 99).map(str),
    "DOWNLOAD__MAX_CONCURRENT_DOWNLOADS": st.integers(1, 10).map(str),
    "MAX_RETRY": NUMBERS,
    "DOWNLOAD__DEFAULT_MAX_RETRIES": NUMBERS,
    "DEFAULT_SLEEP": st.one_of(NUMBERS, st.decimals(0, 99, places=6).map(str)),
    "STATUS_TIMEOUT": st.one_of(NUMBERS, st.decimals(0, 10**6, places=3).map(str)),
    "USE_BOOK_TITLE": BOOLEANS,
    "DOWNLOAD__ENABLE_PRIORITY_QUEUE": BOOLEANS,
    "USE_DOH": BOOLEANS,
    "USING_TOR": BOOLEANS,
    "USING_EXTERNAL_BYPASSER": BOOLEANS,
    "SUPPORTED_FORMATS": values("epub", "pdf,epub,zip", "CBZ, cbr"),
    "BOOK_LANGUAGE": values("en", "no,de", "zh-Hant,xyzzy"),
    "FLASK_HOST": values("0.0.0.0", "127.0.0.1", "::", "::1"),
    "FLASK_PORT": st.integers(0, 65535).map(str),
    "LOG_LEVEL": values("INFO", "debug", "WARN", "loud"),
    "CUSTOM_DNS": values("cloudflare", "google", "opendns", "9.9.9.9,::1", "auto"),
    "EXT_BYPASSER_URL": values("http://flaresolverr:8191", "http://127.0.0.1:1/"),
    "EXT_BYPASSER_PATH": values("/v1", "v2"),
    "EXT_BYPASSER_TIMEOUT": st.integers(1000, 600_000).map(str),
}
ENVIRONMENTS = st.fixed_dictionaries({}, optional=SAID)


def settings_of(text: str, folder: Path) -> Settings:
    path = folder / "migrated.yaml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("migrated")


def test_every_variable_is_tried_as_a_file() -> None:
    assert set(SAID) == SETTING


@settings(max_examples=300, deadline=None)
@given(variables=ENVIRONMENTS)
def test_the_file_says_what_the_variables_say(folder: Path, variables: dict[str, str]) -> None:
    expected = made(variables)
    if not any(each.strip() for each in variables.values()):
        return
    text = migration.configuration(Found("the environment", variables), config.validated)
    assert settings_of(text, folder).model_dump() == expected.model_dump()
    for name, value in variables.items():
        assert name in text or not value.strip(), f"{name} is not accounted for"


def test_what_cannot_stand_in_a_file_is_told() -> None:
    variables = {
        "INGEST_DIR": "/data/$USER",
        "CWA_DB_PATH": "/auth/app.db",
        "HTTPS_PROXY": "http://user:s3cret@proxy:1",
        "BOOKHOPPER_HOME_PASSWORD": "s3same",
        "TMP_DIR": "/tmp/x",
    }
    text = migration.configuration(Found("x.env", variables), config.validated)
    assert yaml.safe_load(text) == {"server": {"sign_in": "calibre-web", "app_db": "/auth/app.db"}}
    left = text.split("# Not carried over:\n")[1]
    assert re.findall(r"^#   (\w+): ", left, re.MULTILINE) == [
        *("BOOKHOPPER_HOME_PASSWORD", "HTTPS_PROXY", "INGEST_DIR", "TMP_DIR")
    ]
    assert "s3cret" not in text
    assert "s3same" not in text


def test_what_one_variable_says_is_carried_over_whole_or_not_at_all(folder: Path) -> None:
    variables = {"CWA_DB_PATH": "/auth/$x.db", "STATUS_TIMEOUT": "60"}
    text = migration.configuration(Found("x.env", variables), config.validated)
    assert yaml.safe_load(text) == {"server": {"status_timeout": "1m"}}
    assert settings_of(text, folder).server.status_timeout == 60


def test_an_environment_without_any_is_refused() -> None:
    with pytest.raises(BookhopperError, match=r"^x\.env sets no variable of the ancestors"):
        migration.configuration(Found("x.env", {"TZ": "UTC", "LOG_LEVEL": " "}), config.validated)


def test_nothing_that_a_variable_holds_makes_a_line_of_its_own(folder: Path) -> None:
    variables = {"INGEST_DIR": "/in", "CWA_DB_PATH": "/x\n- evil: 1", "CUSTOM_SCRIPT": "/y # z"}
    text = migration.configuration(Found("x\ny: 1", variables), config.validated)
    assert set(yaml.safe_load(text)) <= {"folders", "server", "script"}
