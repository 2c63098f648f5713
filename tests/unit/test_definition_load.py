"""Definitions: each fault has its file, line and column, and nothing a file says takes the program along."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookhopper.config import load as load_settings
from bookhopper.errors import ConfigError
from bookhopper.search.definitions.fixtures import failures
from bookhopper.search.definitions.load import load
from bookhopper.search.definitions.places import PACKAGED, find, known

GOOD = """\
id: library
name: The Library
links: [https://library.example/]
settings:
  - {name: sort, type: select, options: {new: Newest, old: Oldest}, default: new}
  - {name: password, type: password}
search:
  paths:
    - path: find
  inputs:
    q: "{{ .Keywords }}"
  rows:
    selector: tr.book
  fields:
    title:
      selector: td.title
      filters:
        - {name: trim}
    download: {selector: a, attribute: href}
"""


def faults_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "library.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path)
    return [fault.removeprefix(f"{path}:") for fault in refused.value.faults]


def test_a_good_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "library.yaml").write_text(GOOD)
    definition = load(tmp_path / "library.yaml")
    assert (definition.id, definition.site, definition.search.type) == (
        "library", "https://library.example/", "html",
    )  # fmt: skip
    assert list(definition.search.fields) == ["title", "download"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: The", "nmae: The", "2:1: unknown key `nmae`: did you mean `name`?"),
        ("  inputs:", "  input:", "10:3: unknown key `input`: did you mean `inputs`?"),
        ("selector: td.title", "selektor: x", "16:7: unknown key `selektor`: did you mean `selector`?"),
        ("attribute: href", "attr: href", "19:29: unknown key `attr`: did you mean `attribute`?"),
        (
            "{name: trim}",
            "{name: trimm}",
            "18:12: search.fields.title.filters.0.name: no filter is called `trimm`",
        ),
        (
            "{name: trim}",
            "{name: append}",
            "18:11: search.fields.title.filters.0: `append` takes 1 arguments, not 0",
        ),
        (
            "{name: trim}",
            "{name: regexp, args: '('}",
            "18:11: search.fields.title.filters.0: `(` is no regular",
        ),
        ("{name: trim}", "{name: re_replace, args: ['(a)', $2]}", "`(a)` has no group 2"),
        ("{name: trim}", "trim", "18:11: search.fields.title.filters.0: a mapping is expected here"),
        ("id: library", "id: [x]", "1:1: id: a text is expected here: put it in quotes"),
        ("id: library", "id: The Library", "1:1: id: write a name of lower-case letters"),
        ("id: library\n", "", "`id` is missing"),
        ("links: [https://library.example/]", "links: []", "3:1: links: at least one is expected here"),
        ("https://library.example/", "ftp://x/", "3:1: links: `ftp://x/` is no address"),
        (
            "{{ .Keywords }}",
            "{{ .Keywords",
            "11:5: search.inputs.q: character 1 of the template: this `{{` is not",
        ),
        (
            "{{ .Keywords }}",
            "{{ .Keyword }}",
            "11:5: search.inputs.q: character 4 of the template: nothing is called",
        ),
        ("{{ .Keywords }}", "{{ .Result.title }}", "nothing is called `.Result.title` here"),
        ("{{ .Keywords }}", "{{ .Config.passwort }}", "nothing is called `.Config.passwort` here"),
        (
            "tr.book",
            "tr[",
            "13:5: search.rows.selector: `tr[` is no CSS selector: Malformed attribute selector",
        ),
        (
            "selector: td.title",
            "selector: 'a:has('",
            "16:7: search.fields.title.selector: `a:has(` is no CSS",
        ),
        (
            "- path: find",
            "- {path: find, response: {type: pdf}}",
            "9:31: search.paths.0.response.type: it must be",
        ),
        (
            "    title:",
            "    titel:",
            "14:3: search.fields: no field is called `titel`: known are title, author",
        ),
        ("    download:", "    _x:", "14:3: search.fields: `download`, the link to the file, is missing"),
        (
            "default: new",
            "default: best",
            "5:5: settings.0: its default must be one of its options, new, old",
        ),
        (
            "type: password",
            "type: secret",
            "6:22: settings.1.type: it must be 'text', 'password', 'checkbox'",
        ),
        ("name: The Library", "name: The Library\nname: x", "3:1: `name` stands here twice, first in line 2"),
        (
            "name: The Library",
            "name: The Library\nlanguage: Klingonese",
            "3:1: language: no language is called",
        ),
        ("name: The Library", "name: The Library\nencoding: klingon", "3:1: encoding: no encoding is called"),
        (
            "name: The Library",
            "name: The Library\nformats: [epbu]",
            "3:1: formats: no format is called `epbu`",
        ),
        ("name: The Library", "name: The Library\nrequestDelay: -1", "3:1: requestDelay: "),
        (
            "name: The Library",
            "name: The Library\nrequestDelay: soon",
            "3:1: requestDelay: a number is expected here",
        ),
        ("name: The Library", "name: &a The Library\ndescription: *a", "3:14: an alias means nothing here"),
        ("name: The Library", "name: 'The Library", ": mend it there"),
        ("name: The Library", "name: !!python/object:os.system x", "2:7: could not determine a constructor"),
    ],
)
def test_a_fault_says_where_and_what(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in GOOD
    found = faults_of(tmp_path, GOOD.replace(old, new, 1))
    assert any(fault in line and (not fault[0].isdigit() or line.startswith(fault)) for line in found), found
    assert all("\n" not in line for line in found)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    broken = GOOD.replace("td.title", "td[").replace("tr.book", "tr[").replace("{{ .Keywords }}", "{{ .K }}")
    assert len(faults_of(tmp_path, broken)) == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[" * 100_000, "1:21: nested more than 20 levels deep"),
        ("a: " + "{b: " * 50_000, "nested more than 20 levels deep"),
        ("x: [" + "1," * 60_000 + "1]", "more than 20,000 values"),
        ("a: &a [1]\nb: &b [*a, *a]", "2:8: an alias means nothing here: write it out"),
        ("\x00", "no YAML"),
        ("- a", "1:1: a mapping is expected here"),
        ("", "`id` is missing"),
        ("a" * 300_000, "larger than 256 KiB: this is no definition of a source"),
    ],
)
def test_tricks_with_yaml_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    assert any(fault in line for line in faults_of(tmp_path, text))


def test_a_json_path_is_checked_where_answers_are_json(tmp_path: Path) -> None:
    text = GOOD.replace("- path: find", "- {path: find, response: {type: json}}").replace("td.title", "a..b")
    assert "16:7: search.fields.title.selector: `a..b` is no path such as" in faults_of(tmp_path, text)[0]


def test_where_a_definition_is_looked_for(tmp_path: Path) -> None:
    own = tmp_path / "sources.d" / "oapen.yaml"
    assert find("oapen", tmp_path) == PACKAGED / "oapen.yaml"
    own.parent.mkdir()
    own.write_text(GOOD)
    (tmp_path / "other.yaml").write_text(GOOD)
    assert find("oapen", tmp_path) == own
    assert find("other.yaml", tmp_path) == tmp_path / "other.yaml"
    assert known(tmp_path)["oapen"] == own
    with pytest.raises(ValueError, match=r"no definition is called nope: put nope\.yaml into "):
        find("nope", tmp_path)
    with pytest.raises(ValueError, match="is not there: check the path of the definition"):
        find("./nope.yaml", tmp_path)


@pytest.mark.parametrize("name", ["oapen", "standard-ebooks-pages"])
def test_the_examples_read_their_pages(name: str) -> None:
    path = PACKAGED / f"{name}.yaml"
    definition = load(path)
    assert definition.id == name
    assert definition.fixtures
    assert list(failures(definition, path)) == []


def test_a_page_that_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "library.yaml"
    path.write_text(
        GOOD + "fixtures:\n  - {page: p.html, rows: [{title: A}, {title: B}]}\n  - {page: gone, rows: []}\n"
    )
    (tmp_path / "p.html").write_text('<table><tr class="book"><td class="title">X</td><td><a href="/1">1</a>')
    assert list(failures(load(path), path)) == [
        "p.html: 1 row instead of 2",
        "p.html: row 1: title is 'X' instead of 'A'",
        "gone: No such file or directory",
    ]


SOURCE = "sources:\n  - kind: html\n    definition: library\n    settings: {%s}\n"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ("sort: old, password: x", ""),
        ("password_file: /dev/null", ""),
        ("srt: old", "4:16: settings.srt: library has no setting `srt`: did you mean `sort`?"),
        ("sort: best", "4:16: settings.sort: it is one of new, old"),
        ("password: true", "4:16: settings.password: a text is expected here"),
        ("password_file: /nowhere", "4:16: settings.password_file: /nowhere cannot be read: No such file"),
    ],
)
def test_the_settings_of_a_source_are_checked(tmp_path: Path, settings: str, fault: str) -> None:
    (tmp_path / "sources.d").mkdir()
    (tmp_path / "sources.d" / "library.yaml").write_text(GOOD)
    config = tmp_path / "bookhopper.yaml"
    config.write_text(SOURCE % settings)
    if not fault:
        assert load_settings(config).sources[0].kind == "html"
        return
    with pytest.raises(ConfigError) as refused:
        load_settings(config)
    (found,) = refused.value.faults
    assert found.startswith(f"{config}:{fault}")


def test_a_broken_definition_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "sources.d").mkdir()
    definition = tmp_path / "sources.d" / "library.yaml"
    definition.write_text(GOOD.replace("tr.book", "tr["))
    config = tmp_path / "bookhopper.yaml"
    config.write_text(SOURCE % "")
    with pytest.raises(
        ConfigError, match=r"13:5: search\.rows\.selector: `tr\[` is no CSS selector"
    ) as refused:
        load_settings(config)
    assert refused.value.faults[0].startswith(f"{definition}:")
    config.write_text(SOURCE.replace("library", "nope") % "")
    with pytest.raises(
        ConfigError, match=r"3:5: sources\.0\.definition: no definition is called nope: put nope"
    ):
        load_settings(config)


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "sources.d").mkdir()
    (tmp_path / "sources.d" / "library.yaml").write_text(GOOD)
    config = tmp_path / "bookhopper.yaml"
    config.write_text(SOURCE % "password: hush")
    assert "hush" not in repr(load_settings(config))
